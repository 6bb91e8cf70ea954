/* SPDX-License-Identifier: Apache-2.0 */
/* Names and inodes that differ from a new tree, with their link counts. */
#include "workspace/model.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"

/** Map keys must stay below the map's own marks. */
#define HASH_MASK (UINT64_MAX >> 2)

static uint64_t name_hash(uint64_t dir, const char *name, size_t len) { return fc_hash(dir, name, len) & HASH_MASK; }

static struct ws_name *find_name(const struct ws_model *m, uint64_t dir, const char *name, size_t len)
{
    uint64_t i = 0;

    fc_map_get(&m->name_by_hash, name_hash(dir, name, len), &i);
    for (; i; i = m->names[i - 1].next) {
        struct ws_name *n = &m->names[i - 1];

        if (n->parent == dir && n->len == len && memcmp(n->name, name, len) == 0)
            return n;
    }
    return NULL;
}

uint64_t ws_model_lower(const struct ws_model *m, uint64_t dir, const char *name, size_t len)
{
    uint32_t i = fc_tree_by_ino(m->in->to->tree, dir);
    const struct fc_tree_dentry *d;

    if (i == FC_TREE_NONE || !S_ISDIR(m->tree[i].mode))
        return 0;
    d = fc_tree_lookup(m->in->to->tree, i, name, len);
    return d ? m->tree[d->inode].ino : 0;
}

uint64_t ws_model_lookup(const struct ws_model *m, uint64_t dir, const char *name, size_t len)
{
    const struct ws_name *n = find_name(m, dir, name, len);

    return n ? n->ino : ws_model_lower(m, dir, name, len);
}

uint32_t ws_model_mode(const struct ws_model *m, uint64_t ino)
{
    uint64_t row;
    uint32_t i;

    if (fc_map_get(&m->row_by_ino, ino, &row))
        return m->rows[row].attr.mode;
    i = fc_tree_by_ino(m->in->to->tree, ino);
    return i == FC_TREE_NONE ? 0 : m->tree[i].mode;
}

static struct ws_row *add_row(struct ws_model *m, const struct ws_row *row)
{
    if (fc_grow(&m->rows, &m->cap_rows, m->n_rows + 1, sizeof(*m->rows)) < 0 ||
        fc_map_set(&m->row_by_ino, row->attr.ino, m->n_rows) < 0)
        return NULL;
    m->rows[m->n_rows] = *row;
    return &m->rows[m->n_rows++];
}

struct ws_row *ws_model_row(struct ws_model *m, uint64_t ino)
{
    struct ws_row row = {.now = FC_TREE_NONE, .content = WS_FROM_LOWER, .xattrs = WS_FROM_LOWER};
    const struct fc_tree_inode *t;
    uint64_t i;

    if (fc_map_get(&m->row_by_ino, ino, &i))
        return &m->rows[i];
    row.lower = fc_tree_by_ino(m->in->to->tree, ino);
    if (row.lower == FC_TREE_NONE)
        return NULL;
    t = &m->tree[row.lower];
    row.links = t->nlink;
    row.attr = (struct fc_edit_inode){.ino = ino,
                                      .mode = t->mode,
                                      .uid = t->uid,
                                      .gid = t->gid,
                                      .rdev_major = t->rdev_major,
                                      .rdev_minor = t->rdev_minor,
                                      .size = t->size,
                                      .atime = t->mtime,
                                      .mtime = t->mtime,
                                      .ctime = t->mtime,
                                      .crtime = t->mtime};
    return add_row(m, &row);
}

struct ws_row *ws_model_new(struct ws_model *m, uint32_t now, struct fc_error *err)
{
    const struct fc_snap_inode *s = &m->now[now];
    struct ws_row row = {.lower = FC_TREE_NONE, .now = now, .content = WS_FROM_SNAPSHOT, .xattrs = WS_FROM_SNAPSHOT};
    struct ws_row *added;

    row.attr = (struct fc_edit_inode){.mode = s->mode,
                                      .uid = s->uid,
                                      .gid = s->gid,
                                      .rdev_major = s->rdev_major,
                                      .rdev_minor = s->rdev_minor,
                                      .size = s->size,
                                      .atime = s->atime,
                                      .mtime = s->mtime,
                                      .ctime = s->ctime,
                                      .crtime = s->crtime};
    row.links = S_ISDIR(s->mode) ? 2 : 0;
    row.attr.ino = fc_edit_new_ino(m->in->edit, err);
    if (!row.attr.ino)
        return NULL;
    added = add_row(m, &row);
    if (!added)
        fc_fail(err, ENOMEM, "out of memory");
    return added;
}

/* One name less for each object that a lost directory of the new tree had below it. */
static int drop_below(struct ws_model *m, uint32_t top)
{
    fc_auto(fc_free) uint32_t *todo = NULL;
    size_t n = 0, cap = 0;

    if (fc_grow(&todo, &cap, 1, sizeof(*todo)) < 0)
        return -ENOMEM;
    todo[n++] = top;
    while (n) {
        const struct fc_tree_inode *dir = &m->tree[todo[--n]];

        for (uint32_t i = 0; i < dir->n_dentries; i++) {
            uint32_t child = m->dentries[dir->first_dentry + i].inode;
            const struct fc_tree_inode *t = &m->tree[child];
            struct ws_row *row;

            if (S_ISDIR(t->mode)) {
                if (fc_grow(&todo, &cap, n + 1, sizeof(*todo)) < 0)
                    return -ENOMEM;
                todo[n++] = child;
            } else if (t->nlink > 1) {
                row = ws_model_row(m, t->ino);
                if (!row)
                    return -ENOMEM;
                row->links--;
            }
        }
    }
    return 0;
}

/* @ino gained (@by 1) or lost (-1) a name in @dir. */
static int count_link(struct ws_model *m, uint64_t dir, uint64_t ino, int by)
{
    bool is_dir = S_ISDIR(ws_model_mode(m, ino));
    uint32_t lower = fc_tree_by_ino(m->in->to->tree, ino);
    /* A directory's own count is about what is in it; its name counts in the parent. */
    struct ws_row *row = ws_model_row(m, is_dir ? dir : ino);

    if (!row)
        return -ENOMEM;
    row->links += by;
    if (!is_dir || by > 0)
        return 0;
    row = ws_model_row(m, ino);
    if (!row)
        return -ENOMEM;
    row->links = 0;
    return lower == FC_TREE_NONE ? 0 : drop_below(m, lower);
}

static int put_name(struct ws_model *m, uint64_t dir, const char *name, size_t len, uint64_t ino)
{
    struct ws_name *n = find_name(m, dir, name, len);
    uint64_t hash = name_hash(dir, name, len), first = 0;

    if (n) {
        n->ino = ino;
        return 0;
    }
    if (fc_grow(&m->names, &m->cap_names, m->n_names + 1, sizeof(*m->names)) < 0)
        return -ENOMEM;
    fc_map_get(&m->name_by_hash, hash, &first);
    if (fc_map_set(&m->name_by_hash, hash, m->n_names + 1) < 0)
        return -ENOMEM;
    m->names[m->n_names++] = (struct ws_name){dir, ino, name, len, first};
    return 0;
}

int ws_model_set(struct ws_model *m, uint64_t dir, const char *name, size_t len, uint64_t ino)
{
    uint64_t was = ws_model_lookup(m, dir, name, len);
    int r = 0;

    if (was == ino)
        return 0;
    if (was)
        r = count_link(m, dir, was, -1);
    if (r == 0)
        r = put_name(m, dir, name, len, ino);
    if (r == 0 && ino)
        r = count_link(m, dir, ino, 1);
    return r;
}

void ws_model_merge(const struct ws_model *m, struct ws_row *row, uint32_t now, unsigned what)
{
    const struct fc_snap_inode *s = &m->now[now];

    row->now = now;
    if (what & FC_CHANGED_MODE)
        row->attr.mode = s->mode;
    if (what & FC_CHANGED_OWNER) {
        row->attr.uid = s->uid;
        row->attr.gid = s->gid;
    }
    if (what & FC_CHANGED_RDEV) {
        row->attr.rdev_major = s->rdev_major;
        row->attr.rdev_minor = s->rdev_minor;
    }
    if (what & FC_CHANGED_MTIME)
        row->attr.mtime = s->mtime;
    if (what & FC_CHANGED_XATTRS)
        row->xattrs = WS_FROM_SNAPSHOT;
    if (what & FC_CHANGED_CONTENT) {
        row->content = WS_FROM_SNAPSHOT;
        row->attr.size = s->size;
    }
    row->attr.atime = s->atime;
    row->attr.ctime = s->ctime;
    row->attr.crtime = s->crtime;
}

void ws_model_release(struct ws_model *m)
{
    free(m->rows);
    free(m->names);
    fc_map_release(&m->row_by_ino);
    fc_map_release(&m->name_by_hash);
    fc_map_release(&m->bound);
}
