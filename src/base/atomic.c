/* SPDX-License-Identifier: Apache-2.0 */
/* Files that appear complete under their name or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

static mode_t current_umask(void)
{
    mode_t m = umask(0);

    umask(m);
    return m;
}

int fc_atomic_begin(struct fc_atomic *ret, const char *path, struct fc_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    fc_auto(fc_free) char *copy = strdup(path);
    fc_auto(fc_free) char *temp = NULL;
    struct stat st;
    mode_t mode;
    int fd;

    if (!copy || asprintf(&temp, "%.*s.%.200s.XXXXXX", (int)(name - path), path, name) < 0) {
        temp = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    mode = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_mode & 07777 : 0666 & ~current_umask();
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return fc_fail_errno(err, errno, "cannot write %s", path);
    if (fchmod(fd, mode) < 0) {
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
