/* SPDX-License-Identifier: Apache-2.0 */
/* What a session agrees with the kernel: operations, capabilities, and how files are opened. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/session.h"

static unsigned wanted(const struct fc_mount *m)
{
    unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_READDIRPLUS |
                    FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
                    FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_EXPLICIT_INVAL_DATA;

#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
    want |= FUSE_CAP_HANDLE_KILLPRIV_V2;
#endif
    /* ACLs imply default_permissions in the kernel. */
    if (m->root_view) /* with one id the kernel takes most ACLs for damaged */
        want |= FUSE_CAP_DONT_MASK | (m->single_id ? 0 : FUSE_CAP_POSIX_ACL);
    return want;
}

/*
 * The whole set is stated, since libfuse turns on things that we must not have: ATOMIC_O_TRUNC (O_TRUNC would be lost
 * without OPEN requests), AUTO_INVAL_DATA (wins over EXPLICIT_INVAL_DATA), HANDLE_KILLPRIV (does not say who may keep set-id bits).
 * FLOCK_LOCKS and POSIX_LOCKS stay off, so that the kernel keeps the locks; splicing gains nothing measurable.
 */
void fuse_op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct fc_mount *m = userdata;

    conn->want = conn->capable & wanted(m);
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
    m->kill_priv = conn->want & FUSE_CAP_HANDLE_KILLPRIV_V2;
#endif
    conn->max_write = FUSE_IO_MAX;
    conn->max_background = 64;
    conn->congestion_threshold = 48;
    conn->time_gran = 1;
    if (!(conn->capable & FUSE_CAP_NO_OPEN_SUPPORT) || !(conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT))
        m->classic_open = true;
    fuse_service_inited(&m->service);
}

/*
 * In no-open mode the first OPEN and the first OPENDIR are answered ENOSYS, and the kernel sends no more of them, nor
 * RELEASE; it then keeps the cached pages of files and directories from one open to the next. Everything in this
 * program is keyed by inode number, so there is nothing that an open file would need.
 */
void fuse_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fuse_service_read_ahead(&fuse_mount_of(req)->service);
    if (!fuse_mount_of(req)->classic_open) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

void fuse_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    if (!fuse_mount_of(req)->classic_open) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    fi->keep_cache = 1;
    fi->cache_readdir = 1;
    fuse_reply_open(req, fi);
}

/* ENOSYS makes the kernel do MKNOD and open; so it does for good after the first. */
void fuse_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct fc_mount *m = fuse_mount_of(req);
    struct fc_cred cred = fuse_cred_of(m, req);
    struct fuse_entry_param e;
    struct fc_attr attr;
    int r;

    if (!m->classic_open) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    r = fc_live_mknod(m->live, parent, name, strlen(name), S_IFREG | (mode & 07777), fuse_req_ctx(req)->umask, 0, 0,
                      &cred, &attr);
    if (r < 0) {
        fuse_reply_err(req, -r);
        return;
    }
    fi->keep_cache = 1;
    fuse_entry_of(m, &attr, &e);
    fuse_known_add(m, attr.ino);
    if (fuse_reply_create(req, &e, fi) < 0)
        fuse_known_forget(m, attr.ino, 1);
}

/* Nothing waits for close(2) here; ENOSYS ends these requests for good. */
void fuse_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    fuse_reply_err(req, ENOSYS);
}

/* No access(): the kernel decides by itself with default_permissions, and allows everything without. */
void fuse_operations(struct fuse_lowlevel_ops *ret)
{
    *ret = (struct fuse_lowlevel_ops){
        .init = fuse_op_init,
        .lookup = fuse_op_lookup,
        .forget = fuse_op_forget,
        .forget_multi = fuse_op_forget_multi,
        .getattr = fuse_op_getattr,
        .setattr = fuse_op_setattr,
        .readlink = fuse_op_readlink,
        .mknod = fuse_op_mknod,
        .mkdir = fuse_op_mkdir,
        .unlink = fuse_op_unlink,
        .rmdir = fuse_op_rmdir,
        .symlink = fuse_op_symlink,
        .rename = fuse_op_rename,
        .link = fuse_op_link,
        .open = fuse_op_open,
        .read = fuse_op_read,
        .write = fuse_op_write,
        .flush = fuse_op_flush,
        .fsync = fuse_op_fsync,
        .opendir = fuse_op_opendir,
        .readdir = fuse_op_readdir,
        .readdirplus = fuse_op_readdirplus,
        .fsyncdir = fuse_op_fsync,
        .statfs = fuse_op_statfs,
        .setxattr = fuse_op_setxattr,
        .getxattr = fuse_op_getxattr,
        .listxattr = fuse_op_listxattr,
        .removexattr = fuse_op_removexattr,
        .create = fuse_op_create,
        .fallocate = fuse_op_fallocate,
        .copy_file_range = fuse_op_copy_file_range,
        .lseek = fuse_op_lseek,
    };
}
