/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose mkdir: make directories in the tree. */
#include "cli/commands.h"
#include "cli/editor.h"

enum { OPT_MKDIR_OWNER = CLI_LONG_ONLY };

static const struct cli_option options[] = {
    {'p', 'p', "parents", NULL, "make missing parents too; a directory that is there is no failure", 0},
    {'m', 'm', "mode", "MODE", "permissions, octal or like u=rwx,go=rx (default 0755)", 0},
    {OPT_MKDIR_OWNER, 0, "owner", "UID:GID", "owner (default 0:0)", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_MKDIR, .fd = -1, .mode_text = cli_value(args, 'm')};
    int r = cli_verb_owner(args, OPT_MKDIR_OWNER, &verb, err);

    if (r < 0)
        return r;
    verb.flags |= cli_has(args, 'p') ? FC_VERB_PARENTS : 0u;
    return cli_edit_each(cli, &verb, args->operands, args->n_operands, err);
}

static const struct cli_example examples[] = {
    {"A home directory of the guest's first user", "fccompose mkdir -p -m 0700 --owner 1000:1000 /home/user/.ssh"},
    {0},
};

const struct cli_command cmd_mkdir = {
    .name = "mkdir",
    .group = CLI_GROUP_EDIT,
    .summary = "Make directories in the tree",
    .usage = "[OPTIONS] PATH...",
    .options = options,
    .examples = examples,
    .min_operands = 1,
    .max_operands = -1,
    .run = run,
};
