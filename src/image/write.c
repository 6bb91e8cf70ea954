/* SPDX-License-Identifier: Apache-2.0 */
/* Write an image to a file that appears complete or not at all, or to a device in place. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "image/sink.h"

/* A file without a name until it is complete, so that a killed process leaves nothing. */
struct output_file {
    int fd;
    mode_t mode;
    char *dir, *name;
};

static void output_file_release_auto(struct output_file *o)
{
    fc_close_auto(&o->fd);
    free(o->dir);
    free(o->name);
}

static int split_path(const char *path, struct output_file *o)
{
    const char *slash = strrchr(path, '/');

    o->dir = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    o->name = strdup(slash ? slash + 1 : path);
    return o->dir && o->name ? 0 : -ENOMEM;
}

/* Returns 0, -EOPNOTSUPP where the file system has no unnamed files, or another errno. */
static int open_unnamed(const char *path, const struct stat *old, struct output_file *o)
{
    if (split_path(path, o) < 0)
        return -ENOMEM;
    if (!*o->name)
        return -EISDIR;
    o->fd = open(o->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (o->fd < 0)
        return errno == EISDIR || errno == ENOENT || errno == EINVAL ? -EOPNOTSUPP : -errno;
    if (old && fchmod(o->fd, old->st_mode & 07777) < 0)
        return -errno;
    return 0;
}

/* Give the complete file its name. linkat() cannot replace, so an old file is renamed over. */
static int name_file(struct output_file *o, const char *path, struct fc_error *err)
{
    char proc[64];
    fc_auto(fc_free) char *temp = NULL;

    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", o->fd);
    if (linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != EEXIST)
        return fc_fail_errno(err, errno, "cannot put %s in its place", path);
    for (unsigned try = 0;; try++) {
        free(temp);
        if (asprintf(&temp, "%s/.%.200s.%ld-%u", o->dir, o->name, (long)getpid(), try) < 0) {
            temp = NULL;
            return fc_fail(err, ENOMEM, "out of memory");
        }
        if (linkat(AT_FDCWD, proc, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) == 0)
            break;
        if (errno != EEXIST || try == 1000)
            return fc_fail_errno(err, errno, "cannot put %s in its place", path);
    }
    if (rename(temp, path) < 0) {
        int code = errno;

        unlink(temp);
        return fc_fail_errno(err, code, "cannot put %s in its place", path);
    }
    return 0;
}

static int emit_fresh(const struct fc_image *image, int fd, const char *path,
                      const struct fc_image_write_options *options, struct fc_image_write_result *result,
                      struct fc_error *err)
{
    int r;

    if (ftruncate(fd, (off_t)fc_image_size(image)) < 0)
        return fc_fail_errno(err, errno, "cannot make %s %llu bytes long", path,
                             (unsigned long long)fc_image_size(image));
    r = fc_image_emit(image, fd, true, options, result, err);
    if (r < 0) {
        fc_wrap(err, "%s", path);
        return r;
    }
    return 0;
}

static int write_named(const struct fc_image *image, const char *path, const struct fc_image_write_options *options,
                       struct fc_image_write_result *result, struct fc_error *err)
{
    fc_auto(fc_atomic_release) struct fc_atomic a = {0};
    int r = fc_atomic_begin(&a, path, err);

    if (r < 0)
        return r;
    r = emit_fresh(image, a.fd, path, options, result, err);
    return r < 0 ? r : fc_atomic_commit(&a, !options->no_sync, err);
}

static int write_regular(const struct fc_image *image, const char *path, const struct stat *old,
                         const struct fc_image_write_options *options, struct fc_image_write_result *result,
                         struct fc_error *err)
{
    __attribute__((cleanup(output_file_release_auto))) struct output_file o = {.fd = -1};
    int r = open_unnamed(path, old, &o), fd;

    if (r == -EOPNOTSUPP || access("/proc/self/fd", X_OK) < 0)
        return write_named(image, path, options, result, err);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot write %s", path);
    r = emit_fresh(image, o.fd, path, options, result, err);
    if (r < 0)
        return r;
    if (!options->no_sync && fsync(o.fd) < 0)
        return fc_fail_errno(err, errno, "cannot sync %s", path);
    r = name_file(&o, path, err);
    if (r < 0)
        return r;
    fd = fc_steal_fd(&o.fd);
    if (close(fd) < 0)
        return fc_fail_errno(err, errno, "cannot close %s", path);
    r = options->no_sync ? 0 : fc_sync_dir(o.dir);
    return r < 0 ? fc_fail_errno(err, -r, "cannot sync the folder of %s", path) : 0;
}

static int write_block_device(const struct fc_image *image, const char *path,
                              const struct fc_image_write_options *options, struct fc_image_write_result *result,
                              struct fc_error *err)
{
    fc_auto(fc_close) int fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC); /* O_EXCL: refused while it is mounted */
    uint64_t size;
    int r, copy;

    if (fd < 0)
        return fc_fail_errno(err, errno, "cannot write %s", path);
    if (ioctl(fd, BLKGETSIZE64, &size) < 0)
        return fc_fail_errno(err, errno, "cannot tell the size of %s", path);
    if (size < fc_image_size(image))
        return fc_fail(err, ENOSPC, "%s has %llu bytes, the image %llu", path, (unsigned long long)size,
                       (unsigned long long)fc_image_size(image));
    r = fc_image_emit(image, fd, false, options, result, err);
    if (r < 0) {
        fc_wrap(err, "%s", path);
        return r;
    }
    if (!options->no_sync && fsync(fd) < 0)
        return fc_fail_errno(err, errno, "cannot sync %s", path);
    copy = fc_steal_fd(&fd);
    return close(copy) < 0 ? fc_fail_errno(err, errno, "cannot close %s", path) : 0;
}

static int write_stream(const struct fc_image *image, const char *path, const struct fc_image_write_options *options,
                        struct fc_error *err)
{
    fc_auto(fc_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    int r, copy;

    if (fd < 0)
        return fc_fail_errno(err, errno, "cannot write %s", path);
    r = fc_image_stream(image, fd, options, err);
    if (r < 0)
        return r;
    copy = fc_steal_fd(&fd);
    return close(copy) < 0 ? fc_fail_errno(err, errno, "cannot close %s", path) : 0;
}

int fc_image_write(const struct fc_image *image, const char *path, const struct fc_image_write_options *options,
                   struct fc_image_write_result *ret_result, struct fc_error *err)
{
    struct fc_image_write_options defaults = {0};
    struct fc_image_write_result result = {0};
    struct stat st;
    bool exists = stat(path, &st) == 0;
    int r;

    if (!options)
        options = &defaults;
    if (exists && S_ISDIR(st.st_mode))
        return fc_fail(err, EISDIR, "%s is a directory", path);
    if (exists && S_ISBLK(st.st_mode))
        r = write_block_device(image, path, options, &result, err);
    else if (exists && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
        r = write_stream(image, path, options, err);
    else
        r = write_regular(image, path, exists ? &st : NULL, options, &result, err);
    if (r < 0)
        return r;
    if (ret_result)
        *ret_result = result;
    return 0;
}
