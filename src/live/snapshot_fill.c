/* SPDX-License-Identifier: Apache-2.0 */
/* Fill the tables of a snapshot, inode by inode. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/snapshot.h"

static int by_ino(const void *a, const void *b)
{
    uint64_t x = ((const struct live_node *)a)->ino, y = ((const struct live_node *)b)->ino;

    return x < y ? -1 : x > y;
}

int live_snap_number(struct live_snap_build *b)
{
    qsort(b->nodes, b->n_nodes, sizeof(*b->nodes), by_ino);
    for (size_t i = 0; i < b->n_nodes; i++) {
        const struct live_node *n = &b->nodes[i];
        int r = 0;

        if (n->lower != FC_TREE_NONE)
            b->index_of_lower[n->lower] = (uint32_t)i + 1;
        else
            r = fc_map_set(&b->index_of_new, n->ino, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static uint32_t index_of(const struct live_snap_build *b, uint64_t ino)
{
    uint64_t i;
    uint32_t lower;

    if (fc_map_get(&b->index_of_new, ino, &i))
        return (uint32_t)i;
    lower = fc_tree_by_ino(b->live->tree, ino);
    return lower == FC_TREE_NONE ? FC_TREE_NONE : b->index_of_lower[lower] - 1;
}

static struct fc_snap_dentry *new_dentry(struct fc_snapshot *s)
{
    if (fc_grow(&s->dentries, &s->cap_dentries, s->n_dentries + 1, sizeof(*s->dentries)) < 0)
        return NULL;
    return &s->dentries[s->n_dentries++];
}

static int add_dentry(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct live_snap_build *b = arg;
    struct fc_snap_dentry *d = new_dentry(b->s);
    const char *copy = d ? fc_arena_copy(&b->s->arena, name, len) : NULL;

    (void)cookie;
    if (!copy)
        return -ENOMEM;
    *d = (struct fc_snap_dentry){.name = copy, .name_len = (uint32_t)len, .inode = index_of(b, ino)};
    return 0;
}

static int add_lower_dentries(struct live_snap_build *b, const struct fc_tree_inode *t)
{
    for (uint32_t i = 0; i < t->n_dentries; i++) {
        const struct fc_tree_dentry *e = &b->live->lower_dentries[t->first_dentry + i];
        struct fc_snap_dentry *d = new_dentry(b->s);

        if (!d)
            return -ENOMEM;
        *d =
            (struct fc_snap_dentry){.name = e->name, .name_len = e->name_len, .inode = b->index_of_lower[e->inode] - 1};
    }
    return 0;
}

static int fill_dir(struct live_snap_build *b, const struct live_node *n, struct fc_snap_inode *ret)
{
    struct fc_snapshot *s = b->s;
    int r = 0;

    ret->first_dentry = (uint32_t)s->n_dentries;
    if (n->own && n->own->dir)
        r = live_dir_each(b->live, n, 0, add_dentry, b);
    else if (n->lower != FC_TREE_NONE)
        r = add_lower_dentries(b, &b->live->lower[n->lower]);
    if (r < 0)
        return r;
    ret->n_dentries = (uint32_t)s->n_dentries - ret->first_dentry;
    if (n->own && n->own->dir && ret->n_dentries)
        qsort(s->dentries + ret->first_dentry, ret->n_dentries, sizeof(*s->dentries), live_snap_by_name);
    ret->parent = index_of(b, live_parent(b->live, n));
    return 0;
}

static int fill_xattrs(struct live_snap_build *b, const struct live_node *n, struct fc_snap_inode *ret)
{
    struct fc_snapshot *s = b->s;
    struct fc_xattr x;

    ret->first_xattr = (uint32_t)s->n_xattrs;
    for (uint32_t i = 0;; i++) {
        if (n->own ? i >= n->own->xattrs.n : fc_tree_xattr(b->live->tree, n->lower, i, &x) <= 0)
            break;
        if (n->own) {
            x = n->own->xattrs.items[i];
            x.name = fc_arena_copy(&s->arena, x.name, strlen(x.name));
            x.value = fc_arena_copy(&s->arena, x.value, x.size);
            if (!x.name || !x.value)
                return -ENOMEM;
        }
        if (fc_grow(&s->xattrs, &s->cap_xattrs, s->n_xattrs + 1, sizeof(*s->xattrs)) < 0)
            return -ENOMEM;
        s->xattrs[s->n_xattrs++] = x;
        ret->n_xattrs++;
    }
    return 0;
}

static int add_extent(struct fc_snapshot *s, const struct fc_snap_inode *inode, const struct fc_snap_extent *e)
{
    struct fc_snap_extent *last = s->n_extents > inode->first_extent ? &s->extents[s->n_extents - 1] : NULL;

    /* Pieces that were written under different pins are one to a reader. */
    if (last && last->source == e->source && last->offset + last->length == e->offset &&
        last->source_offset + last->length == e->source_offset) {
        last->length += e->length;
        return 0;
    }
    if (fc_grow(&s->extents, &s->cap_extents, s->n_extents + 1, sizeof(*s->extents)) < 0)
        return -ENOMEM;
    s->extents[s->n_extents++] = *e;
    return 0;
}

static int fill_file(struct live_snap_build *b, const struct live_node *n, struct fc_snap_inode *ret)
{
    struct fc_snapshot *s = b->s;
    struct live_content c = live_content(b->live, n);
    struct live_piece p;
    int r = 0;

    ret->first_extent = (uint32_t)s->n_extents;
    for (uint64_t at = 0; at < c.size && r == 0; at += p.length) {
        struct fc_snap_extent e;

        live_content_piece(&c, at, &p);
        if (p.fd < 0)
            continue;
        e = (struct fc_snap_extent){.offset = at, .length = p.length, .source_offset = p.source_offset};
        e.source = p.source == FC_EDIT_DATA ? b->live->n_sources : live_source_find(b->live, p.source);
        r = add_extent(s, ret, &e);
    }
    ret->n_extents = (uint32_t)s->n_extents - ret->first_extent;
    return r;
}

static int fill_target(struct live_snap_build *b, const struct live_node *n, struct fc_snap_inode *ret)
{
    if (!n->own || n->own->lower_content)
        ret->target = fc_tree_target(b->live->tree, n->lower);
    else
        ret->target = fc_arena_copy(&b->s->arena, n->own->target, strlen(n->own->target));
    return ret->target ? 0 : -ENOMEM;
}

static uint32_t origin(const struct fc_live *live, const struct live_node *n)
{
    if (n->lower == FC_TREE_NONE)
        return FC_TREE_NONE;
    if (n->own && S_ISREG(n->own->attr.mode) && !n->own->lower_content)
        return FC_TREE_NONE;
    return live->lower[n->lower].layer;
}

int live_snap_fill(struct live_snap_build *b, const struct live_node *n, bool names, struct fc_snap_inode *ret)
{
    struct fc_attr a;
    int r;

    live_attr(b->live, n, &a);
    *ret = (struct fc_snap_inode){
        .ino = a.ino,
        .mode = a.mode,
        .uid = a.uid,
        .gid = a.gid,
        .rdev_major = a.rdev_major,
        .rdev_minor = a.rdev_minor,
        .nlink = a.nlink,
        .atime = a.atime,
        .mtime = a.mtime,
        .ctime = a.ctime,
        .crtime = a.crtime,
        .size = S_ISREG(a.mode) || S_ISLNK(a.mode) ? a.size : 0,
        .parent = FC_TREE_NONE,
        .layer = origin(b->live, n),
    };
    r = fill_xattrs(b, n, ret);
    if (r == 0 && names && S_ISDIR(a.mode))
        r = fill_dir(b, n, ret);
    if (r == 0 && S_ISREG(a.mode))
        r = fill_file(b, n, ret);
    if (r == 0 && S_ISLNK(a.mode))
        r = fill_target(b, n, ret);
    return r;
}

int live_snap_sources(struct fc_snapshot *s, const struct fc_live *live)
{
    s->n_sources = live->n_sources + (live->edit ? 1 : 0);
    s->sources = calloc(s->n_sources + 1, sizeof(*s->sources));
    s->layers = calloc(live->n_sources + 1, sizeof(struct fc_layer *));
    if (!s->sources || !s->layers)
        return -ENOMEM;
    for (uint32_t i = 0; i < live->n_sources; i++) {
        s->sources[i] = (struct fc_snap_source){
            .fd = live->sources[i].fd, .layer = live->sources[i].position, .packed = live->sources[i].layer};
        /* Not the pack's own digest, which strangers can forge: diffID and the places of all contents are in the index. */
        memcpy(s->sources[i].pack.bytes, fc_layer_view(live->sources[i].layer)->header->index_digest,
               sizeof(s->sources[i].pack.bytes));
        s->layers[s->n_layers++] = fc_layer_ref(live->sources[i].layer);
    }
    if (live->edit)
        s->sources[live->n_sources] = (struct fc_snap_source){.fd = live->data_fd, .layer = FC_TREE_NONE};
    if (fc_tree_identity(live->tree, &s->stack) < 0)
        return -EIO;
    if (live->n_layers > 0)
        s->seed = *fc_layer_diffid(live->sources[0].layer);
    return 0;
}
