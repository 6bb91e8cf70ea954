/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose layer: show and change the stack. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/io.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/fetch.h"
#include "cli/view.h"
#include "layer/layer.h"
#include "stack/stack.h"
#include "workspace/workspace.h"

enum { OPT_AT = CLI_LONG_ONLY, OPT_NAME };

static const struct cli_option add_options[] = {
    {OPT_AT, 0, "at", "N", "put the first at position N (0 is lowest; default: on top)", 0},
    {OPT_NAME, 0, "name", "NAME", "what to call it (default: the last part of what was typed)", 0},
    CLI_IMPORT_OPTIONS,
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int open_for(enum fc_workspace_mode mode, struct fc_cache **ret_cache, struct fc_workspace **ret_ws,
                    struct fc_error *err)
{
    int r = fc_cache_open(NULL, ret_cache, err);

    if (r == 0)
        r = fc_workspace_open(NULL, *ret_cache, mode, ret_ws, err);
    return r;
}

/* Edits that no longer fit are worth a word after every change of the stack. */
static void say_conflicts(const struct cli *cli, struct fc_workspace *ws)
{
    struct fc_workspace_status status = {0};

    if (fc_workspace_status(ws, &status, NULL) < 0)
        return;
    if (status.n_conflicts)
        cli_say(cli, "%llu edits no longer fit the new stack; fccompose status shows them",
                (unsigned long long)status.n_conflicts);
    fc_workspace_status_release(&status);
}

/* What the stack remembers of @locator: from below the workspace's directory a relative path would mean another place. */
static const char *to_remember(struct fc_arena *arena, const char *locator, const char *dir)
{
    fc_auto(fc_free) char *here = getcwd(NULL, 0), *path = NULL, *whole = NULL;
    struct fc_locator l;

    if (here && strcmp(here, dir) == 0)
        return locator;
    if (fc_locator_parse(locator, &l, NULL) < 0 || !fc_locator_has_path(&l))
        return locator;
    path = fc_abspath(l.rest);
    if (!path || asprintf(&whole, "%.*s%s", (int)(l.rest - locator), locator, path) < 0) {
        whole = NULL;
        return locator;
    }
    return fc_arena_copy(arena, whole, strlen(whole));
}

static int add(struct cli *cli, const struct cli_args *args, struct fc_workspace *ws, const struct cli_layers *layers,
               int position, struct fc_error *err)
{
    size_t n = layers->n;
    fc_auto(fc_free) struct fc_workspace_new_layer *new_layers = calloc(n, sizeof(*new_layers));
    struct fc_arena arena = {0};
    int r = new_layers ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && r == 0; i++) {
        const struct cli_layer *l = &layers->list[i];
        const char *locator = to_remember(&arena, l->locator, fc_workspace_dir(ws));

        new_layers[i] = (struct fc_workspace_new_layer){l->layer, locator,
                                                        l->name ? l->name : cli_value(args, OPT_NAME), l->source};
        r = locator ? 0 : -ENOMEM;
    }
    r = r < 0 ? fc_fail_errno(err, -r, "layers") : fc_workspace_layers_add(ws, new_layers, n, position, err);
    fc_arena_release(&arena);
    if (r == 0 && layers->config)
        r = fc_workspace_config_set(ws, layers->config, err);
    if (r == 0)
        say_conflicts(cli, ws);
    return r;
}

static int run_add(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_import_options import;
    fc_auto(fc_free) const char **excludes = NULL;
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    fc_auto(fc_free) char *dir = NULL;
    fc_auto(cli_layers_release) struct cli_layers layers = {0};
    const char *at = cli_value(args, OPT_AT);
    uint64_t position = 0;
    int r = cli_import_options(cli, args, &import, &excludes, err);

    if (r == 0 && at)
        r = cli_parse_number("--at", at, 65535, &position, err);
    if (r == 0 && args->n_operands > 1 && cli_has(args, OPT_NAME))
        r = cli_usage(err, "layer add: --name is for one layer");
    if (r == 0)
        r = fc_workspace_find(NULL, &dir, err); /* before a long import */
    if (r == 0)
        r = fc_cache_open(NULL, &cache, err);
    if (r == 0)
        r = cli_import(cli, cache, args->operands, args->n_operands, &import, &layers, err);
    if (r < 0)
        return r;
    r = fc_workspace_open(dir, cache, FC_WORKSPACE_WRITE, &ws, err);
    if (r == 0)
        r = add(cli, args, ws, &layers, at ? (int)position : -1, err);
    return r;
}

static int run_rm(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    fc_auto(fc_free) bool *gone = NULL;
    uint32_t n, position;
    int r = open_for(FC_WORKSPACE_WRITE, &cache, &ws, err);

    if (r < 0)
        return r;
    fc_workspace_stack(ws, &n);
    gone = calloc((size_t)n + 1, sizeof(*gone));
    if (!gone)
        return fc_fail_errno(err, ENOMEM, "layers");
    /* All are found before the first goes: numbers mean the stack that the user saw. */
    for (size_t i = 0; i < args->n_operands && r == 0; i++) {
        r = fc_workspace_layer_find(ws, args->operands[i], &position, err);
        if (r == 0)
            gone[position] = true;
    }
    for (position = n; position-- > 0 && r == 0;)
        if (gone[position])
            r = fc_workspace_layer_remove(ws, position, err);
    if (r == 0)
        say_conflicts(cli, ws);
    return r;
}

static int run_mv(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    uint64_t to;
    uint32_t from;
    int r = cli_parse_number("layer mv", args->operands[1], 65535, &to, err);

    if (r == 0)
        r = open_for(FC_WORKSPACE_WRITE, &cache, &ws, err);
    if (r == 0)
        r = fc_workspace_layer_find(ws, args->operands[0], &from, err);
    if (r == 0)
        r = fc_workspace_layer_move(ws, from, (uint32_t)to, err);
    if (r == 0)
        say_conflicts(cli, ws);
    return r;
}

static json_t *as_json(const struct fc_workspace_layer *l, const struct fc_layer *layer, uint32_t position)
{
    struct fc_layer_stats stats;
    char digest[FC_DIGEST_TEXT];
    json_t *o;

    fc_layer_stats(layer, &stats);
    o = json_pack("{s:i, s:s, s:I, s:I, s:I, s:I}", "position", (int)position, "diffid",
                  fc_digest_format(&l->diffid, digest), "entries", (json_int_t)stats.n_entries, "whiteouts",
                  (json_int_t)stats.n_whiteouts, "data_bytes", (json_int_t)stats.data_bytes, "tar_bytes",
                  (json_int_t)stats.tar_bytes);
    cli_json_name(o, "name", l->name, strlen(l->name));
    cli_json_name(o, "locator", l->locator, strlen(l->locator));
    return o;
}

static void as_line(const struct fc_workspace_layer *l, const struct fc_layer *layer, uint32_t position)
{
    struct fc_layer_stats stats;
    char digest[FC_DIGEST_TEXT], size[32];

    fc_layer_stats(layer, &stats);
    printf("%3u  %.12s  %10llu  %10s  ", position, fc_digest_format(&l->diffid, digest) + 7,
           (unsigned long long)stats.n_entries, cli_size(size, stats.data_bytes));
    cli_put_name(l->name, strlen(l->name), false);
    if (strcmp(l->name, l->locator) != 0) {
        fputs("  (", stdout);
        cli_put_name(l->locator, strlen(l->locator), false);
        putchar(')');
    }
    putchar('\n');
}

static int run_ls(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    const struct fc_workspace_layer *stack;
    const struct fc_tree *tree;
    json_t *list = NULL;
    uint32_t n;
    int r = open_for(FC_WORKSPACE_READ, &cache, &ws, err);

    (void)args;
    if (r < 0)
        return r;
    stack = fc_workspace_stack(ws, &n);
    tree = fc_workspace_tree(ws);
    if (cli->json)
        list = json_array();
    else if (n)
        printf("  #  diffID           entries        data  name\n");
    for (uint32_t i = 0; i < n; i++) {
        if (cli->json)
            json_array_append_new(list, as_json(&stack[i], fc_tree_layer(tree, i), i));
        else
            as_line(&stack[i], fc_tree_layer(tree, i), i);
    }
    return cli->json ? cli_json_print(list, err) : cli_flush(err);
}

static const struct cli_example add_examples[] = {
    {"On top of the stack", "fccompose layer add ./app.tar.zst"},
    {"Below everything", "fccompose layer add --at 0 base.tar.gz"},
    {"A directory of yours, owned by the guest's root", "fccompose layer add --owner 0:0 --exclude .git dir:overlay"},
    {0},
};

static const struct cli_command cmd_layer_add = {
    .name = "layer add",
    .group = CLI_GROUP_STACK,
    .summary = "Add layers to the stack",
    .usage = "[OPTIONS] LAYER...",
    .options = add_options,
    .about = "Edits are kept: they are carried over to the new tree by path. What no longer fits is a conflict that "
             "`fccompose status` shows. See `fccompose help init` for what LAYER may be.",
    .examples = add_examples,
    .min_operands = 1,
    .max_operands = -1,
    .completes = CLI_WORD_LAYER,
    .run = run_add,
};

static const struct cli_example layer_rm_examples[] = {
    {"The two lowest", "fccompose layer rm 0 1"},
    {"By its name", "fccompose layer rm app.tar.zst"},
    {0},
};

static const struct cli_command cmd_layer_rm = {
    .name = "layer rm",
    .group = CLI_GROUP_STACK,
    .summary = "Take layers out of the stack",
    .usage = "N|NAME|DIGEST...",
    .about = "The layer stays in the cache. Edits are carried over as by `layer add`. Numbers are those of `layer ls`, "
             "also when several layers are given.",
    .examples = layer_rm_examples,
    .min_operands = 1,
    .max_operands = -1,
    .run = run_rm,
};

static const struct cli_example layer_mv_examples[] = {
    {"To the bottom", "fccompose layer mv base.tar.gz 0"},
    {0},
};

static const struct cli_command cmd_layer_mv = {
    .name = "layer mv",
    .group = CLI_GROUP_STACK,
    .summary = "Move a layer within the stack",
    .usage = "N|NAME|DIGEST POSITION",
    .about = "POSITION is where it is afterwards; 0 is lowest.",
    .examples = layer_mv_examples,
    .min_operands = 2,
    .max_operands = 2,
    .run = run_mv,
};

static const struct cli_example layer_ls_examples[] = {
    {"Digests, for a script", "fccompose layer ls --json | jq -r '.[].diffid'"},
    {0},
};

static const struct cli_command cmd_layer_ls = {
    .name = "layer ls",
    .group = CLI_GROUP_STACK,
    .summary = "List the stack, lowest first",
    .usage = "[--json]",
    .examples = layer_ls_examples,
    .min_operands = 0,
    .max_operands = 0,
    .run = run_ls,
};

static const struct cli_command *const subs[] = {&cmd_layer_add, &cmd_layer_rm, &cmd_layer_ls, &cmd_layer_mv, NULL};

const struct cli_command cmd_layer = {
    .name = "layer",
    .group = CLI_GROUP_STACK,
    .summary = "Add, remove, list and move the layers of the stack",
    .usage = "add|rm|ls|mv ...",
    .subs = subs,
};
