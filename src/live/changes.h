/* SPDX-License-Identifier: Apache-2.0 */
/* What edits change, as a snapshot of that alone: small where the tree is large. */
#ifndef FC_LIVE_CHANGES_H
#define FC_LIVE_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include <fccompose/snapshot.h>

#include "live/live.h"

/**
 * The inodes that are not as the stack has them, and as many others as it takes to write them down.
 *
 * @snapshot is sorted and linked as any other, but holds only the root, the changed inodes ("whole": with everything, all
 * names of a directory included), and what those name, and their parents (of which the names are left out).
 */
struct fc_live_changes {
    struct fc_snapshot *snapshot;
    bool *whole;     /**< by inode of the snapshot */
    uint32_t *names; /**< by inode of the snapshot: how many names a whole one has in all */
    uint64_t *inos;  /**< sorted: what is whole, and what the stack has and edits have removed */
    bool *asked;     /**< by place in @inos: it is whole only because it was asked for */
    size_t n_inos;
    bool edited;        /**< there are edits, even if they change nothing */
    uint32_t n_objects; /**< inodes of the whole tree, as its full snapshot would have them */
};

/**
 * Find what the edits of @live change; the @n inodes numbered @also are made whole, too, if they are there.
 *
 * Costs what is changed, with the names of changed directories. Returns 0 and sets *ret_changes (fc_live_changes_free()),
 * which is consistent and pins what it shows; -ENOMEM or another errno with words. Any thread.
 */
int fc_live_changes(struct fc_live *live, const uint64_t *also, size_t n, struct fc_live_changes **ret_changes,
                    struct fc_error *err);

/** Free it. NULL is allowed. */
void fc_live_changes_free(struct fc_live_changes *changes);

/** What names the stack that @snapshot was taken over: see fc_tree_identity(). Borrowed. All zero: it is an image. */
const struct fc_digest *fc_snapshot_stack(const struct fc_snapshot *snapshot);

#endif
