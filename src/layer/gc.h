/* SPDX-License-Identifier: Apache-2.0 */
/* Layers as things that take room: size, last use, setting aside, removing; what nobody needs beside them. */
#ifndef FC_LAYER_GC_H
#define FC_LAYER_GC_H

#include "layer/layer.h"

/** What a layer takes. */
struct fc_layer_room {
    uint64_t bytes; /**< on the disk */
    int64_t used;   /**< seconds since 1970: when it was opened last, to the hour */
    bool in_use;    /**< somebody has it open */
};
/** Fill *ret. Returns 0, -ENOENT, or -errno. Does not count as a use. */
int fc_layer_room(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_layer_room *ret);

/**
 * Lock a layer against all who would open it. Who opens it waits until the returned descriptor is closed, and then finds the
 * layer, or that it is gone. Returns the descriptor; -EBUSY when somebody has it open; -ENOENT; or -errno.
 */
int fc_layer_claim(struct fc_cache *cache, const struct fc_digest *diffid);
/** Remove a layer that was claimed: first its name, then its bytes. Returns 0 or -errno with words. */
int fc_layer_discard(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_error *err);

/**
 * Put a damaged layer out of the way, as "layers/.damaged-HEX" (an earlier one of that name goes). Who has it open keeps it.
 * Returns 0 (also when it is gone already) or -errno with words.
 */
int fc_layer_set_aside(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_error *err);

/** Called with the path of each thing found, and its bytes on the disk. */
typedef void (*fc_leftover_fn)(void *arg, const char *path, uint64_t bytes);
/** What to remove of leftovers. */
struct fc_leftover_options {
    int64_t before; /**< nothing newer than this, in seconds since 1970 */
    bool dry_run;   /**< only say them */
    bool (*is_needed)(void *arg,
                      const struct fc_digest *diffid); /**< the damaged layer is the only one that there is */
    fc_leftover_fn fn;
    void *arg; /**< of both */
};
/**
 * Remove damaged layers that were set aside, and notes that lead to no layer. A damaged layer that is needed stays, with a
 * warning, until there is a whole one in its place. Returns 0 or -errno with words.
 */
int fc_cache_leftovers(struct fc_cache *cache, const struct fc_leftover_options *options, struct fc_error *err);

#endif
