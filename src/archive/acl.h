/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX ACLs: the text that tars carry and the binary form that Linux stores. Private to archive/. */
#ifndef FC_ARCHIVE_ACL_H
#define FC_ARCHIVE_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/**
 * Read an ACL text ("user::rwx,user:NAME:r-x:ID,..."; also newlines, short tags, "default:" in front) into the value of
 * system.posix_acl_access or _default, entries in the kernel's order; what is missing of the three base entries comes
 * from @mode, a needed mask is computed. Appends to @ret. Named entries without a number cannot be kept: *ret_dropped
 * counts them. Returns 0, -EBADMSG, or -ENOMEM.
 */
int fc_acl_from_text(const char *text, size_t len, uint32_t mode, struct fc_buf *ret, unsigned *ret_dropped);

/** Write the value @data as such text, with numeric ids. Returns 0, -EBADMSG if it is no valid value, or -ENOMEM. */
int fc_acl_to_text(const void *data, size_t size, struct fc_buf *ret);

/** Whether @data is a valid value. */
bool fc_acl_valid(const void *data, size_t size);

/** The permission bits of @mode as the valid access ACL @data sets them; *ret_minimal: the bits say all that it says. */
uint32_t fc_acl_mode(const void *data, size_t size, uint32_t mode, bool *ret_minimal);

#endif
