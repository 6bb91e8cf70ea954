/* SPDX-License-Identifier: Apache-2.0 */
/* Gather adjacent pieces of an image, from memory and from files, into few large writes. */
#ifndef FC_IMAGE_GATHER_H
#define FC_IMAGE_GATHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <fccompose/error.h>

#include "base/buf.h"

/** Pieces that wait to be written in one call. Set up with fc_gather_init(). */
struct fc_gather {
    int fd;      /**< borrowed */
    bool stream; /**< written where the descriptor stands, in order; not at offsets */
    uint64_t offset, length;
    struct iovec *iov;
    size_t n;
    unsigned char *stage; /**< what was read from files */
    size_t staged;
};

/** Begin writing to @fd (borrowed), at offsets or as a @stream. Returns 0 or -ENOMEM. */
int fc_gather_init(struct fc_gather *g, int fd, bool stream);

/**
 * The bytes of the output at @offset are the @length bytes at @memory, which must stay until the next flush.
 *
 * A piece that does not go on where the one before ended flushes first. Returns 0 or a negative errno with words.
 */
int fc_gather_memory(struct fc_gather *g, uint64_t offset, const void *memory, uint64_t length, struct fc_error *err);

/** As fc_gather_memory(), from @source_fd at @source_offset; -EIO with words when the file ends before. */
int fc_gather_file(struct fc_gather *g, uint64_t offset, int source_fd, uint64_t source_offset, uint64_t length,
                   struct fc_error *err);

/** As fc_gather_memory(), zeros. */
int fc_gather_zeros(struct fc_gather *g, uint64_t offset, uint64_t length, struct fc_error *err);

/** Write what waits. Returns 0 or a negative errno with words; what waited is forgotten in both cases. */
int fc_gather_flush(struct fc_gather *g, struct fc_error *err);

/** Free the memory; what waits is not written. */
void fc_gather_release(struct fc_gather *g);
static inline void fc_gather_release_auto(struct fc_gather *g) { fc_gather_release(g); }

#endif
