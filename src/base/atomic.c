/* SPDX-License-Identifier: Apache-2.0 */
/* Files that appear complete under their name or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* A new file beside @path, under a name that nobody can have prepared. Returns the descriptor and *ret_temp, or -errno. */
static int create_temp(const char *path, mode_t mode, char **ret_temp)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    for (int attempt = 0; attempt < 100; attempt++) {
        fc_auto(fc_free) char *temp = NULL;
        uint32_t random;
        int fd;

        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return -errno;
        if (asprintf(&temp, "%.*s.%.200s.%08x", (int)(name - path), path, name, random) < 0)
            return temp = NULL, -ENOMEM;
        fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0) {
            *ret_temp = fc_steal(&temp);
            return fd;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

int fc_atomic_begin(struct fc_atomic *ret, const char *path, struct fc_error *err)
{
    fc_auto(fc_free) char *copy = strdup(path), *temp = NULL;
    struct stat st;
    /* Somebody else's file there says nothing about how ours should be. */
    bool keep = lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
    int fd;

    if (!copy)
        return fc_fail(err, ENOMEM, "out of memory");
    fd = create_temp(path, keep ? st.st_mode & 0777 : 0666, &temp);
    if (fd < 0)
        return fc_fail_errno(err, -fd, "cannot write %s", path);
    if (keep && fchmod(fd, st.st_mode & 0777) < 0) {
        int code = errno;

        close(fd);
        unlink(temp);
        return fc_fail_errno(err, code, "cannot set the mode of %s", temp);
    }
    *ret = (struct fc_atomic){.fd = fd, .path = fc_steal(&copy), .temp = fc_steal(&temp)};
    return 0;
}

static int sync_parent(const char *path)
{
    fc_auto(fc_free) char *copy = strdup(path);
    char *slash = copy ? strrchr(copy, '/') : NULL;

    if (!copy)
        return -ENOMEM;
    if (!slash)
        return fc_sync_dir(".");
    slash[slash == copy] = '\0';
    return fc_sync_dir(copy);
}

int fc_atomic_commit(struct fc_atomic *a, bool sync, struct fc_error *err)
{
    int fd = a->fd, r;

    if (sync && fsync(fd) < 0)
        return fc_fail_errno(err, errno, "cannot sync %s", a->path);
    a->fd = -1;
    if (close(fd) < 0)
        return fc_fail_errno(err, errno, "cannot close %s", a->path);
    if (rename(a->temp, a->path) < 0)
        return fc_fail_errno(err, errno, "cannot put %s in its place", a->path);
    r = sync ? sync_parent(a->path) : 0;
    free(a->temp);
    a->temp = NULL;
    if (r < 0)
        fc_fail_errno(err, -r, "cannot sync the folder of %s", a->path);
    fc_atomic_release(a);
    return r;
}

void fc_atomic_release(struct fc_atomic *a)
{
    if (a->temp) {
        unlink(a->temp);
        if (a->fd >= 0)
            close(a->fd);
    }
    free(a->temp);
    free(a->path);
    *a = (struct fc_atomic){.fd = -1};
}
