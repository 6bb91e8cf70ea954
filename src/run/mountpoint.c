/* SPDX-License-Identifier: Apache-2.0 */
/* Mount something at a path of the tree, whether it is there or not, and leave no trace of it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/internal.h"

int run_open(const struct run *r, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, r->root_fd, *path ? path : ".", &how, sizeof(how));

    return fd < 0 ? -errno : fd;
}

static bool is_kind(int fd, bool directory)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) == directory;
}

/* What is mounted there would be out of reach. */
static bool is_root(const struct run *r, int fd)
{
    struct stat st, root;

    return fstat(fd, &st) == 0 && fstat(r->root_fd, &root) == 0 && st.st_dev == root.st_dev && st.st_ino == root.st_ino;
}

/* In a file system of the run's own (/dev) it is simply made. */
static int make_here(int parent, const char *name, bool directory)
{
    int fd;

    if (directory)
        return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
    fd = openat(parent, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int show(const struct run *r, int parent, const char *name, bool directory, struct fc_error *err)
{
    struct run_msg m = {.kind = RUN_PLACE, .flag = directory};
    struct stat st, tree;

    if (fstat(parent, &st) < 0 || fstat(r->root_fd, &tree) < 0)
        return fc_fail_errno(err, errno, "%s", name);
    if (st.st_dev != tree.st_dev) {
        int e = make_here(parent, name, directory);

        return e < 0 ? fc_fail_errno(err, -e, "%s: cannot be made where something else is mounted", name) : 0;
    }
    m.number = st.st_ino;
    snprintf(m.text, sizeof(m.text), "%s", name);
    return run_ask(r, &m, -1, err);
}

/* The folder @path, which may be the root; it, too, is shown where it is not there. */
static int open_parent(const struct run *r, const char *path, struct fc_error *err)
{
    int fd = run_open(r, path);

    if (fd >= 0 && is_kind(fd, true))
        return fd;
    if (fd >= 0)
        close(fd);
    return run_target(r, path, true, err);
}

int run_target(const struct run *r, const char *path, bool directory, struct fc_error *err)
{
    fc_auto(fc_free) char *copy = strdup(path);
    fc_auto(fc_close) int parent = -1;
    int fd = run_open(r, path), e;
    char *name;

    if (fd >= 0 && is_root(r, fd)) {
        close(fd);
        return fc_fail(err, EBUSY, "%s: is the root of the tree, which cannot be mounted over", path);
    }
    if (fd >= 0 && is_kind(fd, directory))
        return fd;
    if (fd >= 0)
        close(fd);
    if (fd == -ENOSYS)
        return fc_fail(err, ENOSYS,
                       "the kernel is too old to run a command in the tree: it has no openat2 (Linux 5.6)");
    if (!copy)
        return fc_fail(err, ENOMEM, "out of memory");
    while (*copy && copy[strlen(copy) - 1] == '/')
        copy[strlen(copy) - 1] = '\0';
    name = strrchr(copy, '/');
    if (!name || !name[1] || strcmp(name + 1, "..") == 0 || strcmp(name + 1, ".") == 0)
        return fc_fail(err, EINVAL, "%s: cannot be mounted on", path);
    *name++ = '\0';
    parent = open_parent(r, copy, err);
    if (parent < 0)
        return parent;
    e = show(r, parent, name, directory, err);
    if (e < 0)
        return e;
    fd = openat(parent, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? fc_fail_errno(err, errno, "%s", path) : fd;
}

int run_mount_fd(int target_fd, int source_fd, const char *type, unsigned long flags, const char *options)
{
    char target[40], source[40];

    snprintf(target, sizeof(target), "/proc/self/fd/%d", target_fd);
    snprintf(source, sizeof(source), "/proc/self/fd/%d", source_fd);
    if (source_fd >= 0)
        return mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
    return mount(type, target, type, flags, options) < 0 ? -errno : 0;
}

int run_mount(const struct run *r, const char *path, const char *type, unsigned long flags, const char *options,
              struct fc_error *err)
{
    fc_auto(fc_close) int fd = run_target(r, path, true, err);
    int e;

    if (fd < 0)
        return fd;
    e = run_mount_fd(fd, -1, type, flags, options);
    return e < 0 ? run_explain_mount(-e, path, err) : 0;
}

static int make_read_only(int fd)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

    return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int run_bind(const struct run *r, int source_fd, const char *path, bool directory, bool read_only, struct fc_error *err)
{
    fc_auto(fc_close) int fd = run_target(r, path, directory, err), top = -1;
    int e;

    if (fd < 0)
        return fd;
    e = run_mount_fd(fd, source_fd, NULL, 0, NULL);
    if (e == 0 && read_only) {
        top = run_open(r, path); /* what is mounted now, not what is below */
        e = top < 0 ? top : make_read_only(top);
        if (e == -ENOSYS)
            return fc_fail(err, ENOSYS, "%s: the kernel is too old to bind read-only (Linux 5.12)", path);
    }
    return e < 0 ? run_explain_mount(-e, path, err) : 0;
}
