/* SPDX-License-Identifier: Apache-2.0 */
/* One group of changes on its way into the store. */
#ifndef FC_LIVE_GROUP_H
#define FC_LIVE_GROUP_H

#include "live/internal.h"

/** An inode's row and what hangs on it. */
struct live_row {
    struct fc_edit_inode inode;
    const struct fc_xattr *xattrs;
    size_t n_xattrs;
    const struct fc_edit_extent *extents;
    size_t n_extents;
    unsigned what; /* LIVE_DIRTY_ */
};

/** A name's row: put (@ino 0: removed), or forgotten. */
struct live_name_row {
    uint64_t parent, ino;
    const char *name;
    size_t len;
    bool forget;
};

/** Copies of everything that is dirty at one moment. All zero is empty. */
struct live_group {
    struct fc_arena arena;
    struct live_row *rows;
    size_t n_rows;
    struct live_name_row *name_rows;
    size_t n_name_rows;
    struct live_names names;      /* what name_rows were made from */
    struct live_names next_names; /* until it is taken: what becomes live->dirty_names */
    struct live_inos deletes;
    struct live_ranges freed;
    uint64_t seq;
    struct timespec when; /* monotonic */
};

/** Take what is dirty out of the tables (with the lock). On failure nothing has changed. */
int live_group_take(struct fc_live *live, struct live_group *g);
/** Write it as one transaction (without the lock). */
int live_group_write(struct fc_live *live, struct live_group *g, bool durable, struct fc_error *err);
/** The transaction failed: all of it is dirty again (with the lock). */
void live_group_restore(struct fc_live *live, struct live_group *g);
void live_group_release(struct live_group *g);

#endif
