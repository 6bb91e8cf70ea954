/* SPDX-License-Identifier: Apache-2.0 */
/* What the sinks of an image share: source lengths and progress. */
#ifndef FC_IMAGE_SINK_H
#define FC_IMAGE_SINK_H

#include "base/map.h"
#include "image/image.h"

/** Remembers about each source file what costs a system call to learn. All zero is empty. */
struct fc_image_sources {
    struct fc_map lengths; /**< descriptor to file length */
    struct fc_map foreign; /**< descriptors whose blocks cannot be shared with the output */
};

/**
 * How many of the @length bytes of file segment @s are really in the file; the rest, below 4096, is zeros.
 *
 * Returns 0 and sets *ret_length, or a negative errno with words: -EIO when the file is shorter than that.
 */
int fc_image_source_length(struct fc_image_sources *sources, const struct fc_segment *s, uint64_t *ret_length,
                           struct fc_error *err);
/** Free the memory; empty and usable again. */
void fc_image_sources_release(struct fc_image_sources *sources);
static inline void fc_image_sources_release_auto(struct fc_image_sources *s) { fc_image_sources_release(s); }

/** Tell @p (may be NULL) that writing of @total bytes begins, how far it is, and how it ended. */
void fc_image_progress_begin(struct fc_progress *p, uint64_t total);
void fc_image_progress_update(struct fc_progress *p, uint64_t done);
void fc_image_progress_end(struct fc_progress *p, int ok);

/**
 * Write the image into @fd, an open regular file or block device, where it belongs.
 *
 * @fresh says that the file already reads as zeros everywhere, so that zeros are not written. Does not sync.
 * Returns 0 or a negative errno with words.
 */
int fc_image_emit(const struct fc_image *image, int fd, bool fresh, const struct fc_image_write_options *options,
                  struct fc_image_write_result *result, struct fc_error *err);

/** Write the image in order to @fd. Returns 0 or a negative errno with words. */
int fc_image_emit_stream(const struct fc_image *image, int fd, const struct fc_image_write_options *options,
                         struct fc_error *err);

#endif
