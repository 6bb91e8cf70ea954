/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The edits on a new tree while they are carried over: which names and inodes differ from it, in memory.
 *
 * Objects are inode numbers: those of the tree, or new ones. A row holds what an inode will be; where its xattrs and
 * content come from is only referred to until it is written.
 */
#ifndef FC_WORKSPACE_MODEL_H
#define FC_WORKSPACE_MODEL_H

#include "base/map.h"
#include "workspace/internal.h"

/** Where a part of an inode comes from. */
enum ws_from {
    WS_FROM_LOWER,    /**< the inode of the new tree with this number: nothing to store (content), or a copy (xattrs) */
    WS_FROM_TREE,     /**< content alone: another inode of the new tree (@lower) */
    WS_FROM_SNAPSHOT, /**< the snapshot's inode @now */
};

/** What an inode will be. */
struct ws_row {
    struct fc_edit_inode attr; /* nlink is kept in @links */
    int64_t links;
    uint32_t lower, now; /* indices in the new tree and the snapshot, or FC_TREE_NONE */
    enum ws_from content, xattrs;
};

/** A name that differs from the new tree. */
struct ws_name {
    uint64_t parent, ino; /* ino 0: removed */
    const char *name;     /* borrowed from snapshot, diff or tree */
    size_t len;
    uint64_t next; /* index + 1 of the next with the same hash */
};

/** All zero but @in is empty. */
struct ws_model {
    const struct ws_rekey *in;
    const struct fc_tree_inode *tree; /* of the new stack */
    const struct fc_tree_dentry *dentries;
    const struct fc_snap_inode *now;
    struct ws_row *rows;
    size_t n_rows, cap_rows;
    struct fc_map row_by_ino;
    struct ws_name *names;
    size_t n_names, cap_names;
    struct fc_map name_by_hash;
    struct fc_map bound; /* snapshot index to inode number */
};

/* Indices are used, not pointers, where the arrays may grow. Returns are 0 or -ENOMEM (or as said). */

/** The inode number of a name, or 0. @dir may be any inode. */
uint64_t ws_model_lookup(const struct ws_model *m, uint64_t dir, const char *name, size_t len);
/** The inode number that the new tree itself has there, or 0. */
uint64_t ws_model_lower(const struct ws_model *m, uint64_t dir, const char *name, size_t len);
/** The type and permissions of an inode. */
uint32_t ws_model_mode(const struct ws_model *m, uint64_t ino);
/** The row of an inode of the new tree, made (as the tree has it) if need be. NULL when out of memory. */
struct ws_row *ws_model_row(struct ws_model *m, uint64_t ino);
/** A new inode with everything from the snapshot's @now. NULL with words. */
struct ws_row *ws_model_new(struct ws_model *m, uint32_t now, struct fc_error *err);
/** Let a name point at @ino (0: remove it), and keep the link counts of what it pointed at, and points at now. */
int ws_model_set(struct ws_model *m, uint64_t dir, const char *name, size_t len, uint64_t ino);
/** Take the attributes of @now that @what (FC_CHANGED_) names. */
void ws_model_merge(const struct ws_model *m, struct ws_row *row, uint32_t now, unsigned what);
/** Write all rows. */
int ws_model_write(const struct ws_model *m, struct fc_error *err);
/** Free the tables; empty afterwards. */
void ws_model_release(struct ws_model *m);
static inline void ws_model_release_auto(struct ws_model *m) { ws_model_release(m); }

#endif
