/* SPDX-License-Identifier: Apache-2.0 */
/* A regular file that has no name, or a temporary one, until it is complete. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/output.h"

#define TRIES 1000u

static const char *name_of(const struct fc_image_output *o)
{
    const char *slash = strrchr(o->path, '/');

    return slash ? slash + 1 : o->path;
}

static int split_path(const char *path, struct fc_image_output *o)
{
    const char *slash = strrchr(path, '/');

    o->path = strdup(path);
    o->dir = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    return o->path && o->dir ? 0 : -ENOMEM;
}

static int set_temp(struct fc_image_output *o, unsigned number)
{
    free(o->temp);
    if (asprintf(&o->temp, "%s/.%.200s.%ld-%u", o->dir, name_of(o), (long)getpid(), number) >= 0)
        return 0;
    o->temp = NULL;
    return -ENOMEM;
}

/* Is @name a name that set_temp() makes for the output? */
static bool is_temp_name(const struct fc_image_output *o, const char *name)
{
    char prefix[256];
    size_t len = (size_t)snprintf(prefix, sizeof(prefix), ".%.200s.", name_of(o)), digits;

    if (strncmp(name, prefix, len) != 0)
        return false;
    name += len;
    digits = strspn(name, "0123456789");
    if (!digits || name[digits] != '-')
        return false;
    name += digits + 1;
    digits = strspn(name, "0123456789");
    return digits && name[digits] == '\0';
}

/* A writer that lives holds the lock of its temporary file; one that was killed has left the file to us. */
static void remove_if_left(int dir, const char *name)
{
    fc_auto(fc_close) int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(dir, name, 0);
}

static void remove_left(const struct fc_image_output *o)
{
    DIR *d = opendir(o->dir);
    const struct dirent *e;

    while (d && (e = readdir(d)))
        if (is_temp_name(o, e->d_name))
            remove_if_left(dirfd(d), e->d_name);
    if (d)
        closedir(d);
}

/* Does @o->temp still name the file? Someone may have taken it for a killed writer's before it was locked. */
static bool still_named(const struct fc_image_output *o)
{
    struct stat ours, there;

    return fstat(o->fd, &ours) == 0 && lstat(o->temp, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

static int open_named(struct fc_image_output *o)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (set_temp(o, i) < 0)
            return -ENOMEM;
        o->fd = open(o->temp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
        if (o->fd >= 0) {
            flock(o->fd, LOCK_EX); /* where there are no locks nobody removes what is not locked */
            if (still_named(o))
                return 0;
            close(fc_steal_fd(&o->fd));
        } else if (errno != EEXIST) {
            int code = errno;

            free(fc_steal(&o->temp)); /* not ours */
            return -code;
        }
    }
    free(fc_steal(&o->temp));
    return -EEXIST;
}

static int open_file(struct fc_image_output *o)
{
    if (!*name_of(o))
        return -EISDIR;
    o->fd = open(o->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (o->fd >= 0 && access("/proc/self/fd", X_OK) == 0)
        return 0;
    if (o->fd >= 0) /* it could not be named later */
        close(fc_steal_fd(&o->fd));
    else if (errno != EISDIR && errno != ENOENT && errno != EINVAL && errno != EOPNOTSUPP)
        return -errno;
    return open_named(o);
}

int fc_image_output_open(struct fc_image_output *ret, const char *path, const struct stat *old, struct fc_error *err)
{
    __attribute__((cleanup(fc_image_output_release_auto))) struct fc_image_output o = {.fd = -1};
    int r;

    if (split_path(path, &o) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    remove_left(&o);
    r = open_file(&o);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot write %s", path);
    if (old && fchmod(o.fd, old->st_mode & 07777) < 0)
        return fc_fail_errno(err, errno, "cannot set the mode of %s", path);
    *ret = o;
    o = (struct fc_image_output){.fd = -1};
    return 0;
}

/* linkat() cannot replace, so that the file gets a temporary name to be renamed from. */
static int name_temp(struct fc_image_output *o, const char *proc)
{
    flock(o->fd, LOCK_EX);
    for (unsigned i = 0; i < TRIES; i++) {
        if (set_temp(o, i) < 0)
            return -ENOMEM;
        if (linkat(AT_FDCWD, proc, AT_FDCWD, o->temp, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        if (errno != EEXIST) {
            int code = errno;

            free(fc_steal(&o->temp));
            return -code;
        }
    }
    free(fc_steal(&o->temp));
    return -EEXIST;
}

int fc_image_output_place(struct fc_image_output *o, struct fc_error *err)
{
    char proc[64];
    int r = 0;

    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", o->fd);
    if (!o->temp && linkat(AT_FDCWD, proc, AT_FDCWD, o->path, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (!o->temp)
        r = errno == EEXIST ? name_temp(o, proc) : -errno;
    if (r == 0 && rename(o->temp, o->path) < 0)
        r = -errno;
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot put %s in its place", o->path);
    free(fc_steal(&o->temp));
    return 0;
}

void fc_image_output_release(struct fc_image_output *o)
{
    if (o->temp)
        unlink(o->temp); /* before the lock goes */
    fc_close_auto(&o->fd);
    free(o->temp);
    free(o->dir);
    free(o->path);
    *o = (struct fc_image_output){.fd = -1};
}
