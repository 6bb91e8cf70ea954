/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose chown: change owners in the tree. */
#include "cli/commands.h"
#include "cli/editor.h"

static const struct cli_option options[] = {
    {'R', 'R', "recursive", NULL, "change directories and all that is in them", 0},
    {'h', 'h', "no-dereference", NULL, "change a symbolic link itself", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_CHOWN, .fd = -1};
    bool have_uid, have_gid;
    int r = cli_parse_owner("chown", args->operands[0], &have_uid, &verb.uid, &have_gid, &verb.gid, err);

    if (r < 0)
        return r;
    verb.flags = (have_uid ? FC_VERB_SET_UID : 0u) | (have_gid ? FC_VERB_SET_GID : 0u) |
                 (cli_has(args, 'R') ? FC_VERB_RECURSIVE : 0u) | (cli_has(args, 'h') ? FC_VERB_NO_FOLLOW : 0u);
    return cli_edit_each(cli, &verb, args->operands + 1, args->n_operands - 1, err);
}

static const struct cli_example examples[] = {
    {"A tree of the guest's user 1000", "fccompose chown -R 1000:1000 /home/user"},
    {0},
};

const struct cli_command cmd_chown = {
    .name = "chown",
    .group = CLI_GROUP_EDIT,
    .summary = "Change owners in the tree",
    .usage = "[OPTIONS] UID[:GID] PATH...\n[OPTIONS] :GID PATH...",
    .options = options,
    .about = "Owners are numbers: names belong to the guest's /etc/passwd, not to this host's.",
    .examples = examples,
    .min_operands = 2,
    .max_operands = -1,
    .run = run,
};
