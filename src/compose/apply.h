/* SPDX-License-Identifier: Apache-2.0 */
/* Do a step in a live tree. Private to compose/. */
#ifndef FC_COMPOSE_APPLY_H
#define FC_COMPOSE_APPLY_H

#include "compose/build.h"
#include "compose/sources.h"

/** A step under way. All borrowed. */
struct fc_step_work {
    const struct fc_recipe_build_options *o;
    const struct fc_recipe_step *step;
    const struct fc_sources *sources; /**< of a copy or write */
    struct fc_live *live;
    const char *dir; /**< a private folder */
};

/** Do the verb of any step but run. Returns 0 or -errno with words. */
int fc_step_apply(const struct fc_step_work *w, struct fc_error *err);
/** Do a run step. Returns 0 or -errno with words. */
int fc_step_run(const struct fc_step_work *w, struct fc_error *err);
/** Paths of the tree that the glob @pattern stands for, sorted. Returns 0 (also when there are none) or -errno. */
int fc_tree_glob(struct fc_live *live, const char *pattern, struct fc_recipe_list *ret, struct fc_error *err);
/** Free the strings of a list that was filled by fc_tree_glob(). */
void fc_tree_glob_release(struct fc_recipe_list *list);
static inline void fc_tree_glob_release_auto(struct fc_recipe_list *list) { fc_tree_glob_release(list); }

#endif
