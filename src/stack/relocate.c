/* SPDX-License-Identifier: Apache-2.0 */
/* Put what was imported below a path of the tree. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stack/stack.h"

/* The key under which the cache remembers what @layer is below @to. */
static int key_of(const struct fc_layer *layer, const struct fc_buf *to, struct fc_digest *ret)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char digest[FC_DIGEST_TEXT];

    if (fc_buf_addf(&text, "to %s of %s", to->data, fc_digest_format(fc_layer_diffid(layer), digest)) < 0)
        return -ENOMEM;
    return fc_digest_of(text.data, text.len, ret);
}

static int relocate(const struct fc_import *im, const struct fc_buf *to, struct fc_layer **layer, struct fc_error *err)
{
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    fc_auto(fc_layer_unref) struct fc_layer *moved = NULL;
    bool cached = im->result->cached;
    struct fc_digest key;
    int r = key_of(*layer, to, &key);

    if (r < 0)
        return fc_fail_errno(err, -r, "%s", im->label);
    r = fc_import_recall(im, &key, &moved);
    im->result->cached = cached && r == 1;
    if (r == 0) {
        r = fc_layer_iter(*layer, &it, err);
        if (r == 0)
            r = fc_filter_prefix(fc_steal(&it), to->data, &it, err);
        if (r == 0)
            r = fc_import_entries(im, fc_steal(&it), &moved, err);
        if (r < 0)
            return r;
        (void)fc_cache_remember(im->cache, &key, fc_layer_diffid(moved));
    }
    fc_layer_unref(*layer);
    *layer = fc_steal(&moved);
    return 0;
}

int fc_import_relocate(const struct fc_import *im, struct fc_imported *result, struct fc_error *err)
{
    struct fc_buf to __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_path_normalise(im->options->to, strlen(im->options->to), &to, err);

    for (size_t i = 0; to.len && i < result->n_layers && r == 0; i++)
        r = relocate(im, &to, &result->layers[i], err);
    return r;
}
