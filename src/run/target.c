/* SPDX-License-Identifier: Apache-2.0 */
/* Read what a waiting thread says about itself in /proc, and walk its paths. */
#include "run/target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* The number behind @field, which begins a line ("\nCapEff:"), the @nth there; false if there is none. */
static bool number_of(const char *status, const char *field, int nth, int base, uint64_t *ret)
{
    const char *at = strstr(status, field);
    char *end = NULL;

    if (!at)
        return false;
    at += strlen(field);
    for (int i = 0; i <= nth; i++, at = end) {
        *ret = strtoull(at, &end, base);
        if (end == at)
            return false;
    }
    return true;
}

/* A capability counts in the namespace of its holder: in another one than ours it gives nothing on the tree. */
static bool in_our_namespace(int proc_fd, int dir)
{
    struct stat ours, theirs;

    return fstatat(proc_fd, "self/ns/user", &ours, 0) == 0 && fstatat(dir, "ns/user", &theirs, 0) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static int read_status(int proc_fd, struct fc_target *t)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    uint64_t uid, gid, umask_of, capabilities;
    int r = fc_read_file(t->dir, "status", 1 << 16, &text);

    if (r < 0)
        return r;
    if (!text.data || !number_of(text.data, "\nUid:", 3, 10, &uid) || !number_of(text.data, "\nGid:", 3, 10, &gid) ||
        !number_of(text.data, "\nUmask:", 0, 8, &umask_of) || !number_of(text.data, "\nCapEff:", 0, 16, &capabilities))
        return -ESRCH;
    t->fsuid = (uint32_t)uid;
    t->fsgid = (uint32_t)gid;
    t->umask = (uint32_t)umask_of;
    t->capabilities = in_our_namespace(proc_fd, t->dir) ? capabilities : 0;
    return 0;
}

int fc_target_open(int proc_fd, pid_t tid, struct fc_target *ret)
{
    struct fc_target t = {.dir = -1, .memory = -1};
    char name[32];
    int r;

    snprintf(name, sizeof(name), "%d", (int)tid);
    t.dir = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    t.memory = t.dir < 0 ? -1 : openat(t.dir, "mem", O_RDONLY | O_CLOEXEC);
    r = t.memory < 0 ? -errno : read_status(proc_fd, &t);
    if (r < 0)
        fc_target_close(&t);
    else
        *ret = t;
    return r;
}

void fc_target_close(struct fc_target *t)
{
    fc_close_auto(&t->memory);
    fc_close_auto(&t->dir);
    t->dir = t->memory = -1;
}

int fc_target_bytes(const struct fc_target *t, uint64_t address, void *buffer, size_t size)
{
    return fc_pread_full(t->memory, buffer, size, address) == (ssize_t)size ? 0 : -EFAULT;
}

/* Page by page: what follows the text need not be there. */
ssize_t fc_target_text(const struct fc_target *t, uint64_t address, char *buffer, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), len = 0;

    while (len < size) {
        size_t n = page - (size_t)((address + len) % page);
        char *end;

        if (n > size - len)
            n = size - len;
        if (fc_target_bytes(t, address + len, buffer + len, n) < 0)
            return -EFAULT;
        end = memchr(buffer + len, '\0', n);
        if (end)
            return end - buffer;
        len += n;
    }
    return -ENAMETOOLONG;
}

/* Which descriptor of its own a path names, or -1. */
static int descriptor_in(const char *path)
{
    static const char *const folders[] = {"/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/"};

    for (size_t i = 0; i < FC_LENGTH(folders); i++) {
        size_t n = strlen(folders[i]);
        char *end = NULL;
        unsigned long fd;

        if (strncmp(path, folders[i], n) != 0 || path[n] < '0' || path[n] > '9')
            continue;
        fd = strtoul(path + n, &end, 10);
        return *end == '\0' && fd <= INT_MAX ? (int)fd : -1;
    }
    return -1;
}

static int open_descriptor(const struct fc_target *t, int fd, int flags)
{
    char name[32];
    int r;

    snprintf(name, sizeof(name), "fd/%d", fd);
    r = openat(t->dir, name, O_PATH | O_CLOEXEC | flags);
    return r < 0 ? -errno : r;
}

/* Be where the thread is: its root, and the directory from which the path goes. */
static int enter(const struct fc_target *t, int dir, bool absolute)
{
    fc_auto(fc_close) int root = openat(t->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), from = -1;

    if (root < 0 || fchdir(root) < 0 || chroot(".") < 0)
        return -errno;
    if (absolute)
        return 0;
    from = dir == AT_FDCWD ? openat(t->dir, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC)
                           : open_descriptor(t, dir, O_DIRECTORY);
    if (from < 0)
        return dir == AT_FDCWD ? -errno : from;
    return fchdir(from) < 0 ? -errno : 0;
}

int fc_target_walk(const struct fc_target *t, int dir, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags), .resolve = RESOLVE_NO_MAGICLINKS};
    int fd = flags & O_NOFOLLOW ? -1 : descriptor_in(path), r;

    if (fd >= 0)
        return open_descriptor(t, fd, flags);
    r = enter(t, dir, path[0] == '/');
    if (r < 0)
        return r;
    r = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    return r < 0 ? -errno : r;
}

int fc_target_fd(const struct fc_target *t, int fd, bool o_path_too)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    uint64_t flags = 0;
    char name[32];

    snprintf(name, sizeof(name), "fdinfo/%d", fd);
    if (fc_read_file(t->dir, name, 1 << 16, &text) < 0 || !text.data ||
        !number_of(text.data, "\nflags:", 0, 8, &flags) || ((flags & O_PATH) && !o_path_too))
        return -EBADF;
    return open_descriptor(t, fd, 0);
}
