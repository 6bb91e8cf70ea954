/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a layer's pack file in order, digested on the way. */
#ifndef FC_LAYER_PACK_H
#define FC_LAYER_PACK_H

#include <stdint.h>

#include <fccompose/entry.h>
#include <fccompose/layer.h>

#include "base/digest.h"
#include "layer/format.h"

/** A pack file being written. */
struct fc_pack {
    int fd;                   /**< borrowed */
    struct fc_hasher *hasher; /**< of the block of FC_LAYER_SUM_BLOCK bytes that is not full yet */
    size_t hashed;            /**< bytes of it */
    struct fc_layer_sum *sums;
    size_t n_sums, cap_sums;
    char *buffer;
    size_t used;
    uint64_t allocated;      /**< the file has blocks up to here; UINT64_MAX: it gets them as they are written */
    uint64_t size;           /**< bytes given so far, those in the buffer included */
    uint64_t written, begun; /**< of them in the file; those that the disk was told to begin with */
    struct fc_layer_extent *extents;
    size_t n_extents, cap_extents;
    /* the current file */
    uint64_t file_size, file_end; /**< its length; where its last block ended */
    bool open;                    /**< the last extent may still grow */
};

/** Begin on the empty file @fd (borrowed). Returns 0 or -ENOMEM. */
int fc_pack_init(struct fc_pack *p, int fd);
/** Free the memory. An all-zero pack is fine. */
void fc_pack_release(struct fc_pack *p);
/** Start the content of a file of @size bytes, holes included. */
void fc_pack_file_begin(struct fc_pack *p, uint64_t size);
/**
 * Add a block. What it does not fill of its first and last 4096 bytes becomes zeros; blocks that touch share an extent.
 *
 * Returns 0; -EBADMSG if the block overlaps the one before or ends behind the file; -ENOSPC, -EIO, -ENOMEM.
 */
int fc_pack_file_block(struct fc_pack *p, const struct fc_block *block);
/** End the file. Returns 0 or -errno of writing. */
int fc_pack_file_end(struct fc_pack *p);
/** Write what is left; @p->sums are complete then. Returns 0 or -errno. */
int fc_pack_finish(struct fc_pack *p);

#endif
