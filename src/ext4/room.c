/* SPDX-License-Identifier: Apache-2.0 */
/* Give out new blocks: of the holes that edits leave in the unedited stack's image, then behind its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ext4/plan.h"

#define PIECE_LEAST 256u /* a file is parted for holes of so many blocks, not for smaller ones */

static unsigned floor_log2(uint64_t n) { return 63u - (unsigned)__builtin_clzll(n); }

/* What is left out of a sparse plan is kept. */
static void begin_sparse(struct fc_ext4_planner *p)
{
    uint64_t n, bytes = p->base->layout.n_blocks / 8 + 1;
    struct fc_ext4_room *room = &p->room;

    memcpy(room->kept, fc_ext4_sparse_kept(p, &n), bytes);
    while (bytes && !room->kept[bytes - 1])
        bytes--;
    room->end = bytes * 8;
    while (room->end && !((room->kept[(room->end - 1) / 8] >> (room->end - 1) % 8) & 1))
        room->end--;
}

int fc_ext4_room_begin(struct fc_ext4_planner *p)
{
    struct fc_ext4_room *room = &p->room;

    fc_ext4_room_release(room);
    if (!p->base)
        return 0;
    room->kept = calloc(p->base->layout.n_blocks / 8 + 1, 1);
    if (!room->kept)
        return -ENOMEM;
    if (p->sparse)
        begin_sparse(p);
    return 0;
}

void fc_ext4_room_keep(struct fc_ext4_room *room, uint64_t start, uint64_t n)
{
    fc_ext4_set_bits(room->kept, start, start + n);
    if (room->end < start + n)
        room->end = start + n;
}

static void push_hole(struct fc_ext4_room *room, uint32_t index)
{
    unsigned class = floor_log2(room->holes[index].length);

    room->holes[index].next = room->first[class];
    room->first[class] = index + 1;
}

static int add_hole(struct fc_ext4_room *room, uint64_t start, uint64_t length)
{
    if (room->n_holes >= UINT32_MAX - 1 ||
        fc_grow(&room->holes, &room->holes_cap, room->n_holes + 1, sizeof(*room->holes)) < 0)
        return -ENOMEM;
    room->holes[room->n_holes++] = (struct fc_ext4_hole){.start = start, .length = length};
    return 0;
}

/* The first block from @at on, below @end, whose bit is @kept; @end if there is none. */
static uint64_t find_bit(const unsigned char *map, uint64_t at, uint64_t end, bool kept)
{
    unsigned char skip = kept ? 0 : 0xff;

    while (at < end) {
        if (at % 8 == 0 && map[at / 8] == skip)
            at += 8;
        else if (((map[at / 8] >> at % 8) & 1) == kept)
            return at;
        else
            at++;
    }
    return end;
}

static int find_holes(struct fc_ext4_room *room, const struct fc_ext4_layout *l)
{
    for (size_t i = 0; i < l->n_free && l->free[i].start < room->end; i++) {
        uint64_t end = l->free[i].start + l->free[i].length, at = l->free[i].start;

        end = end < room->end ? end : room->end;
        while ((at = find_bit(room->kept, at, end, false)) < end) {
            uint64_t to = find_bit(room->kept, at, end, true);

            if (add_hole(room, at, to - at) < 0)
                return -ENOMEM;
            at = to;
        }
    }
    return 0;
}

int fc_ext4_room_ready(struct fc_ext4_planner *p)
{
    struct fc_ext4_room *room = &p->room;
    const struct fc_ext4_layout *l = &p->layout;

    room->n_holes = room->span = 0;
    room->span_used = room->outside = 0;
    memset(room->first, 0, sizeof(room->first));
    if (!room->kept)
        return 0;
    if (find_holes(room, &p->base->layout) < 0)
        return -ENOMEM;
    for (size_t i = room->n_holes; i-- > 0;)
        push_hole(room, (uint32_t)i);
    while (room->span < l->n_free && l->free[room->span].start + l->free[room->span].length <= room->end)
        room->span++;
    if (room->span < l->n_free && l->free[room->span].start < room->end)
        room->span_used = room->end - l->free[room->span].start;
    return 0;
}

/* The list whose first hole serves @want best, or -1: the smallest that holds all of it, else the largest worth it. */
static int choose_class(const struct fc_ext4_room *room, uint64_t want)
{
    unsigned class = floor_log2(want), least = room->fill ? 0 : floor_log2(PIECE_LEAST);

    if (class < FC_EXT4_HOLE_CLASSES && room->first[class] && room->holes[room->first[class] - 1].length >= want)
        return (int)class;
    for (unsigned c = class + 1; c < FC_EXT4_HOLE_CLASSES; c++)
        if (room->first[c])
            return (int)c;
    for (unsigned c = FC_EXT4_HOLE_CLASSES; c-- > least;)
        if (room->first[c])
            return (int)c;
    return -1;
}

static uint64_t take_hole(struct fc_ext4_room *room, unsigned class, uint64_t want, uint64_t *ret_start)
{
    uint32_t index = room->first[class] - 1;
    struct fc_ext4_hole *hole = &room->holes[index];

    room->first[class] = hole->next;
    want = want < hole->length ? want : hole->length;
    *ret_start = hole->start;
    hole->start += want;
    hole->length -= want;
    if (hole->length)
        push_hole(room, index);
    return want;
}

/*
 * Behind the last span numbers go on past the end of the image, so that one pass tells how much is missing.
 */
static uint64_t append(struct fc_ext4_room *room, const struct fc_ext4_layout *l, uint64_t want, uint64_t *ret_start)
{
    if (room->span < l->n_free && room->span_used == l->free[room->span].length) {
        room->span++;
        room->span_used = 0;
    }
    if (room->span < l->n_free) {
        uint64_t left = l->free[room->span].length - room->span_used;

        want = want < left ? want : left;
        *ret_start = l->free[room->span].start + room->span_used;
    } else {
        *ret_start = l->n_blocks + room->span_used;
        room->outside += want;
    }
    room->span_used += want;
    return want;
}

uint64_t fc_ext4_room_take(struct fc_ext4_planner *p, uint64_t want, uint64_t *ret_start)
{
    struct fc_ext4_room *room = &p->room;
    int class = room->n_holes ? choose_class(room, want) : -1;

    want = class >= 0 ? take_hole(room, (unsigned)class, want, ret_start) : append(room, &p->layout, want, ret_start);
    p->placed += want;
    return want;
}

/* Blocks from @at to the next that has the remainder @logical has, by the alignment @align. */
static uint64_t padding(uint64_t at, uint64_t logical, uint64_t align)
{
    return (logical % align + align - at % align) % align;
}

/* From a hole that surely holds @want after padding. What is left over in front and behind stays a hole. */
static int take_hole_aligned(struct fc_ext4_room *room, uint64_t want, uint64_t logical, uint64_t align,
                             uint64_t *ret_start)
{
    unsigned class = floor_log2(want + align) + 1;
    struct fc_ext4_hole whole;
    uint64_t skip;
    uint32_t index;

    while (class < FC_EXT4_HOLE_CLASSES && !room->first[class])
        class ++;
    if (class == FC_EXT4_HOLE_CLASSES)
        return 0;
    index = room->first[class] - 1;
    whole = room->holes[index];
    room->first[class] = whole.next;
    skip = padding(whole.start, logical, align);
    room->holes[index].length = skip;
    if (skip)
        push_hole(room, index);
    if (add_hole(room, whole.start + skip + want, whole.length - skip - want) < 0)
        return -ENOMEM;
    push_hole(room, (uint32_t)room->n_holes - 1);
    *ret_start = whole.start + skip;
    return 1;
}

int fc_ext4_room_take_aligned(struct fc_ext4_planner *p, uint64_t want, uint64_t logical, uint64_t *ret_start,
                              uint64_t *ret_got)
{
    uint64_t align = p->options.align / FC_EXT4_BLOCK, at, skip, skipped;
    struct fc_ext4_room *room = &p->room;
    int r = take_hole_aligned(room, want, logical, align, ret_start);

    *ret_got = want;
    if (r == 0) {
        append(room, &p->layout, 0, &at);
        skip = padding(at, logical, align);
        skipped = skip ? append(room, &p->layout, skip, &at) : 0;
        if (skipped && at < p->layout.n_blocks) {
            if (add_hole(room, at, skipped) < 0)
                return -ENOMEM;
            push_hole(room, (uint32_t)room->n_holes - 1);
        }
        if (skipped < skip) /* the span ended: begin again in the next */
            return fc_ext4_room_take_aligned(p, want, logical, ret_start, ret_got);
        *ret_got = append(room, &p->layout, want, ret_start);
    }
    p->placed += *ret_got;
    return r < 0 ? r : 0;
}

void fc_ext4_room_release(struct fc_ext4_room *room)
{
    free(room->kept);
    free(room->holes);
    *room = (struct fc_ext4_room){.fill = room->fill};
}
