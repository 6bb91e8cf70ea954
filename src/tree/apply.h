/* SPDX-License-Identifier: Apache-2.0 */
/* One layer while it is put on top of a tree. Private to tree/. */
#ifndef FC_TREE_APPLY_H
#define FC_TREE_APPLY_H

#include "tree/tree.h"

/** What is known about a node before the layer is applied. */
enum {
    FC_MARK_HIDES = 1 << 0,  /**< it or something below it is a whiteout or opaque mark */
    FC_MARK_OBJECT = 1 << 1, /**< it or something below it is an object: as a directory it must exist */
};

/** The state of one application. */
struct fc_apply {
    struct fc_work *w;
    uint32_t position;
    const struct fc_tree_options *options;
    const struct fc_layer_view *view;
    uint32_t n_nodes;
    uint8_t *marks;
    uint32_t *node_dir;     /**< object of the directory that a node is; FC_TREE_NONE: not looked up yet */
    uint32_t *inode_object; /**< object of each inode of the layer, FC_TREE_NONE: none yet */
    uint32_t *chain;        /**< scratch: nodes on the way down */
    size_t cap_chain;
    uint32_t link_node;       /**< the symlink node that was resolved last, for its children ... */
    uint32_t link_dir;        /**< ... to this directory ... */
    uint64_t link_generation; /**< ... which holds as long as nothing was removed */
    struct fc_error *err;
};

/** The first phase: whiteouts and opaque marks against the tree as it is. Returns 0 or -ENOMEM. */
int fc_apply_hide(struct fc_apply *a);

static inline const char *fc_apply_name(const struct fc_apply *a, uint32_t node)
{
    return a->view->strings + a->view->nodes[node].name;
}

/** Type bits of the node's inode, 0 if it has none. */
static inline uint32_t fc_apply_type(const struct fc_apply *a, uint32_t node)
{
    uint32_t inode = a->view->nodes[node].inode;

    return inode == FC_LAYER_NONE ? 0 : a->view->inodes[inode].mode & 0170000u;
}

/** Whether the node is a directory that no entry of the layer describes. */
static inline bool fc_apply_implicit(const struct fc_apply *a, uint32_t node)
{
    uint32_t inode = a->view->nodes[node].inode;

    return inode == FC_LAYER_NONE || (a->view->inodes[inode].flags & FC_INODE_IMPLICIT);
}

#endif
