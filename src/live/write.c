/* SPDX-License-Identifier: Apache-2.0 */
/* Write content: in place where nobody else reads it, else to new space, copying only the touched blocks from below. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "live/internal.h"

/* A write is done in slices of whole blocks, so that its plan fits on the stack. */
enum { SLICE = 1 << 20, MAX_PARTS = SLICE / FC_EDIT_BLOCK + 2 };

/** A run of whole blocks of a write: where they will be. */
struct part {
    uint64_t offset, length, to;
    bool fresh; /* new space, to be put into the file afterwards */
};

struct plan {
    struct live_inode *inode;
    const char *data;
    uint64_t offset; /* of the bytes */
    size_t size;
    struct part parts[MAX_PARTS];
    size_t n;
};

/* Busy */

int live_content_begin(struct fc_live *live, uint64_t ino, struct live_inode **ret)
{
    struct live_node node;
    int r;

    for (;;) {
        r = live_node(live, ino, &node);
        if (r < 0)
            return r;
        if (S_ISDIR(live_mode(live, &node)))
            return -EISDIR;
        if (!S_ISREG(live_mode(live, &node)))
            return -EINVAL;
        r = live_own(live, &node);
        if (r < 0)
            return r;
        if (!node.own->busy && !live->pins_waiting)
            break;
        pthread_cond_wait(&live->quiet, &live->lock);
    }
    r = live_own_content(live, node.own);
    if (r < 0)
        return r;
    node.own->busy = true;
    live->n_writers++;
    *ret = node.own;
    return 0;
}

void live_content_end(struct fc_live *live, struct live_inode *inode)
{
    inode->busy = false;
    inode->written_seq = live->seq;
    live->n_writers--;
    pthread_cond_broadcast(&live->quiet);
    live_inode_reap(live, inode);
}

bool live_in_place(const struct fc_live *live, const struct live_extent *e)
{
    return e->source == FC_EDIT_DATA && (live->n_pins == 0 || e->epoch == live->epoch);
}

/* Planning, with the lock */

/* How far from @at the file is of one kind: to be overwritten in place (@ret_to) or to get new space. */
static uint64_t run_end(const struct fc_live *live, const struct live_extents *x, uint64_t at, uint64_t end,
                        bool *ret_fresh, uint64_t *ret_to)
{
    size_t i = live_extents_find(x, at);
    const struct live_extent *e = i < x->n && x->items[i].offset <= at ? &x->items[i] : NULL;

    *ret_fresh = !e || !live_in_place(live, e);
    if (!*ret_fresh) {
        *ret_to = e->source_offset + (at - e->offset);
        return e->offset + e->length < end ? e->offset + e->length : end;
    }
    for (; i < x->n && x->items[i].offset < end; i++)
        if (live_in_place(live, &x->items[i]))
            return x->items[i].offset;
    return end;
}

static void drop_plan(struct fc_live *live, struct plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->parts[i].fresh)
            live_space_free(live, p->parts[i].to, p->parts[i].length);
    p->n = 0;
}

static int make_plan(struct fc_live *live, struct plan *p)
{
    uint64_t at = live_round_down(p->offset), end = live_round_up(p->offset + p->size);
    int r = 0;

    p->n = 0;
    while (at < end && r == 0) {
        struct part *part = &p->parts[p->n];

        part->offset = at;
        at = run_end(live, &p->inode->content, at, end, &part->fresh, &part->to);
        part->length = at - part->offset;
        if (part->fresh && live->full)
            r = -ENOSPC;
        else if (part->fresh)
            r = live_space_alloc(live, p->inode, part->offset, part->length, &part->to);
        p->n += r == 0;
    }
    /* Each fresh part cuts (one more at most) and puts (one more): then nothing can fail once the bytes are written. */
    if (r == 0)
        r = live_extents_reserve(&p->inode->content, 2 * p->n);
    if (r < 0)
        drop_plan(live, p);
    return r;
}

/* I/O, without the lock; the busy inode's content stands still. */

/* Copy what the file has in [from, to), less than a block, to @dst in the data file. */
static int copy_below(struct fc_live *live, struct live_inode *inode, uint64_t from, uint64_t to, uint64_t dst)
{
    struct live_content c =
        live_content(live, &(struct live_node){.own = inode, .lower = inode->lower, .ino = inode->attr.ino});
    char buffer[FC_EDIT_BLOCK];
    struct live_piece p;
    size_t n;
    int r;

    if (from >= to || from >= c.size)
        return 0;
    live_content_piece(&c, from, &p);
    if (p.fd < 0)
        return 0; /* new space reads as zeros already */
    n = (size_t)(p.length < to - from ? p.length : to - from);
    r = live_read_piece(live, &p, buffer, n);
    return r == 0 ? fc_pwrite_full(live->data_fd, buffer, n, dst) : r;
}

static int write_part(struct fc_live *live, const struct plan *p, const struct part *part)
{
    uint64_t end = part->offset + part->length, data_end = p->offset + p->size;
    uint64_t from = part->offset > p->offset ? part->offset : p->offset, to = end < data_end ? end : data_end;
    int r = 0;

    if (part->fresh) {
        r = copy_below(live, p->inode, part->offset, from, part->to);
        if (r == 0)
            r = copy_below(live, p->inode, to, end, part->to + (to - part->offset));
    }
    if (r == 0)
        r = fc_pwrite_full(live->data_fd, p->data + (from - p->offset), (size_t)(to - from),
                           part->to + (from - part->offset));
    return r;
}

/* After a failure: bytes behind the end of the file must be zero again where they were overwritten in place. */
static void zero_behind_end(struct fc_live *live, const struct plan *p)
{
    uint64_t size = p->inode->attr.size;

    for (size_t i = 0; i < p->n; i++) {
        const struct part *part = &p->parts[i];
        uint64_t from = part->offset > size ? part->offset : size, end = part->offset + part->length;

        if (!part->fresh && from < end)
            fallocate(live->data_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)(part->to + (from - part->offset)), (off_t)(end - from));
    }
}

/* Installing, with the lock */

static void install(struct fc_live *live, struct plan *p)
{
    struct live_inode *inode = p->inode;

    for (size_t i = 0; i < p->n; i++) {
        const struct part *part = &p->parts[i];
        struct live_extent e = {.offset = part->offset,
                                .length = part->length,
                                .source_offset = part->to,
                                .source = FC_EDIT_DATA,
                                .epoch = live->epoch};

        if (!part->fresh)
            continue;
        live_extents_cut(live, &inode->content, part->offset, part->offset + part->length);
        live_extents_put(live, &inode->content, &e);
        live_dirty(live, inode, LIVE_DIRTY_CONTENT);
    }
    if (p->offset + p->size > inode->attr.size)
        inode->attr.size = p->offset + p->size;
    inode->attr.mtime = inode->attr.ctime = live_now();
    live_dirty(live, inode, LIVE_DIRTY_ATTR);
}

static int write_slice(struct fc_live *live, uint64_t ino, const char *data, size_t size, uint64_t offset,
                       unsigned flags)
{
    struct plan p = {.data = data, .offset = offset, .size = size};
    struct live_notes notes = {0};
    int r;

    live_lock(live);
    r = live_content_begin(live, ino, &p.inode);
    if (r < 0)
        goto out;
    r = make_plan(live, &p);
    if (r == 0) {
        pthread_mutex_unlock(&live->lock);
        for (size_t i = 0; i < p.n && r == 0; i++)
            r = write_part(live, &p, &p.parts[i]);
        if (r < 0)
            zero_behind_end(live, &p);
        live_lock(live);
    }
    if (r == 0) {
        install(live, &p);
        if (!(flags & FC_WRITE_MAPPED))
            live_kill_priv(live, p.inode, flags & FC_WRITE_KILL_PRIV);
        live_note_inode(&notes, ino, true);
    } else {
        if (p.n > 0)
            live_changed(live); /* what was to be overwritten in place may have been, in part */
        drop_plan(live, &p);
    }
    live_content_end(live, p.inode);
out:
    live_unlock(live, &notes);
    return r;
}

ssize_t fc_live_write(struct fc_live *live, uint64_t ino, const void *buffer, size_t size, uint64_t offset,
                      unsigned flags)
{
    size_t done = 0;

    if (offset > LIVE_FILE_MAX || size > LIVE_FILE_MAX - offset)
        return -EFBIG;
    while (done < size) {
        /* Slices end on block boundaries. */
        uint64_t at = offset + done, stop = live_round_down(at) + SLICE;
        size_t n = size - done < stop - at ? size - done : (size_t)(stop - at);
        bool tried = false;
        int r;

        do
            r = write_slice(live, ino, (const char *)buffer + done, n, at, flags);
        while (live_make_room(live, r, &tried));
        if (r < 0)
            return r;
        done += n;
    }
    return (ssize_t)size;
}

int live_zero_in_block(struct fc_live *live, struct live_inode *inode, uint64_t from, uint64_t to)
{
    static const char zeros[FC_EDIT_BLOCK];
    uint64_t block = live_round_down(from), dst;
    size_t i = live_extents_find(&inode->content, block);
    struct live_extent *e = i < inode->content.n ? &inode->content.items[i] : NULL;
    struct live_extent fresh = {.offset = block, .length = FC_EDIT_BLOCK, .source = FC_EDIT_DATA, .epoch = live->epoch};
    int r;

    if (from >= to || !e || e->offset > block)
        return 0;
    if (live_in_place(live, e))
        return fc_pwrite_full(live->data_fd, zeros, (size_t)(to - from), e->source_offset + (from - e->offset));
    r = live_extents_reserve(&inode->content, 2);
    if (r == 0)
        r = live_space_alloc(live, inode, block, FC_EDIT_BLOCK, &dst);
    if (r < 0)
        return r;
    r = copy_below(live, inode, block, from, dst);
    if (r == 0)
        r = copy_below(live, inode, to, block + FC_EDIT_BLOCK, dst + (to - block));
    if (r < 0) {
        live_space_free(live, dst, FC_EDIT_BLOCK);
        return r;
    }
    fresh.source_offset = dst;
    live_extents_cut(live, &inode->content, block, block + FC_EDIT_BLOCK);
    live_extents_put(live, &inode->content, &fresh);
    live_dirty(live, inode, LIVE_DIRTY_CONTENT);
    return 0;
}
