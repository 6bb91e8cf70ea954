/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, each a constant in the file of its name. */
#ifndef FC_CLI_COMMANDS_H
#define FC_CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command cmd_init;
extern const struct cli_command cmd_layer;
extern const struct cli_command cmd_pull;
extern const struct cli_command cmd_ls_remote;
extern const struct cli_command cmd_lock;
extern const struct cli_command cmd_push;
extern const struct cli_command cmd_login;
extern const struct cli_command cmd_logout;
extern const struct cli_command cmd_config;
extern const struct cli_command cmd_cache;
extern const struct cli_command cmd_mount;
extern const struct cli_command cmd_umount;
extern const struct cli_command cmd_run;
extern const struct cli_command cmd_shell;
extern const struct cli_command cmd_status;
extern const struct cli_command cmd_diff;
extern const struct cli_command cmd_reset;
extern const struct cli_command cmd_commit;
extern const struct cli_command cmd_fsck;
extern const struct cli_command cmd_cp;
extern const struct cli_command cmd_mv;
extern const struct cli_command cmd_rm;
extern const struct cli_command cmd_mkdir;
extern const struct cli_command cmd_ln;
extern const struct cli_command cmd_mknod;
extern const struct cli_command cmd_chmod;
extern const struct cli_command cmd_chown;
extern const struct cli_command cmd_xattr;
extern const struct cli_command cmd_write;
extern const struct cli_command cmd_guest;
extern const struct cli_command cmd_build;
extern const struct cli_command cmd_freeze;
extern const struct cli_command cmd_export;
extern const struct cli_command cmd_ls;
extern const struct cli_command cmd_cat;
extern const struct cli_command cmd_check;
extern const struct cli_command cmd_vm;
extern const struct cli_command cmd_boot;
extern const struct cli_command cmd_kernel;
extern const struct cli_command cmd_doctor;
extern const struct cli_command cmd_schema;
extern const struct cli_command cmd_help;
extern const struct cli_command cmd_version;
extern const struct cli_command cmd_completion;

#endif
