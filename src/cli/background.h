/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that go on in the background: `mount`, and `freeze --virtual`. */
#ifndef FC_CLI_BACKGROUND_H
#define FC_CLI_BACKGROUND_H

#include "cli/cli.h"

/** What goes on in the background. */
struct cli_background {
    const char *workspace; /**< its directory, for the log; NULL: there is none */
    /**
     * The work, which lasts until somebody ends it. When it serves it says so with fc_child_say_ready(*ready_fd) and
     * sets *ready_fd to -1. Returns 0 or a failure with words, which the parent has if it came before that, else the log.
     */
    int (*work)(void *arg, int *ready_fd, struct fc_error *err);
    void *arg;
};

/** Start it in a process of its own and wait until it serves. Returns its pid, or a failure with words. */
int cli_background(struct cli *cli, const struct cli_background *b, struct fc_error *err);

#endif
