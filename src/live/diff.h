/* SPDX-License-Identifier: Apache-2.0 */
/* What the user changed: the difference between the lower tree and a snapshot, in path order. */
#ifndef FC_LIVE_DIFF_H
#define FC_LIVE_DIFF_H

#include <stdint.h>

#include <fccompose/snapshot.h>
#include <fccompose/tree.h>

#include "base/cleanup.h"

/** Kind of change. */
enum fc_change_kind {
    FC_CHANGE_ADDED,
    FC_CHANGE_MODIFIED,
    FC_CHANGE_DELETED,  /**< the whole subtree; what was in it is not listed again */
    FC_CHANGE_REPLACED, /**< another type of object */
};

/** What of an object changed (MODIFIED). */
enum {
    FC_CHANGED_CONTENT = 1 << 0,
    FC_CHANGED_MODE = 1 << 1,
    FC_CHANGED_OWNER = 1 << 2,
    FC_CHANGED_MTIME = 1 << 3,
    FC_CHANGED_XATTRS = 1 << 4,
    FC_CHANGED_LINKS = 1 << 5, /**< is another inode than it was, or has names added or removed elsewhere */
    FC_CHANGED_RDEV = 1 << 6,
};

/** A change. */
struct fc_change {
    enum fc_change_kind kind;
    unsigned what;
    const char *path; /**< normalised, owned by the diff */
    uint32_t lower;   /**< tree inode index, FC_TREE_NONE if added */
    uint32_t now;     /**< snapshot inode index, FC_TREE_NONE if deleted */
};

/** A list of changes. */
struct fc_diff;

/**
 * Compare. Parents come before children, names in byte order. A directory whose only change is its mtime is listed
 * with FC_CHANGED_MTIME. Content counts as changed when the extents differ and the bytes do too. Borrows both until free.
 * Returns 0 and sets *ret, or -ENOMEM, or -EIO from comparing bytes.
 */
int fc_diff_new(const struct fc_tree *tree, const struct fc_snapshot *snapshot, struct fc_diff **ret,
                struct fc_error *err);
const struct fc_change *fc_diff_changes(const struct fc_diff *d, size_t *ret_n);
/** NULL is allowed. */
void fc_diff_free(struct fc_diff *d);
FC_DEFINE_AUTO(struct fc_diff *, fc_diff_free)

#endif
