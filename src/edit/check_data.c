/* SPDX-License-Identifier: Apache-2.0 */
/* Check extents against the data file: some beyond its end, two that share the same bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "edit/check_private.h"

static uint64_t round_up(uint64_t n) { return (n + FC_EDIT_BLOCK - 1) & ~(uint64_t)(FC_EDIT_BLOCK - 1); }

static uint64_t size_of_file(const struct fc_rows *r, uint64_t ino)
{
    size_t lo = 0, hi = r->n_inodes;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (r->inodes[mid].i.ino < ino)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->n_inodes && r->inodes[lo].i.ino == ino ? r->inodes[lo].i.size : UINT64_MAX;
}

/* What of @x lies behind the @size bytes that there are becomes a hole. */
static void cut_at_end(struct fc_check *c, struct fc_row_extent *x, uint64_t size)
{
    struct fc_rows *r = &c->rows;
    uint64_t there = size > x->x.source_offset ? round_up(size) - x->x.source_offset : 0, from, to, file;

    if (there >= round_up(x->x.length))
        return;
    file = size_of_file(r, x->ino);
    from = x->x.offset + there;
    to = x->x.offset + x->x.length;
    /* Reserved behind the end of the file, as fallocate does: there was nothing. */
    if (from < file)
        fc_findings_add(
            c->found, &(struct fc_finding){.error = true, .code = "data-lost", .table = "extent", .ino = x->ino},
            "makes these bytes a hole (zeros)",
            "bytes %llu to %llu of it are lost: they lie behind the end of data/0, which has %llu bytes",
            (unsigned long long)from, (unsigned long long)(to < file ? to : file), (unsigned long long)size);
    else
        fc_findings_add(c->found, &(struct fc_finding){.code = "data-reserved", .table = "extent", .ino = x->ino},
                        "forgets the reservation", "what was reserved behind its end lies behind the end of data/0");
    x->drop = there == 0;
    x->x.length = there;
    r->changed |= FC_ROWS_EXTENTS;
}

static int by_source(const void *a, const void *b)
{
    const struct fc_row_extent *x = *(const struct fc_row_extent *const *)a,
                               *y = *(const struct fc_row_extent *const *)b;

    if (x->x.source_offset != y->x.source_offset)
        return x->x.source_offset < y->x.source_offset ? -1 : 1;
    if (x->ino != y->ino)
        return x->ino < y->ino ? -1 : 1;
    return x->x.offset < y->x.offset ? -1 : x->x.offset > y->x.offset;
}

/* Give @x a copy of what it shows, at *free. */
static int move_away(struct fc_check *c, struct fc_row_extent *x, uint64_t other, uint64_t *free)
{
    struct fc_rows *r = &c->rows;
    uint64_t length = round_up(x->x.length);

    fc_findings_add(
        c->found, &(struct fc_finding){.error = true, .code = "data-shared", .table = "extent", .ino = x->ino},
        "gives it a copy of its own; what either shows stays as it is, but one of them may show the other's",
        "bytes %llu to %llu of it are the same place in data/0 as bytes of inode %llu: a write to one would "
        "change the other",
        (unsigned long long)x->x.offset, (unsigned long long)(x->x.offset + x->x.length), (unsigned long long)other);
    if (fc_grow(&r->copies, &r->cap_copies, r->n_copies + 1, sizeof(*r->copies)) < 0)
        return -ENOMEM;
    r->copies[r->n_copies++] = (struct fc_row_copy){x->x.source_offset, *free, length};
    x->x.source_offset = *free;
    *free += length;
    r->changed |= FC_ROWS_EXTENTS;
    return 0;
}

static int check_shared(struct fc_check *c, uint64_t size, struct fc_error *err)
{
    struct fc_rows *r = &c->rows;
    fc_auto(fc_free) struct fc_row_extent **list = calloc(r->n_extents + 1, sizeof(*list));
    uint64_t end = 0, owner = 0, spare = round_up(size);
    size_t n = 0;

    if (!list)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < r->n_extents; i++)
        if (!r->extents[i].drop && r->extents[i].x.source == FC_EDIT_DATA)
            list[n++] = &r->extents[i];
    if (n)
        qsort(list, n, sizeof(*list), by_source);
    for (size_t i = 0; i < n; i++) {
        struct fc_row_extent *x = list[i];
        uint64_t x_end = x->x.source_offset + round_up(x->x.length);

        if (x->x.source_offset < end) {
            if (move_away(c, x, owner, &spare) < 0)
                return fc_fail(err, ENOMEM, "out of memory");
            continue;
        }
        end = x_end;
        owner = x->ino;
    }
    return 0;
}

int fc_check_data(struct fc_check *c, struct fc_error *err)
{
    const struct fc_finding head = {.error = true, .code = "data-file", .table = "data/0"};
    struct fc_rows *r = &c->rows;
    fc_auto(fc_free) char *path = NULL;
    struct stat st = {0};

    if (asprintf(&path, "%s/data/0", c->e->dir) < 0) {
        path = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    if (lstat(path, &st) < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return fc_fail_errno(err, errno, "%s", path);
        fc_findings_add(c->found, &head, "makes an empty one", "it is missing: the contents of edits are lost");
        c->no_data = true;
    } else if (!S_ISREG(st.st_mode)) {
        fc_findings_add(c->found, &head, FC_NO_REPAIR, "it is no regular file");
        return 0;
    }
    for (size_t i = 0; i < r->n_extents; i++)
        if (!r->extents[i].drop && r->extents[i].x.source == FC_EDIT_DATA)
            cut_at_end(c, &r->extents[i], (uint64_t)st.st_size);
    return check_shared(c, (uint64_t)st.st_size, err);
}
