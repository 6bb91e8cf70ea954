/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about attributes, symlinks, extended attributes, and the size of the file system. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fuse/session.h"

static void reply_attr(fuse_req_t req, int r, const struct fc_attr *attr)
{
    struct stat st;

    if (r < 0) {
        fuse_reply_err(req, -r);
        return;
    }
    fuse_stat_of(fuse_mount_of(req), attr, &st);
    fuse_reply_attr(req, &st, FUSE_FOREVER);
}

void fuse_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fc_attr attr;

    (void)fi;
    reply_attr(req, fc_live_getattr(fuse_mount_of(req)->live, ino, &attr), &attr);
}

void fuse_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
    static const struct {
        int fuse;
        unsigned live;
    } bits[] = {
        {FUSE_SET_ATTR_MODE, FC_SET_MODE},
        {FUSE_SET_ATTR_UID, FC_SET_UID},
        {FUSE_SET_ATTR_GID, FC_SET_GID},
        {FUSE_SET_ATTR_SIZE, FC_SET_SIZE},
        {FUSE_SET_ATTR_ATIME, FC_SET_ATIME},
        {FUSE_SET_ATTR_MTIME, FC_SET_MTIME},
        {FUSE_SET_ATTR_CTIME, FC_SET_CTIME},
        {FUSE_SET_ATTR_ATIME_NOW, FC_SET_ATIME_NOW},
        {FUSE_SET_ATTR_MTIME_NOW, FC_SET_MTIME_NOW},
    };
    struct fc_mount *m = fuse_mount_of(req);
    struct fc_attr attr = {
        .mode = st->st_mode,
        .uid = st->st_uid == m->me.shown_uid ? m->me.uid : st->st_uid,
        .gid = st->st_gid == m->me.shown_gid ? m->me.gid : st->st_gid,
        .size = (uint64_t)st->st_size,
        .atime = st->st_atim,
        .mtime = st->st_mtim,
        .ctime = st->st_ctim,
    };
    unsigned which = 0;
    int r;

    (void)fi;
    fuse_kill_setattr(req, ino, to_set);
    for (size_t i = 0; i < FC_LENGTH(bits); i++)
        if (to_set & bits[i].fuse)
            which |= bits[i].live;
    r = fc_live_setattr(m->live, ino, &attr, which, &attr);
    reply_attr(req, r, &attr);
}

void fuse_op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf text = {0};
    int r = fc_live_readlink(fuse_mount_of(req)->live, ino, &text);

    if (r < 0)
        fuse_reply_err(req, -r);
    else
        fuse_reply_readlink(req, text.data ? text.data : "");
}

/* Free space is the host's; what the tree has and the host cannot know is its number of inodes. */
void fuse_op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct fc_mount *m = fuse_mount_of(req);
    struct fc_live_stat count;
    struct statvfs host, st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = FC_NAME_MAX};

    (void)ino;
    fc_live_stat(m->live, &count);
    if (fstatvfs(m->host_fd, &host) < 0) {
        fuse_reply_err(req, errno);
        return;
    }
    st.f_bfree = (fsblkcnt_t)((uint64_t)host.f_bfree * host.f_frsize / st.f_frsize);
    st.f_bavail = (fsblkcnt_t)((uint64_t)host.f_bavail * host.f_frsize / st.f_frsize);
    st.f_blocks = (fsblkcnt_t)((uint64_t)host.f_blocks * host.f_frsize / st.f_frsize);
    st.f_ffree = st.f_favail = UINT32_MAX; /* inode numbers stay below 2^32 */
    st.f_files = count.n_inodes + st.f_ffree;
    fuse_reply_statfs(req, &st);
}

/* Most answers are small or "none": those need no allocation. */
static void reply_xattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct fc_live *live = fuse_mount_of(req)->live;
    char small[1024], *big = NULL, *buffer = small;
    ssize_t n;

    if (size > sizeof(small))
        buffer = big = malloc(size);
    if (!buffer)
        n = -ENOMEM;
    else
        n = name ? fc_live_getxattr(live, ino, name, buffer, size) : fc_live_listxattr(live, ino, buffer, size);
    if (n < 0)
        fuse_reply_err(req, (int)-n);
    else if (size == 0)
        fuse_reply_xattr(req, (size_t)n);
    else
        fuse_reply_buf(req, buffer, (size_t)n);
    free(big);
}

void fuse_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    reply_xattr(req, ino, name, size);
}

void fuse_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) { reply_xattr(req, ino, NULL, size); }

void fuse_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
    struct fc_mount *m = fuse_mount_of(req);
    struct fc_attr a;
    int r;

    /* The kernel says so itself (FUSE_SETXATTR_ACL_KILL_SGID), but libfuse up to 3.18 does not pass that on. */
    if (m->root_view && strcmp(name, "system.posix_acl_access") == 0 && fc_live_getattr(m->live, ino, &a) == 0 &&
        (a.mode & S_ISGID) && !fuse_in_group_or_root(req, a.gid))
        flags |= FC_XATTR_KILL_SGID;
    r = fc_live_setxattr(m->live, ino, name, value, size, flags);

    /*
     * An ACL sets permission bits. Where the kernel keeps no ACLs, in an ordinary user's mount, it takes one for any
     * xattr and would go on to show the mode that it knew (Linux 6.18).
     */
    if (r == 0 && !m->root_view && strcmp(name, "system.posix_acl_access") == 0)
        fuse_notifier_attr(m, ino);
    fuse_reply_err(req, -r);
}

void fuse_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    fuse_reply_err(req, -fc_live_removexattr(fuse_mount_of(req)->live, ino, name));
}
