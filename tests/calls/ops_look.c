/* SPDX-License-Identifier: Apache-2.0 */
/* Look: attributes, link texts, listings. */
#include "calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The judge may be a little earlier or later; but who has old times and who new ones is the same on both sides. */
enum { SLACK = 20 };

void compare_stat(struct worker *w, int left, int right, const char *path)
{
    const int fds[2] = {left, right};
    struct stat st[2];

    if (!BOTH(w, fstatat(fds[S], path, &st[S], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return;
    if (st[0].st_mode != st[1].st_mode)
        differ(w, "mode 0%o and not 0%o", st[0].st_mode, st[1].st_mode);
    if (st[0].st_nlink != st[1].st_nlink)
        differ(w, "%lu links and not %lu", (unsigned long)st[0].st_nlink, (unsigned long)st[1].st_nlink);
    if (st[0].st_uid != st[1].st_uid || st[0].st_gid != st[1].st_gid)
        differ(w, "owner %u:%u and not %u:%u", st[0].st_uid, st[0].st_gid, st[1].st_uid, st[1].st_gid);
    if (!S_ISDIR(st[1].st_mode) && st[0].st_size != st[1].st_size)
        differ(w, "size %lld and not %lld", (long long)st[0].st_size, (long long)st[1].st_size);
    if (st[0].st_rdev != st[1].st_rdev)
        differ(w, "device %lx and not %lx", (long)st[0].st_rdev, (long)st[1].st_rdev);
    /* What goes through a FIFO or a device sets its times on ext4; a FUSE server is not told of it. */
    if (((S_ISREG(st[1].st_mode) && !w->mapping) || S_ISDIR(st[1].st_mode) || S_ISLNK(st[1].st_mode)) &&
        llabs((long long)st[0].st_mtime - (long long)st[1].st_mtime) > SLACK)
        differ(w, "mtime %lld and not %lld", (long long)st[0].st_mtime, (long long)st[1].st_mtime);
}

static void read_text(struct worker *w, const struct where *at)
{
    char text[2][500];
    long got[2];
    int err[2];

    say(w, "readlink %s", at->path);
    for (int s = 0; s < 2; s++) {
        errno = 0;
        got[s] = readlinkat(at->dir.fd[s], at->path, text[s], sizeof(text[s]));
        err[s] = errno;
    }
    if (same(w, got, err) && memcmp(text[0], text[1], (size_t)got[0]) != 0)
        differ(w, "another text");
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* All entries with their types, sorted. */
static size_t list(int fd, char ***ret)
{
    DIR *d = fdopendir(fd);
    struct dirent *e;
    size_t n = 0;

    *ret = NULL;
    while (d && (e = readdir(d))) {
        if (n % 64 == 0)
            *ret = realloc(*ret, (n + 64) * sizeof(char *));
        if (asprintf(&(*ret)[n++], "%s type %d", e->d_name, e->d_type) < 0)
            abort();
    }
    if (n)
        qsort(*ret, n, sizeof(char *), by_text);
    if (d)
        closedir(d);
    return n;
}

static void list_both(struct worker *w, const struct where *at)
{
    char **names[2];
    int fd[2];
    size_t n[2];

    say(w, "list %s", at->path);
    if (!BOTH(w,
              (fd[S] = openat(at->dir.fd[S], at->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0 ? -1 : 0))
        return;
    for (int s = 0; s < 2; s++)
        n[s] = list(fd[s], &names[s]);
    for (size_t i = 0; i < n[0] || i < n[1]; i++)
        if (i >= n[0] || i >= n[1] || strcmp(names[0][i], names[1][i]) != 0)
            differ(w, "\"%s\" and not \"%s\"", i < n[0] ? names[0][i] : "", i < n[1] ? names[1][i] : "");
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n[s]; i++)
            free(names[s][i]);
        free(names[s]);
    }
}

void op_look(struct worker *w)
{
    struct where at;

    aim(w, &at);
    switch (roll(&w->dice, 6)) {
    case 0:
        read_text(w, &at);
        break;
    case 1:
        list_both(w, &at);
        break;
    default:
        say(w, "stat %s", at.path);
        compare_stat(w, at.dir.fd[0], at.dir.fd[1], at.path);
    }
}
