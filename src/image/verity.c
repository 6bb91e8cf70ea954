/* SPDX-License-Identifier: Apache-2.0 */
/* Build the hash area of dm-verity as veritysetup(8) writes it. */
#include "image/verity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PER_BLOCK (FC_VERITY_BLOCK / sizeof(struct fc_digest))

/* Cryptsetup's lib/verity/verity.c; little-endian, at the start of the area's first block. */
struct superblock {
    uint8_t signature[8];
    uint32_t version, hash_type;
    uint8_t uuid[16];
    char algorithm[32];
    uint32_t data_block_size, hash_block_size;
    uint64_t data_blocks;
    uint16_t salt_size;
    uint8_t pad1[6];
    uint8_t salt[256];
    uint8_t pad2[168];
};
_Static_assert(sizeof(struct superblock) == 512, "the layout on the disk");

static uint64_t blocks_for(uint64_t n) { return n / PER_BLOCK + (n % PER_BLOCK != 0); }

int fc_verity_init(struct fc_verity *v, uint64_t data_blocks, const uint8_t salt[FC_VERITY_SALT],
                   const uint8_t uuid[16])
{
    uint64_t sizes[FC_VERITY_LEVELS], at = 1;

    if (!data_blocks)
        return -EINVAL;
    *v = (struct fc_verity){.data_blocks = data_blocks};
    memcpy(v->salt, salt, sizeof(v->salt));
    memcpy(v->uuid, uuid, sizeof(v->uuid));
    for (uint64_t n = data_blocks; n > 1; n = sizes[v->levels++])
        sizes[v->levels] = blocks_for(n);
    for (unsigned level = v->levels; level-- > 0; at += sizes[level])
        v->first[level] = at;
    if (at > SIZE_MAX / FC_VERITY_BLOCK)
        return -ENOMEM;
    v->area_size = at * FC_VERITY_BLOCK;
    v->area = calloc((size_t)at, FC_VERITY_BLOCK);
    return v->area ? 0 : -ENOMEM;
}

int fc_verity_digest(const struct fc_verity *v, struct fc_hasher *h, const void *data, struct fc_digest *ret)
{
    int r = fc_hasher_add(h, v->salt, sizeof(v->salt)); /* format 1: the salt comes first */

    if (r == 0)
        r = fc_hasher_add(h, data, FC_VERITY_BLOCK);
    return r == 0 ? fc_hasher_finish(h, ret) : r;
}

static void set(struct fc_verity *v, unsigned level, uint64_t index, const struct fc_digest *digest)
{
    unsigned char *to =
        level < v->levels ? v->area + v->first[level] * FC_VERITY_BLOCK + index * sizeof(*digest) : v->root.bytes;

    memcpy(to, digest, sizeof(*digest));
}

void fc_verity_set(struct fc_verity *v, uint64_t block, const struct fc_digest *digest) { set(v, 0, block, digest); }

static void put_superblock(const struct fc_verity *v)
{
    struct superblock sb = {.signature = "verity",
                            .version = 1,
                            .hash_type = 1,
                            .algorithm = "sha256",
                            .data_block_size = FC_VERITY_BLOCK,
                            .hash_block_size = FC_VERITY_BLOCK,
                            .data_blocks = v->data_blocks,
                            .salt_size = sizeof(v->salt)};

    memcpy(sb.uuid, v->uuid, sizeof(sb.uuid));
    memcpy(sb.salt, v->salt, sizeof(v->salt));
    memcpy(v->area, &sb, sizeof(sb));
}

int fc_verity_finish(struct fc_verity *v)
{
    struct fc_hasher *h = fc_hasher_new();
    uint64_t n = v->data_blocks;
    int r = h ? 0 : -ENOMEM;

    for (unsigned level = 0; level < v->levels && r == 0; level++) {
        n = blocks_for(n);
        for (uint64_t i = 0; i < n && r == 0; i++) {
            struct fc_digest digest;

            r = fc_verity_digest(v, h, v->area + (v->first[level] + i) * FC_VERITY_BLOCK, &digest);
            set(v, level + 1, i, &digest);
        }
    }
    put_superblock(v);
    fc_hasher_free(h);
    return r;
}

void fc_verity_release(struct fc_verity *v)
{
    free(v->area);
    *v = (struct fc_verity){0};
}
