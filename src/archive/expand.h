/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of what is in memory: gzip, xz, zstd, lz4 (also its legacy form), bzip2, lzop, lzma, by magic. */
#ifndef FC_ARCHIVE_EXPAND_H
#define FC_ARCHIVE_EXPAND_H

#include <stddef.h>

#include <fccompose/error.h>

#include "base/buf.h"

/** How the @size bytes @data are compressed ("gzip", "xz", "zstd", "lz4", "bzip2", "lzo", "lzma"), or NULL. */
const char *fc_expand_form(const void *data, size_t size);

/**
 * Decompress the @size bytes @data, one stream with nothing behind it, and append at most @max bytes to @ret; @label names
 * them in messages. Returns 0; -EBADMSG for damage and for what is not compressed; -EOPNOTSUPP for a form that libarchive
 * cannot read here; -EFBIG; -ENOMEM; with words. What was appended stays after a failure.
 */
int fc_expand(const void *data, size_t size, size_t max, const char *label, struct fc_buf *ret, struct fc_error *err);

#endif
