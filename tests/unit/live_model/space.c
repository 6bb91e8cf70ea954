/* SPDX-License-Identifier: Apache-2.0 */
/* Account for every block of the data file: it belongs to one extent, is reserved for one file, freed or free. */
#include "model.h"

#include "edit/store.h"
#include "live/internal.h"

struct list {
    struct owned {
        uint64_t offset, length, ino;
    } * items;
    size_t n, cap;
};

static void add(struct list *l, uint64_t offset, uint64_t length, uint64_t ino)
{
    if (!length)
        return;
    if (fc_grow(&l->items, &l->cap, l->n + 1, sizeof(*l->items)) < 0)
        abort();
    l->items[l->n++] = (struct owned){offset, length, ino};
}

static void add_set(struct list *l, const struct fc_ranges *set)
{
    struct fc_range range = {0};

    while (fc_ranges_next(set, range.offset + range.length, &range))
        add(l, range.offset, range.length, 0);
}

static int by_offset(const void *a, const void *b)
{
    const struct owned *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Returns the bytes that extents have. */
static uint64_t collect(struct fc_live *live, struct list *l)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < live->inodes.cap; i++) {
        const struct live_inode *inode = (const struct live_inode *)(uintptr_t)live->inodes.values[i];

        if (live->inodes.keys[i] == 0 || live->inodes.keys[i] == UINT64_MAX)
            continue;
        for (size_t k = 0; k < inode->content.n; k++) {
            if (inode->content.items[k].source != FC_EDIT_DATA)
                continue;
            add(l, inode->content.items[k].source_offset, inode->content.items[k].length, inode->attr.ino);
            bytes += inode->content.items[k].length;
        }
        add(l, inode->window.offset, inode->window.length, inode->attr.ino);
    }
    for (int g = 0; g < 2; g++)
        for (size_t i = 0; i < live->freed[g].n; i++)
            add(l, live->freed[g].items[i].offset, live->freed[g].items[i].length, 0);
    add_set(l, &live->edit->space.free);
    add_set(l, &live->edit->space.freed);
    add_set(l, &live->edit->space.ready);
    return bytes;
}

void check_space(struct run *r)
{
    struct fc_live *live = r->live;
    struct list l = {0};
    uint64_t bytes, at = 0, own = 0, end;

    pthread_mutex_lock(&live->commit);
    pthread_mutex_lock(&live->lock);
    pthread_mutex_lock(&live->store);
    bytes = collect(live, &l);
    end = live->edit->space.end;
    pthread_mutex_unlock(&live->store);
    pthread_mutex_unlock(&live->lock);
    pthread_mutex_unlock(&live->commit);
    if (l.n)
        qsort(l.items, l.n, sizeof(*l.items), by_offset);
    for (size_t i = 0; i < l.n; i++) {
        if (l.items[i].offset != at)
            disagree(r, "the data file: %s from %llu to %llu, inode %llu",
                     l.items[i].offset < at ? "twice" : "nobody's", (unsigned long long)at,
                     (unsigned long long)l.items[i].offset, (unsigned long long)l.items[i].ino);
        at += l.items[i].length;
    }
    free(l.items);
    if (at != end)
        disagree(r, "the data file ends at %llu and not at %llu", (unsigned long long)end, (unsigned long long)at);
    if (bytes != live->data_bytes)
        disagree(r, "extents have %llu bytes and not %llu", (unsigned long long)bytes,
                 (unsigned long long)live->data_bytes);
    for (int i = 0; i < M_NODES && r->alone; i++)
        for (size_t k = 0; k < r->m->nodes[i].n_blocks; k++)
            own += r->m->nodes[i].blocks[k].own ? M_BLOCK : 0;
    if (r->alone && own != bytes)
        disagree(r, "%llu bytes of data and not %llu", (unsigned long long)bytes, (unsigned long long)own);
}
