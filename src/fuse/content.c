/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about the contents of files and directories. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/session.h"

static void reply_done(fuse_req_t req, ssize_t n)
{
    if (n < 0)
        fuse_reply_err(req, (int)-n);
    else
        fuse_reply_write(req, (size_t)n);
}

void fuse_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    char small[8192], *big = NULL, *buffer = small;
    ssize_t n;

    (void)fi;
    if (size > sizeof(small))
        buffer = big = malloc(size);
    n = buffer ? fc_live_read(fuse_mount_of(req)->live, ino, buffer, size, (uint64_t)offset) : -ENOMEM;
    if (n < 0)
        fuse_reply_err(req, (int)-n);
    else
        fuse_reply_buf(req, buffer, (size_t)n);
    free(big);
}

/* Capabilities go with every write but one through a mapping; set-id bits only if the kernel says so, which knows who writes. */
void fuse_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                   struct fuse_file_info *fi)
{
    struct fc_mount *m = fuse_mount_of(req);
    ssize_t n;

    if (fi->writepage) { /* in this order, for settle() in flush.c */
        atomic_fetch_add(&m->mapped_writing, 1);
        atomic_fetch_add(&m->mapped_writes, 1);
    }
    if (fuse_request_kills())
        fuse_kill_priv(req, ino);
    n = fc_live_write(m->live, ino, data, size, (uint64_t)offset, fi->writepage ? FC_WRITE_MAPPED : 0);
    if (fi->writepage)
        atomic_fetch_sub(&m->mapped_writing, 1);
    reply_done(req, n);
}

void fuse_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)datasync;
    (void)fi;
    fuse_reply_err(req, fuse_mount_of(req)->batch_fsync ? 0 : -fc_live_fsync(fuse_mount_of(req)->live, ino));
}

void fuse_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
    (void)fi;
    if (fuse_req_ctx(req)->uid != 0) /* the kernel has no mark for this one */
        fuse_kill_priv(req, ino);
    fuse_reply_err(req, -fc_live_fallocate(fuse_mount_of(req)->live, ino, mode, (uint64_t)offset, (uint64_t)length));
}

void fuse_op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi)
{
    int64_t r = fc_live_lseek(fuse_mount_of(req)->live, ino, (uint64_t)offset, whence);

    (void)fi;
    if (r < 0)
        fuse_reply_err(req, (int)-r);
    else
        fuse_reply_lseek(req, r);
}

void fuse_op_copy_file_range(fuse_req_t req, fuse_ino_t ino, off_t offset, struct fuse_file_info *fi,
                             fuse_ino_t out_ino, off_t out_offset, struct fuse_file_info *out_fi, size_t size,
                             int flags)
{
    (void)fi;
    (void)out_fi;
    if (flags != 0) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    if (fuse_req_ctx(req)->uid != 0) /* nor for this */
        fuse_kill_priv(req, out_ino);
    reply_done(req, fc_live_copy(fuse_mount_of(req)->live, ino, (uint64_t)offset, out_ino, (uint64_t)out_offset, size));
}

#define HIDDEN (UINT64_C(1) << 63)

/** A directory listing on its way. */
struct listing {
    fuse_req_t req;
    struct fc_mount *m;
    fuse_ino_t ino;
    char *data;
    size_t used, size;
    bool plus;
    char name[FC_NAME_MAX + 1];
    uint64_t *taken; /* what was referenced; HIDDEN: but is not for the kernel, which is shown a place */
    size_t n_taken;
    bool hidden;
};

/* Not referenced in a listing, and without a node of its own. */
static bool is_dots(const char *name, size_t len)
{
    return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

static int list_one(void *arg, const char *name, size_t len, uint64_t next, const struct fc_attr *attr)
{
    struct listing *l = arg;
    size_t room = l->size - l->used, n;
    struct fuse_entry_param e;

    memcpy(l->name, name, len); /* libfuse wants a NUL; no name is longer than FC_NAME_MAX */
    l->name[len] = '\0';
    fuse_entry_of(l->m, attr, &e);
    if (is_dots(name, len) || fuse_place_is(l->m, l->ino, name, len))
        e.ino = 0;
    if (l->plus)
        n = fuse_add_direntry_plus(l->req, l->data + l->used, room, l->name, &e, (off_t)next);
    else
        n = fuse_add_direntry(l->req, l->data + l->used, room, l->name, &e.attr, (off_t)next);
    if (n > room)
        return 1;
    l->used += n;
    if (!l->plus || is_dots(name, len))
        return 0;
    fuse_known_add(l->m, attr->ino);
    l->hidden |= e.ino == 0;
    l->taken[l->n_taken++] = attr->ino | (e.ino == 0 ? HIDDEN : 0);
    return 0;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
    enum { SMALLEST = 152 }; /* a fuse_direntplus with one byte of name */
    struct fc_mount *m = fuse_mount_of(req);
    struct listing l = {.req = req, .m = m, .ino = ino, .size = size < FUSE_IO_MAX ? size : FUSE_IO_MAX, .plus = plus};
    bool given = false;
    int r = -ENOMEM;

    l.data = malloc(l.size);
    l.taken = plus ? malloc((l.size / SMALLEST + 1) * sizeof(*l.taken)) : NULL;
    if (l.data && (l.taken || !plus))
        r = fc_live_readdir(m->live, ino, (uint64_t)offset, plus, list_one, &l);
    if (r < 0)
        fuse_reply_err(req, -r);
    else
        given = fuse_reply_buf(req, l.data, l.used) == 0;
    for (size_t i = 0; (!given || l.hidden) && i < l.n_taken; i++)
        if (!given || (l.taken[i] & HIDDEN))
            fuse_known_forget(m, l.taken[i] & ~HIDDEN, 1);
    free(l.taken);
    free(l.data);
}

void fuse_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, offset, false);
}

void fuse_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, offset, true);
}
