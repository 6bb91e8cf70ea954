/* SPDX-License-Identifier: Apache-2.0 */
/* A live tree for one step, in a private folder of the cache. Private to compose/. */
#ifndef FC_COMPOSE_SCRATCH_H
#define FC_COMPOSE_SCRATCH_H

#include "base/cleanup.h"
#include "live/live.h"

/** A scratch tree. All zero is none. */
struct fc_scratch {
    char *dir; /**< CACHE/build/tmp-XXXXXX */
    int lock;  /**< held as long as it is used, -1 if not: what nobody holds is removed by the next */
    struct fc_tree *tree;
    struct fc_edit *edit;
    struct fc_live *live;
};

/**
 * Open one over @n layers, lowest first; with @for_run it counts references, for a FUSE session. What builds that were killed
 * left goes first. Returns 0 and fills *ret, or -errno with words.
 */
int fc_scratch_open(struct fc_cache *cache, struct fc_layer *const *layers, size_t n, bool for_run,
                    struct fc_scratch *ret, struct fc_error *err);
/** Give what was changed since @began (by the clock) the time @epoch; with @all_new so do all objects that are new. Returns 0 or -errno with words. */
int fc_scratch_settle_times(struct fc_scratch *s, const struct timespec *began, bool all_new, int64_t epoch,
                            struct fc_error *err);
/** Close it and remove its folder. */
void fc_scratch_release(struct fc_scratch *s);

#endif
