/* SPDX-License-Identifier: Apache-2.0 */
/* Make an image of layers from what a command looks at. */
#include "cli/image_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "export/export.h"
#include "fetch/fetch.h"
#include "layer/layer.h"
#include "live/diff.h"
#include "workspace/workspace.h"

/* An image under way. */
struct job {
    struct cli *cli;
    const struct cli_view *v;
    struct fc_export_blob_options blob;
    struct fc_oci_made made;
    struct fc_error *err;
};

static int parse_compression(const struct cli_args *args, const char *fallback, struct fc_export_blob_options *o,
                             struct fc_error *err)
{
    const char *text = cli_value(args, CLI_OPT_COMPRESSION), *level = cli_value(args, CLI_OPT_LEVEL);
    uint64_t n = 0;
    int r;

    if (!text)
        text = fallback;
    o->compression = strcmp(text, "zstd") == 0   ? FC_COMPRESS_ZSTD
                     : strcmp(text, "none") == 0 ? FC_COMPRESS_NONE
                                                 : FC_COMPRESS_GZIP;
    if (!level)
        return 0;
    r = cli_parse_number("--compression-level", level, o->compression == FC_COMPRESS_ZSTD ? 19 : 9, &n, err);
    if (r == 0 && (n == 0 || o->compression == FC_COMPRESS_NONE))
        r = cli_usage(err, "--compression-level: gzip has 1 to 9, zstd 1 to 19");
    o->level = (int)n;
    return r;
}

static int make_room(struct job *j, size_t n)
{
    j->made.layers = calloc(n, sizeof(*j->made.layers));
    return j->made.layers ? 0 : fc_fail_errno(j->err, ENOMEM, "the image's layers");
}

static int whole_tree(struct job *j)
{
    int r = make_room(j, 1);

    if (r == 0)
        r = fc_export_tree_blob(j->v->snapshot, &j->blob, &j->made.layers[0], j->err);
    j->made.n_layers = r == 0;
    return r;
}

static int add_layer(struct job *j, struct fc_layer *layer, const char *name)
{
    int r;

    j->blob.created_by = name;
    r = fc_export_layer_blob(layer, &j->blob, &j->made.layers[j->made.n_layers], j->err);
    j->made.n_layers += r == 0;
    return r;
}

static int given_layers(struct job *j)
{
    int r = make_room(j, j->v->layers.n);

    for (size_t i = 0; i < j->v->layers.n && r == 0; i++)
        r = add_layer(j, j->v->layers.list[i].layer, NULL);
    return r;
}

static int add_edits(struct job *j)
{
    fc_auto(fc_diff_free) struct fc_diff *diff = NULL;
    size_t n;
    int r = fc_diff_new(j->v->tree, j->v->snapshot, &diff, j->err);

    if (r < 0)
        return r;
    fc_diff_changes(diff, &n);
    if (n == 0)
        return 0;
    j->blob.created_by = "edits";
    r = fc_export_edits_blob(j->v->snapshot, j->v->tree, diff, &j->blob, &j->made.layers[j->made.n_layers], j->err);
    j->made.n_layers += r == 0;
    return r;
}

static int workspace_layers(struct job *j)
{
    uint32_t n;
    const struct fc_workspace_layer *stack = fc_workspace_stack(j->v->ws, &n);
    int r = make_room(j, (size_t)n + 1);

    for (uint32_t i = 0; i < n && r == 0; i++) {
        fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;

        r = fc_layer_open(j->v->cache, &stack[i].diffid, &layer, j->err);
        if (r == 0)
            r = add_layer(j, layer, stack[i].name);
    }
    if (r == 0)
        r = add_edits(j);
    if (r == 0 && j->made.n_layers == 0)
        r = fc_fail(j->err, ENODATA, "the workspace is empty: an image has at least one layer");
    return r;
}

/* SOURCE_DATE_EPOCH as RFC 3339; *ret is NULL when it is not set: then no time is said, and the bytes are the same. */
static int creation_time(char text[40], const char **ret, struct fc_error *err)
{
    struct tm tm;
    int64_t epoch;
    time_t t;
    int r;

    *ret = NULL;
    if (!getenv("SOURCE_DATE_EPOCH"))
        return 0;
    r = cli_source_date_epoch(0, &epoch, err);
    t = (time_t)epoch;
    if (r == 0 && gmtime_r(&t, &tm) && strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        *ret = text;
    return r;
}

static int assemble(struct job *j, const char *arch)
{
    struct fc_oci_assemble_options o = {.arch = arch};
    fc_auto(fc_free) char *config = NULL;
    char created[40];
    int r = j->v->ws ? fc_workspace_config(j->v->ws, &config, j->err) : 0;

    o.config = config ? config : j->v->layers.config;
    if (r == 0)
        r = creation_time(created, &o.created, j->err);
    return r < 0 ? r : fc_oci_assemble(&j->made, &o, j->err);
}

int cli_image_make(struct cli *cli, const struct cli_args *args, const struct cli_view *v, struct fc_fetcher *f,
                   const char *fallback, struct fc_oci_made *ret, struct fc_error *err)
{
    struct job j = {.cli = cli, .v = v, .blob = {.progress = cli->progress}, .err = err};
    int r = parse_compression(args, fallback, &j.blob, err);

    j.blob.layout = fc_fetcher_layout(f);
    if (r == 0)
        r = v->image || cli_has(args, CLI_OPT_SQUASH) ? whole_tree(&j)
            : v->ws                                   ? workspace_layers(&j)
                                                      : given_layers(&j);
    if (r == 0)
        r = assemble(&j, cli_value(args, CLI_OPT_IMAGE_ARCH));
    if (r == 0)
        r = fc_oci_made_store(&j.made, f, err);
    if (r == 0)
        *ret = j.made;
    else
        fc_oci_made_release(&j.made);
    return r;
}
