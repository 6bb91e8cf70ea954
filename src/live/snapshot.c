/* SPDX-License-Identifier: Apache-2.0 */
/* Flatten the merged, edited tree into a snapshot's arrays, and pin what it shows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/snapshot.h"

static int fail_memory(struct fc_error *err) { return fc_fail(err, ENOMEM, "out of memory while taking a snapshot"); }

/* Walking: collect every inode that has a name */

static bool first_visit(struct live_snap_build *b, const struct live_node *node, int *r)
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

static int visit(struct live_snap_build *b, const struct live_node *node)
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
    struct live_snap_build *b = arg;
    struct live_node node;
    int r = live_node(b->live, ino, &node);

    (void)name, (void)len, (void)cookie;
    return r < 0 ? r : visit(b, &node);
}

/* A pristine directory without the detour over inode numbers. */
static int visit_lower_dir(struct live_snap_build *b, uint32_t lower)
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

static int walk(struct live_snap_build *b)
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

static int build(struct live_snap_build *b)
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
        r = live_snap_number(b);
    if (r < 0)
        return r;
    size = b->n_nodes * sizeof(*s->inodes);
    s->inodes = fc_large(malloc(size), size);
    if (!s->inodes || b->n_nodes >= UINT32_MAX)
        return -ENOMEM;
    for (; s->n_inodes < b->n_nodes; s->n_inodes++) {
        r = live_snap_fill(b, &b->nodes[s->n_inodes], true, &s->inodes[s->n_inodes]);
        if (r < 0)
            return r;
    }
    if (s->n_dentries >= UINT32_MAX || s->n_extents >= UINT32_MAX || s->n_xattrs >= UINT32_MAX)
        return -EOVERFLOW;
    s->tree = b->live->tree;
    s->edited = b->live->inodes.len > 0;
    return live_snap_sources(s, b->live);
}

static int take(struct fc_live *live, struct fc_snapshot *s)
{
    struct live_snap_build b = {.live = live, .s = s};
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
