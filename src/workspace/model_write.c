/* SPDX-License-Identifier: Apache-2.0 */
/* Write the edits on a new tree to the store. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "workspace/model.h"

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
    i.lower_content = row->content == WS_FROM_LOWER && (S_ISREG(i.mode) || S_ISLNK(i.mode));
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

        if (ws_model_lower(m, n->parent, n->name, n->len) != n->ino)
            r = fc_edit_put_dentry(m->in->edit, n->parent, n->name, n->len, n->ino, err);
    }
    return r;
}
