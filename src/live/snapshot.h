/* SPDX-License-Identifier: Apache-2.0 */
/* What a snapshot is made of: for the file that builds it and the one that reads it. */
#ifndef FC_LIVE_SNAPSHOT_H
#define FC_LIVE_SNAPSHOT_H

#include "live/internal.h"

/**
 * Arrays grow by doubling up to 32-bit counts; names, texts and values of edits are copied into the arena, those of the
 * lower tree are borrowed from it.
 */
struct fc_snapshot {
    struct fc_live *live;       /* that has a pin for us, or NULL */
    const struct fc_tree *tree; /* what was edited, borrowed from whoever opened it; NULL: none */
    bool edited;
    struct fc_arena arena;
    struct fc_snap_inode *inodes;
    struct fc_snap_dentry *dentries;
    struct fc_snap_extent *extents;
    struct fc_xattr *xattrs;
    struct fc_snap_source *sources;
    struct fc_layer **layers; /* referenced for their packs */
    size_t n_inodes, cap_inodes, n_dentries, cap_dentries, n_extents, cap_extents, n_xattrs, cap_xattrs;
    uint32_t n_sources, n_layers;
    bool owns_sources; /* made by fc_snapshot_new(): closes the descriptors */
    struct fc_digest seed;
};

/** Order of two struct fc_snap_dentry by the bytes of their names, for qsort(3) and bsearch(3). */
int live_snap_by_name(const void *a, const void *b);

#endif
