/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX ACLs as the kernel's xattr encoding has them, and how they and the mode follow each other (acl(5)). */
#ifndef FC_LIVE_ACL_H
#define FC_LIVE_ACL_H

#include <stddef.h>
#include <stdint.h>

/** Whether @value is a well-formed ACL. Returns the number of entries (0: no ACL), -EINVAL, or -EOPNOTSUPP. */
int live_acl_check(const void *value, size_t size);
/** Permission bits of a checked ACL into *@mode (other bits stay). Returns 1 if it says more than the mode can, else 0. */
int live_acl_mode(const void *value, size_t size, uint32_t *mode);
/** Let a checked access ACL follow a chmod to @mode. */
void live_acl_chmod(void *value, size_t size, uint32_t mode);
/**
 * Make a checked default ACL the access ACL of something that is created with *@mode; both are masked by each other.
 * Returns 1 if the ACL says more than the mode can, else 0.
 */
int live_acl_create(void *value, size_t size, uint32_t *mode);

#endif
