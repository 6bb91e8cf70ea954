/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host file system under a test's control: calls that change files below one folder fail on demand, and are recorded.
 *
 * Including this defines pwrite(2) and its like in the test program, where SQLite finds them before those of libc. Syncs
 * of those files do nothing, so that thousands of them cost nothing. With HOST_MEMORY allocations can fail, too.
 */
#ifndef TESTS_UNIT_HOST_H
#define TESTS_UNIT_HOST_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/** Kinds of calls. */
enum {
    HOST_WRITE = 1 << 0,
    HOST_SYNC = 1 << 1,
    HOST_TRUNCATE = 1 << 2,
    HOST_FALLOCATE = 1 << 3,
    HOST_READ = 1 << 4,
    HOST_OPEN = 1 << 5,
};

/** What happened to a file, for who wants to know: @path is absolute, @data is NULL where it has none. */
struct host_event {
    int kind; /* a HOST_ kind, or HOST_CREATED and so on */
    const char *path, *to;
    uint64_t offset, length;
    const void *data;
    bool failed; /* a sync that failed: what it should have written is lost */
};
enum { HOST_CREATED = 1 << 8, HOST_RENAMED, HOST_UNLINKED, HOST_PUNCHED, HOST_MARK };

static struct {
    const char *root;    /* NULL: leave everything alone */
    unsigned fail_kinds; /* which calls fail */
    const char *fail_name;
    int fail_code;
    long fail_at, seen, hits; /* the fail_at-th such call fails, the first being 1; all later ones, too, if sticky */
    bool sticky;
    void (*on_event)(const struct host_event *e);
    long memory_at, memory_seen, memory_hits; /* the same for allocations */
    bool memory_sticky;
} host;

static inline bool host_path(int fd, char path[512])
{
    char link[40];
    ssize_t n;

    if (!host.root)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, 511);
    if (n <= 0)
        return false;
    path[n] = '\0';
    return strncmp(path, host.root, strlen(host.root)) == 0;
}

/* Whether this call is the one to fail. */
static inline bool host_fails(unsigned kind, const char *path)
{
    if (!(host.fail_kinds & kind) || (host.fail_name && !strstr(path, host.fail_name)))
        return false;
    host.seen++;
    if (host.seen < host.fail_at || (host.seen > host.fail_at && !host.sticky))
        return false;
    host.hits++;
    errno = host.fail_code;
    return true;
}

static inline void host_tell(const struct host_event *e)
{
    int code = errno;

    if (host.on_event)
        host.on_event(e);
    errno = code;
}

#define HOST_EXPORT __attribute__((visibility("default"), used))

HOST_EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
HOST_EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    char path[512];
    bool ours = host_path(fd, path);
    ssize_t n;

    if (ours && host_fails(HOST_WRITE, path))
        return -1;
    n = syscall(SYS_pwrite64, fd, data, size, offset);
    if (ours && n > 0)
        host_tell(&(struct host_event){HOST_WRITE, path, NULL, (uint64_t)offset, (uint64_t)n, data, false});
    return n;
}

HOST_EXPORT ssize_t pread64(int fd, void *data, size_t size, off64_t offset);
HOST_EXPORT ssize_t pread64(int fd, void *data, size_t size, off64_t offset)
{
    char path[512];

    if ((host.fail_kinds & HOST_READ) && host_path(fd, path) && host_fails(HOST_READ, path))
        return -1;
    return syscall(SYS_pread64, fd, data, size, offset);
}

HOST_EXPORT int ftruncate64(int fd, off64_t size);
HOST_EXPORT int ftruncate64(int fd, off64_t size)
{
    char path[512];
    bool ours = host_path(fd, path);
    int r;

    if (ours && host_fails(HOST_TRUNCATE, path))
        return -1;
    r = (int)syscall(SYS_ftruncate, fd, size);
    if (ours && r == 0)
        host_tell(&(struct host_event){HOST_TRUNCATE, path, NULL, (uint64_t)size, 0, NULL, false});
    return r;
}

HOST_EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length);
HOST_EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    char path[512];
    bool ours = host_path(fd, path);
    int r;

    if (ours && host_fails(HOST_FALLOCATE, path))
        return -1;
    r = (int)syscall(SYS_fallocate, fd, mode, offset, length);
    if (ours && r == 0 && mode != 0)
        host_tell(&(struct host_event){HOST_PUNCHED, path, NULL, (uint64_t)offset, (uint64_t)length, NULL, false});
    return r;
}

static inline int host_sync(int fd, long number)
{
    char path[512];
    bool fails;

    if (!host_path(fd, path))
        return (int)syscall(number, fd);
    fails = host_fails(HOST_SYNC, path);
    host_tell(&(struct host_event){HOST_SYNC, path, NULL, 0, 0, NULL, fails});
    return fails ? -1 : 0;
}
HOST_EXPORT int fsync(int fd) { return host_sync(fd, SYS_fsync); }
HOST_EXPORT int fdatasync(int fd) { return host_sync(fd, SYS_fdatasync); }

HOST_EXPORT int open64(const char *path, int flags, ...);
HOST_EXPORT int open64(const char *path, int flags, ...)
{
    bool ours = host.root && strncmp(path, host.root, strlen(host.root)) == 0, fresh;
    va_list ap;
    mode_t mode;
    int fd;

    va_start(ap, flags);
    mode = va_arg(ap, mode_t);
    va_end(ap);
    if (ours && host_fails(HOST_OPEN, path))
        return -1;
    fresh = ours && (flags & O_CREAT) && access(path, F_OK) < 0;
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fresh && fd >= 0)
        host_tell(&(struct host_event){HOST_CREATED, path, NULL, 0, 0, NULL, false});
    return fd;
}

HOST_EXPORT int unlink(const char *path)
{
    int r = (int)syscall(SYS_unlink, path);

    if (r == 0 && host.root && strncmp(path, host.root, strlen(host.root)) == 0)
        host_tell(&(struct host_event){HOST_UNLINKED, path, NULL, 0, 0, NULL, false});
    return r;
}

#ifdef HOST_MEMORY
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static inline bool host_no_memory(void)
{
    if (!host.memory_at)
        return false;
    host.memory_seen++;
    if (host.memory_seen < host.memory_at || (host.memory_seen > host.memory_at && !host.memory_sticky))
        return false;
    host.memory_hits++;
    errno = ENOMEM;
    return true;
}
HOST_EXPORT void *malloc(size_t size) { return host_no_memory() ? NULL : __libc_malloc(size); }
HOST_EXPORT void *calloc(size_t n, size_t size) { return host_no_memory() ? NULL : __libc_calloc(n, size); }
HOST_EXPORT void *realloc(void *old, size_t size) { return host_no_memory() ? NULL : __libc_realloc(old, size); }
#endif

#endif
