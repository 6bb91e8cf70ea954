/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose chmod: change permissions in the tree. */
#include "cli/commands.h"
#include "cli/editor.h"

static const struct cli_option options[] = {
    {'R', 'R', "recursive", NULL, "change directories and all that is in them", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_CHMOD, .fd = -1, .mode_text = args->operands[0]};

    verb.flags = cli_has(args, 'R') ? FC_VERB_RECURSIVE : 0u;
    return cli_edit_each(cli, &verb, args->operands + 1, args->n_operands - 1, err);
}

static const struct cli_example examples[] = {
    {"A program with its set-user-id bit", "fccompose chmod 4755 /usr/bin/sudo"},
    {"A mode that begins with a hyphen", "fccompose chmod -- -x /etc/rc.local"},
    {0},
};

const struct cli_command cmd_chmod = {
    .name = "chmod",
    .group = CLI_GROUP_EDIT,
    .summary = "Change permissions in the tree",
    .usage = "[-R] MODE PATH...",
    .options = options,
    .about = "MODE is octal or like u+x,go-w.",
    .examples = examples,
    .min_operands = 2,
    .max_operands = -1,
    .run = run,
};
