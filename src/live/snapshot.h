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
    struct fc_digest stack; /* the tree's identity */
};

/** While it is built. */
struct live_snap_build {
    struct fc_live *live;
    struct fc_snapshot *s;
    struct live_node *nodes; /* what it shows, later in ino order */
    size_t n_nodes, cap_nodes;
    uint32_t *index_of_lower;   /* tree index to snapshot index + 1; until live_snap_number() any non-zero */
    struct fc_map index_of_new; /* ino to snapshot index, of what is in no layer */
};

/** Sort the nodes and give them their indexes. */
int live_snap_number(struct live_snap_build *b);
/** Fill @ret from @n, and what belongs to it in the tables; a directory's names only with @names. */
int live_snap_fill(struct live_snap_build *b, const struct live_node *n, bool names, struct fc_snap_inode *ret);
/** Fill the sources. */
int live_snap_sources(struct fc_snapshot *s, const struct fc_live *live);

/** Order of two struct fc_snap_dentry by the bytes of their names, for qsort(3) and bsearch(3). */
int live_snap_by_name(const void *a, const void *b);

#endif
