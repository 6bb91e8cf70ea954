/* SPDX-License-Identifier: Apache-2.0 */
/* ACLs in the model: always three entries, or these with a named user, a named group and a mask. */
#include "model.h"

#include <errno.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static size_t put(unsigned char *p, unsigned tag, unsigned perm, uint32_t id)
{
    memcpy(p,
           (unsigned char[8]){(unsigned char)tag, 0, (unsigned char)perm, 0, id & 255, id >> 8 & 255, id >> 16 & 255,
                              id >> 24 & 255},
           8);
    return 8;
}

size_t m_acl(unsigned char *ret, unsigned user, unsigned group, unsigned other, int named, unsigned mask)
{
    size_t n = 4;

    memcpy(ret, (unsigned char[4]){2, 0, 0, 0}, 4);
    n += put(ret + n, 1, user, UINT32_MAX);
    if (named)
        n += put(ret + n, 2, 6, 1000);
    n += put(ret + n, 4, group, UINT32_MAX);
    if (named)
        n += put(ret + n, 8, 5, 50);
    if (named)
        n += put(ret + n, 16, mask, UINT32_MAX);
    n += put(ret + n, 32, other, UINT32_MAX);
    return n;
}

/* Where the permissions of a class are: with named entries the group class is the mask. */
static unsigned char *perm_of(unsigned char *acl, size_t size, char class)
{
    bool named = size > 4 + 3 * 8;
    size_t entry = class == 'u' ? 0 : class == 'o' ? (named ? 5 : 2) : named ? 4 : 1;

    return acl + 4 + entry * 8 + 2;
}

void m_acl_follow_mode(struct m_node *n)
{
    struct m_xattr *x = m_xattr(n, ACCESS);

    if (!x)
        return;
    *perm_of(x->value, x->size, 'u') = n->mode >> 6 & 7;
    *perm_of(x->value, x->size, 'g') = n->mode >> 3 & 7;
    *perm_of(x->value, x->size, 'o') = n->mode & 7;
}

void m_acl_inherit(const struct m_node *dir, struct m_node *n, uint32_t umask)
{
    const struct m_xattr *x = NULL;

    for (size_t i = 0; i < dir->n_xattrs; i++)
        if (strcmp(dir->xattrs[i].name, DEFAULT) == 0)
            x = &dir->xattrs[i];
    if (S_ISLNK(n->mode))
        return;
    if (!x) {
        n->mode &= ~(umask & 0777);
        return;
    }
    n->mode &= ~0777u | (uint32_t)*perm_of(x->value, x->size, 'u') << 6 |
               (uint32_t)*perm_of(x->value, x->size, 'g') << 3 | *perm_of(x->value, x->size, 'o');
    if (S_ISDIR(n->mode))
        m_xattr_set(n, DEFAULT, x->value, x->size);
    if (x->size > 4 + 3 * 8) {
        m_xattr_set(n, ACCESS, x->value, x->size);
        m_acl_follow_mode(n);
    }
}

int m_acl_set(struct m_node *n, const char *name, const unsigned char *value, size_t size)
{
    bool access = strcmp(name, ACCESS) == 0, named = size > 4 + 3 * 8;
    unsigned char copy[M_ACL_MAX];

    if (S_ISLNK(n->mode))
        return -EOPNOTSUPP;
    if (size > 4 && !access && !S_ISDIR(n->mode))
        return -EACCES;
    if (size <= 4 || (access && !named))
        m_xattr_remove(n, name);
    else
        m_xattr_set(n, name, value, size);
    if (size <= 4 || !access)
        return 0;
    memcpy(copy, value, size);
    n->mode = (n->mode & ~0777u) | (uint32_t)*perm_of(copy, size, 'u') << 6 | (uint32_t)*perm_of(copy, size, 'g') << 3 |
              *perm_of(copy, size, 'o');
    return 0;
}
