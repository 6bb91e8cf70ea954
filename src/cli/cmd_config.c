/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose config: what an image made of the workspace says of its entrypoint, environment and the like. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "layer/layer.h"
#include "oci/assemble.h"
#include "workspace/workspace.h"

enum { OPT_FIRST = CLI_LONG_ONLY, OPT_CLEAR = CLI_LONG_ONLY + 100 };

#define FIELD(field) (OPT_FIRST + (field))

static const struct cli_option options[] = {
    {FIELD(FC_OCI_ENTRYPOINT), 0, "entrypoint", "WORDS",
     "the program, as a JSON array, or text for /bin/sh -c; \"\" removes it", 0},
    {FIELD(FC_OCI_CMD), 0, "cmd", "WORDS", "its arguments, or the program when there is no entrypoint; likewise", 0},
    {FIELD(FC_OCI_ENV), 'e', "env", "NAME=VALUE", "set an environment variable; may be repeated", 0},
    {FIELD(FC_OCI_UNSET_ENV), 0, "unset-env", "NAME", "remove one", 0},
    {FIELD(FC_OCI_LABEL), 0, "label", "NAME=VALUE", "set a label; may be repeated", 0},
    {FIELD(FC_OCI_UNSET_LABEL), 0, "unset-label", "NAME", "remove one", 0},
    {FIELD(FC_OCI_WORKDIR), 'w', "workdir", "PATH", "where the program starts; \"\" removes it", 0},
    {FIELD(FC_OCI_USER), 'u', "user", "USER[:GROUP]", "as whom, by name or number in the guest; \"\" removes it", 0},
    {FIELD(FC_OCI_STOP_SIGNAL), 0, "stop-signal", "SIGNAL", "what asks the program to end", 0},
    {FIELD(FC_OCI_VOLUME), 0, "volume", "PATH", "a directory for data that outlives the guest; may be repeated", 0},
    {FIELD(FC_OCI_EXPOSE), 0, "expose", "PORT[/tcp|/udp]", "a port that the program listens on; may be repeated", 0},
    {FIELD(FC_OCI_AUTHOR), 0, "author", "TEXT", "who made it", 0},
    {OPT_CLEAR, 0, "clear", NULL, "forget all of it first", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int show(struct fc_workspace *ws, struct fc_error *err)
{
    fc_auto(fc_free) char *config = NULL, *text = NULL;
    int r = fc_workspace_config(ws, &config, err);

    if (r == 0)
        r = fc_oci_config_edit(config, NULL, 0, true, &text, err);
    if (r < 0)
        return r;
    puts(text);
    return cli_flush(err);
}

static int edit(struct fc_workspace *ws, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_oci_config_change *changes = calloc(args->n + 1, sizeof(*changes));
    fc_auto(fc_free) char *config = NULL, *text = NULL;
    size_t n = 0;
    int r = changes ? 0 : fc_fail_errno(err, ENOMEM, "config");

    for (size_t i = 0; i < args->n && r == 0; i++)
        if (args->args[i].id >= OPT_FIRST && args->args[i].id < OPT_CLEAR)
            changes[n++] = (struct fc_oci_config_change){(enum fc_oci_config_field)(args->args[i].id - OPT_FIRST),
                                                         args->args[i].value};
    if (r == 0 && !cli_has(args, OPT_CLEAR))
        r = fc_workspace_config(ws, &config, err);
    if (r == 0)
        r = fc_oci_config_edit(config, changes, n, false, &text, err);
    return r < 0 ? r : fc_workspace_config_set(ws, text, err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    bool change = args->n > 0;
    int r = fc_cache_open(NULL, &cache, err);

    if (r == 0)
        r = fc_workspace_open(NULL, cache, change ? FC_WORKSPACE_WRITE : FC_WORKSPACE_READ, &ws, err);
    if (r < 0)
        return r;
    (void)cli;
    return change ? edit(ws, args, err) : show(ws, err);
}

static const struct cli_example examples[] = {
    {"What there is", "fccompose config"},
    {"A program that is not the base's",
     "fccompose config --entrypoint '[\"/usr/local/bin/app\"]' --cmd '[]' -e PORT=80"},
    {0},
};

const struct cli_command cmd_config = {
    .name = "config",
    .group = CLI_GROUP_STACK,
    .summary = "Show or change what an image of the workspace says of itself",
    .usage = "[OPTIONS]",
    .options = options,
    .about =
        "The configuration of an OCI image: entrypoint, environment, user, labels. It comes with the image that was "
        "put "
        "into the stack last, goes into what push and export make, and says what a guest is to run. Without options it "
        "is printed as JSON. The workspace must not be mounted for a change.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
