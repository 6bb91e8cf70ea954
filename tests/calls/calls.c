/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: where calls are aimed, how their results are compared. */
#include "calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* splitmix64 */
uint64_t roll64(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void say(struct worker *w, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(w->what, sizeof(w->what), fmt, args);
    va_end(args);
}

void differ(struct worker *w, const char *fmt, ...)
{
    va_list args;
    char words[500];

    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    printf("worker %u, call %llu: %s: %s\n", w->number, (unsigned long long)w->op, w->what, words);
    fflush(stdout);
    _exit(3);
}

bool same(struct worker *w, const long got[2], const int err[2])
{
    if (w->trace)
        printf("%u/%llu: %s = %ld %s\n", w->number, (unsigned long long)w->op, w->what, got[0],
               got[0] < 0 ? strerrorname_np(err[0]) : "");
    if ((got[0] < 0) != (got[1] < 0) || (got[0] < 0 && err[0] != err[1]) || (got[0] >= 0 && got[0] != got[1]))
        differ(w, "%ld (%s) and not %ld (%s)", got[0], got[0] < 0 ? strerror(err[0]) : "fine", got[1],
               got[1] < 0 ? strerror(err[1]) : "fine");
    return got[0] >= 0;
}

/* The name of some entry of the judge's directory @fd. Returns whether there is one. */
static bool some_entry(struct worker *w, int fd, const char *path, char *ret, bool *ret_dir)
{
    int copy = openat(fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;
    unsigned n = 0;

    if (!dir) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    /* Any one, but the same in every run: by a number of its name's, as the order is not ours. */
    uint64_t best = UINT64_MAX, salt = roll64(&w->dice);

    while ((e = readdir(dir))) {
        struct dice d = {salt};
        uint64_t h;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        for (const char *p = e->d_name; *p; p++)
            d.state = (d.state ^ (unsigned char)*p) * UINT64_C(1099511628211);
        h = roll64(&d);
        if (h > best)
            continue;
        best = h;
        n++;
        strcpy(ret, e->d_name);
        *ret_dir = e->d_type == DT_DIR;
    }
    closedir(dir);
    return n > 0;
}

static void new_name(struct worker *w, char *ret)
{
    static const char *const odd[] = {".wh.n1", "caf\xe9", "a b", "\xff", "...", "-x"};

    if (one_in(&w->dice, 12)) {
        strcpy(ret, odd[roll(&w->dice, 6)]);
    } else if (one_in(&w->dice, 60)) {
        memset(ret, 'm', 256);
        ret[255 + roll(&w->dice, 2)] = '\0';
    } else {
        sprintf(ret, "n%u", roll(&w->dice, 14));
    }
}

void aim(struct worker *w, struct where *ret)
{
    const struct both *dir = one_in(&w->dice, 4) ? &w->dirs[roll(&w->dice, N_DIRS)] : &w->root;
    char name[300];
    bool is_dir = true;

    ret->dir = dir->fd[0] >= 0 ? *dir : w->root;
    ret->path[0] = '\0';
    for (int depth = 0; depth < 4 && is_dir && strlen(ret->path) < 380; depth++) {
        bool last = one_in(&w->dice, 3), there;

        is_dir = false;
        there = !(last && one_in(&w->dice, 2)) && some_entry(w, ret->dir.fd[1], ret->path, name, &is_dir);
        if (!there)
            new_name(w, name);
        if (*ret->path)
            strcat(ret->path, "/");
        strcat(ret->path, name);
        if (!there || last)
            break;
    }
    if (one_in(&w->dice, 80))
        strcat(ret->path, one_in(&w->dice, 2) ? "/" : "/.");
}

int some_file_index(struct worker *w)
{
    unsigned first = roll(&w->dice, N_FILES);

    for (unsigned i = 0; i < N_FILES; i++)
        if (w->files[(first + i) % N_FILES].fd[0] >= 0)
            return (int)((first + i) % N_FILES);
    return -1;
}

struct both *some_file(struct worker *w)
{
    int i = some_file_index(w);

    return i < 0 ? NULL : &w->files[i];
}

void worker_init(struct worker *w, uint64_t seed, unsigned number, const char *left, const char *right)
{
    const char *const trees[] = {left, right};
    char path[4096];

    w->seed = seed;
    w->number = number;
    w->mapping = (seed + number) % 2;
    w->capable = (seed + number) / 2 % 2;
    for (int i = 0; i < N_FILES; i++)
        w->files[i] = (struct both){{-1, -1}};
    for (int i = 0; i < N_DIRS; i++)
        w->dirs[i] = (struct both){{-1, -1}};
    for (int s = 0; s < 2; s++) {
        snprintf(path, sizeof(path), "%s/w%u", trees[s], number);
        mkdir(path, 0755);
        w->root.fd[s] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->buffers[s] = malloc(BUFFER);
        if (w->root.fd[s] < 0) {
            perror(path);
            _exit(2);
        }
    }
}

void worker_step(struct worker *w, uint64_t op)
{
    static void (*const ops[])(struct worker *) = {op_open,    op_open,    op_open,  op_content, op_content, op_content,
                                                   op_content, op_content, op_map,   op_names,   op_names,   op_names,
                                                   op_names,   op_attr,    op_xattr, op_look,    op_look};

    w->op = op;
    w->dice.state = w->seed * UINT64_C(0x9e3779b97f4a7c15) ^ (op + 1) * UINT64_C(0xd1342543de82ef95) ^
                    (w->number + 1) * UINT64_C(0xff51afd7ed558ccd);
    roll64(&w->dice);
    ops[roll(&w->dice, sizeof(ops) / sizeof(*ops))](w);
}

static void close_both(struct both *b)
{
    for (int s = 0; s < 2; s++)
        if (b->fd[s] >= 0)
            close(b->fd[s]);
    *b = (struct both){{-1, -1}};
}

void worker_free(struct worker *w)
{
    for (int i = 0; i < N_FILES; i++) {
        maps_close(w, i);
        close_both(&w->files[i]);
    }
    for (int i = 0; i < N_DIRS; i++)
        close_both(&w->dirs[i]);
    close_both(&w->root);
    free(w->buffers[0]);
    free(w->buffers[1]);
}

static void calm(int dir)
{
    const struct timespec then[2] = {{1000000000, 1}, {1000000000, 2}};
    DIR *d = fdopendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (e->d_type == DT_DIR) {
            int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

            if (sub >= 0)
                calm(sub);
        }
        utimensat(dirfd(d), e->d_name, then, AT_SYMLINK_NOFOLLOW);
    }
    if (d)
        futimens(dirfd(d), then);
    if (d)
        closedir(d);
}

void worker_calm(struct worker *w)
{
    /* What was written through mappings must not be written, and so get a new time, after this. */
    for (int i = 0; i < N_FILES; i++)
        maps_close(w, i);
    if (w->mapping)
        syncfs(w->root.fd[0]);
    for (int s = 0; s < 2; s++)
        calm(openat(w->root.fd[s], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
