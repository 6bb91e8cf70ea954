/* SPDX-License-Identifier: Apache-2.0 */
/* Which call moves which time stamp of what: "a" accessed, "m" modified, "c" changed. */
#include "px.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>

static void prepare(void)
{
    px_file("f", "0123456789");
    OK(link("f", "hard"));
    OK(mkdir("d", 0755));
    px_file("d/in", "in");
    OK(mkdir("d/sub", 0755));
    OK(mkdir("e", 0755));
    OK(mkfifo("p", 0644));
    OK(symlink("f", "l"));
}

static void attributes(void)
{
    TIMES(chmod("f", 0600), AT("f", "c"), AT("hard", "c"), AT(".", ""));
    TIMES(chmod("f", 0600), AT("f", "c"));
    TIMES(chown("f", (uid_t)-1, (gid_t)-1), AT("f", "c"));
    TIMES(lchown("l", getuid(), getgid()), AT("l", "c"), AT("f", ""));
    TIMES(chmod("d", 0700), AT("d", "c"), AT("d/in", ""));
    TIMES(setxattr("f", "user.a", "v", 1, 0), AT("f", "c"));
    TIMES(removexattr("f", "user.a"), AT("f", "c"));
    TIMES(utimensat(AT_FDCWD, "f", NULL, 0), AT("f", "amc"), AT(".", ""));
    TIMES(utimensat(AT_FDCWD, "l", NULL, AT_SYMLINK_NOFOLLOW), AT("l", "amc"), AT("f", ""));
    TIMES(utimensat(AT_FDCWD, "f", ((struct timespec[2]){{0, UTIME_OMIT}, {7, 7}}), 0), AT("f", "mc"));
    TIMES(utimensat(AT_FDCWD, "f", ((struct timespec[2]){{7, 7}, {0, UTIME_OMIT}}), 0), AT("f", "ac"));
    TIMES(utimensat(AT_FDCWD, "f", ((struct timespec[2]){{0, UTIME_OMIT}, {0, UTIME_OMIT}}), 0), AT("f", ""));
    TIMES(stat("f", &(struct stat){0}), AT("f", ""));
    TIMES(access("f", R_OK), AT("f", ""));
}

static void contents(void)
{
    int fd = (int)OK(open("f", O_RDWR)), dir = (int)OK(open("d", O_RDONLY)),
        zero = (int)OK(open("zero", O_RDWR | O_CREAT, 0644));
    char *map;

    TIMES(write(fd, "x", 1), AT("f", "mc"), AT("hard", "mc"), AT(".", ""));
    TIMES(pwrite(fd, "xyz", 3, 5), AT("f", "mc"));
    TIMES(write(fd, "", 0), AT("f", ""));
    TIMES(ftruncate(fd, 5), AT("f", "mc"));
    TIMES(ftruncate(fd, 5), AT("f", "mc"));
    TIMES(ftruncate(fd, 50000), AT("f", "mc"));
    TIMES(truncate("f", 5), AT("f", "mc"));
    TIMES(fallocate(fd, 0, 0, 10000), AT("f", "mc"));
    TIMES(fallocate(fd, FALLOC_FL_KEEP_SIZE, 20000, 10000), AT("f", "mc"));
    TIMES(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), AT("f", "mc"));
    TIMES(close(open("f", O_WRONLY | O_TRUNC)), AT("f", "mc"));
    TIMES(close(open("zero", O_WRONLY | O_TRUNC)), AT("zero", "mc"));
    TIMES(close(open("f", O_RDWR | O_CREAT, 0600)), AT("f", ""), AT(".", ""));
    TIMES(copy_file_range(fd, NULL, zero, NULL, 3, 0) < 0 ? -1 : 0, AT("f", ""));
    TIMES(fsync(fd), AT("f", ""));
    OK(ftruncate(fd, 4096));
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    TIMES((map[0] = 'm', msync(map, 4096, MS_SYNC)), AT("f", "mc"));
    OK(munmap(map, 4096));
    close(fd);
    close(dir);
    close(zero);
}

/* Reading moves the time of access when it is older than the others (relatime); with noatime it does not. */
static void reads(void)
{
    char b[64];
    int fd = (int)OK(open("f", O_RDONLY));
    DIR *d;

    TIMES(utimensat(AT_FDCWD, "f", ((struct timespec[2]){{5, 5}, {0, UTIME_NOW}}), 0), AT("f", "amc"));
    TIMES(read(fd, b, 5), AT("f", "a"));
    close(fd);
    OK(utimensat(AT_FDCWD, "d", ((struct timespec[2]){{5, 5}, {0, UTIME_NOW}}), 0));
    d = opendir("d");
    TIMES(readdir(d) ? 0 : -1, AT("d", "a"));
    closedir(d);
    OK(utimensat(AT_FDCWD, "l", ((struct timespec[2]){{5, 5}, {0, UTIME_NOW}}), AT_SYMLINK_NOFOLLOW));
    TIMES(readlink("l", b, sizeof(b)), AT("l", "a"));
}

static void names(void)
{
    int fd = (int)OK(open("d/in", O_RDWR));

    TIMES(mknod("n", S_IFREG | 0644, 0), AT(".", "mc"), AT("d", ""));
    TIMES(close(open("o", O_WRONLY | O_CREAT, 0644)), AT(".", "mc"));
    TIMES(mkdir("e/m", 0755), AT("e", "mc"), AT(".", ""));
    TIMES(mkfifo("q", 0644), AT(".", "mc"));
    TIMES(symlink("x", "s"), AT(".", "mc"));
    TIMES(link("f", "e/l"), AT("f", "c"), AT("e", "mc"), AT(".", ""));
    TIMES(link("p", "p2"), AT("p", "c"), AT(".", "mc"));
    TIMES(unlink("e/l"), AT("f", "c"), AT("e", "mc"), AT(".", ""));
    TIMES(unlink("d/in"), OF("d/in", "c", fd), AT("d", "mc"));
    TIMES(rmdir("e/m"), AT("e", "mc"), AT(".", ""));
    TIMES(unlink("s"), AT(".", "mc"));
    close(fd);
    px_row("failed calls");
    TIMES(mkdir("d", 0755) < 0 ? 0 : -1, AT("d", ""), AT(".", ""));
    TIMES(rmdir("d") < 0 ? 0 : -1, AT("d", ""), AT(".", ""));
    TIMES(unlink("d") < 0 ? 0 : -1, AT("d", ""), AT(".", ""));
    TIMES(link("f", "hard") < 0 ? 0 : -1, AT("f", ""), AT(".", ""));
    TIMES(rename("f", "d") < 0 ? 0 : -1, AT("f", ""), AT("d", ""), AT(".", ""));
    TIMES(truncate("f", -1) < 0 ? 0 : -1, AT("f", ""));
}

static void renames(void)
{
    int fd = (int)OK(open("d/in", O_RDWR)), moved = (int)OK(open("p", O_RDWR)), sub = (int)OK(open("d/sub", O_RDONLY)),
        empty;

    TIMES(rename("p", "p2"), OF("p", "c", moved), AT(".", "mc"), AT("d", ""));
    TIMES(rename("p2", "d/p"), OF("p", "c", moved), AT(".", "mc"), AT("d", "mc"));
    TIMES(rename("d/sub", "e/sub"), OF("sub", "c", sub), AT("d", "mc"), AT("e", "mc"), AT(".", ""));
    TIMES(rename("d/p", "d/in"), OF("p", "c", moved), OF("in", "c", fd), AT("d", "mc"), AT(".", ""));
    TIMES(rename("f", "hard"), AT("f", ""), AT(".", ""));
    TIMES(renameat2(AT_FDCWD, "d/in", AT_FDCWD, "e/sub", RENAME_EXCHANGE), OF("p", "c", moved), OF("sub", "c", sub),
          AT("d", "mc"), AT("e", "mc"));
    OK(mkdir("e/empty", 0755));
    empty = (int)OK(open("e/empty", O_RDONLY));
    TIMES(rename("d/in", "e/empty"), OF("sub", "c", sub), OF("empty", "c", empty), AT("d", "mc"), AT("e", "mc"));
    close(fd);
    close(moved);
    close(sub);
    close(empty);
}

/* New objects have one time; the time of birth stays. */
static void births(void)
{
    static const char *const made[] = {"n1", "n2", "n3", "n4"};
    struct timespec before, after;
    struct statx x = {0}, y = {0};
    struct stat st;

    clock_gettime(CLOCK_REALTIME_COARSE, &before);
    OK(mknod("n1", S_IFREG | 0644, 0));
    OK(mkdir("n2", 0755));
    OK(symlink("x", "n3"));
    OK(close(open("n4", O_CREAT | O_WRONLY, 0644)));
    clock_gettime(CLOCK_REALTIME, &after);
    for (size_t i = 0; i < LENGTH(made); i++) {
        px_row("%s", made[i]);
        st = px_stat(made[i]);
        TRUE(st.st_ctim.tv_sec > before.tv_sec ||
             (st.st_ctim.tv_sec == before.tv_sec && st.st_ctim.tv_nsec >= before.tv_nsec));
        TRUE(st.st_ctim.tv_sec < after.tv_sec ||
             (st.st_ctim.tv_sec == after.tv_sec && st.st_ctim.tv_nsec <= after.tv_nsec));
        IS(st.st_mtim.tv_nsec, st.st_ctim.tv_nsec);
        IS(st.st_atim.tv_nsec, st.st_ctim.tv_nsec);
    }
    px_row("birth");
    OK(syscall(SYS_statx, AT_FDCWD, "n1", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
    IS(x.stx_mask & STATX_BTIME, STATX_BTIME);
    IS(x.stx_btime.tv_nsec, px_stat("n1").st_ctim.tv_nsec);
    px_file("n1", "later");
    OK(utimensat(AT_FDCWD, "n1", ((struct timespec[2]){{5, 5}, {5, 5}}), 0));
    OK(syscall(SYS_statx, AT_FDCWD, "n1", 0, STATX_BASIC_STATS | STATX_BTIME, &y));
    IS(y.stx_btime.tv_sec, x.stx_btime.tv_sec);
    IS(y.stx_btime.tv_nsec, x.stx_btime.tv_nsec);
    IS(y.stx_mtime.tv_sec, 5);
    OK(syscall(SYS_statx, AT_FDCWD, "d", 0, STATX_BTIME, &x));
    IS(x.stx_mask & STATX_BTIME, STATX_BTIME);
}

const struct px_case px_times[] = {
    {"time-attributes", prepare, attributes, false},
    {"time-contents", prepare, contents, false},
    {"time-reads", prepare, reads, false},
    {"time-names", prepare, names, false},
    {"time-renames", prepare, renames, false},
    {"time-births", prepare, births, false},
    {0},
};
