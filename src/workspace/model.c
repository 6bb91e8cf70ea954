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

/* What the new tree itself has there. */
static uint64_t lookup_lower(const struct ws_model *m, uint64_t dir, const char *name, size_t len)
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

    return n ? n->ino : lookup_lower(m, dir, name, len);
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

/* Writing */

/* Edit's layer id, or FC_EDIT_DATA, of a source of the snapshot. */
static int source_id(const struct ws_model *m, uint32_t source, uint32_t *ret, struct fc_error *err)
{
    const struct ws_view *v = m->in->from;
    const struct fc_snap_source *s;
    uint32_t n;

    s = &fc_snapshot_sources(m->in->snapshot, &n)[source];
    if (s->layer != FC_TREE_NONE) {
        *ret = v->ids[s->layer];
        return 0;
    }
    *ret = FC_EDIT_DATA;
    if (s->fd == fc_edit_data_fd(m->in->edit))
        return 0;
    for (size_t i = 0; i < v->n_old; i++) {
        *ret = v->old[i].id;
        if (fc_layer_view(v->old[i].layer)->pack_fd == s->fd)
            return 0;
    }
    return fc_fail(err, EBADMSG, "content of the edits comes from nowhere");
}

static int extents_of_snapshot(const struct ws_model *m, const struct ws_row *row, struct fc_edit_extent *out,
                               struct fc_error *err)
{
    const struct fc_snap_inode *s = &m->now[row->now];
    const struct fc_snap_extent *x;
    uint32_t n;
    int r = 0;

    x = fc_snapshot_extents(m->in->snapshot, &n) + s->first_extent;
    for (uint32_t i = 0; i < s->n_extents && r == 0; i++) {
        out[i] = (struct fc_edit_extent){x[i].offset, x[i].length, x[i].source_offset, 0};
        r = source_id(m, x[i].source, &out[i].source, err);
    }
    return r;
}

static int write_content(const struct ws_model *m, const struct ws_row *row, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_edit_extent *out = NULL;
    const struct fc_layer_inode *inode = NULL;
    const struct fc_layer_view *view = NULL;
    uint32_t n = 0;
    int r = 0;

    if (!S_ISREG(row->attr.mode) || row->content == WS_FROM_LOWER)
        return 0;
    if (row->content == WS_FROM_SNAPSHOT) {
        n = m->now[row->now].n_extents;
    } else if (m->tree[row->lower].layer != FC_TREE_NONE) {
        view = fc_layer_view(m->in->to->layers[m->tree[row->lower].layer]);
        inode = &view->inodes[m->tree[row->lower].layer_inode];
        n = inode->n_extents;
    }
    out = calloc((size_t)n + 1, sizeof(*out));
    if (!out)
        return fc_fail(err, ENOMEM, "out of memory");
    if (row->content == WS_FROM_SNAPSHOT)
        r = extents_of_snapshot(m, row, out, err);
    for (uint32_t i = 0; inode && i < n; i++) {
        const struct fc_layer_extent *x = &view->extents[inode->first_extent + i];

        out[i] =
            (struct fc_edit_extent){x->offset, x->length, x->pack_offset, m->in->to->ids[m->tree[row->lower].layer]};
    }
    return r == 0 ? fc_edit_put_extents(m->in->edit, row->attr.ino, out, n, err) : r;
}

static int write_xattrs(const struct ws_model *m, const struct ws_row *row, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_xattr *copied = NULL;
    const struct fc_snap_inode *s;
    const struct fc_xattr *all;
    size_t n = 0, cap = 0;
    struct fc_xattr x;
    uint32_t n_all;

    if (row->xattrs == WS_FROM_SNAPSHOT) {
        s = &m->now[row->now];
        all = fc_snapshot_xattrs(m->in->snapshot, &n_all);
        return fc_edit_put_xattrs(m->in->edit, row->attr.ino, all + s->first_xattr, s->n_xattrs, err);
    }
    while (fc_tree_xattr(m->in->to->tree, row->lower, (uint32_t)n, &x)) {
        if (fc_grow(&copied, &cap, n + 1, sizeof(*copied)) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        copied[n++] = x;
    }
    return fc_edit_put_xattrs(m->in->edit, row->attr.ino, copied, n, err);
}

static int write_row(const struct ws_model *m, const struct ws_row *row, struct fc_error *err)
{
    struct fc_edit_inode i = row->attr;
    int r;

    i.nlink = (uint32_t)row->links;
    i.lower_content = row->content == WS_FROM_LOWER;
    if (S_ISLNK(i.mode) && !i.lower_content)
        i.target =
            row->content == WS_FROM_SNAPSHOT ? m->now[row->now].target : fc_tree_target(m->in->to->tree, row->lower);
    r = fc_edit_put_inode(m->in->edit, &i, err);
    if (r == 0)
        r = write_xattrs(m, row, err);
    return r == 0 ? write_content(m, row, err) : r;
}

int ws_model_write(const struct ws_model *m, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < m->n_rows && r == 0; i++)
        if (m->rows[i].links > 0)
            r = write_row(m, &m->rows[i], err);
    for (size_t i = 0; i < m->n_names && r == 0; i++) {
        const struct ws_name *n = &m->names[i];

        if (lookup_lower(m, n->parent, n->name, n->len) != n->ino)
            r = fc_edit_put_dentry(m->in->edit, n->parent, n->name, n->len, n->ino, err);
    }
    return r;
}
