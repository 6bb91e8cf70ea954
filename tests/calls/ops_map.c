/* SPDX-License-Identifier: Apache-2.0 */
/* Shared mappings of open files: read, write, sync, while the files are written and cut otherwise. */
#include "calls.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void unmap(struct map *m)
{
    for (int s = 0; s < 2 && m->length; s++)
        munmap(m->at[s], m->length);
    m->length = 0;
}

void maps_close(struct worker *w, int file)
{
    for (int i = 0; i < N_MAPS; i++)
        if (w->maps[i].length && w->maps[i].file == file)
            unmap(&w->maps[i]);
}

static void map(struct worker *w, struct map *m)
{
    int file = some_file_index(w);
    struct map new = {
        .length = 4096 * (1 + roll(&w->dice, 20)), .offset = 4096 * (off_t)roll(&w->dice, 30), .file = file};
    int protection = one_in(&w->dice, 4) ? PROT_READ : PROT_READ | PROT_WRITE;
    const struct both *b = file < 0 ? NULL : &w->files[file];
    struct stat st;

    if (!b || fstat(b->fd[1], &st) < 0 || !S_ISREG(st.st_mode))
        return;
    say(w, "mmap %zu bytes at %lld, protection %d", new.length, (long long)new.offset, protection);
    if (BOTH(w, (new.at[S] = mmap(NULL, new.length, protection, MAP_SHARED, b->fd[S], new.offset)) == MAP_FAILED ? -1
                                                                                                                 : 0)) {
        *m = new;
        if (protection == PROT_READ) {
            /* Looked at and let go. */
            if (st.st_size > m->offset) {
                size_t n = (size_t)(st.st_size - m->offset) < m->length ? (size_t)(st.st_size - m->offset) : m->length;

                if (memcmp(m->at[0], m->at[1], n) != 0)
                    differ(w, "other bytes");
            }
            unmap(m);
        }
    }
}

/* As far as the file goes now: behind its end there is SIGBUS. */
static void use(struct worker *w, struct map *m)
{
    struct stat st;
    size_t n, from, size;

    if (fstat(w->files[m->file].fd[1], &st) < 0 || st.st_size <= m->offset)
        return;
    n = (size_t)(st.st_size - m->offset) < m->length ? (size_t)(st.st_size - m->offset) : m->length;
    from = roll(&w->dice, (unsigned)n);
    size = 1 + roll(&w->dice, (unsigned)(n - from));
    say(w, "mapping: %zu bytes at %lld", size, (long long)m->offset + (long long)from);
    if (memcmp(m->at[0] + from, m->at[1] + from, size) != 0)
        differ(w, "other bytes");
    for (int s = 0; s < 2; s++)
        memset(m->at[s] + from, (int)w->op & 255, size);
}

void op_map(struct worker *w)
{
    struct map *m = &w->maps[roll(&w->dice, N_MAPS)];

    if (!w->mapping)
        return;
    if (!m->length) {
        map(w, m);
        return;
    }
    switch (roll(&w->dice, 6)) {
    case 0:
        unmap(m);
        break;
    case 1:
        say(w, "msync");
        if (one_in(&w->dice, 4))
            BOTH(w, msync(m->at[S], m->length, MS_SYNC));
        break;
    default:
        use(w, m);
    }
}
