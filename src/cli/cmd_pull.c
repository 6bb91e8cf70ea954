/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose pull: bring layers back that the stack needs and the cache lacks. */
#include "cli/commands.h"
#include "fetch/fetch.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_fetcher_free) struct fc_fetcher *fetcher = NULL;
    fc_auto(fc_free) char *dir = NULL;
    int r = fc_workspace_find(NULL, &dir, err);

    (void)args;
    if (r == 0)
        r = fc_cache_open(NULL, &cache, err);
    if (r == 0)
        r = fc_fetcher_new(NULL, &fetcher, err);
    if (r == 0)
        r = fc_workspace_pull(dir, cache, &(struct fc_import_options){.fetcher = fetcher, .progress = cli->progress},
                              err);
    if (r < 0)
        return r;
    if (r == 0)
        cli_say(cli, "every layer is in the cache");
    else
        cli_say(cli, "%d layer%s imported", r, r == 1 ? "" : "s");
    return 0;
}

static const struct cli_example pull_examples[] = {
    {"A workspace in a fresh checkout", "fccompose -C images/web pull"},
    {0},
};

const struct cli_command cmd_pull = {
    .name = "pull",
    .group = CLI_GROUP_STACK,
    .summary = "Import again what the stack needs and the cache lacks",
    .usage = "",
    .about = "For a workspace that came from another machine, or after the cache was emptied: layers are imported from "
             "where they came from, and must be the same bytes. What cannot be brought back so: see `fccompose help "
             "cache`.",
    .examples = pull_examples,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
