/* SPDX-License-Identifier: Apache-2.0 */
/* Open a stack: its layers from the cache, the folded tree, the live tree on it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "stack/stack.h"
#include "base/log.h"
#include "workspace/internal.h"

static bool is_step(const struct fc_edit_layer *row)
{
    return strncmp(row->locator, FC_STACK_STEP, strlen(FC_STACK_STEP)) == 0;
}

static int missing_layer(struct fc_cache *cache, const struct fc_edit_layer *row, struct fc_error *err)
{
    char text[FC_DIGEST_TEXT];

    fc_digest_format(&row->diffid, text);
    if (is_step(row))
        return fc_fail(err, ENOENT, "layer %s (the recipe's step \"%s\") is not in the cache %s: next: fccompose build",
                       text, row->name, fc_cache_dir(cache));
    if (strncmp(row->locator, "commit:", 7) == 0)
        return fc_fail(err, ENOENT,
                       "layer %s (\"%s\", made by fccompose commit) is not in the cache %s: bring that cache back, or "
                       "name it with FCCOMPOSE_CACHE",
                       text, row->name, fc_cache_dir(cache));
    return fc_fail(err, ENOENT, "layer %s is not in the cache %s: import it again from %s with: fccompose pull", text,
                   fc_cache_dir(cache), row->locator);
}

/* @err says what is wrong with it; what can be done about it comes behind that. */
static int damaged_layer(const struct fc_edit_layer *row, struct fc_error *err)
{
    struct fc_error what = {0};

    if (!err)
        return -EBADMSG;
    what = *err;
    if (is_step(row))
        return fc_fail(err, what.code, "%s; next: fccompose build, which makes the step \"%s\" again", what.msg,
                       row->name);
    if (strncmp(row->locator, "commit:", 7) == 0)
        return fc_fail(err, what.code, "%s; the layer \"%s\" was made by fccompose commit: bring the cache back",
                       what.msg, row->name);
    return fc_fail(err, what.code, "%s; import it again from %s with: fccompose pull", what.msg, row->locator);
}

static int open_row(struct fc_cache *cache, const struct fc_edit_layer *row, struct fc_layer **ret,
                    struct fc_error *err)
{
    int r = fc_layer_open(cache, &row->diffid, ret, err);

    if (r == -ENOENT)
        return missing_layer(cache, row, err);
    if (r == -EBADMSG || r == -EIO)
        return damaged_layer(row, err);
    if (r < 0)
        return r;
    if (fc_layer_is_damaged(*ret))
        fc_log(
            FC_LOG_WARN,
            strncmp(row->locator, "commit:", 7) == 0
                ? "bytes of the layer \"%s\" (%s) are damaged, and nothing can bring them back: fccompose export still "
                  "writes what is whole"
                : "bytes of the layer \"%s\" are damaged; next: import it again from %s with: fccompose pull",
            row->name, row->locator);
    if (fc_layer_view(*ret)->header->n_inodes != row->n_inodes) {
        fc_layer_unref(*ret);
        return fc_fail(err, EBADMSG,
                       "layer \"%s\" in the cache is not the one that the workspace was made with" FC_EDIT_NEXT_STEP,
                       row->name);
    }
    return 0;
}

int ws_view_fold(struct ws_view *v, struct fc_cache *cache, const struct fc_edit *edit, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_tree_layer *layers = NULL;
    const struct fc_edit_layer *rows;
    size_t n;

    rows = fc_edit_layers(edit, &n);
    v->cache = cache;
    layers = calloc(n + 1, sizeof(*layers));
    v->layers = calloc(n + 1, sizeof(*v->layers));
    v->ids = calloc(n + 1, sizeof(*v->ids));
    if (!layers || !v->layers || !v->ids)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < n && rows[i].position >= 0; i++) {
        int r = open_row(cache, &rows[i], &v->layers[i], err);

        if (r < 0) {
            v->layers[i] = NULL;
            return r;
        }
        v->ids[i] = rows[i].id;
        v->n = (uint32_t)i + 1;
        layers[i] = (struct fc_tree_layer){v->layers[i], rows[i].first_ino};
    }
    return fc_tree_fold(layers, v->n, NULL, &v->tree, err);
}

/* For live/: a layer that left the stack. It keeps the reference that it gets; we keep one, to know the id by the pack. */
static struct fc_layer *open_old(void *arg, const struct fc_edit_layer *row, struct fc_error *err)
{
    struct ws_view *v = arg;
    struct fc_layer *layer;

    if (fc_grow(&v->old, &v->cap_old, v->n_old + 1, sizeof(*v->old)) < 0) {
        fc_fail(err, ENOMEM, "out of memory");
        return NULL;
    }
    if (open_row(v->cache, row, &layer, err) < 0)
        return NULL;
    v->old[v->n_old++] = (struct ws_old_layer){row->id, layer};
    return fc_layer_ref(layer);
}

int ws_view_live(struct ws_view *v, struct fc_edit *edit, const struct fc_workspace_options *options,
                 struct fc_error *err)
{
    const struct fc_live_options live = {
        .tree = v->tree,
        .layer_ids = v->ids,
        .edit = edit,
        .open_layer = open_old,
        .open_layer_arg = v,
        .read_only = options->mode == FC_WORKSPACE_READ || options->read_only,
        .count_refs = options->for_mount,
        .no_writer = !options->for_mount,
    };

    return fc_live_open(&live, &v->live, err);
}

void ws_view_free(struct ws_view *v)
{
    if (!v)
        return;
    fc_live_free(v->live);
    fc_tree_free(v->tree);
    for (uint32_t i = 0; i < v->n; i++)
        fc_layer_unref(v->layers[i]);
    for (size_t i = 0; i < v->n_old; i++)
        fc_layer_unref(v->old[i].layer);
    free(v->layers);
    free(v->old);
    free(v->ids);
    free(v);
}

int ws_stack_load(struct fc_workspace *ws, struct fc_error *err)
{
    const struct fc_edit_layer *rows;
    struct fc_workspace_layer *stack;
    size_t n;

    ws->n_stack = 0;
    rows = fc_edit_layers(ws->edit, &n);
    stack = calloc(n + 1, sizeof(*stack));
    if (!stack)
        return fc_fail(err, ENOMEM, "out of memory");
    free(ws->stack);
    ws->stack = stack;
    /* The strings stay the store's: its table changes only when the stack does. */
    for (size_t i = 0; i < n && rows[i].position >= 0; i++, ws->n_stack++)
        stack[i] = (struct fc_workspace_layer){rows[i].diffid, rows[i].locator, rows[i].name, rows[i].first_ino};
    return 0;
}
