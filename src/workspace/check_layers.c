/* SPDX-License-Identifier: Apache-2.0 */
/* Check the layers that a workspace refers to: in the cache, whole, those that it was made with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workspace/check_private.h"

static bool is_referred_to(const struct ws_pass *p, const struct fc_edit_layer *l)
{
    if (l->position >= 0)
        return true;
    for (size_t i = 0; i < p->rows->n_extents; i++)
        if (!p->rows->extents[i].drop && p->rows->extents[i].x.source == l->id)
            return true;
    return false;
}

static void say_missing(struct ws_pass *p, const struct fc_edit_layer *l, int r, const char *words)
{
    bool made_here = strncmp(l->locator, "commit:", 7) == 0;
    char text[FC_DIGEST_TEXT];

    fc_digest_format(&l->diffid, text);
    if (r == -ENOENT)
        fc_findings_add(
            p->found, &(struct fc_finding){.error = true, .code = "layer-missing", .table = "layer"}, FC_NO_REPAIR,
            made_here ? "layer \"%s\" (%s, made by %s) is not in the cache %s: bring that cache back"
                      : "layer \"%s\" (%s, from %s) is not in the cache %s: fccompose pull imports it again",
            l->name, text, l->locator, fc_cache_dir(p->cache));
    else
        fc_findings_add(p->found, &(struct fc_finding){.error = true, .code = "layer-damaged", .table = "layer"},
                        FC_NO_REPAIR,
                        made_here ? "layer \"%s\" (made by %s): %s: bring the cache back"
                                  : "layer \"%s\" (from %s): %s: fccompose pull imports it again",
                        l->name, l->locator, words);
}

static int check_layer(struct ws_pass *p, size_t i, struct fc_error *err)
{
    struct fc_edit_layer *l = &p->rows->layers[i].l;
    struct fc_error why = {0};
    uint32_t n;
    int r = fc_layer_open(p->cache, &l->diffid, &p->layers[i], &why);

    if (r < 0)
        p->layers[i] = NULL;
    if (r == 0 && p->options->data) {
        r = fc_layer_verify(p->layers[i], p->options->progress, &why);
        if (r < 0) {
            /* Its structure was good enough to be opened: the rest of the check goes on with it. */
            say_missing(p, l, r, why.msg);
            r = 0;
        }
    } else if (r == -ENOMEM || r == -EMFILE || r == -ENFILE) {
        return fc_fail(err, -r, "%s", why.msg);
    } else if (r < 0) {
        say_missing(p, l, r, why.msg);
        return 0;
    }
    n = p->layers[i] ? fc_layer_view(p->layers[i])->header->n_inodes : l->n_inodes;
    if (n == l->n_inodes)
        return 0;
    fc_findings_add(p->found, &(struct fc_finding){.error = true, .code = "layer", .table = "layer"},
                    "takes the number from the layer", "layer \"%s\" has %u objects, but the workspace has noted %u",
                    l->name, n, l->n_inodes);
    l->n_inodes = n;
    p->rows->changed |= FC_ROWS_LAYERS;
    return 0;
}

static int fold(struct ws_pass *p, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_tree_layer *layers = calloc(p->rows->n_layers + 1, sizeof(*layers));
    struct fc_error why = {0};
    uint32_t n = 0;
    int r;

    if (!layers)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < p->rows->n_layers && p->rows->layers[i].l.position >= 0; i++) {
        if (!p->layers[i])
            return 0;
        layers[n++] = (struct fc_tree_layer){p->layers[i], p->rows->layers[i].l.first_ino};
    }
    r = fc_tree_fold(layers, n, NULL, &p->tree, &why);
    if (r == -ENOMEM)
        return fc_fail(err, ENOMEM, "%s", why.msg);
    if (r < 0) {
        p->tree = NULL;
        fc_findings_add(p->found, &(struct fc_finding){.error = true, .code = "stack", .table = "layer"}, FC_NO_REPAIR,
                        "the layers make no tree: %s", why.msg);
        return 0;
    }
    p->lower = fc_tree_inodes(p->tree, &p->n_lower);
    p->lower_dentries = fc_tree_dentries(p->tree, NULL);
    return 0;
}

int ws_check_layers(struct ws_pass *p, struct fc_error *err)
{
    int r = 0;

    p->layers = calloc(p->rows->n_layers + 1, sizeof(struct fc_layer *));
    if (!p->layers)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < p->rows->n_layers && r == 0; i++)
        if (is_referred_to(p, &p->rows->layers[i].l))
            r = check_layer(p, i, err);
    return r == 0 && !p->rows->stack_unknown ? fold(p, err) : r;
}
