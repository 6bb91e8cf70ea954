/* SPDX-License-Identifier: Apache-2.0 */
/* The finished tree, and the steps that lead to it. Private to tree/. */
#ifndef FC_TREE_TREE_H
#define FC_TREE_TREE_H

#include <fccompose/tree.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "tree/work.h"

FC_DEFINE_AUTO(struct fc_tree *, fc_tree_free)

/** The inode numbers of a layer, for fc_tree_by_ino(). */
struct fc_tree_range {
    uint64_t first_ino;
    uint32_t n_inodes;
    uint32_t *index; /**< of layer inode i in the tree, or FC_TREE_NONE */
};

/** A tree. Everything is fixed once fc_tree_fold() returns. */
struct fc_tree {
    struct fc_tree_layer *layers; /**< with chosen first_ino where none was given */
    uint32_t n_layers;
    struct fc_tree_options options; /**< as it was folded */
    struct fc_tree_inode *inodes;
    uint32_t n_inodes;
    struct fc_tree_dentry *dentries;
    uint32_t n_dentries;
    struct fc_tree_range *ranges; /**< sorted by first_ino */
    uint32_t *indexes;            /**< the memory of all ranges */
    uint32_t *made_up;            /**< of FC_WORK_MADE_UP + i, or FC_TREE_NONE */
    uint64_t n_made_up;
    struct fc_arena arena; /**< names that stand in no layer */
};

/** Put the layer at stack position @position on top of @w. Returns 0 or a negative errno with words. */
int fc_tree_apply(struct fc_work *w, uint32_t position, const struct fc_tree_options *options, struct fc_error *err);

/** Fill @tree's tables from @w, which is used up by it. Returns 0, -ENOMEM, or -EINVAL for overlapping numbers. */
int fc_tree_flatten(struct fc_tree *tree, struct fc_work *w, const struct fc_tree_options *options,
                    struct fc_error *err);

#endif
