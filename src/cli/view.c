/* SPDX-License-Identifier: Apache-2.0 */
/* Open what a reading command looks at: import, fold, snapshot. */
#include "cli/view.h"

#include <errno.h>
#include <string.h>

#include "layer/layer.h"
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

static void say_imported(const struct cli *cli, const char *locator, const struct fc_layer *layer,
                         const struct fc_import_result *result)
{
    struct fc_layer_stats stats;
    char size[32], digest[FC_DIGEST_TEXT];

    fc_layer_stats(layer, &stats);
    cli_say(cli, "layer %s: %s%llu entries, %s, %.19s", locator, result->cached ? "in the cache: " : "",
            (unsigned long long)stats.n_entries, cli_size(size, stats.data_bytes),
            fc_digest_format(fc_layer_diffid(layer), digest));
    if (result->n_notes)
        cli_say(cli, "layer %s: %u things were taken with a note (--verbose shows them)", locator, result->n_notes);
}

int cli_import(struct cli *cli, struct fc_cache *cache, const char *const *locators, size_t n,
               const struct fc_import_options *options, struct fc_layer ***ret_layers, struct fc_error *err)
{
    struct fc_layer **layers = calloc(n + 1, sizeof(*layers));
    struct fc_import_options plain = {.progress = cli->progress};
    size_t from_stdin = 0;

    if (!layers)
        return fc_fail_errno(err, ENOMEM, "layers");
    for (size_t i = 0; i < n; i++) {
        struct fc_import_result result = {0};
        int r;

        if (strcmp(locators[i], "-") == 0 && from_stdin++) {
            cli_layers_free(layers, i);
            return cli_usage(err, "-: standard input can be one layer only");
        }
        r = fc_stack_import(cache, locators[i], options ? options : &plain, &layers[i], &result, err);
        if (r < 0) {
            cli_layers_free(layers, i);
            return r;
        }
        say_imported(cli, locators[i], layers[i], &result);
    }
    *ret_layers = layers;
    return 0;
}

void cli_layers_free(struct fc_layer **layers, size_t n)
{
    for (size_t i = 0; layers && i < n; i++)
        fc_layer_unref(layers[i]);
    free(layers);
}

static int open_layers(struct cli *cli, const char *const *locators, size_t n, struct cli_view *v, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_tree_layer *stack = calloc(n, sizeof(*stack));
    struct fc_tree_options options = {0};
    int r = cli_source_date_epoch(0, &options.default_time, err);

    if (r < 0)
        return r;
    if (!stack)
        return fc_fail_errno(err, ENOMEM, "layers");
    r = cli_import(cli, v->cache, locators, n, NULL, &v->layers, err);
    if (r < 0)
        return r;
    v->n_layers = n;
    for (size_t i = 0; i < n; i++)
        stack[i].layer = v->layers[i];
    r = fc_tree_fold(stack, (uint32_t)n, &options, &v->own_tree, err);
    if (r < 0)
        return r;
    v->tree = v->own_tree;
    return fc_snapshot_of_tree(v->tree, &v->snapshot, err);
}

static int open_workspace(struct cli_view *v, struct fc_error *err)
{
    int r = fc_workspace_open(NULL, v->cache, FC_WORKSPACE_READ, &v->ws, err);

    if (r < 0)
        return r;
    v->tree = fc_workspace_tree(v->ws);
    return fc_workspace_snapshot(v->ws, &v->snapshot, err);
}

int cli_view_open(struct cli *cli, const char *const *locators, size_t n, struct cli_view *ret, struct fc_error *err)
{
    struct cli_view v = {0};
    int r = fc_cache_open(NULL, &v.cache, err);

    if (r == 0)
        r = n ? open_layers(cli, locators, n, &v, err) : open_workspace(&v, err);
    if (r < 0) {
        cli_view_release(&v);
        return r;
    }
    *ret = v;
    return 0;
}

int cli_view_open_args(struct cli *cli, const struct cli_args *args, const char *const *locators, size_t n,
                       bool content, struct cli_view *ret, struct fc_error *err)
{
    const struct fc_ext4_read_options options = {.no_content = !content};
    const char *image = cli_value(args, 'i');
    struct cli_view v = {.image = image};
    int r;

    if (!image)
        return cli_view_open(cli, locators, n, ret, err);
    if (n)
        return cli_usage(err, "%s: --image and layers: one of them is the tree", cli->command->name);
    if (strcmp(image, "-") == 0)
        return cli_usage(err, "%s: an image is read at any place: it cannot be standard input", cli->command->name);
    r = fc_ext4_read_image(image, &options, &v.snapshot, err);
    if (r == 0)
        *ret = v;
    return r;
}

void cli_view_release(struct cli_view *v)
{
    fc_snapshot_free(v->snapshot);
    fc_tree_free(v->own_tree);
    cli_layers_free(v->layers, v->n_layers);
    fc_workspace_free(v->ws);
    fc_cache_free(v->cache);
    memset(v, 0, sizeof(*v));
}
