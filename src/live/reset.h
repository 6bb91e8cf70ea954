/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of fc_live_reset() share. */
#ifndef FC_LIVE_RESET_H
#define FC_LIVE_RESET_H

#include "live/internal.h"

/** A reset under way. */
struct live_reset {
    struct fc_live *live;
    struct live_notes *notes;
    struct live_inos todo;    /* lower indices that are still to be restored */
    struct live_inos touched; /* directories in which names were changed */
    struct fc_map kinds;      /* their numbers to enum live_touched */
};

/** Whether all that was changed in a directory, but for its names, can be told to have been its names' doing. */
enum live_touched { LIVE_TOUCHED_NAMES, LIVE_TOUCHED_MORE };

/** Set the times of a directory in which the reset changes a name, and remember it for live_calm(). */
int live_reset_touch(struct live_reset *r, struct live_inode *dir);
/** Directories that were touched and are now as the lower tree has them are pristine again. Ends the remembering. */
void live_calm(struct live_reset *r);

/** Remove @name and everything below it. What else has names lives on; what references have stays readable. */
int live_uproot(struct live_reset *r, uint64_t parent, const char *name, size_t len);

#endif
