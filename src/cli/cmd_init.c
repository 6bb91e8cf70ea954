/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose init: make a workspace with a stack of layers. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/example.h"
#include "cli/lock.h"
#include "cli/fetch.h"
#include "cli/view.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

enum { OPT_EXAMPLE = CLI_LONG_ONLY };

static const struct cli_option options[] = {
    {OPT_EXAMPLE, 0, "example", "NAME", "instead of a workspace, put a ready recipe here; list: print the names of all",
     CLI_WORD_EXAMPLE},
    CLI_IMPORT_OPTIONS,
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int stack(struct fc_cache *cache, const struct cli_layers *layers, struct fc_error *err)
{
    size_t n = layers->n;
    fc_auto(fc_free) struct fc_workspace_new_layer *add = calloc(n + 1, sizeof(*add));
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    int r = add ? fc_workspace_open(".", cache, FC_WORKSPACE_WRITE, &ws, err) : fc_fail_errno(err, ENOMEM, "layers");

    for (size_t i = 0; i < n && r == 0; i++)
        add[i] = (struct fc_workspace_new_layer){.layer = layers->list[i].layer,
                                                 .locator = layers->list[i].locator,
                                                 .name = layers->list[i].name,
                                                 .source = layers->list[i].source};
    /* The layers last: without them init can be called again. */
    if (r == 0 && layers->config)
        r = fc_workspace_config_set(ws, layers->config, err);
    return r == 0 && n ? fc_workspace_layers_add(ws, add, n, -1, err) : r;
}

/* A workspace of no layers is what an init that was killed leaves, or one without layers: those are added now. */
static int check_empty(struct cli *cli, struct fc_cache *cache, bool adds, const char *here, struct fc_error *err)
{
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    uint32_t n = 0;
    int r = fc_workspace_open(".", cache, FC_WORKSPACE_READ, &ws, err);

    if (r == 0)
        fc_workspace_stack(ws, &n);
    if (r == 0 && n == 0 && adds)
        return 0;
    cli_hint(cli, "next: fccompose layer add LAYER..., or fccompose status");
    return fc_fail(err, EEXIST, "%s is a workspace already", here);
}

static int create(struct fc_cache *cache, const struct cli_layers *layers, bool made, struct fc_error *err)
{
    int r = made ? 0 : fc_workspace_create(".", err);

    if (r < 0)
        return r;
    r = stack(cache, layers, err);
    if (r < 0 && !made)
        fc_remove_all(AT_FDCWD, FC_WORKSPACE_FOLDER); /* made a moment ago: nothing half-made is left */
    return r;
}

/* Without layers to name, a lock names them. */
static int from_lock(struct cli *cli, struct fc_cache *cache, const struct fc_import_options *import,
                     struct cli_layers *ret, struct fc_error *err)
{
    const struct fc_lock *lock = cli_lock(cli);
    fc_auto(fc_free) const char **locators = calloc(lock->n + 1, sizeof(*locators));

    if (!locators)
        return fc_fail_errno(err, ENOMEM, "layers");
    for (size_t i = 0; i < lock->n; i++)
        locators[i] = lock->entries[i].locator;
    cli_say(cli, "the layers of %s", FC_LOCK_NAME);
    return cli_import(cli, cache, locators, lock->n, import, ret, err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_import_options import;
    fc_auto(fc_free) const char **excludes = NULL;
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_free) char *here = fc_abspath(".");
    fc_auto(cli_layers_release) struct cli_layers layers = {0};
    bool made = access(FC_WORKSPACE_FOLDER "/workspace.db", F_OK) == 0;
    int r;

    if (cli_has(args, OPT_EXAMPLE))
        return args->n_operands ? cli_usage(err, "init: --example has its own layers")
                                : cli_example_copy(cli, cli_value(args, OPT_EXAMPLE), err);
    r = cli_import_options(cli, args, &import, &excludes, err);
    if (r < 0)
        return r;
    r = fc_cache_open(NULL, &cache, err);
    if (r == 0)
        r = cli_lock_load(cli, err);
    if (r == 0 && made)
        r = check_empty(cli, cache, args->n_operands || cli_lock(cli), here ? here : ".", err);
    if (r == 0)
        r = args->n_operands || !cli_lock(cli)
                ? cli_import(cli, cache, args->operands, args->n_operands, &import, &layers, err)
                : from_lock(cli, cache, &import, &layers, err);
    if (r < 0)
        return r;
    r = create(cache, &layers, made, err);
    if (r < 0)
        return r;
    cli_say(cli, "workspace %s: %zu layer%s", here ? here : ".", layers.n, layers.n == 1 ? "" : "s");
    cli_say(cli, layers.n ? "next: fccompose mount" : "next: fccompose layer add LAYER...");
    return 0;
}

static const struct cli_example examples[] = {
    {"A distribution by name", "fccompose init alpine:3.20"},
    {"A tarball, and above it a directory of your own, owned by the guest's root",
     "fccompose init alpine-minirootfs.tar.gz && fccompose layer add --owner 0:0 dir:overlay"},
    {"No download at all", "fccompose init builtin:busybox"},
    {"A recipe to start from", "fccompose init -C box --example busybox && fccompose -C box build"},
    {"From another program", "docker export CONTAINER | fccompose init -"},
    {0},
};

const struct cli_command cmd_init = {
    .name = "init",
    .group = CLI_GROUP_STACK,
    .summary = "Make a workspace from layers",
    .usage = "[OPTIONS] [LAYER...]\n--example NAME",
    .options = options,
    .about =
        "The workspace is made in the current directory (or -C DIR). Layers come lowest first; each is imported "
        "into the "
        "cache once and never changes. A LAYER is:\n\n"
        "  FILE             a tar, plain or compressed with gzip, zstd, xz or bzip2\n"
        "  -                the same from standard input\n"
        "  https://...      the same from a server (http://, file://)\n"
        "  alpine:3.20      a distribution by name, as it is now: see `fccompose help ls-remote`\n"
        "  dir:DIR          a directory\n"
        "  builtin:busybox  a small system that boots, made from this host's static busybox\n"
        "  sha256:HEX       a layer that is in the cache\n\n"
        "or an image, which is a layer for each of its own:\n\n"
        "  docker://REF     in a registry, as docker://alpine:3.20 or docker://ghcr.io/NAME@sha256:HEX\n"
        "  oci:DIR[:TAG]    an OCI image layout\n"
        "  oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG]\n"
        "                   the same as a tar, and what docker save writes; FILE may be -\n\n"
        "What was fetched stays in the cache: the second time needs no network, and a download that was cut goes on "
        "where it was.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = -1,
    .completes = CLI_WORD_LAYER,
    .run = run,
};
