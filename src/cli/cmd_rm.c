/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose rm: remove from the tree. */
#include "cli/commands.h"
#include "cli/editor.h"

static const struct cli_option options[] = {
    {'r', 'r', "recursive", NULL, "remove directories with all that is in them", 0},
    {'R', 'R', NULL, NULL, "the same as -r", 0},
    {'f', 'f', "force", NULL, "what is missing is no failure", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_RM, .fd = -1};

    verb.flags =
        (cli_has(args, 'r') || cli_has(args, 'R') ? FC_VERB_RECURSIVE : 0u) | (cli_has(args, 'f') ? FC_VERB_FORCE : 0u);
    return cli_edit_each(cli, &verb, args->operands, args->n_operands, err);
}

static const struct cli_example examples[] = {
    {"A directory that a layer brought", "fccompose rm -r /usr/share/doc"},
    {0},
};

const struct cli_command cmd_rm = {
    .name = "rm",
    .group = CLI_GROUP_EDIT,
    .summary = "Remove objects from the tree",
    .usage = "[OPTIONS] PATH...",
    .options = options,
    .about = "Layers never change: what is removed is hidden, and `fccompose reset PATH` brings it back.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = -1,
    .run = run,
};
