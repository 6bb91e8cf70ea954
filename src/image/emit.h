/* SPDX-License-Identifier: Apache-2.0 */
/* Put segments into a seekable output: shared blocks, copies, gathered memory, holes. */
#ifndef FC_IMAGE_EMIT_H
#define FC_IMAGE_EMIT_H

#include "image/gather.h"
#include "image/sink.h"

/** An output being written. Set up with fc_image_emitter_init(); pieces may come in any order, ascending is fastest. */
struct fc_image_emitter {
    struct fc_gather gather;
    bool zeros_there; /**< what was not written reads as zeros */
    bool no_clone;
    bool allocate;      /**< give blocks to a run before it is written, */
    uint64_t allocated; /**< which was done up to this byte */
    unsigned clone_failures;
    uint64_t done;
    struct fc_image_sources sources;
    struct fc_progress *progress;
    struct fc_image_write_result *result;
    struct fc_error *err;
};

/** Begin writing to @fd. Everything is borrowed until the release. Returns 0 or -ENOMEM with words. */
int fc_image_emitter_init(struct fc_image_emitter *o, int fd, const struct fc_image_write_options *options,
                          struct fc_image_write_result *result, struct fc_error *err);
/** Write a segment, or a part of one given as a segment. What is gathered is written by fc_gather_flush(). 0 or -errno. */
int fc_image_emitter_segment(struct fc_image_emitter *o, const struct fc_segment *s);
/** Report @n bytes more as done. */
void fc_image_emitter_advance(struct fc_image_emitter *o, uint64_t n);
/** Free the memory. */
void fc_image_emitter_release(struct fc_image_emitter *o);

#endif
