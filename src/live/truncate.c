/* SPDX-License-Identifier: Apache-2.0 */
/* Change a file's size, reserve, punch and zero ranges, copy ranges between files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/internal.h"

int live_truncate(struct fc_live *live, struct live_inode *inode, uint64_t size)
{
    uint64_t keep = live_round_up(size);
    int r;

    if (size > LIVE_FILE_MAX)
        return -EFBIG;
    if (size < inode->attr.size) {
        /* Behind the end of a file its last block is zero, in the store and so in every image. */
        r = live_zero_in_block(live, inode, size, keep);
        if (r < 0)
            return r;
        live_window_release(live, inode);
        live_extents_cut(live, &inode->content, keep, UINT64_MAX);
    }
    inode->attr.size = size;
    inode->attr.mtime = inode->attr.ctime = live_now();
    live_dirty(live, inode, LIVE_DIRTY_ATTR | LIVE_DIRTY_CONTENT);
    return 0;
}

/* A gap of the file and the space that fills it. */
struct gap {
    uint64_t offset, length, to;
};

/* Space for every hole of [from, to), whole blocks; in *ret (freed by the caller), nothing changed yet. */
static int fill_gaps(struct fc_live *live, struct live_inode *inode, uint64_t from, uint64_t to, struct gap **ret,
                     size_t *ret_n)
{
    const struct live_extents *x = &inode->content;
    size_t cap = 0;

    for (size_t i = live_extents_find(x, from); from < to; i++) {
        uint64_t stop = i < x->n && x->items[i].offset < to ? x->items[i].offset : to;

        if (stop > from) {
            struct gap *g;
            int r = fc_grow(ret, &cap, *ret_n + 1, sizeof(**ret));

            if (r < 0)
                return r;
            g = &(*ret)[*ret_n];
            *g = (struct gap){.offset = from, .length = stop - from};
            r = live_space_alloc(live, inode, g->offset, g->length, &g->to);
            if (r < 0)
                return r;
            ++*ret_n;
        }
        from = i < x->n ? x->items[i].offset + x->items[i].length : to;
    }
    return 0;
}

/* Ask the host for the blocks, so that a later write finds them. Without the lock. */
static int reserve_on_host(const struct fc_live *live, const struct gap *gaps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fallocate(live->data_fd, FALLOC_FL_KEEP_SIZE, (off_t)gaps[i].to, (off_t)gaps[i].length) == 0)
            continue;
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return 0; /* a host that cannot promise: the addresses are enough */
        if (errno == EINTR)
            i--;
        else
            return -errno;
    }
    return 0;
}

static int preallocate(struct fc_live *live, struct live_inode *inode, uint64_t from, uint64_t to)
{
    fc_auto(fc_free) struct gap *gaps = NULL;
    size_t n = 0;
    int r = live->full ? -ENOSPC : fill_gaps(live, inode, from, to, &gaps, &n);

    if (r == 0)
        r = live_extents_reserve(&inode->content, n);
    if (r == 0) {
        pthread_mutex_unlock(&live->lock);
        r = reserve_on_host(live, gaps, n);
        live_lock(live);
    }
    for (size_t i = 0; i < n; i++) {
        struct live_extent e = {.offset = gaps[i].offset,
                                .length = gaps[i].length,
                                .source_offset = gaps[i].to,
                                .source = FC_EDIT_DATA,
                                .epoch = live->epoch};

        if (r == 0)
            live_extents_put(live, &inode->content, &e);
        else
            live_space_free(live, gaps[i].to, gaps[i].length);
    }
    return r;
}

/* [from, to) becomes a hole, where whole blocks are concerned, and zeros at the edges. */
static int punch(struct fc_live *live, struct live_inode *inode, uint64_t from, uint64_t to)
{
    uint64_t first = live_round_up(from), last = live_round_down(to);
    int r;

    if (first > last) /* inside one block */
        return live_zero_in_block(live, inode, from, to);
    r = live_zero_in_block(live, inode, from, first);
    if (r == 0)
        r = live_zero_in_block(live, inode, last, to);
    if (r == 0)
        r = live_extents_reserve(&inode->content, 1);
    if (r == 0 && first < last) {
        live_window_release(live, inode);
        live_extents_cut(live, &inode->content, first, last);
    }
    return r;
}

static int change_range(struct fc_live *live, struct live_inode *inode, int mode, uint64_t offset, uint64_t end)
{
    int r = 0;

    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        r = punch(live, inode, offset, end);
    if (r == 0 && !(mode & FALLOC_FL_PUNCH_HOLE))
        r = preallocate(live, inode, live_round_down(offset), live_round_up(end));
    if (r < 0)
        return r;
    if (!(mode & FALLOC_FL_KEEP_SIZE) && end > inode->attr.size)
        inode->attr.size = end;
    inode->attr.mtime = inode->attr.ctime = live_now();
    live_dirty(live, inode, LIVE_DIRTY_ATTR | LIVE_DIRTY_CONTENT);
    return 0;
}

static bool mode_known(int mode)
{
    return mode == 0 || mode == FALLOC_FL_KEEP_SIZE || mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) ||
           mode == FALLOC_FL_ZERO_RANGE || mode == (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
}

int fc_live_fallocate(struct fc_live *live, uint64_t ino, int mode, uint64_t offset, uint64_t length)
{
    bool tried = false;
    int r;

    if (!mode_known(mode))
        return -EOPNOTSUPP;
    if (length == 0)
        return -EINVAL;
    if (offset > LIVE_FILE_MAX || length > LIVE_FILE_MAX - offset)
        return -EFBIG;
    do {
        struct live_notes notes = {0};
        struct live_inode *inode;

        live_lock(live);
        r = live_content_begin(live, ino, &inode);
        if (r == 0) {
            r = change_range(live, inode, mode, offset, offset + length);
            if (r == 0)
                live_kill_priv(live, inode, false);
            live_note_inode(&notes, ino, true);
            live_content_end(live, inode);
        }
        live_unlock(live, &notes);
    } while (live_make_room(live, r, &tried));
    return r;
}

/* Copying */

enum { COPY_CHUNK = 1 << 20 };

/* What [offset, offset + *size) of @ino begins with: data or (1) a hole; *size is cut to it and to the file's end. */
static int next_run(struct fc_live *live, uint64_t ino, uint64_t offset, uint64_t *size)
{
    struct live_node node;
    struct live_content c;
    struct live_piece p = {0};
    int r;

    live_lock(live);
    r = live_node(live, ino, &node);
    if (r == 0 && !S_ISREG(live_mode(live, &node)))
        r = S_ISDIR(live_mode(live, &node)) ? -EISDIR : -EINVAL;
    if (r == 0) {
        c = live_content(live, &node);
        live_content_piece(&c, offset, &p);
    }
    live_unlock(live, NULL);
    if (r < 0)
        return r;
    if (*size > p.length)
        *size = p.length;
    return p.fd < 0;
}

/* A hole of the source: the target's range becomes one, and the target at least that long. */
static int copy_hole(struct fc_live *live, uint64_t ino, uint64_t offset, uint64_t size)
{
    struct live_notes notes = {0};
    struct live_inode *inode;
    int r;

    live_lock(live);
    r = live_content_begin(live, ino, &inode);
    if (r == 0) {
        r = change_range(live, inode, FALLOC_FL_PUNCH_HOLE, offset, offset + size);
        live_note_inode(&notes, ino, true);
        live_content_end(live, inode);
    }
    live_unlock(live, &notes);
    return r;
}

static int copy_data(struct fc_live *live, uint64_t ino, uint64_t offset, uint64_t out_ino, uint64_t out_offset,
                     uint64_t size, char *buffer)
{
    while (size > 0) {
        size_t want = size < COPY_CHUNK ? (size_t)size : COPY_CHUNK;
        ssize_t n = fc_live_read(live, ino, buffer, want, offset);

        if (n <= 0)
            return (int)n;
        n = fc_live_write(live, out_ino, buffer, (size_t)n, out_offset, 0);
        if (n < 0)
            return (int)n;
        offset += (uint64_t)n;
        out_offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

ssize_t fc_live_copy(struct fc_live *live, uint64_t ino, uint64_t offset, uint64_t out_ino, uint64_t out_offset,
                     size_t size)
{
    fc_auto(fc_free) char *buffer = malloc(COPY_CHUNK);
    uint64_t done = 0;

    if (!buffer)
        return -ENOMEM;
    if (out_offset > LIVE_FILE_MAX || size > LIVE_FILE_MAX - out_offset || offset > LIVE_FILE_MAX)
        return -EFBIG;
    if (ino == out_ino && offset < out_offset + size && out_offset < offset + size)
        return -EINVAL;
    while (done < size) {
        uint64_t n = size - done;
        int r = next_run(live, ino, offset + done, &n);

        if (r >= 0 && n == 0)
            break;
        if (r > 0)
            r = copy_hole(live, out_ino, out_offset + done, n);
        else if (r == 0)
            r = copy_data(live, ino, offset + done, out_ino, out_offset + done, n, buffer);
        if (r < 0)
            return done > 0 ? (ssize_t)done : r;
        done += n;
    }
    return (ssize_t)done;
}
