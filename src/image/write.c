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
#include "image/output.h"
#include "image/sink.h"

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

static int write_regular(const struct fc_image *image, const char *path, const struct stat *old,
                         const struct fc_image_write_options *options, struct fc_image_write_result *result,
                         struct fc_error *err)
{
    __attribute__((cleanup(fc_image_output_release_auto))) struct fc_image_output o = {.fd = -1};
    int r = fc_image_output_open(&o, path, old, err), fd;

    if (r < 0)
        return r;
    r = emit_fresh(image, o.fd, path, options, result, err);
    if (r < 0)
        return r;
    if (!options->no_sync && fsync(o.fd) < 0)
        return fc_fail_errno(err, errno, "cannot sync %s", path);
    r = fc_image_output_place(&o, err);
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

static int write_to(const struct fc_image *image, const char *path, const struct fc_image_write_options *options,
                    struct fc_image_write_result *result, struct fc_error *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return write_regular(image, path, NULL, options, result, err);
    switch (st.st_mode & S_IFMT) {
    case S_IFDIR:
        return fc_fail(err, EISDIR, "%s is a directory", path);
    case S_IFBLK:
        return write_block_device(image, path, options, result, err);
    case S_IFCHR:
    case S_IFIFO:
        result->copied = fc_image_size(image);
        return write_stream(image, path, options, err);
    case S_IFREG:
        return write_regular(image, path, &st, options, result, err);
    default:
        return fc_fail(err, EINVAL, "%s is a socket", path);
    }
}

int fc_image_write(const struct fc_image *image, const char *path, const struct fc_image_write_options *options,
                   struct fc_image_write_result *ret_result, struct fc_error *err)
{
    struct fc_image_write_options defaults = {0};
    struct fc_image_write_result result = {0};
    fc_auto(fc_free) char *target = NULL;
    struct stat st;
    int r;

    /* A symlink stays what it is (think of /dev/stdout); what it leads to is replaced. */
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && (stat(path, &st) < 0 || S_ISREG(st.st_mode))) {
        target = realpath(path, NULL);
        if (!target)
            return fc_fail_errno(err, errno, "cannot follow the symlink %s", path);
    }
    r = write_to(image, target ? target : path, options ? options : &defaults, &result, err);
    if (r < 0)
        return r;
    if (ret_result)
        *ret_result = result;
    return 0;
}
