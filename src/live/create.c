/* SPDX-License-Identifier: Apache-2.0 */
/* Make files, directories, devices, symlinks and nameless files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/acl.h"
#include "live/internal.h"

int live_name_new(struct fc_live *live, const struct live_node *dir, const char *name, size_t len)
{
    int r = live_name_check(name, len);

    if (r < 0)
        return r;
    if (live_nlink(live, dir) == 0)
        return -ENOENT;
    if ((len <= 2 && memcmp(name, "..", len) == 0) || live_dir_find(live, dir, name, len))
        return -EEXIST;
    return 0;
}

bool fc_cred_in_group(const struct fc_cred *cred, uint32_t gid)
{
    if (cred->gid == gid)
        return true;
    for (uint32_t i = 0; i < cred->n_groups; i++)
        if (cred->groups[i] == gid)
            return true;
    return false;
}

/* What a new inode is to be. */
struct birth {
    uint32_t mode, umask, rdev_major, rdev_minor;
    const struct fc_cred *cred;
    const char *target;
};

/* Permissions from the parent's default ACL, which also becomes the child's own (acl(5), "object creation"). */
static int inherit_acl(struct fc_live *live, const struct live_node *dir, struct live_inode *inode, uint32_t umask)
{
    struct fc_xattr x;
    fc_auto(fc_free) void *acl = NULL;
    uint32_t mode = inode->attr.mode;
    int extended, r = 0;

    if (S_ISLNK(mode))
        return 0;
    if (!live_node_xattr(live, dir, LIVE_ACL_DEFAULT, &x) || live_acl_check(x.value, x.size) <= 0) {
        inode->attr.mode = mode & ~(umask & 0777);
        return 0;
    }
    acl = malloc(x.size);
    if (!acl)
        return -ENOMEM;
    memcpy(acl, x.value, x.size);
    if (S_ISDIR(mode))
        r = live_xattr_put(&inode->xattrs, LIVE_ACL_DEFAULT, x.value, x.size);
    extended = live_acl_create(acl, x.size, &mode);
    if (r == 0 && extended)
        r = live_xattr_put(&inode->xattrs, LIVE_ACL_ACCESS, acl, x.size);
    inode->attr.mode = mode;
    return r;
}

static void inherit_group(struct fc_live *live, const struct live_node *dir, struct live_inode *inode,
                          const struct fc_cred *cred)
{
    struct fc_attr parent;

    live_attr(live, dir, &parent);
    if (!(parent.mode & S_ISGID))
        return;
    inode->attr.gid = parent.gid;
    if (S_ISDIR(inode->attr.mode))
        inode->attr.mode |= S_ISGID;
    else if (cred->uid != 0 && !fc_cred_in_group(cred, parent.gid) &&
             (inode->attr.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        inode->attr.mode &= ~(uint32_t)S_ISGID; /* nobody gets a set-group-id program of a group that is not theirs */
}

/* The inode, in no table yet. */
static int conceive(struct fc_live *live, const struct live_node *dir, const struct birth *b, struct live_inode **ret)
{
    uint64_t ino = live->full ? 0 : fc_edit_new_ino(live->edit, NULL);
    fc_auto(live_inode_free) struct live_inode *inode = ino ? live_inode_new(ino) : NULL;
    int r;

    if (!ino)
        return live->full ? -ENOSPC : -EIO;
    if (!inode)
        return -ENOMEM;
    inode->attr.mode = b->mode;
    inode->attr.uid = b->cred->uid;
    inode->attr.gid = b->cred->gid;
    if (S_ISCHR(b->mode) || S_ISBLK(b->mode)) {
        inode->attr.rdev_major = b->rdev_major;
        inode->attr.rdev_minor = b->rdev_minor;
    }
    inode->attr.nlink = S_ISDIR(b->mode) ? 2 : 1;
    inode->attr.atime = inode->attr.mtime = inode->attr.ctime = inode->attr.crtime = live_now();
    inode->parent = S_ISDIR(b->mode) ? dir->ino : 0;
    inherit_group(live, dir, inode, b->cred);
    r = inherit_acl(live, dir, inode, b->umask);
    if (r == 0 && b->target) {
        inode->attr.size = strlen(b->target);
        inode->target = strdup(b->target);
        r = inode->target ? 0 : -ENOMEM;
    }
    if (r == 0 && S_ISDIR(b->mode))
        r = live_dir_own(live, inode);
    if (r < 0)
        return r;
    *ret = fc_steal(&inode);
    return 0;
}

/* Put a new inode into the tables and take the creator's reference. Owns @inode in any case. */
static int bear(struct fc_live *live, struct live_inode *inode)
{
    int r = live_inode_insert(live, inode);

    if (r < 0) {
        live_inode_free(inode);
        return r;
    }
    r = live_ref(live, inode->attr.ino);
    if (r < 0)
        live_inode_drop(live, inode);
    return r;
}

int live_whiteout(struct fc_live *live, struct live_node *dir, const char *name, size_t len, struct live_inode **ret)
{
    static const struct fc_cred root;
    struct birth b = {.mode = S_IFCHR, .cred = &root};
    struct live_inode *inode;
    int r = conceive(live, dir, &b, &inode);

    if (r < 0)
        return r;
    r = live_inode_insert(live, inode);
    if (r < 0) {
        live_inode_free(inode);
        return r;
    }
    r = live_dir_set(live, dir->own, name, len, inode->attr.ino);
    if (r < 0) {
        live_inode_drop(live, inode);
        return r;
    }
    live_dirty(live, inode, LIVE_DIRTY_ALL);
    *ret = inode;
    return 0;
}

static int create(struct fc_live *live, uint64_t parent, const char *name, size_t len, const struct birth *b,
                  struct fc_attr *ret, struct live_notes *notes)
{
    struct live_node dir;
    struct live_inode *inode;
    uint64_t ino;
    int r = live_node_dir(live, parent, &dir);

    if (r == 0)
        r = live_name_new(live, &dir, name, len);
    if (r == 0)
        r = live_own(live, &dir);
    if (r == 0)
        r = live_dir_prepare(live, dir.own, name, len);
    if (r == 0)
        r = conceive(live, &dir, b, &inode);
    if (r < 0)
        return r;
    ino = inode->attr.ino;
    r = live_dir_set(live, dir.own, name, len, ino);
    if (r < 0) {
        live_inode_free(inode);
        return r;
    }
    r = bear(live, inode);
    if (r < 0) {
        live_dir_remove(dir.own, name, len);
        return r;
    }
    dir.own->attr.nlink += S_ISDIR(b->mode);
    live_touch_dir(live, dir.own);
    live_dirty(live, inode, LIVE_DIRTY_ALL);
    live_attr(live, &(struct live_node){.own = inode, .lower = FC_TREE_NONE, .ino = ino}, ret);
    live_note_entry(notes, parent, name, len, ino);
    live_note_inode(notes, parent, true);
    return 0;
}

static int create_one(struct fc_live *live, uint64_t parent, const char *name, size_t len, const struct birth *b,
                      struct fc_attr *ret)
{
    bool tried = false;
    int r;

    do {
        struct live_notes notes = {0};

        live_lock(live);
        r = create(live, parent, name, len, b, ret, &notes);
        live_unlock(live, &notes);
    } while (live_make_room(live, r, &tried));
    return r;
}

int fc_live_mknod(struct fc_live *live, uint64_t parent, const char *name, size_t len, uint32_t mode, uint32_t umask,
                  uint32_t rdev_major, uint32_t rdev_minor, const struct fc_cred *cred, struct fc_attr *ret)
{
    struct birth b = {.umask = umask, .rdev_major = rdev_major, .rdev_minor = rdev_minor, .cred = cred};

    b.mode = (mode & S_IFMT ? mode & S_IFMT : S_IFREG) | (mode & 07777);
    switch (b.mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return create_one(live, parent, name, len, &b, ret);
    default:
        return -EINVAL;
    }
}

int fc_live_symlink(struct fc_live *live, uint64_t parent, const char *name, size_t len, const char *target,
                    const struct fc_cred *cred, struct fc_attr *ret)
{
    struct birth b = {.mode = S_IFLNK | 0777, .cred = cred, .target = target};

    if (!*target)
        return -ENOENT;
    if (strlen(target) > FC_TARGET_MAX)
        return -ENAMETOOLONG;
    return create_one(live, parent, name, len, &b, ret);
}

static int create_nameless(struct fc_live *live, uint64_t parent, const struct birth *b, struct fc_attr *ret)
{
    struct live_node dir;
    struct live_inode *inode;
    int r = live_node_dir(live, parent, &dir);

    if (r < 0)
        return r;
    if (live->read_only)
        return -EROFS;
    if (live_nlink(live, &dir) == 0)
        return -ENOENT;
    r = conceive(live, &dir, b, &inode);
    if (r < 0)
        return r;
    inode->attr.nlink = 0;
    inode->linkable = true;
    r = bear(live, inode);
    if (r < 0)
        return r;
    live_attr(live, &(struct live_node){.own = inode, .lower = FC_TREE_NONE, .ino = inode->attr.ino}, ret);
    return 0;
}

int fc_live_tmpfile(struct fc_live *live, uint64_t parent, uint32_t mode, uint32_t umask, const struct fc_cred *cred,
                    struct fc_attr *ret)
{
    struct birth b = {.mode = S_IFREG | (mode & 07777), .umask = umask, .cred = cred};
    bool tried = false;
    int r;

    do {
        live_lock(live);
        r = create_nameless(live, parent, &b, ret);
        live_unlock(live, NULL);
    } while (live_make_room(live, r, &tried));
    return r;
}
