/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a store: lock it, read every row however damaged the database is, and sort out what is there twice. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "edit/check_private.h"

static void rows_release(struct fc_rows *r)
{
    fc_arena_release(&r->arena);
    free(r->inodes);
    free(r->xattrs);
    free(r->extents);
    free(r->dentries);
    free(r->layers);
    free(r->conflicts);
    free(r->metas);
    free(r->copies);
    *r = (struct fc_rows){0};
}

static void twice(struct fc_check *c, const char *table, uint64_t ino, const char *what)
{
    fc_findings_add(c->found, &(struct fc_finding){.error = true, .code = "twice", .table = table, .ino = ino},
                    "keeps one of them", "it has two rows for %s", what);
}

/* Keys that come twice: only a damaged database can have them. */
static void check_twice(struct fc_check *c)
{
    struct fc_rows *r = &c->rows;

    for (size_t i = 1; i < r->n_inodes; i++) {
        if (r->inodes[i].i.ino != r->inodes[i - 1].i.ino)
            continue;
        twice(c, "inode", r->inodes[i].i.ino, "the object itself");
        r->inodes[i - 1].drop = true;
        r->changed |= FC_ROWS_INODES;
    }
    for (size_t i = 1; i < r->n_xattrs; i++) {
        if (r->xattrs[i].ino != r->xattrs[i - 1].ino || strcmp(r->xattrs[i].x.name, r->xattrs[i - 1].x.name) != 0)
            continue;
        twice(c, "xattr", r->xattrs[i].ino, "an attribute");
        r->xattrs[i - 1].drop = true;
        r->changed |= FC_ROWS_XATTRS;
    }
    for (size_t i = 1; i < r->n_dentries; i++) {
        struct fc_row_dentry *a = &r->dentries[i - 1], *b = &r->dentries[i];

        if (a->parent != b->parent || a->len != b->len || memcmp(a->name, b->name, a->len) != 0)
            continue;
        twice(c, "dentry", b->parent, "a name in it");
        a->drop = true;
        r->changed |= FC_ROWS_DENTRIES;
    }
}

/* Read what SQLite gives, or what the pages have when it gives nothing certain. */
static int read_rows(struct fc_check *c, struct fc_error *err)
{
    size_t n_found = c->found->n;
    struct fc_error why = {0};
    uint64_t n = 0;
    int r = c->rebuild ? -EBADMSG : check_read(c, &why);

    if (r == -ENOMEM || r == 0)
        return r < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
    if (!c->rebuild) {
        /* Everything is read once more. */
        fc_findings_cut(c->found, n_found);
        rows_release(&c->rows);
        fc_findings_add(c->found, &(struct fc_finding){.error = true, .code = "database", .table = "workspace.db"},
                        "writes the rows that can be read into a new database", "the database is damaged: %s", why.msg);
        c->rebuild = true;
    }
    r = check_salvage(c, &n, err);
    if (r < 0)
        return r;
    if (n == 0)
        return fc_fail(
            err, EBADMSG,
            "%s/workspace.db: no row of a workspace can be read from it: put a copy of it in its place, or make "
            "a new workspace (the contents of edits are still in data/0)",
            c->e->dir);
    fc_findings_add(c->found, &(struct fc_finding){.code = "database", .table = "workspace.db"}, FC_NO_REPAIR,
                    "%llu rows can be read: %zu objects, %zu names, %zu pieces of content, %zu attributes, %zu layers",
                    (unsigned long long)n, c->rows.n_inodes, c->rows.n_dentries, c->rows.n_extents, c->rows.n_xattrs,
                    c->rows.n_layers);
    return 0;
}

static int begin(struct fc_check *c, struct fc_error *err)
{
    int r = 0;

    if (c->options.repair)
        r = fc_store_lock(c->e, err);
    else if (!c->options.have_lock)
        r = c->e->lock_fd = fc_edit_lock_shared(c->e->dir, err);
    if (r >= 0)
        r = check_database(c, err);
    if (r == 0)
        r = read_rows(c, err);
    if (r == 0)
        r = check_absurd(c, err);
    if (r < 0)
        return r;
    fc_rows_sort(&c->rows);
    check_twice(c);
    check_extent_order(c);
    check_stack(c);
    if (c->rebuild)
        c->rows.changed = ~0u;
    return 0;
}

int fc_check_open(const char *dir, const struct fc_check_options *options, struct fc_findings *found,
                  struct fc_check **ret, struct fc_error *err)
{
    fc_auto(fc_check_free) struct fc_check *c = calloc(1, sizeof(*c));
    int r;

    if (!c || !(c->e = calloc(1, sizeof(*c->e))))
        return fc_fail(err, ENOMEM, "out of memory");
    c->options = *options;
    c->found = found;
    c->e->mode = FC_EDIT_READ;
    c->e->lock_fd = c->e->data_fd = c->e->ino_fd = c->e->reserve_fd = -1;
    pthread_mutex_init(&c->e->ino_lock, NULL);
    c->e->dir = fc_abspath(dir);
    if (!c->e->dir)
        return fc_fail(err, ENOMEM, "out of memory");
    r = begin(c, err);
    if (r == 0)
        *ret = fc_steal(&c);
    return r;
}

struct fc_rows *fc_check_rows(struct fc_check *c) { return &c->rows; }

void fc_check_free(struct fc_check *c)
{
    if (!c)
        return;
    fc_edit_free(c->e);
    rows_release(&c->rows);
    free(c);
}

/* Where the last piece of a file's content ends. */
static uint64_t content_end(const struct fc_rows *r, uint64_t ino)
{
    uint64_t end = 0;

    for (size_t i = fc_rows_first_extent(r, ino); i < r->n_extents && r->extents[i].ino == ino; i++)
        if (!r->extents[i].drop)
            end = r->extents[i].x.offset + r->extents[i].x.length;
    return end;
}

static uint32_t likely_type(const struct fc_rows *r, const struct fc_edit_inode *i)
{
    size_t x = fc_rows_first_extent(r, i->ino), d = fc_rows_first_dentry(r, i->ino);

    if (x < r->n_extents && r->extents[x].ino == i->ino)
        return S_IFREG;
    if (d < r->n_dentries && r->dentries[d].parent == i->ino)
        return S_IFDIR;
    return S_IFREG;
}

void fc_check_shapes(struct fc_check *c)
{
    struct fc_rows *r = &c->rows;

    for (size_t k = 0; k < r->n_inodes; k++) {
        struct fc_edit_inode *i = &r->inodes[k].i;

        if (r->inodes[k].drop)
            continue;
        if (!(i->mode & S_IFMT))
            i->mode |= likely_type(r, i);
        if (i->size == UINT64_MAX)
            i->size = S_ISREG(i->mode) ? content_end(r, i->ino) : 0;
        if (!S_ISLNK(i->mode) || i->lower_content || i->target)
            continue;
        fc_findings_add(c->found,
                        &(struct fc_finding){.error = true, .code = "symlink", .table = "inode", .ino = i->ino},
                        "removes the symlink", "it is a symlink whose text is lost");
        r->inodes[k].drop = true;
        r->changed |= FC_ROWS_INODES;
    }
}

bool fc_check_needs_write(const struct fc_check *c)
{
    return !c->rows.stack_unknown && (c->rows.changed || c->rows.n_copies);
}
