/* SPDX-License-Identifier: Apache-2.0 */
/* Compare one object of the lower tree with one of a snapshot. Private to the diff. */
#ifndef FC_LIVE_DIFF_COMPARE_H
#define FC_LIVE_DIFF_COMPARE_H

#include "live/diff.h"

/** The tables of both sides, fetched once. */
struct fc_diff_sides {
    const struct fc_tree *tree;
    const struct fc_tree_inode *lower_inodes;
    const struct fc_tree_dentry *lower_dentries;
    const struct fc_snapshot *snapshot;
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    const struct fc_snap_extent *extents;
    const struct fc_snap_source *sources;
    const struct fc_xattr *xattrs;
};

/**
 * What differs between two objects of the same type: FC_CHANGED_ bits in *ret_what. Reads content only where the
 * extents differ. Returns 0 or -errno from reading, with words.
 */
int fc_diff_compare(const struct fc_diff_sides *s, uint32_t lower, uint32_t now, unsigned *ret_what,
                    struct fc_error *err);

#endif
