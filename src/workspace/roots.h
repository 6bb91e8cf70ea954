/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps things in the cache alive: the workspaces that were opened with it. CACHE/workspaces has a file for each, named
 * by the SHA-256 of the workspace's directory, with that directory in it.
 */
#ifndef FC_WORKSPACE_ROOTS_H
#define FC_WORKSPACE_ROOTS_H

#include <stdbool.h>
#include <stddef.h>

#include <fccompose/layer.h>

#include "base/cleanup.h"

/** Let the cache know the workspace in @dir (as found). A cache that cannot be written is left as it is; else a failure is warned of. */
void fc_roots_add(struct fc_cache *cache, const char *dir);

/** Whether the cache knows its workspaces at all: 1; 0: it is from before it did, or has lost them; or -errno. */
int fc_roots_known(const struct fc_cache *cache);

/** A workspace and what it needs: its layers, also those that only edits refer to, and the blobs that they were made of. */
struct fc_root {
    char *dir;
    struct fc_digest *layers, *blobs;
    struct fc_digest *only; /* of the layers those that nothing but the cache has */
    size_t n_layers, cap_layers, n_blobs, cap_blobs, n_only, cap_only;
};
/** All of them. All zero is none. */
struct fc_roots {
    struct fc_root *list;
    size_t n, cap;
};
/**
 * Read what every known workspace needs. Workspaces that are gone are left out, as are those in @forget (@n_forget
 * directories); with @write the cache forgets them, too. Works while they are mounted. One that is there and cannot be read is
 * an error: what it needs is not known. Returns 0 and fills *ret (empty before), or -errno with words.
 */
int fc_roots_read(struct fc_cache *cache, const char *const *forget, size_t n_forget, bool write, struct fc_roots *ret,
                  struct fc_error *err);
/** Whether @root needs the layer, or blob, @digest. */
bool fc_root_needs(const struct fc_root *root, bool is_blob, const struct fc_digest *digest);
/** Whether any does. */
bool fc_roots_need(const struct fc_roots *roots, bool is_blob, const struct fc_digest *digest);
/** Whether a workspace needs the layer @digest that nothing can bring back, as one made by commit. */
bool fc_roots_need_copy(const struct fc_roots *roots, const struct fc_digest *digest);
/** Free all; empty again. */
void fc_roots_release(struct fc_roots *roots);
static inline void fc_roots_release_auto(struct fc_roots *roots) { fc_roots_release(roots); }

#endif
