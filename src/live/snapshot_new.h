/* SPDX-License-Identifier: Apache-2.0 */
/* Make a snapshot of tables that another module has filled: for trees that are neither layers nor edits. */
#ifndef FC_LIVE_SNAPSHOT_NEW_H
#define FC_LIVE_SNAPSHOT_NEW_H

#include <fccompose/layer.h>
#include <fccompose/snapshot.h>

#include "base/arena.h"

/** Tables to be, all zero when empty: arrays from malloc(3); names, texts and values in @arena; sources' descriptors owned. */
struct fc_snapshot_tables {
    struct fc_arena arena;
    struct fc_snap_inode *inodes;
    struct fc_snap_dentry *dentries;
    struct fc_snap_extent *extents;
    struct fc_xattr *xattrs;
    struct fc_snap_source *sources;
    size_t n_inodes, n_dentries, n_extents, n_xattrs, n_sources;
    struct fc_digest seed;
};

/**
 * Make a snapshot of @tables, after checking everything that <fccompose/snapshot.h> says about them.
 *
 * On success takes over all that @tables owns (it is empty then) and sets *ret_snapshot. Returns 0; -EINVAL (words) when
 * the tables break a rule; -ENOMEM. On failure @tables is as it was. Any thread.
 */
int fc_snapshot_new(struct fc_snapshot_tables *tables, struct fc_snapshot **ret_snapshot, struct fc_error *err);

/** Free the arrays, close the sources, empty the arena; empty and usable again. */
void fc_snapshot_tables_release(struct fc_snapshot_tables *tables);

#endif
