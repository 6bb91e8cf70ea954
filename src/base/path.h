/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are names: showing them to a person. */
#ifndef FC_BASE_PATH_H
#define FC_BASE_PATH_H

#include <stddef.h>

#include "base/buf.h"

/** Append @len bytes of a name so that a terminal and a line-based tool survive it: control bytes and invalid UTF-8 as \xHH, backslash doubled. Returns 0 or -ENOMEM. */
int fc_name_quote(struct fc_buf *out, const char *name, size_t len);
/** The same into a caller's array (cut with "..." when it does not fit). Returns @out. For messages. */
char *fc_name_show(char *out, size_t size, const char *name, size_t len);

#endif
