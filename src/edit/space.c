/* SPDX-License-Identifier: Apache-2.0 */
/* Allocate address space of the data file. */
#include "edit/space.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"

static int by_offset(const void *a, const void *b)
{
    const struct fc_range *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int fc_space_rebuild(struct fc_space *s, struct fc_range *used, size_t n, struct fc_range *ret_bad)
{
    if (n)
        qsort(used, n, sizeof(*used), by_offset);
    for (size_t i = 0; i < n; i++) {
        if (used[i].offset < s->end || used[i].length > FC_SPACE_MAX || used[i].offset > FC_SPACE_MAX) {
            *ret_bad = used[i];
            return -EBADMSG;
        }
        if (fc_ranges_add(&s->ready, s->end, used[i].offset - s->end) < 0)
            return -ENOMEM;
        s->end = used[i].offset + used[i].length;
    }
    s->cursor = s->end;
    return 0;
}

bool fc_space_alloc_at(struct fc_space *s, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;

    if (!length || offset > s->end || offset > FC_SPACE_MAX || length > FC_SPACE_MAX - offset)
        return false;
    if (offset < s->end) {
        uint64_t below = (end < s->end ? end : s->end) - offset;

        if (!fc_ranges_covers(&s->free, offset, below) || fc_ranges_remove(&s->free, offset, below) < 0)
            return false;
    }
    if (end > s->end)
        s->end = end;
    s->cursor = end;
    return true;
}

int fc_space_alloc(struct fc_space *s, uint64_t length, uint64_t near, uint64_t *ret_offset)
{
    struct fc_range last;
    uint64_t at;

    if (!length || length > FC_SPACE_MAX)
        return length ? -ENOSPC : -EINVAL;
    if (near && fc_space_alloc_at(s, near, length)) {
        *ret_offset = near;
        return 0;
    }
    if (!(near && fc_ranges_fit(&s->free, near, length, &at)) && !fc_ranges_fit(&s->free, s->cursor, length, &at) &&
        !fc_ranges_fit(&s->free, 0, length, &at)) {
        /* A free range at the very end grows instead of being left behind. */
        at = s->end;
        if (fc_ranges_last(&s->free, &last) && last.offset + last.length == s->end)
            at = last.offset;
    }
    if (length > FC_SPACE_MAX - at)
        return -ENOSPC;
    if (!fc_space_alloc_at(s, at, length))
        return -ENOMEM;
    *ret_offset = at;
    return 0;
}

void fc_space_undo(struct fc_space *s, uint64_t offset, uint64_t length) { fc_ranges_add(&s->free, offset, length); }

/* Call @fn for each allocated part of [offset, end). */
static int each_allocated(const struct fc_space *s, uint64_t offset, uint64_t end,
                          int (*fn)(void *arg, uint64_t offset, uint64_t length), void *arg)
{
    const struct fc_ranges *sets[] = {&s->free, &s->freed, &s->ready};
    uint64_t at = offset;

    while (at < end) {
        struct fc_range r;
        uint64_t next = end, skip = 0;
        int rc;

        for (size_t i = 0; i < 3; i++) {
            if (!fc_ranges_next(sets[i], at, &r))
                continue;
            if (r.offset <= at)
                skip = r.offset + r.length;
            else if (r.offset < next)
                next = r.offset;
        }
        if (!skip) {
            rc = fn(arg, at, next - at);
            if (rc < 0)
                return rc;
        }
        at = skip ? skip : next;
    }
    return 0;
}

struct range_list {
    struct fc_range *ranges;
    size_t n, cap;
};

static int list_add(void *arg, uint64_t offset, uint64_t length)
{
    struct range_list *l = arg;

    if (fc_grow(&l->ranges, &l->cap, l->n + 1, sizeof(*l->ranges)) < 0)
        return -ENOMEM;
    l->ranges[l->n++] = (struct fc_range){offset, length};
    return 0;
}

void fc_space_free(struct fc_space *s, uint64_t offset, uint64_t length)
{
    struct range_list l = {0};
    uint64_t end = offset + length;

    if (offset >= s->end)
        return;
    if (length > s->end - offset)
        end = s->end;
    /* Collected first: adding to a set while walking it would show the walk its own work. */
    if (each_allocated(s, offset, end, list_add, &l) == 0)
        for (size_t i = 0; i < l.n; i++)
            fc_ranges_add(&s->freed, l.ranges[i].offset, l.ranges[i].length);
    free(l.ranges);
}

void fc_space_durable(struct fc_space *s)
{
    struct fc_range r;

    if (!s->ready.root) {
        struct fc_ranges none = s->ready;

        s->ready = s->freed;
        s->freed = none;
        return;
    }
    while (fc_ranges_next(&s->freed, 0, &r)) {
        fc_ranges_add(&s->ready, r.offset, r.length);
        if (fc_ranges_remove(&s->freed, r.offset, r.length) < 0)
            return;
    }
}

bool fc_space_take_ready(struct fc_space *s, struct fc_range *ret)
{
    return fc_ranges_next(&s->ready, 0, ret) && fc_ranges_remove(&s->ready, ret->offset, ret->length) == 0;
}

void fc_space_put_free(struct fc_space *s, const struct fc_range *r, bool dirty)
{
    /* Without the note that it is dirty it must not be allocated: then it is lost until the next rebuild. */
    if (dirty && fc_ranges_add(&s->dirty, r->offset, r->length) < 0)
        return;
    fc_ranges_add(&s->free, r->offset, r->length);
}

void fc_space_release(struct fc_space *s)
{
    fc_ranges_release(&s->free);
    fc_ranges_release(&s->freed);
    fc_ranges_release(&s->ready);
    fc_ranges_release(&s->dirty);
}
