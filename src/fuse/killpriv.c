/* SPDX-License-Identifier: Apache-2.0 */
/* HANDLE_KILLPRIV_V2: clear set-id bits for the kernel, so that it need not look at them before each write. */
#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/session.h"

/*
 * Without it the kernel sends GETXATTR (of security.capability) before every WRITE, and GETATTR before every chown(2).
 * With it the kernel asks once per file, and marks the WRITE or SETATTR of those who may not keep the bits. libfuse
 * passes these marks on in no version up to 3.18, and up to 3.16 it cannot agree to the capability, either. So the marks
 * are read from the request itself (peek.c), and the capability is put into the answer to INIT.
 */

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 13) && !defined(FUSE_CAP_HANDLE_KILLPRIV_V2)

static ssize_t plain_read(int fd, void *buffer, size_t size, void *userdata)
{
    (void)userdata;
    return read(fd, buffer, size);
}

/* Answers pass unchanged, but for the one to an INIT that offers the capability: a header and a fuse_init_out. */
static ssize_t agree(int fd, struct iovec *iov, int n, void *userdata)
{
    struct fc_mount *m = userdata;

    if (fuse_request_offers() && n == 2 && iov[0].iov_len == sizeof(struct fuse_out_header) &&
        iov[1].iov_len >= offsetof(struct fuse_init_out, max_background)) {
        struct fuse_init_out *out = iov[1].iov_base;

        out->flags |= FUSE_HANDLE_KILLPRIV_V2;
        m->kill_priv = true;
    }
    return writev(fd, iov, n);
}

int fuse_kill_enable(struct fc_mount *m, struct fc_error *err)
{
    static const struct fuse_custom_io io = {.read = plain_read, .writev = agree};
    int r = fuse_session_custom_io(m->service.se, &io, fuse_session_fd(m->service.se));

    return r == 0 ? 0 : fc_fail(err, ENOMEM, "cannot make a FUSE session");
}

#else

int fuse_kill_enable(struct fc_mount *m, struct fc_error *err)
{
    (void)m;
    (void)err;
    return 0;
}

#endif

/* inode.c of Linux, setattr_should_drop_suidgid(): set-group-id without group execute stays for members of the group. */
static uint32_t to_clear(fuse_req_t req, const struct fc_attr *attr)
{
    uint32_t bits = attr->mode & S_ISUID;

    /* Only regular files are written to through us, but chown(2) is for all. */
    if (S_ISDIR(attr->mode))
        return 0;
    if ((attr->mode & S_ISGID) && ((attr->mode & S_IXGRP) || !fuse_in_group_or_root(req, attr->gid)))
        bits |= S_ISGID;
    return bits;
}

static void clear_bits(fuse_req_t req, fuse_ino_t ino, bool owner_alone)
{
    struct fc_mount *m = fuse_mount_of(req);
    uid_t uid = fuse_req_ctx(req)->uid;
    struct fc_attr attr;
    uint32_t bits;

    if (!m->kill_priv || fc_live_getattr(m->live, ino, &attr) < 0)
        return;
    if (owner_alone && m->root_view && uid != 0 && uid != attr.uid)
        return;
    bits = to_clear(req, &attr);
    if (!bits)
        return;
    attr.mode &= ~bits;
    if (fc_live_setattr(m->live, ino, &attr, FC_SET_MODE, NULL) < 0)
        return;
    /* Nothing in the answer to come says that the mode is another one. Of attributes alone (offset -1) the kernel
     * forgets at once, without waiting for a request of ours. */
    fuse_lowlevel_notify_inval_inode(m->service.se, ino, -1, 0);
}

void fuse_kill_priv(fuse_req_t req, fuse_ino_t ino) { clear_bits(req, ino, false); }

/*
 * With HANDLE_KILLPRIV_V2 a SETATTR of nothing is a chown(2) to -1 and -1, which the owner and root may do; or it comes
 * before a write that clears something, which will say so itself. (It is also what Linux sends before root writes to a
 * file with a capability: if that file has set-id bits, too, they go with the capability, unlike on ext4.)
 */
void fuse_kill_setattr(fuse_req_t req, fuse_ino_t ino, int to_set)
{
    if (fuse_request_kills() || (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)))
        clear_bits(req, ino, false);
    else if (to_set == 0)
        clear_bits(req, ino, true);
}
