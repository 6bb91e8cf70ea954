/* SPDX-License-Identifier: Apache-2.0 */
/* The last phase of a fold: what can be reached becomes flat tables, sorted by name. */
#include "tree/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Directories in the order in which they were reached. */
struct walk {
    uint32_t *dirs;
    size_t n_dirs, cap_dirs;
    uint32_t n_inodes, n_dentries;
};

/* Count the names of every object that can be reached from the root. */
static int count_reachable(struct fc_work *w, struct walk *k)
{
    int r = fc_grow(&k->dirs, &k->cap_dirs, 1, sizeof(*k->dirs));

    if (r < 0)
        return r;
    k->dirs[k->n_dirs++] = 0;
    k->n_inodes = 1;
    w->objects[0].nlink = 2;
    for (size_t i = 0; i < k->n_dirs; i++) {
        struct fc_work_object *d = &w->objects[k->dirs[i]];

        for (uint32_t c = d->first_child; c != FC_TREE_NONE; c = w->names[c].next_child) {
            struct fc_work_object *o;

            if (w->names[c].object == FC_TREE_NONE)
                continue;
            o = &w->objects[w->names[c].object];
            k->n_dentries++;
            k->n_inodes += o->nlink == 0;
            if (!S_ISDIR(o->type)) {
                o->nlink++;
                continue;
            }
            o->nlink = 2;
            d->nlink++;
            r = fc_grow(&k->dirs, &k->cap_dirs, k->n_dirs + 1, sizeof(*k->dirs));
            if (r < 0)
                return r;
            k->dirs[k->n_dirs++] = w->names[c].object;
        }
    }
    return 0;
}

static void fill_inode(const struct fc_work *w, const struct fc_work_object *o, int64_t default_time,
                       struct fc_tree_inode *ret)
{
    const struct fc_layer_inode *li = NULL;

    *ret = (struct fc_tree_inode){
        .ino = o->ino,
        .nlink = o->nlink,
        .layer = o->layer,
        .layer_inode = o->layer_inode,
        .parent = FC_TREE_NONE,
    };
    if (o->layer != FC_TREE_NONE)
        li = &fc_layer_view(w->layers[o->layer].layer)->inodes[o->layer_inode];
    if (!li || (li->flags & FC_INODE_IMPLICIT)) {
        ret->mode = S_IFDIR | 0755;
        ret->mtime.tv_sec = default_time;
        return;
    }
    ret->mode = li->mode;
    ret->uid = li->uid;
    ret->gid = li->gid;
    ret->rdev_major = li->rdev_major;
    ret->rdev_minor = li->rdev_minor;
    ret->mtime = (struct timespec){.tv_sec = li->mtime_sec, .tv_nsec = li->mtime_nsec};
    if (S_ISREG(li->mode))
        ret->size = li->size;
    else if (S_ISLNK(li->mode))
        ret->size = strlen(fc_work_target(w, (uint32_t)(o - w->objects)));
}

/* Objects keep the order in which layers brought them, which is nearly that of their numbers. */
static void fill_inodes(struct fc_tree *tree, struct fc_work *w, int64_t default_time)
{
    uint32_t n = 0;

    for (size_t i = 0; i < w->n_objects; i++) {
        struct fc_work_object *o = &w->objects[i];

        if (o->nlink == 0)
            continue;
        o->index = n;
        fill_inode(w, o, default_time, &tree->inodes[n++]);
    }
    tree->n_inodes = n;
}

static int by_name(const void *a, const void *b)
{
    const struct fc_tree_dentry *x = a, *y = b;
    size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
    int c = memcmp(x->name, y->name, len);

    return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

static void fill_directory(struct fc_tree *tree, const struct fc_work *w, uint32_t dir)
{
    const struct fc_work_object *d = &w->objects[dir];
    struct fc_tree_inode *inode = &tree->inodes[d->index];
    struct fc_tree_dentry *first = tree->dentries + tree->n_dentries, *e = first;
    bool sorted = true;

    for (uint32_t c = d->first_child; c != FC_TREE_NONE; c = w->names[c].next_child) {
        const struct fc_work_name *n = &w->names[c];

        if (n->object == FC_TREE_NONE)
            continue;
        *e = (struct fc_tree_dentry){.name = n->name, .name_len = n->len, .inode = w->objects[n->object].index};
        if (e > first && by_name(e - 1, e) > 0)
            sorted = false;
        e++;
    }
    inode->parent = w->objects[d->parent].index;
    inode->first_dentry = tree->n_dentries;
    inode->n_dentries = (uint32_t)(e - first);
    tree->n_dentries += inode->n_dentries;
    if (!sorted)
        qsort(first, inode->n_dentries, sizeof(*first), by_name);
}

static int by_first_ino(const void *a, const void *b)
{
    const struct fc_tree_range *x = a, *y = b;

    return (x->first_ino > y->first_ino) - (x->first_ino < y->first_ino);
}

static int make_ranges(struct fc_tree *tree, struct fc_error *err)
{
    size_t total = 0, at = 0;

    for (uint32_t i = 0; i < tree->n_layers; i++)
        total += fc_layer_view(tree->layers[i].layer)->header->n_inodes;
    tree->ranges = calloc((size_t)tree->n_layers + 1, sizeof(*tree->ranges));
    tree->indexes = malloc((total + 1) * sizeof(*tree->indexes));
    if (!tree->ranges || !tree->indexes)
        return -ENOMEM;
    memset(tree->indexes, 0xff, total * sizeof(*tree->indexes));
    for (uint32_t i = 0; i < tree->n_layers; i++) {
        struct fc_tree_range *g = &tree->ranges[i];

        g->first_ino = tree->layers[i].first_ino;
        g->n_inodes = fc_layer_view(tree->layers[i].layer)->header->n_inodes;
        g->index = tree->indexes + at;
        at += g->n_inodes;
    }
    qsort(tree->ranges, tree->n_layers, sizeof(*tree->ranges), by_first_ino);
    for (uint32_t i = 0; i < tree->n_layers; i++) {
        const struct fc_tree_range *g = &tree->ranges[i];

        if (g->first_ino < 2 || g->first_ino + g->n_inodes > FC_WORK_MADE_UP)
            return fc_fail(err, EINVAL, "inode numbers of a layer are outside 2..%llx",
                           (unsigned long long)FC_WORK_MADE_UP);
        if (i > 0 && g[-1].first_ino + g[-1].n_inodes > g->first_ino)
            return fc_fail(err, EINVAL, "inode numbers of two layers overlap");
    }
    return 0;
}

/* The slot in which the index of inode @ino stands, or NULL. */
static uint32_t *slot_of(const struct fc_tree *tree, uint64_t ino)
{
    uint32_t low = 0, high = tree->n_layers;

    if (ino >= FC_WORK_MADE_UP)
        return ino - FC_WORK_MADE_UP < tree->n_made_up ? &tree->made_up[ino - FC_WORK_MADE_UP] : NULL;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;

        if (tree->ranges[mid].first_ino <= ino)
            low = mid;
        else
            high = mid;
    }
    if (low == high || ino < tree->ranges[low].first_ino ||
        ino - tree->ranges[low].first_ino >= tree->ranges[low].n_inodes)
        return NULL;
    return &tree->ranges[low].index[ino - tree->ranges[low].first_ino];
}

uint32_t fc_tree_by_ino(const struct fc_tree *tree, uint64_t ino)
{
    const uint32_t *slot;

    if (ino == 1)
        return 0;
    slot = slot_of(tree, ino);
    return slot ? *slot : FC_TREE_NONE;
}

static int number(struct fc_tree *tree, uint64_t n_made_up, struct fc_error *err)
{
    int r = make_ranges(tree, err);

    if (r < 0)
        return r;
    tree->made_up = malloc((n_made_up + 1) * sizeof(*tree->made_up));
    if (!tree->made_up)
        return -ENOMEM;
    memset(tree->made_up, 0xff, n_made_up * sizeof(*tree->made_up));
    tree->n_made_up = n_made_up;
    for (uint32_t i = 1; i < tree->n_inodes; i++)
        *slot_of(tree, tree->inodes[i].ino) = i;
    return 0;
}

int fc_tree_flatten(struct fc_tree *tree, struct fc_work *w, const struct fc_tree_options *options,
                    struct fc_error *err)
{
    struct walk k = {0};
    int r = count_reachable(w, &k);

    if (r == 0) {
        tree->inodes = fc_large(malloc(k.n_inodes * sizeof(*tree->inodes)), k.n_inodes * sizeof(*tree->inodes));
        tree->dentries = fc_large(malloc(((size_t)k.n_dentries + 1) * sizeof(*tree->dentries)),
                                  k.n_dentries * sizeof(*tree->dentries));
        r = tree->inodes && tree->dentries ? 0 : -ENOMEM;
    }
    if (r == 0) {
        fill_inodes(tree, w, options->default_time);
        for (size_t i = 0; i < k.n_dirs; i++)
            fill_directory(tree, w, k.dirs[i]);
        r = number(tree, w->n_made_up, err);
    }
    free(k.dirs);
    return r;
}
