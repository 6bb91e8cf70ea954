/* SPDX-License-Identifier: Apache-2.0 */
/* Remove a folder tree without following symlinks and without recursion on the stack. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* Empty @fd up to the first sub-folder with content, whose name goes to @ret_sub ("" if there was none). */
static int empty_once(int fd, char ret_sub[256])
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *d;
    int r = 0;

    ret_sub[0] = '\0';
    if (!dir) {
        r = -errno;
        if (copy >= 0)
            close(copy);
        return r;
    }
    while (r == 0 && !ret_sub[0] && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, d->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM && errno != ENOTEMPTY) {
            r = -errno;
        } else if (unlinkat(fd, d->d_name, AT_REMOVEDIR) < 0) {
            if (errno == ENOTEMPTY || errno == EEXIST)
                strcpy(ret_sub, d->d_name);
            else if (errno != ENOENT)
                r = -errno;
        }
    }
    closedir(dir);
    return r;
}

/* Descend into non-empty folders and climb back by "..": two descriptors at any depth. */
static int empty_tree(int top)
{
    fc_auto(fc_close) int fd = fcntl(top, F_DUPFD_CLOEXEC, 3);
    unsigned depth = 0;

    if (fd < 0)
        return -errno;
    for (;;) {
        char sub[256];
        int next, r = empty_once(fd, sub);

        if (r < 0)
            return r;
        if (!sub[0] && depth == 0)
            return 0;
        next = openat(fd, sub[0] ? sub : "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return -errno;
        depth = sub[0] ? depth + 1 : depth - 1;
        close(fd);
        fd = next;
    }
}

int fc_remove_all(int dirfd, const char *path)
{
    fc_auto(fc_close) int fd = -1;
    int r;

    if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = empty_tree(fd);
    if (r < 0)
        return r;
    return unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
