/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of `fccompose build` share. */
#ifndef FC_CLI_BUILD_H
#define FC_CLI_BUILD_H

#include "cli/freeze.h"
#include "cli/view.h"
#include "compose/build.h"

/** One build, for one architecture. */
struct build_job {
    const struct cli_args *args;
    const char *out;             /**< -o, absolute; NULL: image.output */
    const char *depfile;         /**< absolute, or NULL */
    bool dry_run, for_workspace; /**< @for_workspace: the workspace gets what is built */
    struct fc_cache *cache;
    struct fc_recipe *recipe;
    struct cli_layers layers; /**< of the recipe's layers, in order */
    struct fc_recipe_built built;
    char *image; /**< the path that is written, absolute; NULL: no image */
};

/** For build_run(). */
struct build_run {
    struct cli *cli;
    bool said; /**< how ids are mapped was said once */
};

/** Import the recipe's layers into job->layers. We are in the recipe's folder. Returns 0 or a failure with words. */
int build_layers(struct cli *cli, struct build_job *job, struct fc_error *err);
/** Write, or with --locked compare, the lock. Returns 0 or a failure with words. */
int build_lock(struct cli *cli, const struct build_job *job, struct fc_error *err);
/** Make the stack of the workspace beside the recipe that of the build. Returns 0 or a failure with words. */
int build_workspace(struct cli *cli, const struct build_job *job, struct fc_error *err);
/** Find out which file the image is, for job->image. Returns 0 or a failure with words. */
int build_image_path(struct cli *cli, struct build_job *job, struct fc_error *err);
/** Write the image; *ret_fresh is false when the one that is there is it. Returns 0 or a failure with words. */
int build_image(struct cli *cli, const struct build_job *job, struct freeze_report *ret, bool *ret_fresh,
                struct fc_error *err);
/** fc_recipe_build_options.run; @arg begins with a struct build_run. */
int build_run(void *arg, const struct fc_recipe_build_command *command, struct fc_error *err);
/** Write the file of dependencies. Returns 0 or a failure with words. */
int build_depfile(const struct build_job *job, struct fc_error *err);

#endif
