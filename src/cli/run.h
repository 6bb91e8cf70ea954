/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` and `shell` share: a command in the live tree, through its mount process or, without one, one of our own. */
#ifndef FC_CLI_RUN_H
#define FC_CLI_RUN_H

#include "cli/cli.h"

/** Ids of the options. */
enum { OPT_NET = CLI_LONG_ONLY + 260, OPT_FSYNC };
/** Rows of the options for a command's table. */
#define CLI_RUN_OPTIONS                                                                                                \
    {'e', 'e', "env", "K=V", "set a variable of the command's environment; K alone takes ours; may be repeated", 0},   \
        {'w', 'w', "workdir", "DIR", "the directory of the tree to start in (default /)", 0},                          \
        {'u', 'u', "user", "USER[:GROUP]", "names of the tree, or numbers (default root)", 0},                         \
        {'v',                                                                                                          \
         'v',                                                                                                          \
         "volume",                                                                                                     \
         "SRC:DST[:ro]",                                                                                               \
         "show SRC of the host as DST of the tree meanwhile; may be repeated",                                         \
         CLI_WORD_FILE},                                                                                               \
        {OPT_NET, 0, "net", "host|none", "the network: that of the host (default), or a loopback alone", 0},           \
    {                                                                                                                  \
        OPT_FSYNC, 0, "fsync", "batch|strict",                                                                         \
            "batch (default): fsync returns at once, and all is synced at the end; strict: each is done", 0            \
    }

/** Run @argv (NULL: the tree's shell), wait, and make durable what it changed. Returns its exit status or -errno with words. */
int cli_run(struct cli *cli, const struct cli_args *args, const char *const *argv, struct fc_error *err);

#endif
