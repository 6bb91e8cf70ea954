/* SPDX-License-Identifier: Apache-2.0 */
/* Space in the data file: allocate it so that growing files stay in few pieces, and give it back when nobody reads it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "live/internal.h"

/* More growing files than this at once lose the oldest reservation. */
enum { MAX_WINDOWS = 256 };

static int edit_alloc(struct fc_live *live, uint64_t length, uint64_t near, uint64_t *ret)
{
    int r;

    pthread_mutex_lock(&live->store);
    r = fc_edit_space_alloc(live->edit, length, near, ret, NULL);
    pthread_mutex_unlock(&live->store);
    return r;
}

/* Windows: a list, oldest use first */

static void window_unlink(struct fc_live *live, struct live_inode *inode)
{
    *(inode->window_prev ? &inode->window_prev->window_next : &live->windows) = inode->window_next;
    *(inode->window_next ? &inode->window_next->window_prev : &live->windows_last) = inode->window_prev;
    inode->window_prev = inode->window_next = NULL;
    live->n_windows--;
}

static void window_append(struct fc_live *live, struct live_inode *inode)
{
    inode->window_tick = live->tick;
    inode->window_prev = live->windows_last;
    inode->window_next = NULL;
    *(live->windows_last ? &live->windows_last->window_next : &live->windows) = inode;
    live->windows_last = inode;
    live->n_windows++;
}

void live_window_release(struct fc_live *live, struct live_inode *inode)
{
    if (!inode->window.length)
        return;
    live_space_free(live, inode->window.offset, inode->window.length);
    inode->window.length = 0;
    window_unlink(live, inode);
}

static void window_set(struct fc_live *live, struct live_inode *inode, uint64_t offset, uint64_t length)
{
    live_window_release(live, inode);
    if (!length)
        return;
    inode->window = (struct live_range){offset, length};
    window_append(live, inode);
    if (live->n_windows > MAX_WINDOWS)
        live_window_release(live, live->windows);
}

void live_windows_tick(struct fc_live *live)
{
    while (live->windows && live->windows->window_tick < live->tick)
        live_window_release(live, live->windows);
    live->tick++;
}

/* Take from the window, which begins where the last extent ends. */
static bool window_take(struct fc_live *live, struct live_inode *inode, uint64_t near, uint64_t length, uint64_t *ret)
{
    struct live_range *w = &inode->window;

    if (w->length < length || w->offset != near)
        return false;
    *ret = w->offset;
    w->offset += length;
    w->length -= length;
    window_unlink(live, inode);
    if (w->length)
        window_append(live, inode);
    return true;
}

/* Allocation */

int live_space_alloc(struct fc_live *live, struct live_inode *inode, uint64_t offset, uint64_t length,
                     uint64_t *ret_offset)
{
    const struct live_extents *x = &inode->content;
    size_t i = live_extents_find(x, offset);
    const struct live_extent *before = i > 0 ? &x->items[i - 1] : NULL;
    bool follows = before && before->source == FC_EDIT_DATA && before->offset + before->length == offset;
    uint64_t near = follows ? before->source_offset + before->length : 0, extra = 0;
    int r;

    /* Only what grows at its end is worth a reservation: as much again as it has, so that the pieces double. */
    if (i == x->n && follows) {
        if (window_take(live, inode, near, length, ret_offset))
            return 0;
        /* A window that is too short, but in the right place, is given up so that the allocator can begin there. */
        extra = live_round_up(x->bytes < LIVE_WINDOW_MAX ? x->bytes : LIVE_WINDOW_MAX);
        if (inode->window.length && inode->window.offset == near) {
            bool grown;

            pthread_mutex_lock(&live->store);
            grown =
                fc_edit_space_extend(live->edit, near + inode->window.length, length - inode->window.length + extra);
            pthread_mutex_unlock(&live->store);
            if (grown) {
                inode->window.length = length + extra;
                window_take(live, inode, near, length, ret_offset);
                return 0;
            }
        }
    }
    r = edit_alloc(live, length + extra, near, ret_offset);
    if (r < 0)
        return r;
    if (extra)
        window_set(live, inode, *ret_offset + length, extra);
    return 0;
}

/* Giving back */

static int add_range(struct live_ranges *list, uint64_t offset, uint64_t length)
{
    struct live_range *last = list->n ? &list->items[list->n - 1] : NULL;
    int r;

    if (last && last->offset + last->length == offset) {
        last->length += length;
        return 0;
    }
    r = fc_grow(&list->items, &list->cap, list->n + 1, sizeof(*list->items));
    if (r == 0)
        list->items[list->n++] = (struct live_range){offset, length};
    return r;
}

void live_space_free(struct fc_live *live, uint64_t offset, uint64_t length)
{
    if (!length)
        return;
    /* Not before the transaction that drops the rows which refer to it: see live_space_take_freed(). */
    live_changed(live);
    if (add_range(&live->freed[live->generation], offset, length) < 0)
        fc_log(FC_LOG_WARN, "out of memory: %llu bytes of space stay taken until the workspace is opened again",
               (unsigned long long)length);
}

/*
 * A range may be handed over when every read that began before it was freed has ended. Reads count in the generation in
 * which they begin; when no reader of the other generation is left, its ranges are free and the generations swap.
 */
void live_space_take_freed(struct fc_live *live, struct live_ranges *ret)
{
    unsigned old = live->generation ^ 1u;

    if (live->readers[old] > 0)
        return;
    *ret = live->freed[old];
    live->freed[old] = (struct live_ranges){0};
    live->generation = old;
    if (live->readers[old ^ 1u] > 0)
        return;
    for (size_t i = 0; i < live->freed[old ^ 1u].n; i++)
        if (add_range(ret, live->freed[old ^ 1u].items[i].offset, live->freed[old ^ 1u].items[i].length) < 0)
            return;
    live->freed[old ^ 1u].n = 0;
}
