/* SPDX-License-Identifier: Apache-2.0 */
/* What a copy step reads of this host: globs expanded, and a digest of all that matters. Private to compose/. */
#ifndef FC_COMPOSE_SOURCES_H
#define FC_COMPOSE_SOURCES_H

#include "compose/recipe.h"
#include "layer/layer.h"

/** Paths of this host, each a file, a folder or another object. All zero is none. */
struct fc_sources {
    char **paths;
    size_t n, cap;
    const char *const *excludes; /**< borrowed; set before they are expanded */
    size_t n_excludes;
    bool no_follow; /**< a symlink that is named is copied itself */
};
/** Expand @from: what has no "*", "?" or "[" (or exists as it is) stands for itself, what has matches at least one. Returns 0 or -errno with words. */
int fc_sources_expand(const struct fc_recipe_list *from, struct fc_sources *ret, struct fc_error *err);
/** Free. */
void fc_sources_release(struct fc_sources *s);
static inline void fc_sources_release_auto(struct fc_sources *s) { fc_sources_release(s); }

/** Open source @i as fc_verb's cp wants it. Returns the descriptor or -errno with words. */
int fc_source_open(const struct fc_sources *s, size_t i, struct fc_error *err);

/**
 * A digest of what stat(2) says of all of it: while this stays the same, so does what is read. *ret_settled: any change from now
 * on will show. Returns 0 or -errno with words.
 */
int fc_sources_stat(const struct fc_sources *s, struct fc_digest *ret, bool *ret_settled, struct fc_error *err);
/** A digest of names, types, modes, extended attributes, link texts and contents; not of owners, times and where they are. */
int fc_sources_digest(struct fc_cache *cache, const struct fc_sources *s, struct fc_digest *ret, struct fc_error *err);
/** Call @fn with the absolute path of everything in it. */
int fc_sources_each(const struct fc_sources *s, int (*fn)(void *arg, const char *path), void *arg,
                    struct fc_error *err);

#endif
