/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose kernel: the commands below it. */
#include "cli/cmd_kernel.h"

#include "cli/commands.h"

static const struct cli_command *const subs[] = {
    &cmd_kernel_ls, &cmd_kernel_config, &cmd_kernel_build, &cmd_kernel_why, &cmd_kernel_check, &cmd_kernel_extract,
    NULL,
};

const struct cli_command cmd_kernel = {
    .name = "kernel",
    .group = CLI_GROUP_MACHINE,
    .summary = "Configure, build, check and extract guest kernels",
    .usage = "COMMAND ...",
    .subs = subs,
};
