/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of an image, computed by threads of their own while it is written. */
#ifndef FC_IMAGE_SUMS_H
#define FC_IMAGE_SUMS_H

#include "image/image.h"

/** Digests on their way. */
struct fc_sums;

/** Whether @options ask for any digest. */
bool fc_sums_wanted(const struct fc_image_write_options *options);

/**
 * Start to digest @image as @options ask. Both are borrowed until fc_sums_free().
 *
 * Returns 0 and sets *ret_sums, or a negative errno with words.
 */
int fc_sums_start(const struct fc_image *image, const struct fc_image_write_options *options, struct fc_sums **ret_sums,
                  struct fc_error *err);

/**
 * Wait for the hash tree. Sets *ret_area (borrowed) and *ret_size to what is to be appended to the image or stored beside
 * it; NULL and 0 when no tree is wanted. Returns 0 or a negative errno with words.
 */
int fc_sums_area(struct fc_sums *s, const void **ret_area, uint64_t *ret_size, struct fc_error *err);

/** Bytes that fc_sums_area() will append to the image. @s may be NULL: none. */
uint64_t fc_sums_appended(const struct fc_sums *s);

/** Wait for everything, after fc_sums_area(), and fill the digests of *result. Returns 0 or a negative errno with words. */
int fc_sums_finish(struct fc_sums *s, struct fc_image_write_result *result, struct fc_error *err);

/** Write the files beside the image that were asked for, after fc_sums_finish(). Returns 0 or a negative errno. */
int fc_sums_write_files(const struct fc_sums *s, bool sync, struct fc_error *err);

/** End the threads, also before their time, and free. NULL is allowed. */
void fc_sums_free(struct fc_sums *s);

FC_DEFINE_AUTO(struct fc_sums *, fc_sums_free)

#endif
