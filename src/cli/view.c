/* SPDX-License-Identifier: Apache-2.0 */
/* Open what a reading command looks at: import, fold, snapshot. */
#include "cli/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fetch.h"
#include "cli/lock.h"
#include "layer/layer.h"
#include "stack/stack.h"
#include "workspace/workspace.h"

int cli_import_options(struct cli *cli, const struct cli_args *args, struct fc_import_options *ret,
                       const char ***ret_excludes, struct fc_error *err)
{
    const char *owner = cli_value(args, OPT_OWNER);
    int r = 0;

    memset(ret, 0, sizeof(*ret));
    ret->progress = cli->progress;
    ret->cross_mounts = cli_has(args, OPT_CROSS_MOUNTS);
    ret->force_owner = owner != NULL;
    if (owner)
        r = cli_parse_full_owner("--owner", owner, &ret->uid, &ret->gid, err);
    if (r < 0)
        return r;
    *ret_excludes = cli_values(args, OPT_EXCLUDE, &ret->n_excludes);
    if (!*ret_excludes)
        return fc_fail_errno(err, ENOMEM, "options");
    ret->excludes = *ret_excludes;
    return 0;
}

static void say_imported(const struct cli *cli, const char *locator, const struct fc_imported *imported)
{
    struct fc_layer_stats stats = {0}, sum = {0};
    char size[32], digest[FC_DIGEST_TEXT];

    for (size_t i = 0; i < imported->n_layers; i++) {
        fc_layer_stats(imported->layers[i], &stats);
        sum.n_entries += stats.n_entries;
        sum.data_bytes += stats.data_bytes;
    }
    cli_size(size, sum.data_bytes);
    if (imported->config)
        cli_say(cli, "image %s: %s%zu layer%s, %llu entries, %s", locator, imported->cached ? "in the cache: " : "",
                imported->n_layers, imported->n_layers == 1 ? "" : "s", (unsigned long long)sum.n_entries, size);
    else
        cli_say(cli, "layer %s%s%s%s: %s%llu entries, %s, %.19s", locator, imported->resolved[0] ? " (" : "",
                imported->resolved, imported->resolved[0] ? ")" : "", imported->cached ? "in the cache: " : "",
                (unsigned long long)sum.n_entries, size,
                fc_digest_format(fc_layer_diffid(imported->layers[0]), digest));
    if (imported->n_notes)
        cli_say(cli, "layer %s: %u things were taken with a note (--verbose shows them)", locator, imported->n_notes);
}

/*
 * What to call layer @i of @n: of an image the last part of its locator, and a number; of a distribution its name without the
 * architecture. NULL: by the locator alone.
 */
static int name_of(const char *locator, bool distribution, size_t i, size_t n, char **ret)
{
    const char *slash = strrchr(locator, '/');

    *ret = NULL;
    if (distribution) {
        *ret = strndup(locator, strcspn(locator, "/"));
        return *ret ? 0 : -ENOMEM;
    }
    return n > 1 && asprintf(ret, "%s#%zu", slash && slash[1] ? slash + 1 : locator, i + 1) < 0 ? -ENOMEM : 0;
}

static int take_imported(struct cli_layers *layers, const char *locator, struct fc_imported *imported,
                         struct fc_error *err)
{
    struct cli_layer *list = realloc(layers->list, (layers->n + imported->n_layers) * sizeof(*list));

    if (!list)
        return fc_fail_errno(err, ENOMEM, "layers");
    layers->list = list;
    for (size_t i = 0; i < imported->n_layers; i++) {
        struct cli_layer *l = &list[layers->n];

        if (name_of(locator, imported->resolved[0] != 0, i, imported->n_layers, &l->name) < 0)
            return fc_fail_errno(err, ENOMEM, "layers");
        l->locator = strdup(locator);
        l->source = imported->source ? strdup(imported->source) : NULL;
        l->layer = fc_layer_ref(imported->layers[i]);
        layers->n++;
        if (!l->locator || (imported->source && !l->source))
            return fc_fail_errno(err, ENOMEM, "layers");
    }
    if (imported->config) {
        free(layers->config);
        layers->config = fc_steal(&imported->config);
    }
    return 0;
}

/* One locator: @use is imported, and what came of it recorded as @record. */
static int import_one(struct cli *cli, struct fc_cache *cache, const char *use, const char *record,
                      const struct fc_import_options *options, struct cli_layers *layers, struct fc_error *err)
{
    struct fc_imported imported = {0};
    struct fc_import_options how = *options;
    int r = cli_lock_find(cli, record, &how.locked, err);

    if (r == 0)
        r = fc_stack_import(cache, use, &how, &imported, err);

    if (r == 0)
        r = cli_fetch_check(err);
    if (r == 0) {
        say_imported(cli, record, &imported);
        r = take_imported(layers, record, &imported, err);
    }
    fc_imported_release(&imported);
    return r;
}

static int import_each(struct cli *cli, struct fc_cache *cache, const struct cli_locators *l,
                       const struct fc_import_options *options, struct cli_layers *layers, struct fc_error *err)
{
    size_t from_stdin = 0;
    int r = 0;

    for (size_t i = 0; i < l->n && r == 0; i++) {
        if (strcmp(l->use[i], "-") == 0 && from_stdin++)
            return cli_usage(err, "-: standard input can be one layer only");
        r = import_one(cli, cache, l->use[i], l->record[i], options, layers, err);
    }
    return r;
}

/* A fetcher, if any of them needs one, and their downloads begun. */
static int begin_fetching(struct cli *cli, struct fc_cache *cache, const struct cli_locators *l,
                          struct fc_import_options *options, struct fc_stack_ahead **ret_ahead, struct fc_error *err)
{
    bool any = false;
    int r;

    for (size_t i = 0; i < l->n && !any; i++)
        any = fc_stack_is_remote(l->use[i]);
    if (!any)
        return 0;
    r = cli_fetcher_new(cli, fc_cache_dir(cache), &options->fetcher, err);
    options->require_signature = cli_fetch_requires_signature(cli);
    return r == 0 && l->n > 1 ? fc_stack_begin(l->use, l->n, options, ret_ahead, err) : r;
}

int cli_import(struct cli *cli, struct fc_cache *cache, const char *const *locators, size_t n,
               const struct fc_import_options *options, struct cli_layers *ret, struct fc_error *err)
{
    struct fc_import_options own = options ? *options : (struct fc_import_options){0};
    fc_auto(cli_layers_release) struct cli_layers layers = {0};
    struct fc_stack_ahead *ahead = NULL;
    struct cli_locators l = {0};
    int r = cli_locators_take(cli, locators, n, &l, err);

    own.progress = cli->progress;
    own.fetcher = NULL;
    own.arch = cli_fetch_arch(cli);
    if (r == 0)
        r = cli_lock_load(cli, err);
    if (r == 0)
        r = begin_fetching(cli, cache, &l, &own, &ahead, err);
    if (r == 0)
        r = import_each(cli, cache, &l, &own, &layers, err);
    fc_stack_ahead_free(ahead);
    cli_fetcher_free(own.fetcher);
    cli_locators_release(&l);
    if (r == 0)
        r = cli_fetch_check(err);
    if (r < 0)
        return r;
    *ret = layers;
    layers = (struct cli_layers){0};
    return 0;
}

void cli_layers_release(struct cli_layers *layers)
{
    for (size_t i = 0; i < layers->n; i++) {
        fc_layer_unref(layers->list[i].layer);
        free(layers->list[i].name);
        free(layers->list[i].locator);
        free(layers->list[i].source);
    }
    free(layers->list);
    free(layers->config);
    *layers = (struct cli_layers){0};
}

static int open_layers(struct cli *cli, const char *const *locators, size_t n, struct cli_view *v, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_tree_layer *stack = NULL;
    struct fc_tree_options options = {0};
    int r = cli_source_date_epoch(0, &options.default_time, err);

    if (r == 0)
        r = cli_import(cli, v->cache, locators, n, NULL, &v->layers, err);
    if (r < 0)
        return r;
    stack = calloc(v->layers.n + 1, sizeof(*stack));
    if (!stack)
        return fc_fail_errno(err, ENOMEM, "layers");
    for (size_t i = 0; i < v->layers.n; i++)
        stack[i].layer = v->layers.list[i].layer;
    r = fc_tree_fold(stack, (uint32_t)v->layers.n, &options, &v->own_tree, err);
    if (r < 0)
        return r;
    v->tree = v->own_tree;
    return fc_snapshot_of_tree(v->tree, &v->snapshot, err);
}

static int open_workspace(const char *dir, struct cli_view *v, struct fc_error *err)
{
    int r = fc_workspace_open(dir, v->cache, FC_WORKSPACE_READ, &v->ws, err);

    if (r < 0)
        return r;
    v->tree = fc_workspace_tree(v->ws);
    return 0;
}

int cli_view_snapshot(struct cli_view *v, struct fc_error *err)
{
    return v->snapshot || !v->ws ? 0 : fc_workspace_snapshot(v->ws, &v->snapshot, err);
}

/* All but the snapshot of a workspace. */
static int open_stack(struct cli *cli, const char *const *locators, size_t n, struct cli_view *ret,
                      struct fc_error *err)
{
    struct cli_view v = {0};
    int r = fc_cache_open(NULL, &v.cache, err);

    if (r == 0)
        r = n ? open_layers(cli, locators, n, &v, err) : open_workspace(NULL, &v, err);
    if (r < 0) {
        cli_view_release(&v);
        return r;
    }
    *ret = v;
    return 0;
}

int cli_view_open_workspace(const char *dir, struct cli_view *ret, struct fc_error *err)
{
    int r = fc_cache_open(NULL, &ret->cache, err);

    return r == 0 ? open_workspace(dir, ret, err) : r;
}

int cli_view_open(struct cli *cli, const char *const *locators, size_t n, struct cli_view *ret, struct fc_error *err)
{
    int r = open_stack(cli, locators, n, ret, err);

    if (r == 0)
        r = cli_view_snapshot(ret, err);
    if (r < 0)
        cli_view_release(ret);
    return r;
}

int cli_view_open_lazy(struct cli *cli, const struct cli_args *args, const char *const *locators, size_t n,
                       bool content, struct cli_view *ret, struct fc_error *err)
{
    const struct fc_ext4_read_options options = {.no_content = !content};
    const char *image = cli_value(args, 'i');
    struct cli_view v = {.image = image};
    int r;

    if (!image)
        return open_stack(cli, locators, n, ret, err);
    if (n)
        return cli_usage(err, "%s: --image and layers: one of them is the tree", cli->command->name);
    if (strcmp(image, "-") == 0)
        return cli_usage(err, "%s: an image is read at any place: it cannot be standard input", cli->command->name);
    r = fc_ext4_read_image(image, &options, &v.snapshot, err);
    if (r == 0)
        *ret = v;
    return r;
}

int cli_view_open_args(struct cli *cli, const struct cli_args *args, const char *const *locators, size_t n,
                       bool content, struct cli_view *ret, struct fc_error *err)
{
    int r = cli_view_open_lazy(cli, args, locators, n, content, ret, err);

    if (r == 0)
        r = cli_view_snapshot(ret, err);
    if (r < 0)
        cli_view_release(ret);
    return r;
}

void cli_view_release(struct cli_view *v)
{
    fc_snapshot_free(v->snapshot);
    fc_tree_free(v->own_tree);
    cli_layers_release(&v->layers);
    fc_workspace_free(v->ws);
    fc_cache_free(v->cache);
    memset(v, 0, sizeof(*v));
}
