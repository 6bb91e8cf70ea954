/* SPDX-License-Identifier: Apache-2.0 */
/* Content as sorted extents: look into it, cut and put pieces, turn lower content into extents of one's own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/internal.h"

static uint64_t end_of(const struct live_extent *e) { return e->offset + e->length; }

uint32_t live_source_find(const struct fc_live *live, uint32_t id)
{
    uint64_t i;

    return fc_map_get(&live->source_by_id, id, &i) ? (uint32_t)i : FC_TREE_NONE;
}

size_t live_extents_find(const struct live_extents *x, uint64_t offset)
{
    size_t lo = 0, hi = x->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (end_of(&x->items[mid]) > offset)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

int live_extents_reserve(struct live_extents *x, size_t extra)
{
    return fc_grow(&x->items, &x->cap, x->n + extra, sizeof(*x->items));
}

/* Own space of a part of an extent is free; other sources cost nothing. */
static void release(struct fc_live *live, const struct live_extent *e, uint64_t from, uint64_t to)
{
    if (e->source != FC_EDIT_DATA)
        return;
    live->data_bytes -= to - from;
    live_space_free(live, e->source_offset + (from - e->offset), to - from);
}

static void insert(struct live_extents *x, size_t at, const struct live_extent *e)
{
    memmove(&x->items[at + 1], &x->items[at], (x->n - at) * sizeof(*x->items));
    x->items[at] = *e;
    x->n++;
}

/* What is left of @e behind @to. */
static struct live_extent rest_of(const struct live_extent *e, uint64_t to)
{
    struct live_extent rest = *e;

    rest.offset = to;
    rest.length = end_of(e) - to;
    rest.source_offset += to - e->offset;
    return rest;
}

void live_extents_cut(struct fc_live *live, struct live_extents *x, uint64_t from, uint64_t to)
{
    size_t i = live_extents_find(x, from), first, n_whole = 0;

    if (i < x->n && x->items[i].offset < from) {
        struct live_extent *e = &x->items[i];
        uint64_t end = end_of(e) < to ? end_of(e) : to;

        release(live, e, from, end);
        x->bytes -= end - from;
        if (end_of(e) > to) {
            struct live_extent rest = rest_of(e, to);

            e->length = from - e->offset;
            insert(x, i + 1, &rest);
            return;
        }
        e->length = from - e->offset;
        i++;
    }
    for (first = i; i < x->n && end_of(&x->items[i]) <= to; i++, n_whole++) {
        release(live, &x->items[i], x->items[i].offset, end_of(&x->items[i]));
        x->bytes -= x->items[i].length;
    }
    if (i < x->n && x->items[i].offset < to) {
        struct live_extent *e = &x->items[i];

        release(live, e, e->offset, to);
        x->bytes -= to - e->offset;
        *e = rest_of(e, to);
    }
    if (n_whole)
        memmove(&x->items[first], &x->items[first + n_whole], (x->n - first - n_whole) * sizeof(*x->items));
    x->n -= n_whole;
}

static bool continues(const struct live_extent *a, const struct live_extent *b)
{
    return a->source == b->source && a->epoch == b->epoch && end_of(a) == b->offset &&
           a->source_offset + a->length == b->source_offset;
}

void live_extents_put(struct fc_live *live, struct live_extents *x, const struct live_extent *e)
{
    size_t i = live_extents_find(x, e->offset);
    bool left = i > 0 && continues(&x->items[i - 1], e), right = i < x->n && continues(e, &x->items[i]);

    x->bytes += e->length;
    if (e->source == FC_EDIT_DATA)
        live->data_bytes += e->length;
    if (left && right) {
        x->items[i - 1].length += e->length + x->items[i].length;
        memmove(&x->items[i], &x->items[i + 1], (x->n - i - 1) * sizeof(*x->items));
        x->n--;
    } else if (left) {
        x->items[i - 1].length += e->length;
    } else if (right) {
        x->items[i].offset = e->offset;
        x->items[i].source_offset = e->source_offset;
        x->items[i].length += e->length;
    } else {
        insert(x, i, e);
    }
}

/* Looking */

struct live_content live_content(const struct fc_live *live, const struct live_node *node)
{
    struct live_content c = {.live = live};
    const struct fc_tree_inode *t = node->lower == FC_TREE_NONE ? NULL : &live->lower[node->lower];
    const struct fc_layer_view *view;
    const struct fc_layer_inode *inode;

    c.size = node->own ? node->own->attr.size : t->size;
    if (node->own && !node->own->lower_content) {
        c.own = &node->own->content;
        return c;
    }
    if (!t || t->layer == FC_TREE_NONE || !S_ISREG(t->mode))
        return c;
    view = fc_layer_view(live->sources[t->layer].layer);
    inode = &view->inodes[t->layer_inode];
    c.lower = view->extents + inode->first_extent;
    c.n_lower = inode->n_extents;
    c.lower_source = t->layer;
    return c;
}

static void from_pack(const struct live_source *source, struct live_piece *ret)
{
    ret->fd = source->fd;
    ret->packed = source->layer;
}

static void own_piece(const struct live_content *c, uint64_t offset, struct live_piece *ret)
{
    size_t i = live_extents_find(c->own, offset);
    const struct live_extent *e = i < c->own->n ? &c->own->items[i] : NULL;

    if (!e || e->offset > offset) {
        ret->length = (e ? e->offset : UINT64_MAX) - offset;
        return;
    }
    ret->length = end_of(e) - offset;
    ret->source_offset = e->source_offset + (offset - e->offset);
    ret->source = e->source;
    if (e->source == FC_EDIT_DATA)
        ret->fd = c->live->data_fd;
    else
        from_pack(&c->live->sources[live_source_find(c->live, e->source)], ret);
}

static void lower_piece(const struct live_content *c, uint64_t offset, struct live_piece *ret)
{
    uint32_t lo = 0, hi = c->n_lower;
    const struct fc_layer_extent *e;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (c->lower[mid].offset + c->lower[mid].length > offset)
            hi = mid;
        else
            lo = mid + 1;
    }
    e = lo < c->n_lower ? &c->lower[lo] : NULL;
    if (!e || e->offset > offset) {
        ret->length = (e ? e->offset : UINT64_MAX) - offset;
        return;
    }
    ret->length = e->offset + e->length - offset;
    ret->source_offset = e->pack_offset + (offset - e->offset);
    ret->source = c->live->sources[c->lower_source].id;
    from_pack(&c->live->sources[c->lower_source], ret);
}

void live_content_piece(const struct live_content *c, uint64_t offset, struct live_piece *ret)
{
    *ret = (struct live_piece){.offset = offset, .fd = -1};
    if (c->own)
        own_piece(c, offset, ret);
    else
        lower_piece(c, offset, ret);
    if (offset >= c->size)
        ret->length = 0;
    else if (ret->length > c->size - offset)
        ret->length = c->size - offset;
}

uint64_t live_content_bytes(const struct live_content *c)
{
    uint64_t bytes = 0;

    if (c->own)
        return c->own->bytes;
    for (uint32_t i = 0; i < c->n_lower; i++)
        bytes += live_round_up(c->lower[i].length);
    return bytes;
}

int live_own_content(struct fc_live *live, struct live_inode *inode)
{
    struct live_content c;
    int r;

    if (!inode->lower_content)
        return 0;
    c = live_content(live, &(struct live_node){.own = inode, .lower = inode->lower, .ino = inode->attr.ino});
    r = live_extents_reserve(&inode->content, c.n_lower + 1);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < c.n_lower; i++) {
        struct live_extent e = {.offset = c.lower[i].offset,
                                .length = live_round_up(c.lower[i].length),
                                .source_offset = c.lower[i].pack_offset,
                                .source = live->sources[c.lower_source].id};

        live_extents_put(live, &inode->content, &e);
    }
    inode->lower_content = false;
    return 0;
}
