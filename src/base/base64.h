/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4: with padding, without line breaks). */
#ifndef FC_BASE_BASE64_H
#define FC_BASE_BASE64_H

#include "base/buf.h"

/** Append @size bytes as base64 to @out. Returns 0 or -ENOMEM. */
int fc_base64_encode(struct fc_buf *out, const void *data, size_t size);
/** Append the bytes that @text stands for to @out. Returns 0; -EINVAL when it is no base64 (@out is as it was); -ENOMEM. */
int fc_base64_decode(struct fc_buf *out, const char *text, size_t len);

#endif
