/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands. */
#include "cli/commands.h"

/* One a line, so that another is one more line. */
/* clang-format off */
const struct cli_command *const cli_commands[] = {
    &cmd_init,
    &cmd_layer,
    &cmd_pull,
    &cmd_lock,
    &cmd_push,
    &cmd_login,
    &cmd_logout,
    &cmd_config,
    &cmd_ls_remote,
    &cmd_cache,
    &cmd_schema,
    &cmd_mount,
    &cmd_umount,
    &cmd_status,
    &cmd_diff,
    &cmd_reset,
    &cmd_commit,
    &cmd_fsck,
    &cmd_cp,
    &cmd_mv,
    &cmd_rm,
    &cmd_mkdir,
    &cmd_ln,
    &cmd_mknod,
    &cmd_chmod,
    &cmd_chown,
    &cmd_xattr,
    &cmd_write,
    &cmd_guest,
    &cmd_freeze,
    &cmd_export,
    &cmd_ls,
    &cmd_cat,
    &cmd_vm,
    &cmd_boot,
    &cmd_doctor,
    &cmd_help,
    &cmd_version,
    &cmd_completion,
    NULL,
};
/* clang-format on */
