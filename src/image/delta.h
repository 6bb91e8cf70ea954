/* SPDX-License-Identifier: Apache-2.0 */
/* Write only what an image has other than its predecessor. */
#ifndef FC_IMAGE_DELTA_H
#define FC_IMAGE_DELTA_H

#include "image/record.h"
#include "image/sink.h"

/**
 * Compare @image with the file @old, of which @record tells what it is made of.
 *
 * @fd is a file that has the bytes of @old (zeros behind them) and the length of the image: it becomes the image, by
 * writing only what differs. When @fd is -1 nothing is written. result->compared is set, and result->kept: the bytes that
 * are the same. Bytes whose origin tells nothing are compared. Returns 0 or a negative errno with words.
 */
int fc_image_emit_delta(const struct fc_image *image, int fd, int old, const struct fc_record *record,
                        const struct fc_image_write_options *options, struct fc_image_write_result *result,
                        struct fc_error *err);

#endif
