/* SPDX-License-Identifier: Apache-2.0 */
/* Fold a stack of layers into one tree, and give it back to readers. */
#include "tree/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"

static int keep_layers(struct fc_tree *tree, const struct fc_tree_layer *layers, uint32_t n, uint64_t *ret_nodes)
{
    uint64_t next = 2;
    bool chosen = true;

    tree->layers = calloc((size_t)n + 1, sizeof(*tree->layers));
    if (!tree->layers)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        tree->layers[i] = (struct fc_tree_layer){fc_layer_ref(layers[i].layer), layers[i].first_ino};
        tree->n_layers++;
        chosen = chosen && layers[i].first_ino == 0;
    }
    *ret_nodes = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct fc_layer_header *h = fc_layer_view(layers[i].layer)->header;

        if (chosen)
            tree->layers[i].first_ino = next;
        next += h->n_inodes;
        *ret_nodes += h->n_nodes;
    }
    return 0;
}

static int fold(struct fc_tree *tree, uint64_t n_nodes, const struct fc_tree_options *options, struct fc_error *err)
{
    struct fc_work w;
    int r = fc_work_init(&w, tree->layers, &tree->arena, n_nodes);

    for (uint32_t i = 0; i < tree->n_layers && r == 0; i++) {
        r = fc_tree_apply(&w, i, options, err);
        if (r < 0) {
            fc_work_release(&w);
            return r;
        }
    }
    if (r == 0)
        r = fc_tree_flatten(tree, &w, options, err);
    fc_work_release(&w);
    return r == -ENOMEM ? fc_fail_errno(err, ENOMEM, "cannot fold the layers") : r;
}

int fc_tree_fold(const struct fc_tree_layer *layers, uint32_t n, const struct fc_tree_options *options,
                 struct fc_tree **ret_tree, struct fc_error *err)
{
    static const struct fc_tree_options defaults;
    fc_auto(fc_tree_free) struct fc_tree *tree = calloc(1, sizeof(*tree));
    uint64_t n_nodes;
    int r;

    if (!tree || keep_layers(tree, layers, n, &n_nodes) < 0)
        return fc_fail_errno(err, ENOMEM, "cannot fold the layers");
    tree->options = options ? *options : defaults;
    r = fold(tree, n_nodes, &tree->options, err);
    if (r < 0)
        return r;
    *ret_tree = fc_steal(&tree);
    return 0;
}

void fc_tree_free(struct fc_tree *tree)
{
    if (!tree)
        return;
    for (uint32_t i = 0; i < tree->n_layers; i++)
        fc_layer_unref(tree->layers[i].layer);
    free(tree->layers);
    free(tree->inodes);
    free(tree->dentries);
    free(tree->ranges);
    free(tree->indexes);
    free(tree->made_up);
    fc_arena_release(&tree->arena);
    free(tree);
}

int fc_tree_identity(const struct fc_tree *tree, struct fc_digest *ret)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    int64_t options[2] = {tree->options.keep_dirlinks, tree->options.default_time};
    int r = h ? fc_hasher_add(h, options, sizeof(options)) : -ENOMEM;

    for (uint32_t i = 0; i < tree->n_layers && r == 0; i++) {
        const struct fc_layer_header *header = fc_layer_view(tree->layers[i].layer)->header;

        r = fc_hasher_add(h, header->index_digest, sizeof(header->index_digest));
        if (r == 0)
            r = fc_hasher_add(h, &tree->layers[i].first_ino, sizeof(tree->layers[i].first_ino));
    }
    return r == 0 ? fc_hasher_finish(h, ret) : r;
}

const struct fc_tree_inode *fc_tree_inodes(const struct fc_tree *tree, uint32_t *ret_n)
{
    if (ret_n)
        *ret_n = tree->n_inodes;
    return tree->inodes;
}

const struct fc_tree_dentry *fc_tree_dentries(const struct fc_tree *tree, uint32_t *ret_n)
{
    if (ret_n)
        *ret_n = tree->n_dentries;
    return tree->dentries;
}

const struct fc_tree_dentry *fc_tree_lookup(const struct fc_tree *tree, uint32_t dir, const char *name, size_t len)
{
    const struct fc_tree_dentry *e = tree->dentries + tree->inodes[dir].first_dentry;
    size_t low = 0, high = tree->inodes[dir].n_dentries;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        size_t shared = e[mid].name_len < len ? e[mid].name_len : len;
        int c = memcmp(e[mid].name, name, shared);

        if (c == 0)
            c = (e[mid].name_len > len) - (e[mid].name_len < len);
        if (c == 0)
            return &e[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* The layer's view of an inode, or NULL for one that no layer describes. */
static const struct fc_layer_inode *described(const struct fc_tree *tree, uint32_t inode,
                                              const struct fc_layer_view **ret_view)
{
    const struct fc_tree_inode *i = &tree->inodes[inode];

    if (i->layer == FC_TREE_NONE)
        return NULL;
    *ret_view = fc_layer_view(tree->layers[i->layer].layer);
    return &(*ret_view)->inodes[i->layer_inode];
}

const char *fc_tree_target(const struct fc_tree *tree, uint32_t inode)
{
    const struct fc_layer_view *v;
    const struct fc_layer_inode *li = described(tree, inode, &v);

    return li && S_ISLNK(li->mode) ? v->strings + li->target : NULL;
}

struct fc_layer *fc_tree_layer(const struct fc_tree *tree, uint32_t position) { return tree->layers[position].layer; }

uint32_t fc_tree_n_layers(const struct fc_tree *tree) { return tree->n_layers; }

int fc_tree_xattr(const struct fc_tree *tree, uint32_t inode, uint32_t i, struct fc_xattr *ret_xattr)
{
    const struct fc_layer_view *v;
    const struct fc_layer_inode *li = described(tree, inode, &v);
    const struct fc_layer_xattr *x;

    if (!li || i >= li->n_xattrs)
        return 0;
    x = &v->xattrs[li->first_xattr + i];
    *ret_xattr = (struct fc_xattr){
        .name = v->strings + x->name,
        .value = v->strings + x->value,
        .size = x->value_size,
    };
    return 1;
}
