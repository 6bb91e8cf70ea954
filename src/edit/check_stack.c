/* SPDX-License-Identifier: Apache-2.0 */
/* Take the rows of layers, settings and conflicts, and check the layers and the numbers of inodes among themselves. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/map.h"
#include "edit/check_private.h"

static const char *copy_text(struct fc_check *c, const struct check_cell *cell)
{
    bool text = cell->type == CHECK_TEXT || cell->type == CHECK_BLOB;
    size_t n = text ? strnlen(cell->data ? cell->data : "", cell->size) : 0;

    return fc_arena_copy(&c->rows.arena, n ? cell->data : "", n);
}

static bool in_range(const struct check_cell *cell, int64_t min, int64_t max)
{
    return cell->type == CHECK_INT && cell->i >= min && cell->i <= max;
}

int check_take_layer(struct fc_check *c, const struct check_cell *cells)
{
    struct fc_rows *rows = &c->rows;
    bool good = in_range(&cells[0], 1, UINT32_MAX - 1) && in_range(&cells[1], -1, INT32_MAX) &&
                cells[2].type == CHECK_BLOB && cells[2].size == sizeof(struct fc_digest) &&
                in_range(&cells[5], 2, (int64_t)FC_EDIT_INO_ABSURD) && in_range(&cells[6], 0, UINT32_MAX - 1);
    struct fc_edit_layer l = {.id = (uint32_t)cells[0].i,
                              .position = (int)cells[1].i,
                              .locator = copy_text(c, &cells[3]),
                              .name = copy_text(c, &cells[4]),
                              .first_ino = (uint64_t)cells[5].i,
                              .n_inodes = (uint32_t)cells[6].i};

    if (!l.locator || !l.name)
        return -ENOMEM;
    if (!good) {
        fc_findings_add(c->found, &(struct fc_finding){.error = true, .code = "layer", .table = "layer"}, FC_NO_REPAIR,
                        "the row of layer %lld (\"%s\", from %s) is damaged: the stack is not known for certain",
                        (long long)cells[0].i, l.name, l.locator);
        rows->stack_unknown = true;
        return 0;
    }
    memcpy(l.diffid.bytes, cells[2].data, sizeof(l.diffid.bytes));
    if (fc_grow(&rows->layers, &rows->cap_layers, rows->n_layers + 1, sizeof(*rows->layers)) < 0)
        return -ENOMEM;
    rows->layers[rows->n_layers++] = (struct fc_row_layer){.l = l};
    if (l.id > rows->layer_seq)
        rows->layer_seq = l.id;
    return 0;
}

int check_take_meta(struct fc_check *c, const struct check_cell *cells)
{
    struct fc_rows *rows = &c->rows;
    struct fc_row_meta m = {copy_text(c, &cells[0]), copy_text(c, &cells[1])};
    unsigned long long n;
    char *end;

    if (!m.key || !m.value)
        return -ENOMEM;
    if (strcmp(m.key, "next_ino") != 0) {
        if (fc_grow(&rows->metas, &rows->cap_metas, rows->n_metas + 1, sizeof(*rows->metas)) < 0)
            return -ENOMEM;
        rows->metas[rows->n_metas++] = m;
        return 0;
    }
    errno = 0;
    n = strtoull(m.value, &end, 10);
    if (m.value[0] >= '0' && m.value[0] <= '9' && !*end && errno == 0 && n >= 2 && n < FC_EDIT_INO_ABSURD)
        rows->next_ino = n;
    return 0;
}

int check_take_conflict(struct fc_check *c, const struct check_cell *cells)
{
    struct fc_rows *rows = &c->rows;
    struct fc_row_conflict x = {copy_text(c, &cells[1]), copy_text(c, &cells[2])};

    if (!x.path || !x.what || fc_grow(&rows->conflicts, &rows->cap_conflicts, rows->n_conflicts + 1, sizeof(x)) < 0)
        return -ENOMEM;
    rows->conflicts[rows->n_conflicts++] = x;
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const struct fc_edit_layer *x = *(const struct fc_edit_layer *const *)a,
                               *y = *(const struct fc_edit_layer *const *)b;

    return x->first_ino < y->first_ino ? -1 : x->first_ino > y->first_ino;
}

/* Two layers must not own the same number: an edit of that object could belong to either. */
static void check_ranges(struct fc_check *c)
{
    struct fc_rows *r = &c->rows;
    fc_auto(fc_free) const struct fc_edit_layer **list = calloc(r->n_layers + 1, sizeof(const struct fc_edit_layer *));

    if (!list) {
        c->found->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < r->n_layers; i++)
        list[i] = &r->layers[i].l;
    qsort(list, r->n_layers, sizeof(const struct fc_edit_layer *), by_first);
    for (size_t i = 1; i < r->n_layers; i++) {
        if (list[i - 1]->first_ino + list[i - 1]->n_inodes <= list[i]->first_ino)
            continue;
        fc_findings_add(
            c->found, &(struct fc_finding){.error = true, .code = "layer-numbers", .table = "layer"}, FC_NO_REPAIR,
            "layers \"%s\" and \"%s\" own the same inode numbers (from %" PRIu64 " on): which of them an edit "
            "belongs to is not known",
            list[i - 1]->name, list[i]->name, list[i]->first_ino);
        r->stack_unknown = true;
    }
}

void check_stack(struct fc_check *c)
{
    struct fc_rows *r = &c->rows;
    int next = 0;

    for (size_t i = 0; i < r->n_layers && r->layers[i].l.position >= 0; i++) {
        struct fc_edit_layer *l = &r->layers[i].l;

        if (l->position == next++)
            continue;
        fc_findings_add(c->found, &(struct fc_finding){.error = true, .code = "stack", .table = "layer"},
                        c->rebuild ? NULL : "numbers the layers anew, in this order",
                        "layer \"%s\" has position %d in the stack, where %d is expected", l->name, l->position,
                        next - 1);
        /* Rows may be missing from a database that had to be read page by page; else they were only numbered wrongly. */
        r->stack_unknown |= c->rebuild;
        l->position = next - 1;
        r->changed |= FC_ROWS_LAYERS;
    }
    if (c->rebuild && !r->n_layers && r->layer_seq > 0) {
        fc_findings_add(c->found, &(struct fc_finding){.error = true, .code = "stack", .table = "layer"}, FC_NO_REPAIR,
                        "the list of layers is lost");
        r->stack_unknown = true;
    }
    check_ranges(c);
}

/* The number instead of *ino, if that is absurd. */
static int sane(struct fc_check *c, struct fc_map *map, uint64_t *next, uint64_t *ino)
{
    uint64_t now;

    if (*ino < FC_EDIT_INO_ABSURD)
        return 0;
    if (!fc_map_get(map, *ino, &now)) {
        now = (*next)++;
        fc_findings_add(c->found, &(struct fc_finding){.error = true, .code = "number", .table = "inode", .ino = now},
                        "gives it this number", "its number %" PRIu64 " cannot be", *ino);
        if (fc_map_set(map, *ino, now) < 0)
            return -ENOMEM;
    }
    *ino = now;
    c->rows.changed |= FC_ROWS_INODES | FC_ROWS_XATTRS | FC_ROWS_EXTENTS | FC_ROWS_DENTRIES;
    return 0;
}

int check_absurd(struct fc_check *c, struct fc_error *err)
{
    struct fc_rows *r = &c->rows;
    struct fc_map map = {0};
    uint64_t next = r->next_ino > 2 && r->next_ino < FC_EDIT_INO_ABSURD ? r->next_ino : 2;
    int rc = 0;

    for (size_t i = 0; i < r->n_inodes; i++)
        if (r->inodes[i].i.ino < FC_EDIT_INO_ABSURD && r->inodes[i].i.ino >= next)
            next = r->inodes[i].i.ino + 1;
    for (size_t i = 0; i < r->n_layers; i++)
        if (r->layers[i].l.first_ino + r->layers[i].l.n_inodes > next)
            next = r->layers[i].l.first_ino + r->layers[i].l.n_inodes;
    for (size_t i = 0; i < r->n_inodes && rc == 0; i++)
        rc = sane(c, &map, &next, &r->inodes[i].i.ino);
    for (size_t i = 0; i < r->n_extents && rc == 0; i++)
        rc = sane(c, &map, &next, &r->extents[i].ino);
    for (size_t i = 0; i < r->n_xattrs && rc == 0; i++)
        rc = sane(c, &map, &next, &r->xattrs[i].ino);
    for (size_t i = 0; i < r->n_dentries && rc == 0; i++) {
        rc = sane(c, &map, &next, &r->dentries[i].parent);
        if (rc == 0)
            rc = sane(c, &map, &next, &r->dentries[i].ino);
    }
    if (map.len && r->next_ino && r->next_ino < next) {
        r->next_ino = next;
        r->changed |= FC_ROWS_META;
    }
    fc_map_release(&map);
    return rc < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

/* The end of the reserved numbers in the file "ino", 0 if it says nothing. */
static uint64_t ino_mark(const struct fc_check *c)
{
    fc_auto(fc_free) char *path = NULL;
    fc_auto(fc_buf_release) struct fc_buf b = {0};
    uint64_t mark = 0;

    if (asprintf(&path, "%s/ino", c->e->dir) < 0) {
        path = NULL;
        return 0;
    }
    if (fc_read_file(AT_FDCWD, path, 4096, &b) == 0 && b.len == sizeof(mark))
        memcpy(&mark, b.data, sizeof(mark));
    return mark < FC_EDIT_INO_ABSURD ? mark : 0;
}

void fc_check_numbers(struct fc_check *c)
{
    struct fc_rows *r = &c->rows;
    const struct fc_finding head = {.error = true, .code = "next-inode", .table = "meta"};
    uint64_t above = 1, mark = ino_mark(c), was = r->next_ino;

    for (size_t i = 0; i < r->n_inodes; i++)
        if (r->inodes[i].i.ino > above)
            above = r->inodes[i].i.ino;
    for (size_t i = 0; i < r->n_layers; i++)
        if (r->layers[i].l.first_ino + r->layers[i].l.n_inodes > above)
            above = r->layers[i].l.first_ino + r->layers[i].l.n_inodes - (r->layers[i].l.n_inodes > 0);
    above++;
    if (was >= above)
        return;
    r->next_ino = mark > above ? mark : above;
    if (was)
        fc_findings_add(c->found, &head, "sets it behind all numbers",
                        "the next inode number is %" PRIu64 ", but %" PRIu64
                        " is in use: a new file could become another "
                        "name of an old one",
                        was, above - 1);
    else
        fc_findings_add(c->found, &head, "sets it behind all numbers",
                        "the next inode number is lost: a new file could become another name of an old one");
    r->changed |= FC_ROWS_META;
}

uint64_t fc_check_new_ino(struct fc_check *c)
{
    struct fc_rows *r = &c->rows;
    uint64_t mark = ino_mark(c);

    if (mark > r->next_ino)
        r->next_ino = mark;
    r->changed |= FC_ROWS_META;
    return r->next_ino++;
}
