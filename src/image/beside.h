/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that stand beside an image: a hash area, the digests of its pieces. */
#ifndef FC_IMAGE_BESIDE_H
#define FC_IMAGE_BESIDE_H

#include <stdbool.h>

#include "base/digest.h"

/** Put a file of @size bytes at @path, complete or not at all; fsync if @sync. Returns 0 or a negative errno with words. */
int fc_image_put_file(const char *path, const void *data, size_t size, bool sync, struct fc_error *err);

/**
 * The same for the @n digests of the pieces of a file of @size bytes, as text: the lines "fccompose-chunks 1", "size N",
 * "chunk-size N", "algorithm sha256", then a digest in hexadecimal for each piece in order.
 */
int fc_image_put_chunks(const char *path, uint64_t size, const struct fc_digest *chunks, uint64_t n, bool sync,
                        struct fc_error *err);

#endif
