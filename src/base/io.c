/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes, copies between files, folders and locks. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"

/** One system call never moves more than this (Linux caps at 2 GiB - 4 KiB). */
#define IO_MAX (1u << 30)

static size_t io_chunk(size_t left) { return left < IO_MAX ? left : IO_MAX; }

/* The current position instead of an offset. */
#define HERE UINT64_MAX

static ssize_t read_whole(int fd, void *buffer, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        char *to = (char *)buffer + done;
        size_t want = io_chunk(size - done);
        ssize_t n = offset == HERE ? read(fd, to, want) : pread(fd, to, want, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int write_whole(int fd, const void *buffer, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        const char *from = (const char *)buffer + done;
        size_t want = io_chunk(size - done);
        ssize_t n = offset == HERE ? write(fd, from, want) : pwrite(fd, from, want, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        done += (size_t)n;
    }
    return 0;
}

ssize_t fc_pread_full(int fd, void *buffer, size_t size, uint64_t offset)
{
    return offset == HERE ? -EINVAL : read_whole(fd, buffer, size, offset);
}

int fc_pwrite_full(int fd, const void *buffer, size_t size, uint64_t offset)
{
    return offset == HERE ? -EINVAL : write_whole(fd, buffer, size, offset);
}

ssize_t fc_read_full(int fd, void *buffer, size_t size) { return read_whole(fd, buffer, size, HERE); }

int fc_write_full(int fd, const void *buffer, size_t size) { return write_whole(fd, buffer, size, HERE); }

const char *fc_fd_path(int fd, char *buffer, size_t size)
{
    char link[40];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = size > 1 ? readlink(link, buffer, size - 1) : -1;
    if (n > 0)
        buffer[n] = '\0';
    else
        snprintf(buffer, size, "a file");
    return buffer;
}

bool fc_gains_by_allocating(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC;
}

int fc_writev_full(int fd, struct iovec *pieces, int n)
{
    while (n > 0) {
        ssize_t done = pieces->iov_len ? writev(fd, pieces, n) : 0;

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        if (done == 0 && pieces->iov_len)
            return -EIO;
        for (; n > 0 && (size_t)done >= pieces->iov_len; pieces++, n--)
            done -= (ssize_t)pieces->iov_len;
        if (n > 0) {
            pieces->iov_base = (char *)pieces->iov_base + done;
            pieces->iov_len -= (size_t)done;
        }
    }
    return 0;
}

static int copy_through_memory(int src_fd, uint64_t src_offset, int dst_fd, uint64_t dst_offset, uint64_t size)
{
    enum { CHUNK = 1 << 20 };
    fc_auto(fc_free) char *buffer = malloc(CHUNK);
    int r;

    if (!buffer)
        return -ENOMEM;
    while (size > 0) {
        size_t want = size < CHUNK ? (size_t)size : CHUNK;
        ssize_t n = fc_pread_full(src_fd, buffer, want, src_offset);

        if (n < 0)
            return (int)n;
        if ((size_t)n < want)
            return -ENODATA;
        r = fc_pwrite_full(dst_fd, buffer, want, dst_offset);
        if (r < 0)
            return r;
        src_offset += want;
        dst_offset += want;
        size -= want;
    }
    return 0;
}

int fc_copy_range(int src_fd, uint64_t src_offset, int dst_fd, uint64_t dst_offset, uint64_t size)
{
    while (size > 0) {
        off_t in = (off_t)src_offset, out = (off_t)dst_offset;
        ssize_t n = copy_file_range(src_fd, &in, dst_fd, &out, io_chunk(size), 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EBADF ||
                      errno == ETXTBSY || errno == EPERM))
            return copy_through_memory(src_fd, src_offset, dst_fd, dst_offset, size);
        if (n < 0)
            return -errno;
        if (n == 0) /* the end of the source, or a file system whose copy_file_range gives up: reading tells */
            return copy_through_memory(src_fd, src_offset, dst_fd, dst_offset, size);
        src_offset += (uint64_t)n;
        dst_offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

static int read_to_end(int fd, size_t max, struct fc_buf *ret)
{
    size_t total = 0;

    for (;;) {
        ssize_t n;
        int r = fc_buf_reserve(ret, 65536);

        if (r < 0)
            return r;
        n = read(fd, ret->data + ret->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        ret->len += (size_t)n;
        ret->data[ret->len] = '\0';
        total += (size_t)n;
        if (n == 0)
            return 0;
        if (total > max)
            return -EFBIG;
    }
}

int fc_read_file(int dirfd, const char *path, size_t max, struct fc_buf *ret)
{
    fc_auto(fc_close) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : read_to_end(fd, max, ret);
}

int fc_read_regular(int dirfd, const char *path, size_t max, struct fc_buf *ret)
{
    /* A FIFO is opened without waiting for its writer, a terminal without becoming ours. */
    fc_auto(fc_close) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? read_to_end(fd, max, ret) : -ENOTSUP;
}

int fc_mkdir_all(const char *path, struct fc_error *err)
{
    fc_auto(fc_free) char *copy = strdup(path);
    struct stat st;

    if (!copy)
        return fc_fail(err, ENOMEM, "out of memory");
    for (char *p = copy + 1; *copy; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, 0777) < 0 && (errno != EEXIST || (c == '\0' && stat(copy, &st) == 0 && !S_ISDIR(st.st_mode)))) {
            int code = errno == EEXIST ? ENOTDIR : errno;
            return fc_fail_errno(err, code, "cannot make the folder %s", copy);
        }
        *p = c;
        if (c == '\0')
            break;
    }
    return 0;
}

int fc_sync_dir(const char *path)
{
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

char *fc_abspath(const char *path)
{
    fc_auto(fc_free) char *cwd = NULL;
    char *ret = NULL;

    if (path[0] == '/')
        return strdup(path);
    cwd = getcwd(NULL, 0);
    if (!cwd)
        return NULL;
    if (strcmp(path, ".") == 0)
        return fc_steal(&cwd);
    if (asprintf(&ret, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path) < 0)
        return NULL;
    return ret;
}

int fc_lock_file(const char *path, bool exclusive, bool wait)
{
    fc_auto(fc_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

    /* A reader may not be allowed to write, or nobody is: flock works on any descriptor. */
    if (fd < 0 && (errno == EACCES || errno == EROFS))
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    while (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB)) < 0)
        if (errno != EINTR)
            return -errno;
    return fc_steal_fd(&fd);
}
