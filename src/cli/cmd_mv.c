/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose mv: rename in the tree. */
#include <errno.h>

#include "cli/commands.h"
#include "cli/editor.h"

static const struct cli_option options[] = {
    {'f', 'f', "force", NULL, "accepted: what is there is replaced anyway", 0},
    {'n', 'n', "no-clobber", NULL, "leave what is there as it is", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_buf dest __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_verb verb = {.kind = FC_VERB_MV, .fd = -1};

    verb.flags = cli_has(args, 'n') ? FC_VERB_NO_CLOBBER : FC_VERB_FORCE;
    if (fc_buf_addf(&dest, "%s%s", args->operands[args->n_operands - 1], args->n_operands > 2 ? "/." : "") < 0)
        return fc_fail_errno(err, ENOMEM, "mv");
    verb.target = dest.data;
    return cli_edit_each(cli, &verb, args->operands, args->n_operands - 1, err);
}

static const struct cli_example examples[] = {
    {"Rename a directory that a layer brought", "fccompose mv /opt/app-1.0 /opt/app"},
    {0},
};

const struct cli_command cmd_mv = {
    .name = "mv",
    .group = CLI_GROUP_EDIT,
    .summary = "Rename objects of the tree",
    .usage = "[OPTIONS] SOURCE... DEST",
    .options = options,
    .about = "Both are paths of the tree. When DEST is a directory SOURCE goes into it.",
    .examples = examples,
    .min_operands = 2,
    .max_operands = -1,
    .run = run,
};
