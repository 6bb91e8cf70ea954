/* SPDX-License-Identifier: Apache-2.0 */
/* Open files, read and write them, change their sizes, copy between them. */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_old(struct worker *w, struct both *b, int file)
{
    if (b->fd[0] < 0)
        return;
    if (file >= 0)
        maps_close(w, file);
    say(w, "close");
    BOTH(w, close(b->fd[S]));
    *b = (struct both){{-1, -1}};
}

static int draw_flags(struct worker *w)
{
    static const int modes[] = {O_RDONLY, O_RDWR, O_RDWR, O_RDWR, O_WRONLY};
    int flags = modes[roll(&w->dice, 5)];

    flags |= one_in(&w->dice, 2) ? O_CREAT : 0;
    flags |= one_in(&w->dice, 6) ? O_EXCL * ((flags & O_CREAT) != 0) : 0;
    flags |= one_in(&w->dice, 5) ? O_TRUNC : 0;
    flags |= one_in(&w->dice, 5) ? O_APPEND : 0;
    flags |= one_in(&w->dice, 3) ? 0 : O_NOFOLLOW;
    return flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
}

/* Symbolic links may lead anywhere: never follow one that leads out of the worker's tree. */
static bool leads_out(struct worker *w, const struct where *at)
{
    char text[4096];
    ssize_t n = readlinkat(at->dir.fd[1], at->path, text, sizeof(text) - 1);

    (void)w;
    return n > 0 && (text[0] == '/' || memmem(text, (size_t)n, "..", 2));
}

static void open_dir(struct worker *w)
{
    struct both *b = &w->dirs[roll(&w->dice, N_DIRS)], new = {{-1, -1}};
    struct where at;

    close_old(w, b, -1);
    aim(w, &at);
    say(w, "open directory %s", at.path);
    if (leads_out(w, &at))
        return;
    if (BOTH(w,
             (new.fd[S] = openat(at.dir.fd[S], at.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0 ? -1 : 0))
        *b = new;
}

void op_open(struct worker *w)
{
    int index = (int)roll(&w->dice, N_FILES), flags = draw_flags(w);
    mode_t mode = roll(&w->dice, 01000);
    struct both new = {{-1, -1}};
    struct where at;

    if (one_in(&w->dice, 5)) {
        open_dir(w);
        return;
    }
    aim(w, &at);
    close_old(w, &w->files[index], index);
    say(w, "open %s flags 0%o mode 0%o", at.path, (unsigned)flags, mode);
    if (leads_out(w, &at))
        return;
    if (BOTH(w, (new.fd[S] = openat(at.dir.fd[S], at.path, flags, mode)) < 0 ? -1 : 0))
        w->files[index] = new;
}

static off_t draw_offset(struct worker *w)
{
    if (one_in(&w->dice, 40))
        return (off_t)1 << (20 + roll(&w->dice, 5));
    return one_in(&w->dice, 3) ? (off_t)roll(&w->dice, 40) * 4096 : (off_t)roll(&w->dice, 200000);
}

static size_t draw_size(struct worker *w)
{
    return one_in(&w->dice, 20) ? 1 + roll(&w->dice, BUFFER) : 1 + roll(&w->dice, one_in(&w->dice, 2) ? 200 : 20000);
}

static void do_write(struct worker *w, const struct both *b)
{
    size_t size = draw_size(w);
    off_t offset = draw_offset(w);
    unsigned first = roll(&w->dice, 256);
    bool at_place = !one_in(&w->dice, 3);

    for (size_t i = 0; i < size; i++)
        w->buffers[0][i] = (unsigned char)(first + i * 5 + i / 256);
    say(w, "%s %zu bytes at %lld", at_place ? "pwrite" : "write", size, (long long)offset);
    if (at_place)
        BOTH(w, pwrite(b->fd[S], w->buffers[0], size, offset));
    else
        BOTH(w, write(b->fd[S], w->buffers[0], size));
}

static void do_read(struct worker *w, const struct both *b)
{
    size_t size = draw_size(w);
    off_t offset = draw_offset(w);
    long got[2];
    int err[2];
    bool at_place = !one_in(&w->dice, 3);

    say(w, "%s %zu bytes at %lld", at_place ? "pread" : "read", size, (long long)offset);
    for (int s = 0; s < 2; s++) {
        errno = 0;
        got[s] = at_place ? pread(b->fd[s], w->buffers[s], size, offset) : read(b->fd[s], w->buffers[s], size);
        err[s] = errno;
    }
    if (same(w, got, err) && memcmp(w->buffers[0], w->buffers[1], (size_t)got[0]) != 0)
        differ(w, "other bytes");
}

static void do_resize(struct worker *w, const struct both *b)
{
    static const int modes[] = {0,
                                FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    off_t offset = draw_offset(w), length = (off_t)draw_size(w);
    int mode = modes[roll(&w->dice, 6)];

    if (one_in(&w->dice, 2)) {
        say(w, "ftruncate to %lld", (long long)offset);
        BOTH(w, ftruncate(b->fd[S], offset));
    } else {
        say(w, "fallocate mode %d: %lld bytes at %lld", mode, (long long)length, (long long)offset);
        BOTH(w, fallocate(b->fd[S], mode, offset, length));
    }
}

static void do_copy(struct worker *w, const struct both *b)
{
    const struct both *to = some_file(w);
    off_t from = draw_offset(w), out = draw_offset(w);
    size_t size = draw_size(w);

    say(w, "copy_file_range %zu bytes from %lld to %lld", size, (long long)from, (long long)out);
    BOTH(w, copy_file_range(b->fd[S], &(off_t){from}, to->fd[S], &(off_t){out}, size, 0));
}

static void do_seek(struct worker *w, const struct both *b)
{
    static const int kinds[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    int kind = kinds[roll(&w->dice, 3)];
    off_t offset = draw_offset(w) - (kind == SEEK_SET ? 0 : 5000);
    struct stat st;

    /* Offsets in directories are the file system's own. */
    if (fstat(b->fd[1], &st) < 0 || S_ISDIR(st.st_mode))
        return;
    say(w, "lseek %lld from %d", (long long)offset, kind);
    BOTH(w, lseek(b->fd[S], offset, kind));
}

void op_content(struct worker *w)
{
    const struct both *b = some_file(w);

    if (!b)
        return;
    switch (roll(&w->dice, 14)) {
    case 0:
    case 1:
        do_resize(w, b);
        break;
    case 2:
        do_copy(w, b);
        break;
    case 3:
        do_seek(w, b);
        break;
    case 4:
        say(w, "fsync");
        if (one_in(&w->dice, 20))
            BOTH(w, fsync(b->fd[S]));
        break;
    case 5:
        say(w, "fstat");
        compare_stat(w, b->fd[0], b->fd[1], "");
        break;
    case 6:
    case 7:
    case 8:
        do_read(w, b);
        break;
    default:
        do_write(w, b);
    }
}
