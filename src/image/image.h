/* SPDX-License-Identifier: Apache-2.0 */
/* How planners build a disk image: memory of its own, and segments appended in any order. */
#ifndef FC_IMAGE_IMAGE_H
#define FC_IMAGE_IMAGE_H

#include <fccompose/image.h>

#include "base/cleanup.h"

/**
 * Begin an image of @size bytes without segments.
 *
 * Returns 0 and sets *ret_image, or -ENOMEM. Free it with fc_image_free() at any time.
 */
int fc_image_new(uint64_t size, struct fc_image **ret_image);

/** Change the size of an image that is not finished yet. */
void fc_image_set_size(struct fc_image *image, uint64_t size);

/** @size cleared bytes, aligned to 16 and owned by @image; NULL when out of memory. */
void *fc_image_alloc(struct fc_image *image, size_t size);

/**
 * The bytes [offset, offset + length) of the image are those at @memory.
 *
 * @memory is kept and must live as long as the image (fc_image_alloc() is for that); several segments may share it, and
 * it may still be filled until fc_image_finish(). Returns 0 or -ENOMEM. A length of 0 adds nothing.
 */
int fc_image_add_memory(struct fc_image *image, uint64_t offset, const void *memory, uint64_t length);

/**
 * The bytes [offset, offset + length) of the image are those of @fd from @source_offset.
 *
 * @fd is borrowed until the image is freed. The file may end up to 4095 bytes early: what is missing reads as zeros.
 * Returns 0 or -ENOMEM. A length of 0 adds nothing.
 */
int fc_image_add_file(struct fc_image *image, uint64_t offset, int fd, uint64_t source_offset, uint64_t length);

/**
 * Say that the file @fd never changes, and that whatever file has the same @key (a digest of the content) has the same
 * bytes, in this process and any other. Without it a source may change between two images. Returns 0 or -ENOMEM.
 */
int fc_image_name_source(struct fc_image *image, int fd, const struct fc_digest *key);

/** The key that was given to source @fd (borrowed from @image), or NULL. */
const struct fc_digest *fc_image_source_key(const struct fc_image *image, int fd);

/**
 * Sort the segments, join those that continue each other, and make every gap a segment of zeros.
 *
 * Returns 0, -ENOMEM, or -EINVAL when two segments overlap or one passes the end (a planner's bug).
 */
int fc_image_finish(struct fc_image *image, struct fc_error *err);

/** Index of the segment that holds byte @offset, which must be below the image's size. */
size_t fc_image_find(const struct fc_image *image, uint64_t offset);

/** The next byte at or behind @offset that is in a run of zeros (@hole) or in none; the image's size if there is none. */
uint64_t fc_image_seek(const struct fc_image *image, uint64_t offset, bool hole);

FC_DEFINE_AUTO(struct fc_image *, fc_image_free)

#endif
