/* SPDX-License-Identifier: Apache-2.0 */
/* Copy what is dirty out of the tables, and write the copy as one transaction. */
#include "live/group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Copying, with the lock */

static int copy_xattrs(struct fc_arena *arena, const struct live_xattrs *x, struct live_row *row)
{
    struct fc_xattr *copy = fc_arena_alloc(arena, x->n * sizeof(*copy) + 1);

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < x->n; i++) {
        copy[i].name = fc_arena_copy(arena, x->items[i].name, strlen(x->items[i].name));
        copy[i].value = fc_arena_copy(arena, x->items[i].value, x->items[i].size);
        copy[i].size = x->items[i].size;
        if (!copy[i].name || !copy[i].value)
            return -ENOMEM;
    }
    row->xattrs = copy;
    row->n_xattrs = x->n;
    return 0;
}

static int copy_extents(struct fc_arena *arena, const struct live_extents *x, struct live_row *row)
{
    struct fc_edit_extent *copy = fc_arena_alloc(arena, x->n * sizeof(*copy) + 1);
    size_t n = 0;

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < x->n; i++) {
        const struct live_extent *e = &x->items[i];

        /* Only pins tell pieces of different epochs apart. */
        if (n && copy[n - 1].source == e->source && copy[n - 1].offset + copy[n - 1].length == e->offset &&
            copy[n - 1].source_offset + copy[n - 1].length == e->source_offset)
            copy[n - 1].length += e->length;
        else
            copy[n++] = (struct fc_edit_extent){e->offset, e->length, e->source_offset, e->source};
    }
    row->extents = copy;
    row->n_extents = n;
    return 0;
}

static int copy_inode(struct fc_arena *arena, const struct live_inode *inode, struct live_row *row)
{
    const struct fc_attr *a = &inode->attr;
    int r = 0;

    row->what = inode->stored ? inode->dirty : LIVE_DIRTY_ALL;
    row->inode = (struct fc_edit_inode){
        .ino = a->ino,
        .mode = a->mode,
        .uid = a->uid,
        .gid = a->gid,
        .rdev_major = a->rdev_major,
        .rdev_minor = a->rdev_minor,
        .nlink = a->nlink,
        .size = a->size,
        .atime = a->atime,
        .mtime = a->mtime,
        .ctime = a->ctime,
        .crtime = a->crtime,
        .lower_content = inode->lower_content,
    };
    if (inode->target && !inode->lower_content) {
        row->inode.target = fc_arena_copy(arena, inode->target, strlen(inode->target));
        if (!row->inode.target)
            return -ENOMEM;
    }
    if (row->what & LIVE_DIRTY_XATTRS)
        r = copy_xattrs(arena, &inode->xattrs, row);
    if (r == 0 && (row->what & LIVE_DIRTY_CONTENT))
        r = copy_extents(arena, &inode->content, row);
    return r;
}

static int copy_inodes(struct fc_live *live, struct live_group *g)
{
    size_t n = 0;

    for (const struct live_inode *i = live->dirty; i; i = i->dirty_next)
        n += i->attr.nlink > 0;
    g->rows = calloc(n ? n : 1, sizeof(*g->rows));
    if (!g->rows)
        return -ENOMEM;
    for (const struct live_inode *i = live->dirty; i; i = i->dirty_next) {
        int r;

        /* What has no name is not kept: after a crash nobody could reach it. */
        if (i->attr.nlink == 0)
            continue;
        r = copy_inode(&g->arena, i, &g->rows[g->n_rows]);
        if (r < 0)
            return r;
        g->n_rows++;
    }
    return 0;
}

/* Rows are the difference to the lower tree: a name that is as it was there has none. */
static void name_row(struct fc_live *live, const struct live_name *n, struct live_name_row *row)
{
    struct live_node dir;

    row->parent = n->parent;
    row->len = n->len;
    row->forget = true;
    if (live_node(live, n->parent, &dir) < 0 || live_nlink(live, &dir) == 0)
        return;
    row->ino = live_dir_find(live, &dir, row->name, n->len);
    row->forget = row->ino == live_dir_find_lower(live, dir.lower, row->name, n->len);
}

static int copy_names(struct fc_live *live, struct live_group *g)
{
    const struct live_names *names = &live->dirty_names;

    g->name_rows = calloc(names->n ? names->n : 1, sizeof(*g->name_rows));
    if (!g->name_rows)
        return -ENOMEM;
    for (size_t i = 0; i < names->n; i++) {
        g->name_rows[i].name = names->text.data + names->items[i].name;
        name_row(live, &names->items[i], &g->name_rows[i]);
    }
    g->n_name_rows = names->n;
    return 0;
}

/* Orphans that have a row lose it. Returns how many there are; adds them when @list. */
static size_t orphans(struct fc_live *live, struct live_inos *list)
{
    size_t n = 0;

    for (struct live_inode *i = live->dirty; i; i = i->dirty_next) {
        if (i->attr.nlink > 0 || !i->stored)
            continue;
        n++;
        if (list) {
            list->items[list->n++] = i->attr.ino;
            i->stored = false;
        }
    }
    return n;
}

/* The list for the names that change from now on, with room for those of the group, should it fail: see restore. */
static int next_names(struct live_group *g, const struct live_names *now)
{
    struct live_names *next = &g->next_names;
    int r;

    next->spare_n = now->n;
    next->spare_text = now->text.len;
    if (now->n == 0)
        return 0;
    r = fc_grow(&next->items, &next->cap, now->n, sizeof(*next->items));
    return r == 0 ? fc_buf_reserve(&next->text, now->text.len) : r;
}

int live_group_take(struct fc_live *live, struct live_group *g)
{
    int r = copy_inodes(live, g);

    if (r == 0)
        r = copy_names(live, g);
    if (r == 0)
        r = next_names(g, &live->dirty_names);
    if (r == 0)
        r = fc_grow(&live->dead_rows.items, &live->dead_rows.cap, live->dead_rows.n + orphans(live, NULL) + 1,
                    sizeof(uint64_t));
    if (r < 0)
        return r;
    orphans(live, &live->dead_rows);
    while (live->dirty) {
        live->dirty->stored |= live->dirty->attr.nlink > 0;
        live_clean(live, live->dirty);
    }
    g->names = live->dirty_names;
    live->dirty_names = g->next_names;
    g->next_names = (struct live_names){0};
    g->deletes = live->dead_rows;
    live->dead_rows = (struct live_inos){0};
    live_space_take_freed(live, &g->freed);
    g->seq = live->seq;
    clock_gettime(CLOCK_MONOTONIC, &g->when);
    return 0;
}

void live_group_restore(struct fc_live *live, struct live_group *g)
{
    int r = 0;

    live->dirty_names.spare_n = live->dirty_names.spare_text = 0; /* now it is used */
    for (size_t i = 0; i < g->n_rows; i++) {
        struct live_node node;

        /* One that is gone has left its number among the dead rows. */
        if (live_node(live, g->rows[i].inode.ino, &node) == 0 && node.own)
            live_dirty(live, node.own, g->rows[i].what);
    }
    for (size_t i = 0; i < g->n_name_rows && r == 0; i++)
        r = live_names_add(&live->dirty_names, g->name_rows[i].parent, g->name_rows[i].name, g->name_rows[i].len);
    if (r < 0)
        fc_log(FC_LOG_WARN, "out of memory: some changed names are not saved");
    for (size_t i = 0; i < g->deletes.n; i++)
        live_dead_row(live, g->deletes.items[i]);
    live_changed(live);
}

void live_group_release(struct live_group *g)
{
    fc_arena_release(&g->arena);
    free(g->rows);
    free(g->name_rows);
    free(g->names.items);
    fc_buf_release(&g->names.text);
    free(g->next_names.items);
    fc_buf_release(&g->next_names.text);
    free(g->deletes.items);
    free(g->freed.items);
    *g = (struct live_group){0};
}

/* Writing, without the lock */

static int write_row(struct fc_live *live, const struct live_row *row, struct fc_error *err)
{
    uint64_t ino = row->inode.ino;
    int r;

    pthread_mutex_lock(&live->store);
    r = fc_edit_put_inode(live->edit, &row->inode, err);
    if (r == 0 && (row->what & LIVE_DIRTY_XATTRS))
        r = fc_edit_put_xattrs(live->edit, ino, row->xattrs, row->n_xattrs, err);
    if (r == 0 && (row->what & LIVE_DIRTY_CONTENT))
        r = fc_edit_put_extents(live->edit, ino, row->extents, row->n_extents, err);
    pthread_mutex_unlock(&live->store);
    return r;
}

static int write_name(struct fc_live *live, const struct live_name_row *n, struct fc_error *err)
{
    int r;

    pthread_mutex_lock(&live->store);
    r = n->forget ? fc_edit_del_dentry(live->edit, n->parent, n->name, n->len, err)
                  : fc_edit_put_dentry(live->edit, n->parent, n->name, n->len, n->ino, err);
    pthread_mutex_unlock(&live->store);
    return r;
}

static int delete_row(struct fc_live *live, uint64_t ino, struct fc_error *err)
{
    int r;

    pthread_mutex_lock(&live->store);
    r = fc_edit_del_inode(live->edit, ino, err);
    pthread_mutex_unlock(&live->store);
    return r;
}

/* The store is locked call by call, so that requests which need space wait for one row and not for all. */
static int write_rows(struct fc_live *live, struct live_group *g, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < g->deletes.n && r == 0; i++)
        r = delete_row(live, g->deletes.items[i], err);
    for (size_t i = 0; i < g->n_rows && r == 0; i++)
        r = write_row(live, &g->rows[i], err);
    for (size_t i = 0; i < g->n_name_rows && r == 0; i++)
        r = write_name(live, &g->name_rows[i], err);
    return r;
}

int live_group_write(struct fc_live *live, struct live_group *g, bool durable, struct fc_error *err)
{
    int r;

    pthread_mutex_lock(&live->store);
    /* Before the transaction, so that a failure need not undo it: it takes effect with a durable commit, and every
     * later one contains these rows too. */
    for (size_t i = 0; i < g->freed.n; i++)
        fc_edit_space_free(live->edit, g->freed.items[i].offset, g->freed.items[i].length);
    g->freed.n = 0; /* not again, should this be called again */
    r = fc_edit_begin(live->edit, err);
    pthread_mutex_unlock(&live->store);
    if (r < 0)
        return r;
    r = write_rows(live, g, err);
    pthread_mutex_lock(&live->store);
    if (r == 0)
        r = fc_edit_commit(live->edit, durable, err);
    if (r < 0)
        fc_edit_rollback(live->edit);
    pthread_mutex_unlock(&live->store);
    return r;
}
