/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose reset: forget edits. */
#include <errno.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/editor.h"
#include "cli/view.h"
#include "live/diff.h"

/* How many changes are at and below the paths; a failure to count is no reason not to reset. */
static size_t count(struct cli *cli, const struct cli_paths *paths)
{
    struct cli_view v = {0};
    fc_auto(fc_diff_free) struct fc_diff *d = NULL;
    const struct fc_change *changes;
    size_t n_changes, found = 0;

    if (cli_view_open(cli, NULL, 0, &v, NULL) < 0)
        return 0;
    if (fc_diff_new(v.tree, v.snapshot, &d, NULL) == 0) {
        changes = fc_diff_changes(d, &n_changes);
        for (size_t i = 0; i < n_changes; i++)
            found += cli_paths_cover(paths, changes[i].path);
    }
    fc_diff_free(fc_steal(&d));
    cli_view_release(&v);
    return found;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct cli_editor e __attribute__((cleanup(cli_editor_release_auto))) = {0};
    struct cli_paths paths = {0};
    size_t before = 0, after = 0;
    int r = cli_paths_take(args->operands, args->n_operands, &paths, err);

    if (r == 0 && !cli->quiet)
        before = count(cli, &paths);
    if (r == 0)
        r = cli_editor_open(cli, &e, err);
    if (r == 0)
        r = cli_editor_reset(&e, (const char *const *)paths.list, paths.n, err);
    if (r == 0)
        r = cli_editor_finish(&e, err);
    cli_editor_release(&e);
    if (r == 0 && !cli->quiet) {
        after = count(cli, &paths);
        before = before > after ? before - after : 0;
        cli_say(cli, before == 1 ? "%zu change forgotten" : "%zu changes forgotten", before);
    }
    cli_paths_release(&paths);
    return r;
}

static const struct cli_example examples[] = {
    {"One directory as the layers have it", "fccompose reset /etc/ssh"},
    {"Everything", "fccompose reset"},
    {0},
};

const struct cli_command cmd_reset = {
    .name = "reset",
    .group = CLI_GROUP_LIVE,
    .summary = "Forget edits, so that the layers show again",
    .usage = "[PATH...]",
    .about = "Forgets the edits at and below each PATH of the tree, or all of them, at once and without a question; "
             "`fccompose diff PATH` shows beforehand what would go. A mount shows the result at once.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = -1,
    .run = run,
};
