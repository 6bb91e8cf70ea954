/* SPDX-License-Identifier: Apache-2.0 */
/* Check POSIX ACLs, derive modes from them, and let them follow the mode. */
#include "live/acl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* linux/posix_acl_xattr.h: a version, then entries of tag, permissions, id, little-endian. */
enum { VERSION = 2, HEADER = 4, ENTRY = 8 };
enum { USER_OBJ = 0x01, USER = 0x02, GROUP_OBJ = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };

struct entry {
    uint16_t tag, perm;
    uint32_t id;
};

static struct entry get(const void *value, size_t i)
{
    struct entry e;

    memcpy(&e, (const char *)value + HEADER + i * ENTRY, ENTRY);
    return e;
}

static void put(void *value, size_t i, const struct entry *e) { memcpy((char *)value + HEADER + i * ENTRY, e, ENTRY); }

static size_t count(size_t size) { return (size - HEADER) / ENTRY; }

/* As posix_acl_valid() of the kernel: USER_OBJ, USER*, GROUP_OBJ, GROUP*, MASK (needed with named ones), OTHER. */
static int check_entries(const void *value, size_t n)
{
    uint16_t last = 0;
    unsigned seen = 0;

    for (size_t i = 0; i < n; i++) {
        struct entry e = get(value, i);
        int named = e.tag == USER || e.tag == GROUP;

        if (e.perm > 7 || e.tag < last || (e.tag == last && !named))
            return -EINVAL;
        if (e.tag != USER_OBJ && e.tag != USER && e.tag != GROUP_OBJ && e.tag != GROUP && e.tag != MASK &&
            e.tag != OTHER)
            return -EINVAL;
        seen |= e.tag;
        last = e.tag;
    }
    if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) != (USER_OBJ | GROUP_OBJ | OTHER))
        return -EINVAL;
    return (seen & (USER | GROUP)) && !(seen & MASK) ? -EINVAL : 0;
}

int live_acl_check(const void *value, size_t size)
{
    uint32_t version;
    int r;

    if (size == 0)
        return 0;
    if (size < HEADER || (size - HEADER) % ENTRY != 0)
        return -EINVAL;
    memcpy(&version, value, sizeof(version));
    if (version != VERSION)
        return -EOPNOTSUPP;
    if (size == HEADER)
        return 0;
    r = check_entries(value, count(size));
    return r < 0 ? r : (int)count(size);
}

int live_acl_mode(const void *value, size_t size, uint32_t *mode)
{
    uint32_t user = 0, group = 0, other = 0;
    int extended = 0;

    for (size_t i = 0; i < count(size); i++) {
        struct entry e = get(value, i);

        if (e.tag == USER_OBJ)
            user = e.perm;
        else if (e.tag == GROUP_OBJ && !(extended & 2))
            group = e.perm;
        else if (e.tag == OTHER)
            other = e.perm;
        else if (e.tag == MASK) {
            group = e.perm;
            extended |= 3;
        } else
            extended |= 1;
    }
    *mode = (*mode & ~(uint32_t)0777) | user << 6 | group << 3 | other;
    return extended != 0;
}

/* The entry that the group bits of the mode stand for: the mask if there is one. */
static size_t group_entry(const void *value, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        struct entry e = get(value, i);

        if (e.tag == MASK)
            return i;
        if (e.tag == GROUP_OBJ)
            found = i;
    }
    return found;
}

void live_acl_chmod(void *value, size_t size, uint32_t mode)
{
    size_t n = count(size), group = group_entry(value, n);

    for (size_t i = 0; i < n; i++) {
        struct entry e = get(value, i);

        if (e.tag == USER_OBJ)
            e.perm = mode >> 6 & 7;
        else if (e.tag == OTHER)
            e.perm = mode & 7;
        else if (i == group)
            e.perm = mode >> 3 & 7;
        put(value, i, &e);
    }
}

int live_acl_create(void *value, size_t size, uint32_t *mode)
{
    size_t n = count(size), group = group_entry(value, n);
    uint32_t m = *mode;
    int extended = 0;

    for (size_t i = 0; i < n; i++) {
        struct entry e = get(value, i);
        unsigned shift = e.tag == USER_OBJ ? 6 : e.tag == OTHER ? 0 : 3;

        extended |= e.tag == USER || e.tag == GROUP || e.tag == MASK;
        if (e.tag != USER_OBJ && e.tag != OTHER && i != group)
            continue;
        e.perm &= m >> shift & 7;
        m = (m & ~(7u << shift)) | (uint32_t)e.perm << shift;
        put(value, i, &e);
    }
    *mode = m;
    return extended;
}
