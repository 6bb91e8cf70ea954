/* SPDX-License-Identifier: Apache-2.0 */
/* Files that appear complete under their name or not at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define TEMP_MARK ".fc-"
#define TEMP_DIGITS 8
#define TRIES 100

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static char *folder_of(const char *path)
{
    size_t len = (size_t)(name_of(path) - path);

    if (len == 0)
        return strdup(".");
    return strndup(path, len == 1 ? 1 : len - 1);
}

/* A name beside @path that nobody can have prepared. */
static int make_temp_name(const char *path, char **ret_temp)
{
    const char *name = name_of(path);
    uint32_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -errno;
    return asprintf(ret_temp, "%.*s.%.200s" TEMP_MARK "%08x", (int)(name - path), path, name, random) < 0 ? -ENOMEM : 0;
}

/* Is @entry a name that make_temp_name() makes for @name? */
static bool is_temp_name(const char *entry, const char *name)
{
    char prefix[256];
    size_t len = (size_t)snprintf(prefix, sizeof(prefix), ".%.200s" TEMP_MARK, name);

    return strncmp(entry, prefix, len) == 0 && strspn(entry + len, "0123456789abcdef") == TEMP_DIGITS &&
           entry[len + TEMP_DIGITS] == '\0';
}

/* Remove what a killed program left for @path. One that lives holds the lock of its temporary file. */
static void remove_left(const char *folder, const char *path)
{
    DIR *d = opendir(folder);
    const struct dirent *e;

    while (d && (e = readdir(d))) {
        fc_auto(fc_close) int fd = -1;
        struct stat st;

        if (!is_temp_name(e->d_name, name_of(path)))
            continue;
        fd = openat(dirfd(d), e->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

/* Does @temp still name the file? Someone may have taken it for a killed program's before it was locked. */
static bool still_named(int fd, const char *temp)
{
    struct stat ours, there;

    return fstat(fd, &ours) == 0 && lstat(temp, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

/* A new file with a temporary name, locked. Returns the descriptor and *ret_temp, or -errno. */
static int create_named(const char *path, mode_t mode, char **ret_temp)
{
    for (int attempt = 0; attempt < TRIES; attempt++) {
        fc_auto(fc_free) char *temp = NULL;
        fc_auto(fc_close) int fd = -1;
        int r = make_temp_name(path, &temp);

        if (r < 0)
            return temp = NULL, r;
        fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 && errno != EEXIST)
            return -errno;
        if (fd < 0)
            continue;
        (void)flock(fd, LOCK_EX); /* where there are no locks nobody removes what is not locked */
        if (still_named(fd, temp)) {
            *ret_temp = fc_steal(&temp);
            return fc_steal_fd(&fd);
        }
    }
    return -EEXIST;
}

/* A new file for @path: without any name where the file system can do that, so that a kill leaves nothing. */
static int create_temp(const char *path, bool replaces, mode_t mode, char **ret_temp)
{
    fc_auto(fc_free) char *folder = folder_of(path);
    int fd;

    if (!folder)
        return -ENOMEM;
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    if (fd >= 0 && access("/proc/self/fd", X_OK) < 0) /* it could not be named later */
        close(fc_steal_fd(&fd));
    if (replaces || fd < 0)
        remove_left(folder, path);
    return fd >= 0 ? fd : create_named(path, mode, ret_temp);
}

int fc_atomic_begin(struct fc_atomic *ret, const char *path, struct fc_error *err)
{
    fc_auto(fc_free) char *copy = strdup(path), *temp = NULL;
    struct stat st;
    bool there = lstat(path, &st) == 0;
    /* Somebody else's file there says nothing about how ours should be. */
    bool keep = there && S_ISREG(st.st_mode) && st.st_uid == geteuid();
    int fd;

    if (!copy)
        return fc_fail(err, ENOMEM, "out of memory");
    fd = create_temp(path, there, keep ? st.st_mode & 0777 : 0666, &temp);
    if (fd < 0)
        return fc_fail_errno(err, -fd, "cannot write %s", path);
    if (keep && fchmod(fd, st.st_mode & 0777) < 0) {
        int code = errno;

        if (temp)
            unlink(temp);
        close(fd);
        return fc_fail_errno(err, code, "cannot set the mode of %s", path);
    }
    *ret = (struct fc_atomic){.fd = fd, .path = fc_steal(&copy), .temp = fc_steal(&temp)};
    return 0;
}

/* linkat() cannot replace, so that the file gets a temporary name to be renamed from. */
static int name_temp(struct fc_atomic *a, const char *proc)
{
    (void)flock(a->fd, LOCK_EX);
    for (int attempt = 0; attempt < TRIES; attempt++) {
        fc_auto(fc_free) char *temp = NULL;
        int r = make_temp_name(a->path, &temp);

        if (r < 0)
            return temp = NULL, r;
        if (linkat(AT_FDCWD, proc, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) == 0) {
            a->temp = fc_steal(&temp);
            return 0;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static int place(struct fc_atomic *a)
{
    char proc[40];
    int r = 0;

    if (!a->temp) {
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", a->fd);
        if (linkat(AT_FDCWD, proc, AT_FDCWD, a->path, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        r = errno == EEXIST ? name_temp(a, proc) : -errno;
    }
    if (r == 0 && rename(a->temp, a->path) < 0)
        r = -errno;
    if (r == 0)
        free(fc_steal(&a->temp));
    return r;
}

static int sync_parent(const char *path)
{
    fc_auto(fc_free) char *folder = folder_of(path);

    return folder ? fc_sync_dir(folder) : -ENOMEM;
}

/* What close() would say. The file stays open: its lock is held as long as its name is a temporary one. */
static int flush(int fd)
{
    int again = dup(fd);

    return again < 0 || close(again) < 0 ? -errno : 0;
}

int fc_atomic_commit(struct fc_atomic *a, bool sync, struct fc_error *err)
{
    int r = sync && fsync(a->fd) < 0 ? -errno : 0;

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot sync %s", a->path);
    r = flush(a->fd);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot close %s", a->path);
    r = place(a);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot put %s in its place", a->path);
    r = sync ? sync_parent(a->path) : 0;
    if (r < 0)
        fc_fail_errno(err, -r, "cannot sync the folder of %s", a->path);
    fc_atomic_release(a);
    return r;
}

void fc_atomic_release(struct fc_atomic *a)
{
    if (a->temp)
        unlink(a->temp); /* before the lock goes */
    if (a->path)
        fc_close_auto(&a->fd);
    free(a->temp);
    free(a->path);
    *a = (struct fc_atomic){.fd = -1};
}

int fc_atomic_write(const char *path, const void *data, size_t size, bool sync, struct fc_error *err)
{
    struct fc_atomic a __attribute__((cleanup(fc_atomic_release_auto))) = {.fd = -1};
    int r = fc_atomic_begin(&a, path, err);

    if (r < 0)
        return r;
    r = fc_write_full(a.fd, data, size);
    return r < 0 ? fc_fail_errno(err, -r, "cannot write %s", path) : fc_atomic_commit(&a, sync, err);
}
