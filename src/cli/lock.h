/* SPDX-License-Identifier: Apache-2.0 */
/* The lock that imports go by: fccompose.lock.json of the workspace, or of where we are. */
#ifndef FC_CLI_LOCK_H
#define FC_CLI_LOCK_H

#include "cli/cli.h"
#include "lock/lock.h"

/** The path of the lock: in the workspace's directory, else here. Caller frees; NULL when out of memory. */
char *cli_lock_path(void);
/**
 * For a recipe: the lock is that of the current directory, and a local path, whatever it says of it, may stand for what is there
 * now (unless --locked). Before cli_lock_load().
 */
int cli_lock_for_recipe(struct cli *cli, struct fc_error *err);
/** Read the lock once; there may be none. Returns 0 or a failure with words. */
int cli_lock_load(struct cli *cli, struct fc_error *err);
/** The lock, or NULL if there is none. Borrowed, until cli_lock_release(). */
const struct fc_lock *cli_lock(const struct cli *cli);
/**
 * What the lock has for @locator, as it is recorded: *ret is NULL when that may stand for what it likes. Returns 0, or -ESTALE with
 * words for --locked.
 */
int cli_lock_find(struct cli *cli, const char *locator, const struct fc_lock_entry **ret, struct fc_error *err);
/** Imports from here on do not go by the lock. */
void cli_lock_ignore(struct cli *cli);
/** Free. */
void cli_lock_release(struct cli *cli);

#endif
