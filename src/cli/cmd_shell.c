/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose shell: the tree's own shell inside the live tree. */
#include "cli/commands.h"
#include "cli/run.h"

static const struct cli_option options[] = {
    CLI_RUN_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    return cli_run(cli, args, NULL, err);
}

static const struct cli_example examples[] = {
    {"Look around, install, try; then see what has changed", "fccompose shell; fccompose diff"},
    {"As a user of the tree", "fccompose shell -u nobody -w /tmp"},
    {0},
};

const struct cli_command cmd_shell = {
    .name = "shell",
    .group = CLI_GROUP_LIVE,
    .summary = "Run the tree's shell inside the live tree",
    .usage = "[OPTIONS]",
    .options = options,
    .about = "The same as `fccompose run` with the shell that the tree's /etc/passwd gives the user, else /bin/bash or "
             "/bin/sh; see `fccompose help run` for what it sees and what stays.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = 0,
    .completes = CLI_WORD_NONE,
    .wraps = true,
    .run = run,
};
