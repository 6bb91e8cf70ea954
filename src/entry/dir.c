/* SPDX-License-Identifier: Apache-2.0 */
/* A host directory as an entry stream. */
#include "entry/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "entry/glob.h"
#include "entry/host.h"

/* This many of the deepest directories stay open; those above are found again through "..". */
#define MAX_OPEN 64u
#define READ_SIZE (256u * 1024)

/* A directory on the way from the root to where we are. */
struct frame {
    int fd; /* -1: closed to save descriptors */
    dev_t dev;
    ino_t ino;
    size_t path_len;
    struct fc_buf names;
    size_t at; /* next name in @names */
};

struct dir_iter {
    struct fc_entry_iter base;
    char *label;
    const struct fc_dir_options *options; /* a copy */
    struct fc_dir_options copy;
    struct fc_arena arena; /* of the copy's patterns */
    int root_fd;
    bool started;
    uint64_t mount;
    struct frame *frames;
    size_t depth, cap;
    int descend_fd; /* the directory just given out, to be entered by the next call; else -1 */
    struct fc_buf path, target;
    struct fc_host_xattrs xattrs;
    struct fc_host_links links;
    struct fc_entry entry;
    int file_fd; /* the current regular file, or -1 */
    uint64_t pos, data_end;
    void *buffer;
};

static int dir_fail(const struct dir_iter *d, int code, const char *what, struct fc_error *err)
{
    char show[256];
    const char *path = d->path.data ? d->path.data : "";

    return fc_fail_errno(err, code, "%s: cannot %s \"/%s\"", d->label, what,
                         fc_name_show(show, sizeof(show), path, strlen(path)));
}

static int changed(const struct dir_iter *d, const char *what, struct fc_error *err)
{
    char show[256];

    return fc_fail(err, EBADMSG, "%s: \"/%s\" %s while it was read", d->label,
                   fc_name_show(show, sizeof(show), d->path.data, d->path.len), what);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void set_path_len(struct dir_iter *d, size_t len)
{
    d->path.len = len;
    d->path.data[len] = '\0';
}

/* Enter the directory @fd (owned from here on), whose path is the current one. */
static int push(struct dir_iter *d, int fd, struct fc_error *err)
{
    struct frame f = {.fd = fd, .path_len = d->path.len};
    struct stat st;
    ssize_t n;

    if (fc_grow(&d->frames, &d->cap, d->depth + 1, sizeof(*d->frames)) < 0) {
        close(fd);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    n = fstat(fd, &st) < 0 ? -errno : fc_host_names(fd, &f.names);
    if (n < 0) {
        close(fd);
        fc_buf_release(&f.names);
        return dir_fail(d, (int)-n, "list", err);
    }
    f.dev = st.st_dev;
    f.ino = st.st_ino;
    d->frames[d->depth++] = f;
    if (d->depth > MAX_OPEN)
        close_fd(&d->frames[d->depth - 1 - MAX_OPEN].fd);
    return 0;
}

/* Leave the deepest directory; the one above is opened again if it had to be closed. */
static int pop(struct dir_iter *d, struct fc_error *err)
{
    struct frame *f = &d->frames[d->depth - 1], *up = d->depth > 1 ? f - 1 : NULL;
    struct stat st;
    int r = 0;

    if (up)
        set_path_len(d, up->path_len);
    if (up && up->fd < 0) {
        up->fd = openat(f->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (up->fd < 0 || fstat(up->fd, &st) < 0)
            r = dir_fail(d, errno, "return to", err);
        else if (st.st_dev != up->dev || st.st_ino != up->ino)
            r = changed(d, "was moved", err);
    }
    close_fd(&f->fd);
    fc_buf_release(&f->names);
    d->depth--;
    return r;
}

/* Open what has content or names inside; others need no descriptor. Sets *ret_fd to -1 for those. */
static int open_object(struct dir_iter *d, int dirfd, const char *name, const struct stat *st, int *ret_fd,
                       struct fc_error *err)
{
    struct stat now;
    int fd = -1;

    *ret_fd = -1;
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
        return 0;
    if (*name || S_ISDIR(st->st_mode)) {
        /* O_NONBLOCK, so that a FIFO which takes the file's place does not hang us. */
        fd = openat(dirfd, *name ? name : ".", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    } else {
        /* A description of our own: seeking must not move the caller's. */
        char link[40];

        snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
        fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
    }
    if (fd < 0)
        return dir_fail(d, errno, "open", err);
    if (fstat(fd, &now) < 0 || now.st_dev != st->st_dev || now.st_ino != st->st_ino ||
        (now.st_mode & S_IFMT) != (st->st_mode & S_IFMT)) {
        close(fd);
        return changed(d, "was replaced", err);
    }
    *ret_fd = fd;
    return 0;
}

static int read_target(struct dir_iter *d, int dirfd, const char *name, struct fc_error *err)
{
    ssize_t n;

    fc_buf_clear(&d->target);
    if (fc_buf_reserve(&d->target, FC_TARGET_MAX + 1) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    n = readlinkat(dirfd, name, d->target.data, FC_TARGET_MAX + 1);
    if (n < 0)
        return dir_fail(d, errno, "read the link", err);
    if (n == 0 || n > (ssize_t)FC_TARGET_MAX)
        return dir_fail(d, ENAMETOOLONG, "read the link", err);
    d->target.data[n] = '\0';
    d->target.len = (size_t)n;
    return 0;
}

static void fill_entry(struct dir_iter *d, const struct stat *st)
{
    bool device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);

    d->entry = (struct fc_entry){
        .op = FC_ENTRY_ADD,
        .path = d->path.data,
        .mode = st->st_mode,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .rdev_major = device ? major(st->st_rdev) : 0,
        .rdev_minor = device ? minor(st->st_rdev) : 0,
        .size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
        .mtime = st->st_mtim,
        .target = S_ISLNK(st->st_mode) ? d->target.data : NULL,
        .xattrs = d->xattrs.list,
        .n_xattrs = d->xattrs.n,
    };
}

/* Make the entry for the object @name of @dirfd ("" is @dirfd itself), whose path is the current one. */
static int describe(struct dir_iter *d, int dirfd, const char *name, const struct stat *st, bool enter,
                    struct fc_error *err)
{
    fc_auto(fc_close) int fd = -1;
    const char *first;
    int r;

    if (!S_ISDIR(st->st_mode) && st->st_nlink > 1) {
        r = fc_host_links_meet(&d->links, st, d->path.data, &first);
        if (r < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        if (r > 0) {
            d->entry = (struct fc_entry){.op = FC_ENTRY_HARDLINK, .path = d->path.data, .target = first};
            return 0;
        }
    }
    r = open_object(d, dirfd, name, st, &fd, err);
    if (r == 0 && S_ISLNK(st->st_mode))
        r = read_target(d, dirfd, name, err);
    if (r < 0)
        return r;
    r = fc_host_xattrs_read(&d->xattrs, fd, dirfd, name);
    if (r < 0)
        return dir_fail(d, -r, "read the attributes of", err);
    fill_entry(d, st);
    if (S_ISREG(st->st_mode)) {
        d->file_fd = fc_steal_fd(&fd);
        d->pos = d->data_end = 0;
    } else if (S_ISDIR(st->st_mode) && enter) {
        d->descend_fd = fc_steal_fd(&fd);
    }
    return 0;
}

static int first_entry(struct dir_iter *d, struct fc_error *err)
{
    struct fc_host_stat hs;
    int r;

    d->started = true;
    if (fc_buf_add(&d->path, "", 0) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_host_stat(d->root_fd, "", &hs);
    if (r < 0)
        return dir_fail(d, -r, "stat", err);
    d->mount = hs.mount;
    r = describe(d, d->root_fd, "", &hs.st, true, err);
    return r < 0 ? r : 1;
}

/* The object @name of the deepest directory: 1 if there is an entry for it, 0 if it is left out. */
static int child_entry(struct dir_iter *d, const char *name, struct fc_error *err)
{
    struct frame *f = &d->frames[d->depth - 1];
    struct fc_host_stat hs;
    int r;

    set_path_len(d, f->path_len);
    if ((f->path_len && fc_buf_add(&d->path, "/", 1) < 0) || fc_buf_adds(&d->path, name) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    if (fc_glob_excluded(d->options->excludes, d->options->n_excludes, d->path.data))
        return 0;
    if (strlen(name) > FC_NAME_MAX || d->path.len > FC_PATH_MAX)
        return dir_fail(d, ENAMETOOLONG, "take in", err);
    r = fc_host_stat(f->fd, name, &hs);
    if (r == -ENOENT) {
        fc_log(FC_LOG_WARN, "%s: something went away while the directory was read", d->label);
        return 0;
    }
    if (r < 0)
        return dir_fail(d, -r, "stat", err);
    /* Of another mount only the mount point is taken, and that only if it is a directory. */
    if (hs.mount != d->mount && !d->options->cross_mounts && !S_ISDIR(hs.st.st_mode))
        return 0;
    r = describe(d, f->fd, name, &hs.st, hs.mount == d->mount || d->options->cross_mounts, err);
    return r < 0 ? r : 1;
}

static int dir_next(struct fc_entry_iter *it, const struct fc_entry **ret_entry, struct fc_error *err)
{
    struct dir_iter *d = (struct dir_iter *)it;
    int r = 0;

    close_fd(&d->file_fd);
    if (!d->started)
        r = first_entry(d, err);
    else if (d->descend_fd >= 0)
        r = push(d, fc_steal_fd(&d->descend_fd), err);
    while (r == 0 && d->depth > 0) {
        struct frame *f = &d->frames[d->depth - 1];

        if (f->at < f->names.len) {
            const char *name = f->names.data + f->at;

            f->at += strlen(name) + 1;
            r = child_entry(d, name, err);
        } else {
            r = pop(d, err);
        }
    }
    if (r > 0)
        *ret_entry = &d->entry;
    return r;
}

/* Find the next run of data at or after @pos. Returns 0 with pos == size when only a hole is left. */
static int find_data(struct dir_iter *d)
{
    off_t data = lseek(d->file_fd, (off_t)d->pos, SEEK_DATA), hole;

    if (data < 0 && errno == ENXIO) {
        struct stat st;

        if (fstat(d->file_fd, &st) < 0 || (uint64_t)st.st_size < d->entry.size)
            return -EBADMSG;
        d->pos = d->entry.size;
        return 0;
    }
    hole = data < 0 ? -1 : lseek(d->file_fd, data, SEEK_HOLE);
    if (hole < 0) { /* the file system does not say: all is data */
        d->data_end = d->entry.size;
        return 0;
    }
    d->pos = (uint64_t)data;
    d->data_end = (uint64_t)hole;
    return 0;
}

static int dir_read(struct fc_entry_iter *it, struct fc_block *ret_block, struct fc_error *err)
{
    struct dir_iter *d = (struct dir_iter *)it;
    uint64_t end;
    ssize_t n;

    if (d->file_fd < 0)
        return fc_fail(err, EINVAL, "%s: no file to read from", d->label);
    if (!d->buffer && !(d->buffer = malloc(READ_SIZE)))
        return fc_fail(err, ENOMEM, "out of memory");
    if (d->pos < d->entry.size && d->pos >= d->data_end && find_data(d) < 0)
        return changed(d, "shrank", err);
    if (d->pos >= d->entry.size)
        return 0;
    end = d->data_end < d->entry.size ? d->data_end : d->entry.size;
    n = fc_pread_full(d->file_fd, d->buffer, end - d->pos < READ_SIZE ? (size_t)(end - d->pos) : READ_SIZE, d->pos);
    if (n < 0)
        return dir_fail(d, (int)-n, "read", err);
    if (n == 0)
        return changed(d, "shrank", err);
    *ret_block = (struct fc_block){.data = d->buffer, .size = (size_t)n, .offset = d->pos};
    d->pos += (uint64_t)n;
    return 1;
}

static void dir_free(struct fc_entry_iter *it)
{
    struct dir_iter *d = (struct dir_iter *)it;

    for (size_t i = 0; i < d->depth; i++) {
        close_fd(&d->frames[i].fd);
        fc_buf_release(&d->frames[i].names);
    }
    free(d->frames);
    close_fd(&d->root_fd);
    close_fd(&d->descend_fd);
    close_fd(&d->file_fd);
    fc_buf_release(&d->path);
    fc_buf_release(&d->target);
    fc_host_xattrs_release(&d->xattrs);
    fc_host_links_release(&d->links);
    fc_arena_release(&d->arena);
    free(d->buffer);
    free(d->label);
    free(d);
}

/* Keep the options: the caller's may go. */
static int copy_options(struct dir_iter *d, const struct fc_dir_options *options)
{
    const char **list;

    d->options = &d->copy;
    if (!options)
        return 0;
    d->copy.cross_mounts = options->cross_mounts;
    if (!options->n_excludes)
        return 0;
    list = fc_arena_alloc(&d->arena, options->n_excludes * sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < options->n_excludes; i++) {
        list[i] = fc_arena_copy(&d->arena, options->excludes[i], strlen(options->excludes[i]));
        if (!list[i])
            return -ENOMEM;
    }
    d->copy.excludes = list;
    d->copy.n_excludes = options->n_excludes;
    return 0;
}

int fc_dir_iter(int dirfd, const char *label, const struct fc_dir_options *options, struct fc_entry_iter **ret,
                struct fc_error *err)
{
    struct dir_iter *d = calloc(1, sizeof(*d));

    if (!d)
        return fc_fail(err, ENOMEM, "out of memory");
    d->base = (struct fc_entry_iter){.next = dir_next, .read = dir_read, .free = dir_free};
    d->descend_fd = d->file_fd = -1;
    d->root_fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
    d->base.label = d->label = strdup(label ? label : "directory");
    if (d->root_fd < 0 || !d->label || copy_options(d, options) < 0) {
        int code = d->root_fd < 0 ? errno : ENOMEM;

        dir_free(&d->base);
        return fc_fail_errno(err, code, "cannot begin to read a directory");
    }
    *ret = &d->base;
    return 0;
}
