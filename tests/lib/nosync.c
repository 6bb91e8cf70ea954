/* SPDX-License-Identifier: Apache-2.0 */
/* To be preloaded: while the file that NOSYNC names exists, fsync and fdatasync of a data file fail as a bad disk's do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(int fd)
{
    char link[40], path[512];
    const char *flag = getenv("NOSYNC");
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    if (!flag || access(flag, F_OK) < 0 || !strstr(path, "/data/"))
        return 0;
    errno = EIO;
    return 1;
}

int fdatasync(int fd) { return fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd); }
int fsync(int fd) { return fails(fd) ? -1 : (int)syscall(SYS_fsync, fd); }
