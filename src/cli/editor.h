/* SPDX-License-Identifier: Apache-2.0 */
/* Where edits go: to the workspace, or, while it is mounted, to its mount process. */
#ifndef FC_CLI_EDITOR_H
#define FC_CLI_EDITOR_H

#include "cli/cli.h"
#include "live/verb.h"
#include "run/run.h"

/** An open editor. All zero is a closed one. */
struct cli_editor {
    char *socket; /**< of the mount process that serves the workspace, else NULL */
    struct fc_cache *cache;
    struct fc_workspace *ws; /**< opened for writing, when it is not mounted */
};

/** Open the workspace for edits. Returns 0 or a failure with words. */
int cli_editor_open(struct cli *cli, struct cli_editor *ret, struct fc_error *err);
/** Do one verb. Returns 0 or a failure with words. */
int cli_editor_apply(struct cli_editor *e, const struct fc_verb *verb, struct fc_error *err);
/** The verb that an edit of a running command is; *ret borrows from it. Returns false for a kind that there is none for. */
bool cli_run_edit_verb(const struct fc_run_edit *edit, struct fc_verb *ret);
/** Make an edit of a running command: fc_run_options.edit, with the editor as its argument. Returns 0 or -errno. */
int cli_editor_run_edit(void *editor, const struct fc_run_edit *edit);
/** Forget the edits at @n normalised paths (0: all). */
int cli_editor_reset(struct cli_editor *e, const char *const *paths, size_t n, struct fc_error *err);
/** Make what was done durable. Call before release; a failure has words. */
int cli_editor_finish(struct cli_editor *e, struct fc_error *err);
/** Close. */
void cli_editor_release(struct cli_editor *e);
static inline void cli_editor_release_auto(struct cli_editor *e) { cli_editor_release(e); }

/**
 * Open the editor, do @verb once for each of @n paths (put into @verb->path), finish, close. What was done before a
 * failure is kept. The first failure ends it.
 */
int cli_edit_each(struct cli *cli, struct fc_verb *verb, const char *const *paths, size_t n, struct fc_error *err);

/** --owner as fields of a verb. Returns 0 or wrong usage. */
int cli_verb_owner(const struct cli_args *args, int id, struct fc_verb *verb, struct fc_error *err);

#endif
