/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carry out a recipe's steps: each becomes a layer in the cache, keyed by what it stands on and by all of its inputs.
 *
 * A step's key is a digest of FC_BUILD_VERSION, the diffIDs below it, and its inputs (key.h). The cache remembers which layer a
 * key gave, as it remembers which layer a tar gave. So a change redoes a step, and those above it only if it gives another layer.
 */
#ifndef FC_COMPOSE_BUILD_H
#define FC_COMPOSE_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compose/recipe.h"
#include "layer/layer.h"
#include "live/live.h"

/** Counts up when the same step would give another layer than before. */
#define FC_BUILD_VERSION 1

/** A directory or file of the host that a command sees. Borrowed. */
struct fc_recipe_build_bind {
    const char *source, *target; /**< target: absolute in the tree */
    bool read_only;
};

/** A command that is to be run in a tree. Borrowed. */
struct fc_recipe_build_command {
    const struct fc_recipe_step *step; /**< its user, workdir, net, env */
    const char *const *argv;           /**< NULL-terminated */
    struct fc_live *live;              /**< opened with count_refs; nobody else uses it */
    const char *dir;                   /**< a private folder that goes when the step is over */
    const struct fc_recipe_build_bind *binds;
    size_t n_binds;
};

/** How a step went, or will. */
enum fc_recipe_build_state {
    FC_BUILD_CACHED,  /**< the cache has its layer */
    FC_BUILD_NEEDED,  /**< it has to be done; with dry_run it is left at that */
    FC_BUILD_DONE,    /**< it was done */
    FC_BUILD_UNKNOWN, /**< dry_run: it follows one that has to be done */
};

/** What is told about a step. Borrowed for the call. */
struct fc_recipe_build_event {
    size_t index;     /**< of the recipe's steps */
    const char *what; /**< the step in a few words */
    enum fc_recipe_build_state state;
    const char *why;        /**< NEEDED: why it is not taken from the cache; else NULL */
    struct fc_layer *layer; /**< CACHED and DONE: what it gives; NULL if that is nothing */
};

/** How to build. What is not said to be optional is needed. Borrowed for the call. */
struct fc_recipe_build_options {
    struct fc_cache *cache;
    const struct fc_recipe *recipe;
    struct fc_layer *const *layers; /**< what the recipe's layers are, lowest first */
    size_t n_layers;
    const char *notes;  /**< a file that says the next time what was built this time; NULL: none */
    const char *config; /**< image configuration (JSON) that comes with the layers, for guest steps; NULL: none */
    bool no_cache;      /**< do every step, whatever the cache has */
    bool dry_run;       /**< only say what would be done */
    int64_t epoch;      /**< the time, in seconds, of all that steps make: no time of the build is in a layer */
    /** Run a command; returns its exit status, or -errno with words. NULL: recipes with run steps fail. */
    int (*run)(void *arg, const struct fc_recipe_build_command *command, struct fc_error *err);
    void (*event)(void *arg,
                  const struct fc_recipe_build_event *event); /**< may be NULL; a step that is done is first NEEDED */
    void *arg;
};

/** A step's layer. */
struct fc_recipe_build_layer {
    size_t step;
    struct fc_layer *layer;
};
/** What came out. All zero is nothing. */
struct fc_recipe_built {
    struct fc_recipe_build_layer *layers; /**< of the steps that changed something, lowest first */
    size_t n_layers, cap_layers;
    size_t n_cached, n_done;
};
/** Drop the layers; nothing afterwards. */
void fc_recipe_built_release(struct fc_recipe_built *b);
static inline void fc_recipe_built_release_auto(struct fc_recipe_built *b) { fc_recipe_built_release(b); }

/**
 * Carry out all steps. Returns 0 and fills *ret (empty before; with dry_run the layers that the cache has); or a negative errno
 * with words that begin with the place of the step. What was done before a failure stays in the cache. Builders that run at the
 * same time do not disturb each other.
 */
int fc_recipe_build(const struct fc_recipe_build_options *options, struct fc_recipe_built *ret, struct fc_error *err);

/** A step in a few words ("copy app to /usr/bin/app"), in @out, which is returned. */
char *fc_recipe_build_describe(const struct fc_recipe *recipe, const struct fc_recipe_step *step, char *out,
                               size_t size);

/**
 * Call @fn with the absolute path of every file and folder of this host that the steps read, in no particular order; a non-zero
 * return stops and is returned. Returns 0 or -errno with words.
 */
int fc_recipe_build_inputs(const struct fc_recipe *recipe, int (*fn)(void *arg, const char *path), void *arg,
                           struct fc_error *err);

/** Put the place in front of the words of @err and return -@code. */
int fc_recipe_build_fail_at(const struct fc_recipe_place *place, struct fc_error *err);

#endif
