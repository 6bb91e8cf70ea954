/* SPDX-License-Identifier: Apache-2.0 */
/* Flatten the merged, edited tree into a snapshot's arrays, and pin what it shows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/snapshot.h"

/** While it is built. */
struct build {
    struct fc_live *live;
    struct fc_snapshot *s;
    struct live_node *nodes; /* reachable inodes, later in ino order */
    size_t n_nodes, cap_nodes;
    uint32_t *index_of_lower;   /* tree index to snapshot index + 1; while walking any non-zero */
    struct fc_map index_of_new; /* ino to snapshot index */
};

static int fail_memory(struct fc_error *err) { return fc_fail(err, ENOMEM, "out of memory while taking a snapshot"); }

/* Walking: collect every inode that has a name */

static bool first_visit(struct build *b, const struct live_node *node, int *r)
{
    if (node->lower != FC_TREE_NONE) {
        if (b->index_of_lower[node->lower])
            return false;
        b->index_of_lower[node->lower] = 1;
        return true;
    }
    if (fc_map_get(&b->index_of_new, node->ino, NULL))
        return false;
    *r = fc_map_set(&b->index_of_new, node->ino, 0);
    return *r == 0;
}

static int visit(struct build *b, const struct live_node *node)
{
    int r = 0;

    if (!first_visit(b, node, &r))
        return r;
    r = fc_grow(&b->nodes, &b->cap_nodes, b->n_nodes + 1, sizeof(*b->nodes));
    if (r == 0)
        b->nodes[b->n_nodes++] = *node;
    return r;
}

static int visit_ino(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct build *b = arg;
    struct live_node node;
    int r = live_node(b->live, ino, &node);

    (void)name, (void)len, (void)cookie;
    return r < 0 ? r : visit(b, &node);
}

/* A pristine directory without the detour over inode numbers. */
static int visit_lower_dir(struct build *b, uint32_t lower)
{
    const struct fc_live *live = b->live;
    const struct fc_tree_inode *t = &live->lower[lower];
    bool edits = live->inodes.len > 0;

    for (uint32_t i = 0; i < t->n_dentries; i++) {
        uint32_t child = live->lower_dentries[t->first_dentry + i].inode;
        struct live_node node = {.lower = child, .ino = live->lower[child].ino};
        uint64_t own;
        int r;

        if (edits && fc_map_get(&live->inodes, node.ino, &own))
            node.own = (struct live_inode *)(uintptr_t)own;
        r = visit(b, &node);
        if (r < 0)
            return r;
    }
    return 0;
}

static int walk(struct build *b)
{
    struct live_node root;
    int r = live_node(b->live, 1, &root);

    if (r == 0)
        r = visit(b, &root);
    /* The list of what was found is the queue of what is to be walked. */
    for (size_t i = 0; i < b->n_nodes && r == 0; i++) {
        struct live_node n = b->nodes[i];

        if (!S_ISDIR(live_mode(b->live, &n)))
            continue;
        r = n.own && n.own->dir       ? live_dir_each(b->live, &n, 0, visit_ino, b)
            : n.lower == FC_TREE_NONE ? 0
                                      : visit_lower_dir(b, n.lower);
    }
    return r;
}

static int by_ino(const void *a, const void *b)
{
    uint64_t x = ((const struct live_node *)a)->ino, y = ((const struct live_node *)b)->ino;

    return x < y ? -1 : x > y;
}

static int number(struct build *b)
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

static uint32_t index_of(const struct build *b, uint64_t ino)
{
    uint64_t i;
    uint32_t lower;

    if (fc_map_get(&b->index_of_new, ino, &i))
        return (uint32_t)i;
    lower = fc_tree_by_ino(b->live->tree, ino);
    return lower == FC_TREE_NONE ? FC_TREE_NONE : b->index_of_lower[lower] - 1;
}

/* Filling */

static struct fc_snap_dentry *new_dentry(struct fc_snapshot *s)
{
    if (fc_grow(&s->dentries, &s->cap_dentries, s->n_dentries + 1, sizeof(*s->dentries)) < 0)
        return NULL;
    return &s->dentries[s->n_dentries++];
}

static int add_dentry(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct build *b = arg;
    struct fc_snap_dentry *d = new_dentry(b->s);
    const char *copy = d ? fc_arena_copy(&b->s->arena, name, len) : NULL;

    (void)cookie;
    if (!copy)
        return -ENOMEM;
    *d = (struct fc_snap_dentry){.name = copy, .name_len = (uint32_t)len, .inode = index_of(b, ino)};
    return 0;
}

static int add_lower_dentries(struct build *b, const struct fc_tree_inode *t)
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

static int fill_dir(struct build *b, const struct live_node *n, struct fc_snap_inode *ret)
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

static int fill_xattrs(struct build *b, const struct live_node *n, struct fc_snap_inode *ret)
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

static int fill_file(struct build *b, const struct live_node *n, struct fc_snap_inode *ret)
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

static int fill_target(struct build *b, const struct live_node *n, struct fc_snap_inode *ret)
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

static int fill_inode(struct build *b, const struct live_node *n, struct fc_snap_inode *ret)
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
    if (r == 0 && S_ISDIR(a.mode))
        r = fill_dir(b, n, ret);
    if (r == 0 && S_ISREG(a.mode))
        r = fill_file(b, n, ret);
    if (r == 0 && S_ISLNK(a.mode))
        r = fill_target(b, n, ret);
    return r;
}

static int fill_sources(struct fc_snapshot *s, const struct fc_live *live)
{
    s->n_sources = live->n_sources + (live->edit ? 1 : 0);
    s->sources = calloc(s->n_sources + 1, sizeof(*s->sources));
    s->layers = calloc(live->n_sources + 1, sizeof(struct fc_layer *));
    if (!s->sources || !s->layers)
        return -ENOMEM;
    for (uint32_t i = 0; i < live->n_sources; i++) {
        s->sources[i] = (struct fc_snap_source){.fd = live->sources[i].fd, .layer = live->sources[i].position};
        /* Not the pack's own digest, which strangers can forge: diffID and the places of all contents are in the index. */
        memcpy(s->sources[i].pack.bytes, fc_layer_view(live->sources[i].layer)->header->index_digest,
               sizeof(s->sources[i].pack.bytes));
        s->layers[s->n_layers++] = fc_layer_ref(live->sources[i].layer);
    }
    if (live->edit)
        s->sources[live->n_sources] = (struct fc_snap_source){.fd = live->data_fd, .layer = FC_TREE_NONE};
    if (live->n_layers > 0)
        s->seed = *fc_layer_diffid(live->sources[0].layer);
    return 0;
}

static int build(struct build *b)
{
    struct fc_snapshot *s = b->s;
    size_t size;
    int r;

    size = b->live->n_lower * sizeof(*b->index_of_lower);
    b->index_of_lower = fc_large(calloc(1, size ? size : 1), size);
    if (!b->index_of_lower)
        return -ENOMEM;
    r = walk(b);
    if (r == 0)
        r = number(b);
    if (r < 0)
        return r;
    size = b->n_nodes * sizeof(*s->inodes);
    s->inodes = fc_large(malloc(size), size);
    if (!s->inodes || b->n_nodes >= UINT32_MAX)
        return -ENOMEM;
    for (; s->n_inodes < b->n_nodes; s->n_inodes++) {
        r = fill_inode(b, &b->nodes[s->n_inodes], &s->inodes[s->n_inodes]);
        if (r < 0)
            return r;
    }
    if (s->n_dentries >= UINT32_MAX || s->n_extents >= UINT32_MAX || s->n_xattrs >= UINT32_MAX)
        return -EOVERFLOW;
    s->tree = b->live->tree;
    s->edited = b->live->inodes.len > 0;
    return fill_sources(s, b->live);
}

static int take(struct fc_live *live, struct fc_snapshot *s)
{
    struct build b = {.live = live, .s = s};
    int r = build(&b);

    free(b.nodes);
    free(b.index_of_lower);
    fc_map_release(&b.index_of_new);
    return r;
}

uint64_t fc_live_version(struct fc_live *live)
{
    uint64_t seq;

    live_lock(live);
    seq = live->seq;
    live_unlock(live, NULL);
    return seq;
}

FC_DEFINE_AUTO(struct fc_snapshot *, fc_snapshot_free)

int fc_live_snapshot(struct fc_live *live, struct fc_snapshot **ret, struct fc_error *err)
{
    fc_auto(fc_snapshot_free) struct fc_snapshot *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return fail_memory(err);
    live_lock(live);
    live_pin(live);
    s->live = live;
    r = take(live, s);
    live_unlock(live, NULL);
    if (r == -ENOMEM)
        return fail_memory(err);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot take a snapshot");
    *ret = fc_steal(&s);
    return 0;
}

int fc_snapshot_of_tree(const struct fc_tree *tree, struct fc_snapshot **ret_snapshot, struct fc_error *err)
{
    struct fc_live_options options = {.tree = tree};
    fc_auto(fc_live_free) struct fc_live *live = NULL;
    fc_auto(fc_snapshot_free) struct fc_snapshot *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return fail_memory(err);
    r = fc_live_open(&options, &live, err);
    if (r < 0)
        return r;
    r = take(live, s);
    if (r == -ENOMEM)
        return fail_memory(err);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot take a snapshot");
    *ret_snapshot = fc_steal(&s);
    return 0;
}

int fc_snapshot_unedited(const struct fc_snapshot *snapshot, struct fc_snapshot **ret_unedited, struct fc_error *err)
{
    *ret_unedited = NULL;
    return snapshot->edited && snapshot->tree ? fc_snapshot_of_tree(snapshot->tree, ret_unedited, err) : 0;
}

void fc_snapshot_free(struct fc_snapshot *snapshot)
{
    if (!snapshot)
        return;
    if (snapshot->live) {
        live_lock(snapshot->live);
        live_unpin(snapshot->live);
        live_unlock(snapshot->live, NULL);
    }
    for (uint32_t i = 0; i < snapshot->n_layers; i++)
        fc_layer_unref(snapshot->layers[i]);
    for (uint32_t i = 0; snapshot->owns_sources && i < snapshot->n_sources; i++)
        close(snapshot->sources[i].fd);
    fc_arena_release(&snapshot->arena);
    free(snapshot->inodes);
    free(snapshot->dentries);
    free(snapshot->extents);
    free(snapshot->xattrs);
    free(snapshot->sources);
    free(snapshot->layers);
    free(snapshot);
}
