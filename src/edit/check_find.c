/* SPDX-License-Identifier: Apache-2.0 */
/* What a check has found, and the rows in memory that it looks at. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "edit/check.h"

static int fill(struct fc_finding *to, const struct fc_finding *head, const char *repair, const char *fmt, va_list ap)
{
    *to = *head;
    to->name = to->path = to->repair = NULL;
    if (vasprintf(&to->what, fmt, ap) < 0) {
        to->what = NULL;
        return -ENOMEM;
    }
    if (repair)
        to->repair = strdup(repair);
    if (head->name)
        to->name = malloc(head->name_len + 1);
    if (to->name) {
        memcpy(to->name, head->name, head->name_len);
        to->name[head->name_len] = '\0';
    }
    return (repair && !to->repair) || (head->name && !to->name) ? -ENOMEM : 0;
}

static void finding_release(struct fc_finding *f)
{
    free(f->name);
    free(f->path);
    free(f->what);
    free(f->repair);
}

void fc_findings_add(struct fc_findings *f, const struct fc_finding *head, const char *repair, const char *fmt, ...)
{
    struct fc_finding *to;
    va_list ap;
    int r;

    /* Counted first: what does not fit into memory is an error all the same. */
    f->n_errors += head->error;
    f->n_repairs += repair != NULL;
    if (fc_grow(&f->items, &f->cap, f->n + 1, sizeof(*f->items)) < 0) {
        f->out_of_memory = true;
        return;
    }
    to = &f->items[f->n];
    va_start(ap, fmt);
    r = fill(to, head, repair, fmt, ap);
    va_end(ap);
    if (r < 0) {
        finding_release(to);
        f->out_of_memory = true;
        return;
    }
    f->n++;
}

void fc_findings_cut(struct fc_findings *f, size_t n)
{
    while (f->n > n) {
        struct fc_finding *last = &f->items[--f->n];

        f->n_errors -= last->error;
        f->n_repairs -= last->repair != NULL;
        finding_release(last);
    }
}

void fc_findings_release(struct fc_findings *f)
{
    fc_findings_cut(f, 0);
    free(f->items);
    *f = (struct fc_findings){0};
}

struct fc_row_inode *fc_rows_add_inode(struct fc_rows *rows, const struct fc_edit_inode *inode)
{
    if (fc_grow(&rows->inodes, &rows->cap_inodes, rows->n_inodes + 1, sizeof(*rows->inodes)) < 0)
        return NULL;
    rows->inodes[rows->n_inodes] = (struct fc_row_inode){.i = *inode};
    return &rows->inodes[rows->n_inodes++];
}

struct fc_row_extent *fc_rows_add_extent(struct fc_rows *rows, uint64_t ino, const struct fc_edit_extent *x)
{
    if (fc_grow(&rows->extents, &rows->cap_extents, rows->n_extents + 1, sizeof(*rows->extents)) < 0)
        return NULL;
    rows->extents[rows->n_extents] = (struct fc_row_extent){.ino = ino, .x = *x};
    return &rows->extents[rows->n_extents++];
}

struct fc_row_dentry *fc_rows_add_dentry(struct fc_rows *rows, uint64_t parent, const char *name, size_t len,
                                         uint64_t ino)
{
    if (fc_grow(&rows->dentries, &rows->cap_dentries, rows->n_dentries + 1, sizeof(*rows->dentries)) < 0)
        return NULL;
    rows->dentries[rows->n_dentries] = (struct fc_row_dentry){.parent = parent, .ino = ino, .name = name, .len = len};
    return &rows->dentries[rows->n_dentries++];
}

static int compare(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

static int by_ino(const void *a, const void *b)
{
    return compare(((const struct fc_row_inode *)a)->i.ino, ((const struct fc_row_inode *)b)->i.ino);
}

static int by_xattr(const void *a, const void *b)
{
    const struct fc_row_xattr *x = a, *y = b;

    return x->ino != y->ino ? compare(x->ino, y->ino) : strcmp(x->x.name, y->x.name);
}

static int by_extent(const void *a, const void *b)
{
    const struct fc_row_extent *x = a, *y = b;

    return x->ino != y->ino ? compare(x->ino, y->ino) : compare(x->x.offset, y->x.offset);
}

static int by_dentry(const void *a, const void *b)
{
    const struct fc_row_dentry *x = a, *y = b;
    int r;

    if (x->parent != y->parent)
        return compare(x->parent, y->parent);
    r = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);
    return r ? r : compare(x->len, y->len);
}

static int by_position(const void *a, const void *b)
{
    const struct fc_edit_layer *x = &((const struct fc_row_layer *)a)->l, *y = &((const struct fc_row_layer *)b)->l;

    if ((x->position < 0) != (y->position < 0))
        return x->position < 0 ? 1 : -1;
    return x->position != y->position ? (x->position < y->position ? -1 : 1) : compare(x->id, y->id);
}

void fc_rows_sort(struct fc_rows *r)
{
    if (r->n_inodes)
        qsort(r->inodes, r->n_inodes, sizeof(*r->inodes), by_ino);
    if (r->n_xattrs)
        qsort(r->xattrs, r->n_xattrs, sizeof(*r->xattrs), by_xattr);
    if (r->n_extents)
        qsort(r->extents, r->n_extents, sizeof(*r->extents), by_extent);
    if (r->n_dentries)
        qsort(r->dentries, r->n_dentries, sizeof(*r->dentries), by_dentry);
    if (r->n_layers)
        qsort(r->layers, r->n_layers, sizeof(*r->layers), by_position);
}

/* The first of @n elements of @size bytes, each beginning with a number, whose number is not below @key. */
static size_t first(const void *items, size_t n, size_t size, uint64_t key)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        uint64_t at;

        memcpy(&at, (const char *)items + mid * size, sizeof(at));
        if (at < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

size_t fc_rows_first_extent(const struct fc_rows *r, uint64_t ino)
{
    return first(r->extents, r->n_extents, sizeof(*r->extents), ino);
}

size_t fc_rows_first_xattr(const struct fc_rows *r, uint64_t ino)
{
    return first(r->xattrs, r->n_xattrs, sizeof(*r->xattrs), ino);
}

size_t fc_rows_first_dentry(const struct fc_rows *r, uint64_t parent)
{
    return first(r->dentries, r->n_dentries, sizeof(*r->dentries), parent);
}
