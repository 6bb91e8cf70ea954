/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about names: look up, forget, create, link, remove, rename. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fuse/session.h"

struct fc_mount *fuse_mount_of(fuse_req_t req) { return fuse_req_userdata(req); }

void fuse_stat_of(const struct fc_mount *m, const struct fc_attr *attr, struct stat *ret)
{
    *ret = (struct stat){
        .st_ino = attr->ino,
        .st_mode = attr->mode,
        .st_nlink = attr->nlink,
        .st_uid = m->single_id             ? 0
                  : attr->uid == m->me.uid ? m->me.shown_uid
                                           : attr->uid,
        .st_gid = m->single_id             ? 0
                  : attr->gid == m->me.gid ? m->me.shown_gid
                                           : attr->gid,
        .st_rdev = makedev(attr->rdev_major, attr->rdev_minor),
        .st_size = (off_t)attr->size,
        .st_blksize = FUSE_BLOCK,
        .st_blocks = (blkcnt_t)attr->blocks,
        .st_atim = attr->atime,
        .st_mtim = attr->mtime,
        .st_ctim = attr->ctime,
    };
}

void fuse_entry_of(const struct fc_mount *m, const struct fc_attr *attr, struct fuse_entry_param *ret)
{
    *ret = (struct fuse_entry_param){.ino = attr->ino, .attr_timeout = FUSE_FOREVER, .entry_timeout = FUSE_FOREVER};
    fuse_stat_of(m, attr, &ret->attr);
}

struct fc_cred fuse_cred_for(const struct fc_mount *m, uint32_t uid, uint32_t gid)
{
    if (m->own_as_set)
        return (struct fc_cred){.uid = m->own_uid, .gid = m->own_gid};
    if (!m->root_view)
        return (struct fc_cred){.uid = m->me.uid, .gid = m->me.gid};
    return (struct fc_cred){.uid = uid, .gid = gid};
}

struct fc_cred fuse_cred_of(const struct fc_mount *m, fuse_req_t req)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);

    return fuse_cred_for(m, ctx->uid, ctx->gid);
}

/* Answer with an entry that fc_live_* referenced. When the kernel does not take it the reference is ours to drop. */
static void reply_entry(fuse_req_t req, int r, const struct fc_attr *attr)
{
    struct fc_mount *m = fuse_mount_of(req);
    struct fuse_entry_param e;

    if (r < 0) {
        fuse_reply_err(req, -r);
        return;
    }
    fuse_entry_of(m, attr, &e);
    fuse_known_add(m, attr->ino);
    if (fuse_reply_entry(req, &e) < 0)
        fuse_known_forget(m, attr->ino, 1);
}

void fuse_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    static const struct fuse_entry_param nothing = {.entry_timeout = FUSE_FOREVER};
    struct fc_live *live = fuse_mount_of(req)->live;
    struct fc_attr attr;
    int r = fc_live_lookup(live, parent, name, strlen(name), &attr);

    if (r == -ENOENT)
        fuse_reply_entry(req, &nothing); /* inode 0: the kernel remembers that there is none */
    else
        reply_entry(req, r, &attr);
}

void fuse_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    fuse_known_forget(fuse_mount_of(req), ino, n);
    fuse_reply_none(req);
}

void fuse_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        fuse_known_forget(fuse_mount_of(req), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

void fuse_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    struct fc_mount *m = fuse_mount_of(req);
    struct fc_cred cred = fuse_cred_of(m, req);
    struct fuse_groups groups;
    struct fc_attr attr;
    int r;

    /* In a set-group-id directory only members of its group make set-group-id programs. */
    if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !S_ISDIR(mode)) {
        fuse_groups_of(req, &groups);
        cred.groups = groups.ids;
        cred.n_groups = groups.n;
    }
    r = fc_live_mknod(m->live, parent, name, strlen(name), mode, fuse_req_ctx(req)->umask, major(rdev), minor(rdev),
                      &cred, &attr);
    reply_entry(req, r, &attr);
}

void fuse_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    fuse_op_mknod(req, parent, name, S_IFDIR | (mode & 07777), 0);
}

void fuse_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct fc_mount *m = fuse_mount_of(req);
    struct fc_cred cred = fuse_cred_of(m, req);
    struct fc_attr attr;
    int r = fc_live_symlink(m->live, parent, name, strlen(name), target, &cred, &attr);

    reply_entry(req, r, &attr);
}

void fuse_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    struct fc_attr attr;

    reply_entry(req, fc_live_link(fuse_mount_of(req)->live, ino, parent, name, strlen(name), &attr), &attr);
}

void fuse_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    fuse_reply_err(req, -fc_live_unlink(fuse_mount_of(req)->live, parent, name, strlen(name)));
}

void fuse_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    fuse_reply_err(req, -fc_live_rmdir(fuse_mount_of(req)->live, parent, name, strlen(name)));
}

void fuse_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                    unsigned flags)
{
    fuse_reply_err(req, -fc_live_rename(fuse_mount_of(req)->live, parent, name, strlen(name), new_parent, new_name,
                                        strlen(new_name), flags));
}
