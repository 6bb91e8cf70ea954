/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose lock: write down which bytes the layers of the workspace are. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/lock.h"
#include "cli/view.h"
#include "layer/layer.h"
#include "stack/stack.h"
#include "workspace/workspace.h"

enum { OPT_UPDATE = CLI_LONG_ONLY, OPT_CHECK };

static const struct cli_option options[] = {
    {OPT_UPDATE, 0, "update", NULL, "see first what the layers (or those named) stand for now, and take that", 0},
    {OPT_CHECK, 0, "check", NULL, "write nothing: fail if the file is not what would be written", 0},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

/* Layers of the stack that came from one locator: an image's stand together. */
struct group {
    uint32_t first, n;
    const char *locator; /* borrowed from the stack */
};

static struct group group_at(const struct fc_workspace_layer *stack, uint32_t n, uint32_t first)
{
    struct group g = {first, 1, stack[first].locator};

    while (first + g.n < n && strcmp(stack[first + g.n].locator, g.locator) == 0)
        g.n++;
    return g;
}

/* An entry for a layer of which nothing but itself is known (commit, an old workspace). */
static int bare_entry(const struct fc_workspace_layer *stack, const struct group *g, struct fc_lock_entry *ret)
{
    ret->locator = strdup(g->locator);
    ret->layers = calloc(g->n, sizeof(*ret->layers));
    if (!ret->locator || !ret->layers)
        return -ENOMEM;
    for (ret->n_layers = 0; ret->n_layers < g->n; ret->n_layers++)
        ret->layers[ret->n_layers].diffid = stack[g->first + ret->n_layers].diffid;
    return 0;
}

/* Whether the entry, which the import made, has the layers that the stack has. */
static bool is_of(const struct fc_lock_entry *e, const struct fc_workspace_layer *stack, const struct group *g)
{
    bool same = e->n_layers == g->n;

    for (uint32_t i = 0; i < g->n && same; i++)
        same = memcmp(&e->layers[i].diffid, &stack[g->first + i].diffid, sizeof(struct fc_digest)) == 0;
    return same;
}

static int make_entry(struct fc_workspace *ws, const struct group *g, struct fc_lock *lock, struct fc_error *err)
{
    fc_auto(fc_lock_entry_release) struct fc_lock_entry e = {0};
    fc_auto(fc_free) char *source = NULL;
    uint32_t n;
    const struct fc_workspace_layer *stack = fc_workspace_stack(ws, &n);
    int r = fc_workspace_layer_source(ws, g->first, &source, err);

    if (r < 0)
        return r;
    if (source && fc_lock_entry_parse(source, g->locator, &e, NULL) == 0 && is_of(&e, stack, g)) {
        free(e.locator);
        e.locator = strdup(g->locator);
    } else {
        fc_lock_entry_release(&e);
        r = bare_entry(stack, g, &e);
    }
    if (r < 0 || !e.locator || fc_lock_add(lock, &e) < 0)
        return fc_fail_errno(err, ENOMEM, "the lock");
    return 0;
}

static int make_lock(struct fc_workspace *ws, struct fc_lock *lock, struct fc_error *err)
{
    uint32_t n;
    const struct fc_workspace_layer *stack = fc_workspace_stack(ws, &n);
    int r = 0;

    for (uint32_t i = 0; i < n && r == 0;) {
        struct group g = group_at(stack, n, i);

        /* What a recipe's steps made follows from the layers below and from the recipe. */
        if (strncmp(g.locator, FC_STACK_STEP, strlen(FC_STACK_STEP)) != 0)
            r = make_entry(ws, &g, lock, err);
        i += g.n;
    }
    return r;
}

/* Import what @g's locator stands for now, and put it into the stack if that is something else. Returns 1 if it was. */
static int update_group(struct cli *cli, struct fc_workspace *ws, struct fc_cache *cache, const struct group *g,
                        uint32_t *ret_n, struct fc_error *err)
{
    fc_auto(cli_layers_release) struct cli_layers layers = {0};
    fc_auto(fc_free) struct fc_workspace_new_layer *add = NULL;
    fc_auto(fc_free) char *locator = strdup(g->locator);
    uint32_t n;
    const struct fc_workspace_layer *stack = fc_workspace_stack(ws, &n);
    bool same;
    int r = locator ? cli_import(cli, cache, (const char *const[]){locator}, 1, NULL, &layers, err)
                    : fc_fail_errno(err, ENOMEM, "layers");

    if (r < 0)
        return r;
    *ret_n = (uint32_t)layers.n;
    add = calloc(layers.n, sizeof(*add));
    if (!add)
        return fc_fail_errno(err, ENOMEM, "layers");
    same = layers.n == g->n;
    for (size_t i = 0; i < layers.n; i++) {
        const struct cli_layer *l = &layers.list[i];

        same = same && memcmp(fc_layer_diffid(l->layer), &stack[g->first + i].diffid, sizeof(struct fc_digest)) == 0;
        add[i] = (struct fc_workspace_new_layer){l->layer, locator, l->name, l->source};
    }
    r = fc_workspace_layers_replace(ws, g->first, g->n, add, layers.n, err);
    return r < 0 ? r : !same;
}

static bool is_named(const struct cli_args *args, const struct fc_workspace *ws, const struct group *g)
{
    uint32_t position;

    for (size_t i = 0; i < args->n_operands; i++) {
        if (strcmp(args->operands[i], g->locator) == 0)
            return true;
        if (fc_workspace_layer_find(ws, args->operands[i], &position, NULL) == 0 && position >= g->first &&
            position < g->first + g->n)
            return true;
    }
    return args->n_operands == 0;
}

static int update(struct cli *cli, const struct cli_args *args, struct fc_workspace *ws, struct fc_cache *cache,
                  struct fc_error *err)
{
    uint32_t n, n_named = 0, n_changed = 0;
    int r = 0;

    cli_lock_ignore(cli);
    fc_workspace_stack(ws, &n);
    for (uint32_t i = 0; i < n && r >= 0;) {
        struct group g = group_at(fc_workspace_stack(ws, &n), n, i);
        uint32_t now = g.n;

        if (is_named(args, ws, &g) && !fc_stack_only_in_cache(g.locator)) {
            n_named++;
            r = update_group(cli, ws, cache, &g, &now, err);
            n_changed += r > 0;
        }
        i += now;
        fc_workspace_stack(ws, &n);
    }
    if (r < 0)
        return r;
    if (n_named == 0 && args->n_operands)
        return fc_fail(err, ENOENT, "no layer of the stack is called that; see fccompose layer ls");
    cli_say(cli, "%u of %u looked up anew stand%s for something else now", n_changed, n_named,
            n_changed == 1 ? "s" : "");
    return 0;
}

/* Kernels are no layers: `kernel build --lock` sets them, and they stay. Of a lock that cannot be read nothing does. */
static int keep_kernels(struct fc_lock *lock, struct fc_error *err)
{
    fc_auto(fc_lock_release) struct fc_lock old = {0};
    fc_auto(fc_free) char *path = cli_lock_path();

    if (!path || fc_lock_read(path, &old, NULL) < 0)
        return 0;
    for (size_t i = 0; i < old.n_kernels; i++) {
        const struct fc_lock_kernel *k = &old.kernels[i];

        if (fc_lock_set_kernel(lock, k->locator, k->origin, k->digest) < 0)
            return fc_fail_errno(err, ENOMEM, "the lock");
    }
    return 0;
}

static int write_lock(struct cli *cli, const struct cli_args *args, const struct fc_lock *lock, struct fc_error *err)
{
    fc_auto(fc_free) char *path = cli_lock_path();
    struct fc_buf now __attribute__((cleanup(fc_buf_release_auto))) = {0},
                      old __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = path ? fc_lock_format(lock, &now, err) : fc_fail_errno(err, ENOMEM, "the lock");
    bool same;

    if (r < 0)
        return r;
    r = fc_read_file(AT_FDCWD, path, 64u << 20, &old);
    if (r < 0 && r != -ENOENT)
        return fc_fail_errno(err, -r, "%s", path);
    same = r == 0 && old.len == now.len && memcmp(old.data, now.data, now.len) == 0;
    if (cli_has(args, OPT_CHECK) && !same) {
        cli_hint(cli, "next: fccompose lock");
        return fc_fail(err, ESTALE, "%s %s", path, r == 0 ? "does not say what the stack is" : "does not exist");
    }
    r = same ? 0 : fc_lock_write(lock, path, err);
    if (r == 0)
        cli_say(cli, "%s: %zu entr%s%s", path, lock->n, lock->n == 1 ? "y" : "ies", same ? ", as it was" : "");
    return r;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    fc_auto(fc_lock_release) struct fc_lock lock = {0};
    bool change = cli_has(args, OPT_UPDATE);
    int r;

    if (args->n_operands && !change)
        return cli_usage(err, "lock: layers are for --update");
    if (change && cli_has(args, OPT_CHECK))
        return cli_usage(err, "lock: --update and --check: one of them");
    r = fc_cache_open(NULL, &cache, err);
    if (r == 0)
        r = fc_workspace_open(NULL, cache, change ? FC_WORKSPACE_WRITE : FC_WORKSPACE_READ, &ws, err);
    if (r == 0 && change)
        r = update(cli, args, ws, cache, err);
    if (r == 0)
        r = make_lock(ws, &lock, err);
    if (r == 0)
        r = keep_kernels(&lock, err);
    return r < 0 ? r : write_lock(cli, args, &lock, err);
}

static const struct cli_example examples[] = {
    {"Before the workspace's recipe goes into version control", "fccompose lock && git add fccompose.lock.json"},
    {"On another machine, the same bytes or nothing", "fccompose init --locked"},
    {"The newest of one layer", "fccompose lock --update docker://alpine:3.20"},
    {0},
};

const struct cli_command cmd_lock = {
    .name = "lock",
    .group = CLI_GROUP_STACK,
    .summary = "Write down which bytes the layers are",
    .usage = "[OPTIONS]\n--update [LAYER...]",
    .options = options,
    .about =
        "fccompose.lock.json, in the workspace's directory, has for each locator of the stack where it led (URL, "
        "manifest "
        "digest) and which bytes were there (digest, size, diffID). Where it is, init, layer add, pull and whatever "
        "else is given a locator that it has takes those bytes, also after a tag moved on, or fails; with --locked "
        "they "
        "fail for locators that it has not. `fccompose init` without layers takes all of its layers.\n\n"
        "With --update a layer of the stack is exchanged for what its locator stands for now; edits stay.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = -1,
    .run = run,
};
