/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes, with the ACLs' effect on the mode and the clearing of privileges. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "live/acl.h"
#include "live/internal.h"

static size_t position(const struct live_xattrs *x, const char *name, bool *ret_found)
{
    size_t lo = 0, hi = x->n;

    *ret_found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(x->items[mid].name, name);

        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c > 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

const struct fc_xattr *live_xattr_find(const struct live_xattrs *x, const char *name)
{
    bool found;
    size_t i = position(x, name, &found);

    return found ? &x->items[i] : NULL;
}

static void free_item(struct fc_xattr *item) { free((void *)(uintptr_t)item->name); }

int live_xattr_put(struct live_xattrs *x, const char *name, const void *value, size_t size)
{
    size_t name_size = strlen(name) + 1, i;
    char *block = malloc(name_size + size);
    bool found;

    if (!block || fc_grow(&x->items, &x->cap, x->n + 1, sizeof(*x->items)) < 0) {
        free(block);
        return -ENOMEM;
    }
    memcpy(block, name, name_size);
    if (size)
        memcpy(block + name_size, value, size);
    i = position(x, name, &found);
    if (found) {
        free_item(&x->items[i]);
    } else {
        memmove(&x->items[i + 1], &x->items[i], (x->n - i) * sizeof(*x->items));
        x->n++;
    }
    x->items[i] = (struct fc_xattr){.name = block, .value = block + name_size, .size = size};
    return 0;
}

bool live_xattr_remove(struct live_xattrs *x, const char *name)
{
    bool found;
    size_t i = position(x, name, &found);

    if (!found)
        return false;
    free_item(&x->items[i]);
    x->n--;
    memmove(&x->items[i], &x->items[i + 1], (x->n - i) * sizeof(*x->items));
    return true;
}

void live_xattrs_free(struct live_xattrs *x)
{
    for (size_t i = 0; i < x->n; i++)
        free_item(&x->items[i]);
    free(x->items);
    *x = (struct live_xattrs){0};
}

/* The @i-th attribute in name order. */
static int nth(const struct fc_live *live, const struct live_node *node, uint32_t i, struct fc_xattr *ret)
{
    if (!node->own)
        return fc_tree_xattr(live->tree, node->lower, i, ret);
    if (i >= node->own->xattrs.n)
        return 0;
    *ret = node->own->xattrs.items[i];
    return 1;
}

int live_node_xattr(const struct fc_live *live, const struct live_node *node, const char *name, struct fc_xattr *ret)
{
    struct fc_xattr x;

    for (uint32_t i = 0; nth(live, node, i, &x) > 0; i++) {
        if (strcmp(x.name, name) == 0) {
            *ret = x;
            return 1;
        }
    }
    return 0;
}

void live_kill_priv(struct fc_live *live, struct live_inode *inode, bool set_id)
{
    uint32_t kill = 0;

    if (S_ISDIR(inode->attr.mode))
        return;
    if (live_xattr_remove(&inode->xattrs, LIVE_CAPABILITY))
        live_dirty(live, inode, LIVE_DIRTY_ATTR | LIVE_DIRTY_XATTRS);
    if (!set_id)
        return;
    /* Without group execute, set-group-id means mandatory locking and stays. */
    kill = S_ISUID | (inode->attr.mode & S_IXGRP ? S_ISGID : 0);
    if (inode->attr.mode & kill) {
        inode->attr.mode &= ~kill;
        live_dirty(live, inode, LIVE_DIRTY_ATTR);
    }
}

static bool is_acl(const char *name)
{
    return strcmp(name, LIVE_ACL_ACCESS) == 0 || strcmp(name, LIVE_ACL_DEFAULT) == 0;
}

/* xattr(7): the namespaces that ext4 has. A name that a layer brought from elsewhere can be read and removed. */
static int check_namespace(const char *name)
{
    static const char *const known[] = {"user.", "trusted.", "security."};

    for (size_t i = 0; i < FC_LENGTH(known); i++)
        if (strncmp(name, known[i], strlen(known[i])) == 0)
            return name[strlen(known[i])] ? 0 : -EINVAL;
    return is_acl(name) ? 0 : -EOPNOTSUPP;
}

/* Reading */

ssize_t fc_live_getxattr(struct fc_live *live, uint64_t ino, const char *name, void *buffer, size_t size)
{
    struct live_node node;
    struct fc_xattr x;
    ssize_t r;

    live_lock(live);
    r = live_node(live, ino, &node);
    if (r == 0 && !live_node_xattr(live, &node, name, &x)) {
        r = check_namespace(name);
        r = r < 0 ? r : -ENODATA;
    }
    if (r == 0 && size > 0 && size < x.size)
        r = -ERANGE;
    if (r == 0) {
        if (size > 0 && x.size > 0)
            memcpy(buffer, x.value, x.size);
        r = (ssize_t)x.size;
    }
    live_unlock(live, NULL);
    return r;
}

ssize_t fc_live_listxattr(struct fc_live *live, uint64_t ino, char *buffer, size_t size)
{
    struct live_node node;
    struct fc_xattr x;
    size_t total = 0;
    int r;

    live_lock(live);
    r = live_node(live, ino, &node);
    for (uint32_t i = 0; r == 0 && nth(live, &node, i, &x) > 0; i++) {
        size_t len = strlen(x.name) + 1;

        if (size > 0 && total + len > size)
            r = -ERANGE;
        else if (size > 0)
            memcpy(buffer + total, x.name, len);
        total += len;
    }
    live_unlock(live, NULL);
    return r < 0 ? r : (ssize_t)total;
}

/* Writing */

static int check_set(const struct live_inode *inode, const char *name, size_t size, int flags)
{
    size_t len = strlen(name), names = 0;
    int r = check_namespace(name);
    bool exists = live_xattr_find(&inode->xattrs, name) != NULL;

    if (flags & ~(XATTR_CREATE | XATTR_REPLACE | FC_XATTR_KILL_SGID))
        return -EINVAL;
    if (len == 0 || len > FC_NAME_MAX)
        return -ERANGE;
    if (r < 0)
        return r;
    if (size > LIVE_XATTR_MAX)
        return -E2BIG;
    if (strncmp(name, "user.", 5) == 0 && !S_ISREG(inode->attr.mode) && !S_ISDIR(inode->attr.mode))
        return -EPERM; /* xattr(7) */
    if ((flags & XATTR_CREATE) && exists)
        return -EEXIST;
    if ((flags & XATTR_REPLACE) && !exists)
        return -ENODATA;
    for (size_t i = 0; !exists && i < inode->xattrs.n; i++)
        names += strlen(inode->xattrs.items[i].name) + 1;
    return !exists && names + len + 1 > LIVE_XATTR_MAX ? -ENOSPC : 0;
}

/* An access ACL sets the permission bits and is kept only if it says more than they can; an empty one is none. */
static int set_acl(struct live_inode *inode, const char *name, const void *value, size_t size, bool kill_sgid)
{
    bool access = strcmp(name, LIVE_ACL_ACCESS) == 0;
    uint32_t mode = inode->attr.mode;
    int r = live_acl_check(value, size), n = r;

    if (r < 0)
        return r;
    if (S_ISLNK(mode))
        return -EOPNOTSUPP;
    if (n > 0 && !access && !S_ISDIR(mode))
        return -EACCES;
    if (n == 0 || (access && !live_acl_mode(value, size, &mode)))
        live_xattr_remove(&inode->xattrs, name);
    else
        r = live_xattr_put(&inode->xattrs, name, value, size);
    if (r < 0)
        return r;
    inode->attr.mode = access && n > 0 && kill_sgid ? mode & ~(uint32_t)S_ISGID : mode;
    return 0;
}

static int own_inode(struct fc_live *live, uint64_t ino, struct live_node *ret)
{
    int r = live_node(live, ino, ret);

    return r < 0 ? r : live_own(live, ret);
}

static void attributes_changed(struct fc_live *live, struct live_inode *inode)
{
    inode->attr.ctime = live_now();
    live_dirty(live, inode, LIVE_DIRTY_ATTR | LIVE_DIRTY_XATTRS);
}

int fc_live_setxattr(struct fc_live *live, uint64_t ino, const char *name, const void *value, size_t size, int flags)
{
    struct live_notes notes = {0};
    struct live_node node;
    int r;

    live_lock(live);
    r = live->full ? -ENOSPC : own_inode(live, ino, &node);
    if (r == 0)
        r = check_set(node.own, name, size, flags);
    if (r == 0)
        r = is_acl(name) ? set_acl(node.own, name, value, size, flags & FC_XATTR_KILL_SGID)
                         : live_xattr_put(&node.own->xattrs, name, value, size);
    if (r == 0) {
        attributes_changed(live, node.own);
        live_note_inode(&notes, ino, false);
    }
    live_unlock(live, &notes);
    return r;
}

int fc_live_removexattr(struct fc_live *live, uint64_t ino, const char *name)
{
    struct live_notes notes = {0};
    struct live_node node;
    int r;

    live_lock(live);
    r = own_inode(live, ino, &node);
    if (r == 0 && live_xattr_remove(&node.own->xattrs, name)) {
        attributes_changed(live, node.own);
        live_note_inode(&notes, ino, false);
    } else if (r == 0 && !is_acl(name)) {
        /* Removing an ACL that is not there succeeds, as on other file systems. */
        r = check_namespace(name);
        r = r < 0 ? r : -ENODATA;
    }
    live_unlock(live, &notes);
    return r;
}
