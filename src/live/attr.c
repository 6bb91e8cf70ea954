/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: read and set mode, owner, size and times by Linux's rules; symlink texts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/acl.h"
#include "live/internal.h"

int fc_live_getattr(struct fc_live *live, uint64_t ino, struct fc_attr *ret)
{
    struct live_node node;
    int r;

    live_lock(live);
    r = live_node(live, ino, &node);
    if (r == 0)
        live_attr(live, &node, ret);
    live_unlock(live, NULL);
    return r;
}

int live_chmod_acl(struct live_inode *inode, uint32_t mode)
{
    const struct fc_xattr *x = live_xattr_find(&inode->xattrs, LIVE_ACL_ACCESS);
    fc_auto(fc_free) void *acl = NULL;
    int r;

    if (!x || live_acl_check(x->value, x->size) <= 0)
        return 0;
    acl = malloc(x->size);
    if (!acl)
        return -ENOMEM;
    memcpy(acl, x->value, x->size);
    live_acl_chmod(acl, x->size, mode);
    r = live_xattr_put(&inode->xattrs, LIVE_ACL_ACCESS, acl, x->size);
    return r < 0 ? r : 1;
}

/* chown(2) of a non-directory clears set-id bits and capabilities, whoever asks. */
static void set_owner(struct fc_live *live, struct live_inode *inode, const struct fc_attr *attr, unsigned which)
{
    if (which & FC_SET_UID)
        inode->attr.uid = attr->uid;
    if (which & FC_SET_GID)
        inode->attr.gid = attr->gid;
    live_kill_priv(live, inode, true);
}

static int set_mode(struct live_inode *inode, uint32_t mode, unsigned *dirty)
{
    int r;

    if (S_ISLNK(inode->attr.mode))
        return -EOPNOTSUPP;
    r = live_chmod_acl(inode, mode);
    if (r < 0)
        return r;
    inode->attr.mode = (inode->attr.mode & S_IFMT) | (mode & 07777);
    if (r > 0)
        *dirty |= LIVE_DIRTY_XATTRS;
    return 0;
}

static void set_times(struct live_inode *inode, const struct fc_attr *attr, unsigned which, struct timespec now)
{
    if (which & FC_SET_ATIME)
        inode->attr.atime = attr->atime;
    if (which & FC_SET_ATIME_NOW)
        inode->attr.atime = now;
    if (which & FC_SET_MTIME)
        inode->attr.mtime = attr->mtime;
    if (which & FC_SET_MTIME_NOW)
        inode->attr.mtime = now;
    inode->attr.ctime = which & FC_SET_CTIME ? attr->ctime : now;
}

static int set_attrs(struct fc_live *live, struct live_inode *inode, const struct fc_attr *attr, unsigned which)
{
    unsigned dirty = LIVE_DIRTY_ATTR;
    struct timespec now = live_now();

    if (which & (FC_SET_UID | FC_SET_GID))
        set_owner(live, inode, attr, which);
    if (which & FC_SET_MODE) {
        int r = set_mode(inode, attr->mode, &dirty);

        if (r < 0)
            return r;
    }
    if (which & FC_SET_SIZE) {
        inode->attr.mtime = now;
        live_kill_priv(live, inode, which & FC_SET_KILL_PRIV);
    } else if (which & FC_SET_KILL_PRIV) {
        live_kill_priv(live, inode, true);
    }
    set_times(inode, attr, which, now);
    live_dirty(live, inode, dirty);
    return 0;
}

static int resize(struct fc_live *live, uint64_t ino, uint64_t size)
{
    struct live_inode *inode;
    int r = live_content_begin(live, ino, &inode);

    if (r < 0)
        return r;
    r = live_truncate(live, inode, size);
    live_content_end(live, inode);
    return r;
}

static int setattr(struct fc_live *live, uint64_t ino, const struct fc_attr *attr, unsigned which)
{
    struct live_node node;
    int r = live_node(live, ino, &node);

    if (r < 0)
        return r;
    if (live->read_only)
        return -EROFS;
    if ((which & FC_SET_MODE) && S_ISLNK(live_mode(live, &node)))
        return -EOPNOTSUPP;
    if (which & FC_SET_SIZE) {
        r = resize(live, ino, attr->size);
        if (r < 0)
            return r;
        /* The lock may have been given up for a while. */
        r = live_node(live, ino, &node);
    }
    if (r == 0)
        r = live_own(live, &node);
    return r < 0 ? r : set_attrs(live, node.own, attr, which);
}

int fc_live_setattr(struct fc_live *live, uint64_t ino, const struct fc_attr *attr, unsigned which, struct fc_attr *ret)
{
    struct live_notes notes = {0};
    struct live_node node;
    int r;

    live_lock(live);
    r = setattr(live, ino, attr, which);
    if (r == 0 && ret) {
        r = live_node(live, ino, &node);
        if (r == 0)
            live_attr(live, &node, ret);
    }
    live_note_inode(&notes, ino, which & FC_SET_SIZE);
    live_unlock(live, r == 0 ? &notes : NULL);
    return r;
}

int fc_live_readlink(struct fc_live *live, uint64_t ino, struct fc_buf *ret)
{
    struct live_node node;
    const char *target;
    int r;

    live_lock(live);
    r = live_node(live, ino, &node);
    if (r == 0 && !S_ISLNK(live_mode(live, &node)))
        r = -EINVAL;
    if (r == 0) {
        target = node.own && !node.own->lower_content ? node.own->target : fc_tree_target(live->tree, node.lower);
        r = target ? fc_buf_adds(ret, target) : -EIO;
    }
    live_unlock(live, NULL);
    return r;
}
