/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose pull: bring layers into the cache: those named, or those that the stack needs and the cache lacks. */
#include <errno.h>

#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/view.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

static const struct cli_option options[] = {
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int pull_stack(struct cli *cli, struct fc_cache *cache, struct fc_error *err)
{
    struct fc_import_options import = {.progress = cli->progress, .arch = cli_fetch_arch(cli)};
    fc_auto(fc_free) char *dir = NULL;
    int r = fc_workspace_find(NULL, &dir, err);

    if (r == 0)
        r = cli_fetcher_new(cli, fc_cache_dir(cache), &import.fetcher, err);
    import.require_signature = cli_fetch_requires_signature(cli);
    if (r == 0)
        r = fc_workspace_pull(dir, cache, &import, err);
    cli_fetcher_free(import.fetcher);
    if (r < 0 || cli_fetch_check(err) < 0)
        return r < 0 ? r : -ECANCELED;
    if (r == 0)
        cli_say(cli, "every layer is in the cache");
    else
        cli_say(cli, "%d layer%s imported", r, r == 1 ? "" : "s");
    return 0;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(cli_layers_release) struct cli_layers layers = {0};
    char text[FC_DIGEST_TEXT];
    int r = fc_cache_open(NULL, &cache, err);

    if (r < 0 || args->n_operands == 0)
        return r < 0 ? r : pull_stack(cli, cache, err);
    r = cli_import(cli, cache, args->operands, args->n_operands, NULL, &layers, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < layers.n; i++)
        printf("%s\n", fc_digest_format(fc_layer_diffid(layers.list[i].layer), text));
    return 0;
}

static const struct cli_example pull_examples[] = {
    {"A workspace in a fresh checkout", "fccompose -C images/web pull"},
    {"So that a later init needs no network", "fccompose pull alpine:3.20 debian:12-slim"},
    {0},
};

const struct cli_command cmd_pull = {
    .name = "pull",
    .group = CLI_GROUP_STACK,
    .summary = "Bring layers into the cache",
    .usage = "[OPTIONS] LAYER...\n[OPTIONS]",
    .options = options,
    .about =
        "With layers (as for `fccompose init`): they are fetched and imported, and the digest of each is printed, by "
        "which it can be named, too.\n\n"
        "Without, for a workspace that came from another machine, or after the cache was emptied: what the stack needs "
        "and the cache lacks is imported from where it came from, and must be the same bytes. What cannot be brought "
        "back so: see `fccompose help cache`.",
    .examples = pull_examples,
    .min_operands = 0,
    .max_operands = -1,
    .completes = CLI_WORD_LAYER,
    .run = run,
};
