/* SPDX-License-Identifier: Apache-2.0 */
/* The commands below `kernel`, each in a file of its name. */
#ifndef FC_CLI_CMD_KERNEL_H
#define FC_CLI_CMD_KERNEL_H

#include "cli/cli.h"

extern const struct cli_command cmd_kernel_ls;
extern const struct cli_command cmd_kernel_config;
extern const struct cli_command cmd_kernel_build;
extern const struct cli_command cmd_kernel_why;
extern const struct cli_command cmd_kernel_check;
extern const struct cli_command cmd_kernel_extract;

#endif
