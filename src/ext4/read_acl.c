/* SPDX-License-Identifier: Apache-2.0 */
/* Decode a POSIX ACL as ext4 stores it. */
#include <errno.h>
#include <string.h>

#include "ext4/read.h"

#define ACL_XATTR_VERSION 2u
#define ACL_EXT4_VERSION 1u
#define ENTRY 8u       /* tag, permissions, id */
#define ENTRY_SHORT 4u /* without the id */

/* The size of the entry that begins with @tag, or 0 when there is no such tag. */
static size_t entry_size(uint16_t tag)
{
    enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

    switch (tag) {
    case USER:
    case GROUP:
        return ENTRY;
    case USER_OBJ:
    case GROUP_OBJ:
    case MASK:
    case OTHER:
        return ENTRY_SHORT;
    default:
        return 0;
    }
}

int fc_ext4_acl_decode(const void *data, size_t size, struct fc_arena *arena, void **ret, size_t *ret_size)
{
    const unsigned char *from = data;
    unsigned char *out, *to;
    uint32_t version;

    if (size < sizeof(version))
        return -EBADMSG;
    memcpy(&version, from, sizeof(version));
    if (version != ACL_EXT4_VERSION)
        return -EBADMSG;
    out = fc_arena_alloc(arena, 2 * size);
    if (!out)
        return -ENOMEM;
    memcpy(out, &(uint32_t){ACL_XATTR_VERSION}, 4);
    to = out + 4;
    for (size_t at = 4, n; at < size; at += n) {
        uint16_t tag;

        if (size - at < ENTRY_SHORT)
            return -EBADMSG;
        memcpy(&tag, from + at, sizeof(tag));
        n = entry_size(tag);
        if (!n || n > size - at)
            return -EBADMSG;
        memset(to + ENTRY_SHORT, 0xff, ENTRY - ENTRY_SHORT);
        memcpy(to, from + at, n);
        to += ENTRY;
    }
    *ret = out;
    *ret_size = (size_t)(to - out);
    return 0;
}
