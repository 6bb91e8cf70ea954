/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads of tests/bench/live that no ordinary program does alone: live-work walk|read|create|unlink|cat|append DIR [N] */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long long count, bytes;

static void die(const char *what)
{
    fprintf(stderr, "live-work: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* nftw(3) calls lstat(2) for every object. */
static int seen(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)where;
    if (kind == FTW_NS || kind == FTW_DNR)
        die(path);
    count++;
    bytes += S_ISREG(st->st_mode) ? (unsigned long long)st->st_size : 0;
    return 0;
}

static void walk(const char *dir)
{
    if (nftw(dir, seen, 64, FTW_PHYS) != 0)
        die(dir);
    printf("%llu objects, %llu bytes\n", count, bytes);
}

/* Each path of the NUL-separated list on standard input, below @dir: open, read to the end, close. */
static void read_all(const char *dir)
{
    static char buffer[1 << 16];
    char *path = NULL;
    size_t cap = 0;

    if (chdir(dir) < 0)
        die(dir);
    while (getdelim(&path, &cap, '\0', stdin) > 0) {
        int fd = open(path, O_RDONLY | O_NOFOLLOW);
        ssize_t n;

        if (fd < 0)
            die(path);
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
            bytes += (unsigned long long)n;
        if (n < 0)
            die(path);
        close(fd);
        count++;
    }
    free(path);
    printf("%llu files, %llu bytes\n", count, bytes);
}

/* A hundred folders of files of 512 bytes. */
static void create(const char *dir, unsigned n)
{
    char path[4096], data[512];

    memset(data, 'x', sizeof(data));
    for (unsigned i = 0; i < n; i++) {
        int fd;

        snprintf(path, sizeof(path), "%s/%02u", dir, i % 100);
        if (i < 100 && mkdir(path, 0755) < 0)
            die(path);
        snprintf(path, sizeof(path), "%s/%02u/file-%06u", dir, i % 100, i);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (fd < 0 || write(fd, data, sizeof(data)) != (ssize_t)sizeof(data) || close(fd) < 0)
            die(path);
    }
}

static void remove_all(const char *dir, unsigned n)
{
    char path[4096];

    for (unsigned i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%02u/file-%06u", dir, i % 100, i);
        if (unlink(path) < 0)
            die(path);
    }
}

static void cat(const char *file)
{
    static char buffer[1 << 20];
    int fd = open(file, O_RDONLY);
    ssize_t n;

    if (fd < 0)
        die(file);
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        bytes += (unsigned long long)n;
    if (n < 0)
        die(file);
    close(fd);
    printf("%llu bytes\n", bytes);
}

static void append(const char *file)
{
    int fd = open(file, O_WRONLY | O_APPEND);

    if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0)
        die(file);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    unsigned n = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;

    if (strcmp(what, "walk") == 0)
        walk(argv[2]);
    else if (strcmp(what, "read") == 0)
        read_all(argv[2]);
    else if (strcmp(what, "create") == 0)
        create(argv[2], n);
    else if (strcmp(what, "unlink") == 0)
        remove_all(argv[2], n);
    else if (strcmp(what, "cat") == 0)
        cat(argv[2]);
    else if (strcmp(what, "append") == 0)
        append(argv[2]);
    else
        return 2;
    return 0;
}
