/* SPDX-License-Identifier: Apache-2.0 */
/* Find what edits change without looking at what they do not: by the names that changed directories gained and lost. */
#include "live/changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/snapshot.h"

/* An inode that may have changed. */
struct item {
    uint64_t ino;
    int64_t names, before; /* how many it has, and has in the stack */
    bool changed;          /* it has a row of its own */
    bool asked;            /* it is to be whole in any case */
    bool dead;             /* a directory that is not in the tree any more: its names have been taken back */
};

struct work {
    struct fc_live *live;
    struct fc_map index_of; /* ino to item */
    struct item *items;
    size_t n, cap;
    int step; /* by which names are being counted */
    struct live_snap_build build;
    struct fc_live_changes *ret;
};

FC_DEFINE_AUTO(struct fc_live_changes *, fc_live_changes_free)

/* Set *ret to the index of the item of inode @ino. */
static int item_of(struct work *w, uint64_t ino, uint64_t *ret)
{
    const struct fc_tree_inode *t;
    struct item item = {.ino = ino};
    uint32_t lower;
    int r;

    if (fc_map_get(&w->index_of, ino, ret))
        return 0;
    lower = fc_tree_by_ino(w->live->tree, ino);
    t = lower == FC_TREE_NONE ? NULL : &w->live->lower[lower];
    if (t)
        item.before = S_ISDIR(t->mode) ? 1 : t->nlink;
    item.names = item.before;
    r = fc_grow(&w->items, &w->cap, w->n + 1, sizeof(item));
    if (r == 0)
        r = fc_map_set(&w->index_of, ino, w->n);
    if (r < 0)
        return r;
    *ret = w->n;
    w->items[w->n++] = item;
    return 0;
}

static struct live_inode *own_of(const struct fc_live *live, uint64_t ino)
{
    uint64_t p;

    return fc_map_get(&live->inodes, ino, &p) ? (struct live_inode *)(uintptr_t)p : NULL;
}

static int count_name(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct work *w = arg;
    uint64_t i;
    int r = item_of(w, ino, &i);

    (void)name, (void)len, (void)cookie;
    if (r == 0)
        w->items[i].names += w->step;
    return r;
}

/* Add @step to the names of all that the tree has in its directory @lower. */
static int count_lower(struct work *w, uint32_t lower, int step)
{
    const struct fc_tree_inode *t = &w->live->lower[lower];
    int r = 0;

    w->step = step;
    for (uint32_t i = 0; i < t->n_dentries && r == 0; i++)
        r = count_name(w, NULL, 0, 0, w->live->lower[w->live->lower_dentries[t->first_dentry + i].inode].ino);
    return r;
}

/* The same for what directory @ino has in it now. */
static int count_now(struct work *w, uint64_t ino, int step)
{
    struct live_inode *own = own_of(w->live, ino);
    uint32_t lower = own ? own->lower : fc_tree_by_ino(w->live->tree, ino);
    struct live_node node = {.own = own, .lower = lower, .ino = ino};

    w->step = step;
    if (own && own->dir)
        return live_dir_each(w->live, &node, 0, count_name, w);
    return lower == FC_TREE_NONE ? 0 : count_lower(w, lower, step);
}

/* Every inode with a row has changed; a directory with a table of its own gives and takes names. */
static int count_rows(struct work *w)
{
    const struct fc_map *rows = &w->live->inodes;
    int r = 0;

    for (size_t k = 0; k < rows->cap && r == 0; k++) {
        const struct live_inode *own = (const struct live_inode *)(uintptr_t)rows->values[k];
        uint64_t i;

        if (rows->keys[k] == 0 || rows->keys[k] == UINT64_MAX)
            continue;
        r = item_of(w, own->attr.ino, &i);
        if (r < 0)
            break;
        w->items[i].changed = true;
        if (own->dir && own->lower != FC_TREE_NONE)
            r = count_lower(w, own->lower, -1);
        if (own->dir && r == 0)
            r = count_now(w, own->attr.ino, 1);
    }
    return r;
}

static bool is_dir(const struct fc_live *live, uint64_t ino)
{
    const struct live_inode *own = own_of(live, ino);
    uint32_t lower = own ? own->lower : fc_tree_by_ino(live->tree, ino);

    return own ? S_ISDIR(own->attr.mode) : lower != FC_TREE_NONE && S_ISDIR(live->lower[lower].mode);
}

/* Directories that lost their name take those in them along. One pass finds what the passes before have made nameless. */
static int take_back(struct work *w)
{
    bool again = true;
    int r = 0;

    while (again) {
        again = false;
        for (size_t i = 0; i < w->n && r == 0; i++) {
            if (w->items[i].names > 0 || w->items[i].dead || !is_dir(w->live, w->items[i].ino))
                continue;
            w->items[i].dead = again = true;
            r = count_now(w, w->items[i].ino, -1);
        }
    }
    return r;
}

static bool is_changed(const struct item *i) { return i->changed || i->names != i->before; }
static bool is_touched(const struct item *i) { return i->asked || is_changed(i); }

static int add_node(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct work *w = arg;
    struct live_snap_build *b = &w->build;
    struct live_node node;
    int r = live_node(w->live, ino, &node);

    (void)name, (void)len, (void)cookie;
    if (r < 0)
        return r;
    if (node.lower != FC_TREE_NONE) {
        if (b->index_of_lower[node.lower])
            return 0;
        b->index_of_lower[node.lower] = 1;
    } else if (fc_map_get(&b->index_of_new, ino, NULL)) {
        return 0;
    } else {
        r = fc_map_set(&b->index_of_new, ino, 0);
    }
    if (r == 0)
        r = fc_grow(&b->nodes, &b->cap_nodes, b->n_nodes + 1, sizeof(node));
    if (r == 0)
        b->nodes[b->n_nodes++] = node;
    return r;
}

/* A whole inode, and what it refers to. */
static int add_whole(struct work *w, uint64_t ino)
{
    const struct fc_live *live = w->live;
    const struct fc_tree_inode *t;
    struct live_node node;
    int r = live_node(w->live, ino, &node);

    if (r == 0)
        r = add_node(w, NULL, 0, 0, ino);
    if (r < 0 || !S_ISDIR(live_mode(live, &node)))
        return r;
    r = add_node(w, NULL, 0, 0, live_parent(live, &node));
    if (r == 0 && node.own && node.own->dir)
        return live_dir_each(live, &node, 0, add_node, w);
    t = node.lower == FC_TREE_NONE ? NULL : &live->lower[node.lower];
    for (uint32_t i = 0; t && i < t->n_dentries && r == 0; i++)
        r = add_node(w, NULL, 0, 0, live->lower[live->lower_dentries[t->first_dentry + i].inode].ino);
    return r;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Choose what the snapshot holds. */
static int list_nodes(struct work *w)
{
    struct fc_live_changes *c = w->ret;
    int r = add_node(w, NULL, 0, 0, 1);

    c->n_objects = w->live->n_lower;
    c->inos = malloc((w->n + 1) * sizeof(*c->inos));
    if (!c->inos)
        return -ENOMEM;
    for (size_t i = 0; i < w->n && r == 0; i++) {
        const struct item *item = &w->items[i];

        if (!is_touched(item) || (item->names <= 0 && item->before == 0))
            continue;
        c->inos[c->n_inos++] = item->ino;
        c->n_objects += (item->names > 0) - (item->before > 0);
        if (item->names > 0)
            r = add_whole(w, item->ino);
    }
    qsort(c->inos, c->n_inos, sizeof(*c->inos), by_number);
    c->asked = calloc(c->n_inos + 1, sizeof(*c->asked));
    if (!c->asked)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_inos; i++) {
        uint64_t at = 0;

        c->asked[i] = fc_map_get(&w->index_of, c->inos[i], &at) && !is_changed(&w->items[at]);
    }
    return r;
}

static int fill(struct work *w)
{
    struct live_snap_build *b = &w->build;
    struct fc_live_changes *c = w->ret;
    struct fc_snapshot *s = c->snapshot;
    int r = live_snap_number(b);

    s->inodes = malloc(b->n_nodes * sizeof(*s->inodes));
    c->whole = calloc(b->n_nodes, sizeof(*c->whole));
    c->names = calloc(b->n_nodes, sizeof(*c->names));
    if (!s->inodes || !c->whole || !c->names || b->n_nodes >= UINT32_MAX)
        return -ENOMEM;
    for (; s->n_inodes < b->n_nodes && r == 0; s->n_inodes++) {
        const struct live_node *n = &b->nodes[s->n_inodes];
        uint64_t i;

        if (fc_map_get(&w->index_of, n->ino, &i) && is_touched(&w->items[i])) {
            c->whole[s->n_inodes] = true;
            c->names[s->n_inodes] = (uint32_t)w->items[i].names;
        }
        r = live_snap_fill(b, n, c->whole[s->n_inodes], &s->inodes[s->n_inodes]);
    }
    s->tree = w->live->tree;
    s->edited = c->edited = w->live->inodes.len > 0;
    return r < 0 ? r : live_snap_sources(s, w->live);
}

static int collect(struct work *w, const uint64_t *also, size_t n)
{
    struct live_node node;
    uint64_t at;
    int r = count_rows(w);

    if (r == 0)
        r = take_back(w);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (live_node(w->live, also[i], &node) < 0)
            continue;
        r = item_of(w, also[i], &at);
        if (r == 0)
            w->items[at].asked = true;
    }
    w->build = (struct live_snap_build){.live = w->live, .s = w->ret->snapshot};
    w->build.index_of_lower = calloc((size_t)w->live->n_lower + 1, sizeof(uint32_t));
    if (!w->build.index_of_lower)
        return -ENOMEM;
    if (r == 0)
        r = list_nodes(w);
    return r == 0 ? fill(w) : r;
}

int fc_live_changes(struct fc_live *live, const uint64_t *also, size_t n, struct fc_live_changes **ret_changes,
                    struct fc_error *err)
{
    fc_auto(fc_live_changes_free) struct fc_live_changes *c = calloc(1, sizeof(*c));
    struct work w = {.live = live, .ret = c};
    int r;

    if (!c || !(c->snapshot = calloc(1, sizeof(*c->snapshot))))
        return fc_fail(err, ENOMEM, "out of memory");
    live_lock(live);
    live_pin(live);
    c->snapshot->live = live;
    r = collect(&w, also, n);
    live_unlock(live, NULL);
    fc_map_release(&w.index_of);
    fc_map_release(&w.build.index_of_new);
    free(w.items);
    free(w.build.nodes);
    free(w.build.index_of_lower);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot tell what the edits change");
    *ret_changes = fc_steal(&c);
    return 0;
}

void fc_live_changes_free(struct fc_live_changes *changes)
{
    if (!changes)
        return;
    fc_snapshot_free(changes->snapshot);
    free(changes->whole);
    free(changes->names);
    free(changes->inos);
    free(changes->asked);
    free(changes);
}

const struct fc_digest *fc_snapshot_stack(const struct fc_snapshot *snapshot) { return &snapshot->stack; }
