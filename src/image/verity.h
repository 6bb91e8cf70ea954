/* SPDX-License-Identifier: Apache-2.0 */
/* The hash area of dm-verity as veritysetup(8) writes it: format 1, SHA-256, blocks of 4096 bytes. */
#ifndef FC_IMAGE_VERITY_H
#define FC_IMAGE_VERITY_H

#include <stdint.h>

#include "base/digest.h"

#define FC_VERITY_BLOCK 4096u
#define FC_VERITY_SALT 32u
#define FC_VERITY_LEVELS 10u /* 128 digests a block: ten levels cover 2^64 blocks */

/**
 * A hash area in the making: a superblock, then the tree with its root level first.
 *
 * Leaves may be filled by several threads, each its own. All zero is none.
 */
struct fc_verity {
    uint64_t data_blocks;
    uint8_t salt[FC_VERITY_SALT], uuid[16];
    unsigned levels;                  /**< 0: a single data block, whose digest is the root */
    uint64_t first[FC_VERITY_LEVELS]; /**< block of the area where each level begins; 0 is the leaves' */
    unsigned char *area;              /**< owned */
    uint64_t area_size;
    struct fc_digest root; /**< after fc_verity_finish() */
};

/** Begin for @data_blocks blocks, of which there must be one. Returns 0, -ENOMEM, or -EINVAL. */
int fc_verity_init(struct fc_verity *v, uint64_t data_blocks, const uint8_t salt[FC_VERITY_SALT],
                   const uint8_t uuid[16]);

/** The digest of one block of @data under the salt; @h is the caller's and empty before and after. Returns 0 or -EIO. */
int fc_verity_digest(const struct fc_verity *v, struct fc_hasher *h, const void *data, struct fc_digest *ret);

/** Put the digest of data block @block in its place. */
void fc_verity_set(struct fc_verity *v, uint64_t block, const struct fc_digest *digest);

/** Build the levels above the leaves, the root digest and the superblock. Returns 0, -ENOMEM or -EIO. */
int fc_verity_finish(struct fc_verity *v);

/** Free the memory. */
void fc_verity_release(struct fc_verity *v);

#endif
