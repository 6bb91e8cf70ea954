/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes at the limits of their sizes, and ACLs. */
#include "model.h"

#include <errno.h>
#include <sys/xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static const char *draw_name(struct dice *d, char *buffer)
{
    static const char *const names[] = {
        "user.a", "user.b", "user.l", "trusted.l", "trusted.overlay.opaque", "security.x", "security.capability",
        ACCESS,   ACCESS,   DEFAULT};
    size_t len;

    if (one_in(d, 40))
        return one_in(d, 2) ? "nothing" : one_in(d, 2) ? "user." : "system.none";
    if (!one_in(d, 20))
        return names[roll(d, 10)];
    len = one_in(d, 4) ? 0 : 254 + roll(d, 3);
    memset(buffer, 'x', len);
    memcpy(buffer, "user.", len ? 5 : 0);
    buffer[len] = '\0';
    return buffer;
}

static bool is_acl(const char *name) { return strcmp(name, ACCESS) == 0 || strcmp(name, DEFAULT) == 0; }

static long name_error(const char *name)
{
    if (strcmp(name, "user.") == 0)
        return -EINVAL;
    return strcmp(name, "nothing") == 0 || strcmp(name, "system.none") == 0 || !*name ? -EOPNOTSUPP : 0;
}

static long set_error(struct m_node *n, const char *name, size_t size, int flags)
{
    bool exists = m_xattr(n, name) != NULL;

    if (flags > (XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL;
    if (strlen(name) == 0 || strlen(name) > 255)
        return -ERANGE;
    if (name_error(name))
        return name_error(name);
    if (size > 65536)
        return -E2BIG;
    if (strncmp(name, "user.", 5) == 0 && !S_ISREG(n->mode) && !S_ISDIR(n->mode))
        return -EPERM;
    if ((flags & XATTR_CREATE) && exists)
        return -EEXIST;
    return (flags & XATTR_REPLACE) && !exists ? -ENODATA : 0;
}

static void set(struct run *r, struct dice *d, const struct aim *a, const char *name)
{
    static const unsigned sizes[] = {0, 1, 255, 4096, 65535, 65536, 65537};
    static _Thread_local unsigned char value[65537];
    struct m_node *n = a->node < 0 ? NULL : &r->m->nodes[a->node];
    size_t size = one_in(d, 10) ? sizes[roll(d, 7)] : roll(d, 100);
    int flags = one_in(d, 4) ? (int)roll(d, 3) : one_in(d, 50) ? 4 : 0;
    unsigned first = roll(d, 256);
    long want;

    for (size_t i = 0; i < size; i++)
        value[i] = (unsigned char)(first + i);
    if (is_acl(name)) {
        size = m_acl(value, roll(d, 8), roll(d, 8), roll(d, 8), (int)roll(d, 2), roll(d, 8));
        size = one_in(d, 10) ? 4 : size;
    }
    want = n ? set_error(n, name, size, flags) : -ESTALE;
    if (want == 0 && is_acl(name))
        want = m_acl_set(n, name, value, size);
    else if (want == 0)
        m_xattr_set(n, name, value, size);
    say(r, "setxattr %llu %.40s: %zu bytes, flags %d", (unsigned long long)a->ino, name, size, flags);
    expect(r, fc_live_setxattr(r->live, a->ino, name, value, size, flags), want);
    if (want == 0)
        touch(r, a->node, T_CTIME);
}

/* A malformed ACL is refused and changes nothing. */
static void set_bad_acl(struct run *r, struct dice *d, const struct aim *a)
{
    unsigned char value[M_ACL_MAX];
    size_t size = m_acl(value, 7, 5, 5, 1, 5);
    long want = a->node < 0 ? -ESTALE : -EINVAL;

    switch (roll(d, 5)) {
    case 0:
        size -= 1 + roll(d, 7);
        break;
    case 1: /* no entry for others */
        size -= 8;
        break;
    case 2:
        value[0] = 3;
        want = a->node < 0 ? -ESTALE : -EOPNOTSUPP;
        break;
    case 3:
        value[4 + 2] = 8;
        break;
    default:
        value[4 + 8] = 64;
    }
    say(r, "setxattr %llu with a bad ACL of %zu bytes", (unsigned long long)a->ino, size);
    expect(r, fc_live_setxattr(r->live, a->ino, ACCESS, value, size, 0), want);
}

static void get(struct run *r, struct dice *d, const struct aim *a, const char *name)
{
    static _Thread_local unsigned char value[70000];
    struct m_node *n = a->node < 0 ? NULL : &r->m->nodes[a->node];
    struct m_xattr *x = n ? m_xattr(n, name) : NULL;
    size_t size = x ? x->size : 100;
    long want = !n ? -ESTALE : x ? (long)size : name_error(name) ? name_error(name) : -ENODATA;

    switch (roll(d, 4)) {
    case 0:
        size = 0;
        break;
    case 1:
        if (size > 1)
            size--;
        break;
    case 2:
        size = sizeof(value);
        break;
    default:
        break;
    }
    if (want > 0 && size > 0 && size < x->size)
        want = -ERANGE;
    say(r, "getxattr %llu %.40s into %zu bytes", (unsigned long long)a->ino, name, size);
    expect(r, fc_live_getxattr(r->live, a->ino, name, value, size), want);
    if (want > 0 && size > 0 && memcmp(value, x->value, x->size) != 0)
        disagree(r, "another value");
}

static void list(struct run *r, struct dice *d, const struct aim *a)
{
    static _Thread_local char names[70000];
    const struct m_node *n = a->node < 0 ? NULL : &r->m->nodes[a->node];
    size_t total = 0, size = 0;
    long want;

    for (size_t i = 0; n && i < n->n_xattrs; i++)
        total += strlen(n->xattrs[i].name) + 1;
    if (one_in(d, 2))
        size = total > 1 && one_in(d, 2) ? total - 1 : total;
    want = !n ? -ESTALE : size > 0 && size < total ? -ERANGE : (long)total;
    say(r, "listxattr %llu into %zu bytes", (unsigned long long)a->ino, size);
    expect(r, fc_live_listxattr(r->live, a->ino, names, size), want);
}

static void remove_one(struct run *r, const struct aim *a, const char *name)
{
    struct m_node *n = a->node < 0 ? NULL : &r->m->nodes[a->node];
    bool there = n && m_xattr_remove(n, name);

    say(r, "removexattr %llu %.40s", (unsigned long long)a->ino, name);
    expect(r, fc_live_removexattr(r->live, a->ino, name),
           !n                      ? -ESTALE
           : there || is_acl(name) ? 0
           : name_error(name)      ? name_error(name)
                                   : -ENODATA);
    if (there)
        touch(r, a->node, T_CTIME);
}

void op_xattr(struct run *r, struct dice *d)
{
    struct aim a = aim_any(r, d);
    char buffer[300];
    const char *name = draw_name(d, buffer);

    switch (roll(d, 12)) {
    case 0:
        set_bad_acl(r, d, &a);
        break;
    case 1:
    case 2:
        get(r, d, &a, name);
        break;
    case 3:
        list(r, d, &a);
        break;
    case 4:
    case 5:
    case 6:
        remove_one(r, &a, name);
        break;
    default:
        set(r, d, &a, name);
    }
}
