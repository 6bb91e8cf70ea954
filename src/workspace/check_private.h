/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the check of a workspace share. */
#ifndef FC_WORKSPACE_CHECK_PRIVATE_H
#define FC_WORKSPACE_CHECK_PRIVATE_H

#include "base/map.h"
#include "workspace/check.h"
#include "workspace/internal.h"

/** Where an object is in the merged tree. */
struct ws_place {
    uint32_t parent; /* node; FC_TREE_NONE: not reached */
    uint32_t names;  /* how many lead to it */
    const char *name;
    size_t len;
    struct fc_row_dentry *row; /* that the name is; NULL: the name is the lower tree's */
};

/** A name to be added when the tables are not walked any more. */
struct ws_new_name {
    uint64_t parent, ino;
    const char *name;
    size_t len;
};

/**
 * One pass over a workspace. A "node" is an object of the merged tree: the index in the lower tree, or, for one that only
 * the edits know, n_lower + the index of its row.
 */
struct ws_pass {
    const char *dir, *store;
    struct fc_cache *cache;
    const struct fc_workspace_check_options *options;
    bool mounted;
    bool has_log; /* of a program that was killed */
    struct fc_findings *found;
    struct fc_check *check;
    struct fc_rows *rows;
    struct fc_layer **layers; /* by row; NULL: cannot be opened */
    struct fc_tree *tree;     /* NULL: not known */
    const struct fc_tree_inode *lower;
    const struct fc_tree_dentry *lower_dentries;
    uint32_t n_lower;
    struct fc_map by_ino; /* number to index of the row that counts */
    struct ws_place *places;
    size_t n_places;
    uint32_t *queue; /* directories to be read */
    size_t n_queue, queued;
    struct ws_new_name *adds;
    size_t n_adds, cap_adds;
    uint32_t lost_found; /* node, FC_TREE_NONE: not needed so far */
    bool no_memory;
};

/* check_files.c */

/** Modes of the folder and its files. Mends at once when asked to. */
int ws_check_modes(struct ws_pass *p, struct fc_error *err);
/** What killed programs left, once the lock is held. Mends at once when asked to. */
int ws_check_leftovers(struct ws_pass *p, struct fc_error *err);

/* check_layers.c */

/** Open the layers and fold the tree; p->tree stays NULL when that cannot be. */
int ws_check_layers(struct ws_pass *p, struct fc_error *err);

/* check_inodes.c */

/** Rows of inodes against the lower objects of their number. */
int ws_check_inodes(struct ws_pass *p, struct fc_error *err);
/** Index p->by_ino anew, after rows were added, dropped or sorted. */
int ws_check_index(struct ws_pass *p, struct fc_error *err);
/** The row of @ino, or NULL. */
struct fc_row_inode *ws_check_row(const struct ws_pass *p, uint64_t ino);
/** The lower object of @ino, or NULL. */
const struct fc_tree_inode *ws_check_lower(const struct ws_pass *p, uint64_t ino);
/** What the type in @mode is called. */
const char *ws_type_name(uint32_t mode);

/* check_owners.c */

/** Rows that belong to an inode which has no row, and what is left without an owner. */
int ws_check_owners(struct ws_pass *p, struct fc_error *err);
/** Contents and attributes of rows that were dropped go with them. */
void ws_check_sweep(struct ws_pass *p);

/* check_names.c */

/** Names against objects, and the walk over the merged tree. */
int ws_check_names(struct ws_pass *p, struct fc_error *err);
/** The node of @ino, or FC_TREE_NONE. */
uint32_t ws_check_node(const struct ws_pass *p, uint64_t ino);
uint64_t ws_node_ino(const struct ws_pass *p, uint32_t node);
bool ws_node_is_dir(const struct ws_pass *p, uint32_t node);
/** The lower tree's child of @node, or FC_TREE_NONE. */
uint32_t ws_lower_child(const struct ws_pass *p, uint32_t node, const char *name, size_t len);
/** The row of a name, or NULL. */
struct fc_row_dentry *ws_check_dentry(const struct ws_pass *p, uint64_t parent, const char *name, size_t len);
/** Note that @name leads to @child; directories are queued. */
void ws_visit(struct ws_pass *p, uint32_t parent, const char *name, size_t len, uint32_t child,
              struct fc_row_dentry *row);
/** Read what is queued. */
void ws_drain(struct ws_pass *p);
/** Add a name later. */
void ws_add_name(struct ws_pass *p, uint64_t parent, const char *name, size_t len, uint64_t ino);
/** Set the paths of all findings. */
void ws_check_paths(struct ws_pass *p);

/* check_lost.c */

/** Give what no name leads to a name under /lost+found. */
int ws_check_lost(struct ws_pass *p, struct fc_error *err);

#endif
