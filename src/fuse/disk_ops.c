/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about the virtual disk and the directory that it is in. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "fuse/disk_session.h"
#include "image/image.h"

static struct fc_disk *disk_of(fuse_req_t req) { return fuse_req_userdata(req); }

static struct disk_node *node_of(const struct fuse_file_info *fi) { return (struct disk_node *)(uintptr_t)fi->fh; }

/* What went wrong has words for the log, and a number for who asked. */
static void reply_failure(fuse_req_t req, int r, const struct fc_error *err)
{
    if (err->msg[0])
        fc_log(FC_LOG_WARN, FC_DISK_NAME ": %s", err->msg);
    fuse_reply_err(req, -r);
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
    struct fc_disk *d = userdata;

    conn->want = conn->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS);
    conn->max_write = FUSE_IO_MAX;
    conn->max_readahead = FUSE_IO_MAX;
    conn->max_background = 64;
    conn->congestion_threshold = 48;
    conn->time_gran = 1;
    fuse_service_inited(&d->service);
}

static void stat_root(const struct fc_disk *d, struct stat *ret)
{
    *ret = (struct stat){.st_ino = DISK_ROOT,
                         .st_mode = S_IFDIR | 0500,
                         .st_nlink = 2,
                         .st_uid = d->uid,
                         .st_gid = d->gid,
                         .st_atim = d->began,
                         .st_mtim = d->began,
                         .st_ctim = d->began};
}

/* The name may stand for another inode any time, so the kernel asks each time; an inode stays what it is. */
static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fc_disk *d = disk_of(req);
    struct fuse_entry_param e = {.attr_timeout = FUSE_FOREVER};
    struct disk_node *node = NULL;
    struct fc_error err = {0};
    int r;

    if (parent != DISK_ROOT || strcmp(name, FC_DISK_NAME) != 0) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    r = disk_node_lookup(d, &node, &err);
    if (r == 0) {
        e.ino = node->id;
        r = disk_node_stat(d, e.ino, &e.attr);
    }
    if (r < 0) {
        reply_failure(req, r, &err);
        return;
    }
    if (fuse_reply_entry(req, &e) < 0)
        disk_node_forget(d, e.ino, 1);
}

static void on_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    disk_node_forget(disk_of(req), ino, n);
    fuse_reply_none(req);
}

static void on_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        disk_node_forget(disk_of(req), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, fuse_ino_t ino)
{
    struct stat st;
    int r = 0;

    if (ino == DISK_ROOT)
        stat_root(disk_of(req), &st);
    else
        r = disk_node_stat(disk_of(req), ino, &st);
    if (r < 0)
        fuse_reply_err(req, -r);
    else
        fuse_reply_attr(req, &st, FUSE_FOREVER);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    reply_attr(req, ino);
}

/* A disk has the size, the owner and the mode that it has; times are nobody's business, but touch(1) shall not fail. */
static void on_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
    struct stat st;

    (void)fi;
    if (to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) || ino == DISK_ROOT ||
        disk_node_stat(disk_of(req), ino, &st) < 0 || (to_set & FUSE_SET_ATTR_SIZE && attr->st_size != st.st_size))
        fuse_reply_err(req, EPERM);
    else
        reply_attr(req, ino);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fc_disk *d = disk_of(req);
    struct disk_node *node = NULL;
    struct fc_error err = {0};
    /* The mount is read-only without an overlay, but root may have remounted it. */
    bool refused = !d->options.overlay && (fi->flags & O_ACCMODE) != O_RDONLY;
    int r = refused ? -EROFS : disk_node_open(d, ino, &node, &err);

    if (r < 0) {
        reply_failure(req, r, &err);
        return;
    }
    fuse_service_read_ahead(&d->service);
    fi->fh = (uintptr_t)node;
    fi->keep_cache = 1;
    if (fuse_reply_open(req, fi) < 0)
        disk_node_close(d, node);
}

static void on_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fc_disk *d = disk_of(req);
    struct fc_error err = {0};

    (void)ino;
    if (d->options.overlay && (fi->flags & O_ACCMODE) != O_RDONLY && fc_overlay_sync(d->options.overlay, &err) < 0)
        fc_log(FC_LOG_WARN, FC_DISK_NAME ": %s", err.msg); /* nobody is left to be told */
    disk_node_close(d, node_of(fi));
    fuse_reply_err(req, 0);
}

/* Memory for an answer. Kept, since new memory costs as much as what is copied into it. */
static void *take_buffer(struct fc_disk *d)
{
    void *buffer = NULL;

    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < DISK_THREADS && !buffer; i++)
        buffer = fc_steal(&d->buffers[i]);
    pthread_mutex_unlock(&d->lock);
    return buffer ? buffer : malloc(FUSE_IO_MAX);
}

static void give_buffer(struct fc_disk *d, void *buffer)
{
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < DISK_THREADS && buffer; i++)
        if (!d->buffers[i])
            d->buffers[i] = fc_steal(&buffer);
    pthread_mutex_unlock(&d->lock);
    free(buffer);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    struct fc_disk *d = disk_of(req);
    struct disk_node *node = node_of(fi);
    void *buffer = take_buffer(d);
    struct fc_error err = {0};
    ssize_t n = -ENOMEM;

    (void)ino;
    if (size > FUSE_IO_MAX)
        size = FUSE_IO_MAX;
    if (buffer)
        n = d->options.overlay ? fc_overlay_read(d->options.overlay, buffer, size, (uint64_t)offset, &err)
                               : fc_image_read(node->plan->image.image, buffer, size, (uint64_t)offset, &err);
    if (n < 0) {
        if (!atomic_exchange(&node->complained, true)) /* once: a guest tries again and again */
            fc_log(FC_LOG_WARN, FC_DISK_NAME ": byte %llu: %s", (unsigned long long)offset, err.msg);
        fuse_reply_err(req, EIO);
    } else {
        fuse_reply_buf(req, buffer, (size_t)n);
    }
    give_buffer(d, buffer);
}

/* A failed write: in the log once, and to who wrote each time. */
static void reply_written(fuse_req_t req, struct disk_node *node, int r, size_t n, const struct fc_error *err)
{
    if (r < 0 && !atomic_exchange(&node->complained, true))
        fc_log(FC_LOG_WARN, FC_DISK_NAME ": %s", err->msg);
    if (r < 0)
        fuse_reply_err(req, -r);
    else
        fuse_reply_write(req, n);
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    struct fc_disk *d = disk_of(req);
    struct fc_error err = {0};
    uint64_t end = fc_overlay_size(d->options.overlay);
    int r;

    (void)ino;
    if ((uint64_t)offset < end && size > end - (uint64_t)offset)
        size = (size_t)(end - (uint64_t)offset);
    r = fc_overlay_write(d->options.overlay, data, size, (uint64_t)offset, &err);
    if (r == 0)
        disk_node_touch(d, node_of(fi));
    reply_written(req, node_of(fi), r, size, &err);
}

static void on_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    const struct fc_disk *d = disk_of(req);
    struct fc_error err = {0};
    int r = d->options.overlay ? fc_overlay_sync(d->options.overlay, &err) : 0;

    (void)ino;
    (void)datasync;
    (void)fi;
    if (r < 0)
        reply_failure(req, r, &err);
    else
        fuse_reply_err(req, 0);
}

/* What a guest discards. Room cannot be promised, since the host decides. */
static void on_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
    enum { PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
    struct fc_disk *d = disk_of(req);
    struct fc_error err = {0};
    uint64_t end = d->options.overlay ? fc_overlay_size(d->options.overlay) : 0;
    int r = 0;

    (void)ino;
    if (mode != PUNCH && (mode & ~FALLOC_FL_KEEP_SIZE) != FALLOC_FL_ZERO_RANGE) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    if ((uint64_t)offset > end || (uint64_t)length > end - (uint64_t)offset) {
        if (!(mode & FALLOC_FL_KEEP_SIZE)) {
            fuse_reply_err(req, EFBIG);
            return;
        }
        length = (uint64_t)offset > end ? 0 : (off_t)(end - (uint64_t)offset);
    }
    if (length > 0)
        r = fc_overlay_zero(d->options.overlay, (uint64_t)offset, (uint64_t)length, &err);
    if (r < 0) {
        reply_failure(req, r, &err);
        return;
    }
    disk_node_touch(d, node_of(fi));
    fuse_reply_err(req, 0);
}

static void on_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi)
{
    const struct fc_disk *d = disk_of(req);
    const struct disk_node *node = node_of(fi);
    bool hole = whence == SEEK_HOLE;
    uint64_t at;

    (void)ino;
    if (whence != SEEK_DATA && whence != SEEK_HOLE) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    at = d->options.overlay ? fc_overlay_seek(d->options.overlay, (uint64_t)offset, hole)
                            : fc_image_seek(node->plan->image.image, (uint64_t)offset, hole);
    if (offset < 0 || (uint64_t)offset >= node->size || (!hole && at >= node->size))
        fuse_reply_err(req, ENXIO);
    else
        fuse_reply_lseek(req, (off_t)at);
}

static void on_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    static const char *const names[] = {".", "..", FC_DISK_NAME};
    char buffer[512];
    size_t used = 0;

    (void)fi;
    if (ino != DISK_ROOT) {
        fuse_reply_err(req, ENOTDIR);
        return;
    }
    if (size > sizeof(buffer))
        size = sizeof(buffer);
    for (int i = offset < 0 ? 3 : (int)(offset < 3 ? offset : 3); i < 3; i++) {
        struct stat st = {.st_ino = i < 2 ? DISK_ROOT : DISK_INO, .st_mode = i < 2 ? S_IFDIR : S_IFREG};
        size_t n = fuse_add_direntry(req, buffer + used, size - used, names[i], &st, i + 1);

        if (n > size - used)
            break;
        used += n;
    }
    fuse_reply_buf(req, buffer, used);
}

void disk_operations(struct fuse_lowlevel_ops *ret)
{
    *ret = (struct fuse_lowlevel_ops){.init = on_init,
                                      .lookup = on_lookup,
                                      .forget = on_forget,
                                      .forget_multi = on_forget_multi,
                                      .getattr = on_getattr,
                                      .setattr = on_setattr,
                                      .open = on_open,
                                      .release = on_release,
                                      .read = on_read,
                                      .write = on_write,
                                      .fsync = on_fsync,
                                      .fallocate = on_fallocate,
                                      .lseek = on_lseek,
                                      .readdir = on_readdir};
}
