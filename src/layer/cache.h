/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's folders, for the other parts of the module. */
#ifndef FC_LAYER_CACHE_H
#define FC_LAYER_CACHE_H

#include "layer/layer.h"

/** How the names of folders begin that are a builder's, or about to be removed. */
#define FC_CACHE_TEMP ".tmp-"

struct fc_cache {
    char *dir;     /**< absolute */
    char *layers;  /**< DIR/layers: finished layers and ".tmp-" folders of builders */
    char *sources; /**< DIR/layers/.sources: what fc_cache_remember() keeps */
};

/**
 * Make a temporary folder "layers/.tmp-XXXXXX" with an empty file "pack" in it, whose flock is held as long as
 * *ret_pack_fd is open: without it the next fc_cache_open() would take the folder for a dead builder's and remove it.
 *
 * Returns 0 and sets *ret_path (caller frees) and *ret_pack_fd, or a negative errno with words.
 */
int fc_cache_temp(struct fc_cache *cache, char **ret_path, int *ret_pack_fd, struct fc_error *err);

/** Keep away who removes what dead builders left, as long as the returned descriptor is open. Returns it or -errno. */
int fc_cache_lock_shared(const struct fc_cache *cache);

/** The path "layers/HEX" of @diffid, or NULL when out of memory. Caller frees. */
char *fc_cache_layer_path(const struct fc_cache *cache, const struct fc_digest *diffid);

#endif
