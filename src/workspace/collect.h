/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the cache, and removing what nothing keeps alive. */
#ifndef FC_WORKSPACE_COLLECT_H
#define FC_WORKSPACE_COLLECT_H

#include <stdint.h>

#include "workspace/roots.h"

/** A layer or a blob in the cache. */
struct fc_stored {
    bool is_blob;
    struct fc_digest digest;
    uint64_t bytes; /**< on the disk */
    int64_t used;   /**< seconds since 1970, to the hour */
    bool in_use;    /**< a process has the layer open */
};
/** All of them, layers first, by digest. All zero is none. */
struct fc_inventory {
    struct fc_stored *list;
    size_t n, cap;
};
/** Fill *ret (empty before). @blobs is the folder of the blobs' layout. Returns 0 or -errno with words. */
int fc_inventory_read(struct fc_cache *cache, const char *blobs, struct fc_inventory *ret, struct fc_error *err);
/** Free the list. */
void fc_inventory_release(struct fc_inventory *i);
static inline void fc_inventory_release_auto(struct fc_inventory *i) { fc_inventory_release(i); }

/** What a collection takes. All zero takes everything that nothing keeps alive. */
struct fc_collect_options {
    int64_t unused_s; /**< only what nobody used for so many seconds */
    bool have_max;    /**< and beyond that, the longest unused first, until no more than @max_bytes is left */
    uint64_t max_bytes;
    bool dry_run;              /**< remove nothing, but call @taken */
    const char *const *forget; /**< workspaces that keep nothing alive any more */
    size_t n_forget;
    /** Called for each thing removed. @what is NULL for a leftover, whose path is @path. */
    void (*taken)(void *arg, const struct fc_stored *what, const char *path, uint64_t bytes);
    void *arg;
};
/** What it did. */
struct fc_collected {
    uint64_t bytes, left; /**< removed; still there as layers and blobs */
    size_t n;             /**< things removed */
    bool blobs_busy;      /**< a process that downloads kept the blobs */
};

/**
 * Remove layers, blobs and leftovers. Nothing goes that a workspace needs or a process has open, whatever other processes do
 * meanwhile: each layer is locked before the workspaces are asked, for the last time, what they need.
 *
 * Returns 0 and fills *ret; -errno with words: what was removed until then is gone, and a workspace that cannot be read
 * stops it before the first. Does not go with an open layer in this process that is to be removed: it stays.
 */
int fc_cache_collect(struct fc_cache *cache, const char *blobs, const struct fc_collect_options *options,
                     struct fc_collected *ret, struct fc_error *err);

#endif
