/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose ln: make hard and symbolic links in the tree. */
#include "cli/commands.h"
#include "cli/editor.h"

static const struct cli_option options[] = {
    {'s', 's', "symbolic", NULL, "a symbolic link with the text TARGET", 0},
    {'f', 'f', "force", NULL, "replace LINK if it is there", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_LN, .fd = -1, .target = args->operands[0]};

    verb.flags = (cli_has(args, 's') ? FC_VERB_SYMBOLIC : 0u) | (cli_has(args, 'f') ? FC_VERB_FORCE : 0u);
    return cli_edit_each(cli, &verb, args->operands + 1, 1, err);
}

static const struct cli_example examples[] = {
    {"Another init", "fccompose ln -sf /usr/lib/systemd/systemd /sbin/init"},
    {0},
};

const struct cli_command cmd_ln = {
    .name = "ln",
    .group = CLI_GROUP_EDIT,
    .summary = "Make links in the tree",
    .usage = "[-f] TARGET LINK\n-s [-f] TEXT LINK",
    .options = options,
    .about =
        "LINK becomes another name of the file TARGET, or, with -s, a symbolic link that says TEXT. When LINK is a "
        "directory the link is made in it.",
    .examples = examples,
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
