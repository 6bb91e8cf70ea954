/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose commit: make the edits a layer. */
#include <errno.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    char text[FC_DIGEST_TEXT];
    struct fc_digest diffid;
    int r = fc_cache_open(NULL, &cache, err);

    if (r == 0)
        r = fc_workspace_open(NULL, cache, FC_WORKSPACE_WRITE, &ws, err);
    if (r == 0)
        r = fc_workspace_commit(ws, args->operands[0], &diffid, err);
    if (r < 0)
        return r;
    fc_digest_format(&diffid, text);
    if (cli->json)
        return cli_json_print(json_pack("{s:s}", "diffid", text), err);
    cli_say(cli, "layer %s: %s", args->operands[0], text);
    return 0;
}

static const struct cli_example examples[] = {
    {"Keep what was done, and go on above it", "fccompose commit web-config"},
    {0},
};

const struct cli_command cmd_commit = {
    .name = "commit",
    .group = CLI_GROUP_LIVE,
    .summary = "Make the edits a layer on top of the stack",
    .usage = "NAME",
    .about = "The layer is an OCI layer with whiteouts; the edits are empty afterwards and the tree is the same as "
             "before. The "
             "workspace must not be mounted.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
