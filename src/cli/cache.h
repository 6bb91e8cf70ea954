/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on the cache share. */
#ifndef FC_CLI_CACHE_H
#define FC_CLI_CACHE_H

#include "layer/layer.h"

/** The cache and its folder of blobs. All zero is none. */
struct cli_cache {
    struct fc_cache *cache;
    char *blobs;
};
/** Open the user's. Returns 0 or -errno with words. */
int cli_cache_open(struct cli_cache *ret, struct fc_error *err);
/** Close it. */
void cli_cache_release(struct cli_cache *c);
static inline void cli_cache_release_auto(struct cli_cache *c) { cli_cache_release(c); }

/** cmd_cache_gc.c, cmd_cache_verify.c */
extern const struct cli_command cmd_cache_gc, cmd_cache_verify;

#endif
