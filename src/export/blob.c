/* SPDX-License-Identifier: Apache-2.0 */
/* Layers, edits and whole trees as compressed blobs of an image. */
#include <errno.h>
#include <stdio.h>

#include "base/digest.h"
#include "entry/entry.h"
#include "export/export.h"
#include "layer/layer.h"
#include "oci/blob.h"

/* Tar bytes on their way: counted, digested, compressed, digested again, written. */
struct way {
    const struct fc_export_blob_options *options;
    struct fc_hasher *diffid;
    struct fc_compressor *compressor;
    struct fc_oci_blob_writer blob;
    uint64_t size; /* of the tar so far */
};

static void way_release(struct way *w)
{
    fc_hasher_free(w->diffid);
    fc_compressor_free(w->compressor); /* before what it writes to */
    fc_oci_blob_release(&w->blob);
}

static int way_add(void *arg, const void *data, size_t size, struct fc_error *err)
{
    struct way *w = arg;
    struct fc_progress *progress = w->options->progress;

    if (fc_hasher_add(w->diffid, data, size) < 0)
        return fc_fail(err, EIO, "cannot digest the layer");
    w->size += size;
    if (progress && progress->update)
        progress->update(progress, w->size);
    return fc_compressor_add(w->compressor, data, size, err);
}

static const char *type_of(enum fc_compression compression)
{
    static const char *const types[] = {[FC_COMPRESS_NONE] = FC_OCI_TYPE_LAYER,
                                        [FC_COMPRESS_GZIP] = FC_OCI_TYPE_LAYER_GZIP,
                                        [FC_COMPRESS_ZSTD] = FC_OCI_TYPE_LAYER_ZSTD};

    return types[compression];
}

static int way_begin(struct way *w, const struct fc_export_blob_options *options, const char *what,
                     struct fc_error *err)
{
    int r;

    *w = (struct way){.options = options, .diffid = fc_hasher_new(), .blob = {.file = {.fd = -1}}};
    if (!w->diffid)
        return fc_fail_errno(err, ENOMEM, "cannot write the layer");
    r = fc_oci_blob_begin(&w->blob, options->layout, err);
    if (r == 0)
        r = fc_compressor_new(options->compression, options->level, fc_oci_blob_add, &w->blob, &w->compressor, err);
    if (r == 0 && options->progress && options->progress->begin)
        options->progress->begin(options->progress, what, 0, FC_PROGRESS_BYTES);
    return r;
}

static int way_finish(struct way *w, struct fc_oci_layer *ret, struct fc_error *err)
{
    struct fc_oci_layer l = {.media_type = type_of(w->options->compression), .created_by = w->options->created_by};
    int r = fc_compressor_finish(w->compressor, err);

    if (r == 0 && fc_hasher_finish(w->diffid, &l.diffid) < 0)
        r = fc_fail(err, EIO, "cannot digest the layer");
    if (r == 0)
        r = fc_oci_blob_digest(&w->blob, &l.blob, err);
    l.size = w->blob.size;
    if (r == 0)
        r = fc_oci_blob_commit(&w->blob, &l.blob, err);
    if (r < 0)
        return r;
    *ret = l;
    return 0;
}

static int way_end(struct way *w, int r, struct fc_oci_layer *ret, struct fc_error *err)
{
    struct fc_progress *progress = w->options->progress;

    if (r == 0)
        r = way_finish(w, ret, err);
    if (progress && progress->end)
        progress->end(progress, r == 0);
    return r;
}

/* The layer's entries through our tar writer. */
static int write_entries(struct fc_layer *layer, struct way *w, struct fc_error *err)
{
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    fc_auto(fc_tar_writer_free) struct fc_tar_writer *tar = NULL;
    const struct fc_entry *e;
    struct fc_block block;
    int r = fc_layer_iter(layer, &it, err);

    if (r == 0)
        r = fc_tar_writer_new(way_add, w, &tar, err);
    if (r < 0)
        return r;
    while ((r = fc_entry_next(it, &e, err)) > 0) {
        bool file = e->op == FC_ENTRY_ADD && e->size > 0;

        r = fc_tar_writer_entry(tar, e, err);
        while (r == 0 && file && (r = fc_entry_read(it, &block, err)) > 0)
            r = fc_tar_writer_data(tar, &block, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : fc_tar_writer_finish(tar, err);
}

int fc_export_layer_blob(struct fc_layer *layer, const struct fc_export_blob_options *options, struct fc_oci_layer *ret,
                         struct fc_error *err)
{
    struct way w __attribute__((cleanup(way_release))) = {.blob = {.file = {.fd = -1}}};
    char digest[FC_DIGEST_TEXT], what[80];
    int r;

    /* Any gzip or zstd blob will do for who asked for compression: those of a registry stay what they are there. */
    if (fc_oci_blob_recall(options->layout, fc_layer_diffid(layer),
                           options->compression == FC_COMPRESS_NONE ? FC_OCI_TYPE_LAYER : NULL, ret)) {
        ret->created_by = options->created_by;
        return 0;
    }
    snprintf(what, sizeof(what), "packing layer %.19s", fc_digest_format(fc_layer_diffid(layer), digest));
    r = way_begin(&w, options, what, err);
    if (r < 0)
        return r;
    r = way_end(&w, write_entries(layer, &w, err), ret, err);
    if (r == 0)
        fc_oci_blob_remember(options->layout, fc_layer_diffid(layer), ret);
    return r;
}

int fc_export_edits_blob(const struct fc_snapshot *s, const struct fc_tree *tree, const struct fc_diff *d,
                         const struct fc_export_blob_options *options, struct fc_oci_layer *ret, struct fc_error *err)
{
    struct way w __attribute__((cleanup(way_release))) = {.blob = {.file = {.fd = -1}}};
    int r = way_begin(&w, options, "packing edits", err);

    return r < 0 ? r : way_end(&w, fc_export_layer(s, tree, d, way_add, &w, err), ret, err);
}

int fc_export_tree_blob(const struct fc_snapshot *s, const struct fc_export_blob_options *options,
                        struct fc_oci_layer *ret, struct fc_error *err)
{
    struct way w __attribute__((cleanup(way_release))) = {.blob = {.file = {.fd = -1}}};
    int r = way_begin(&w, options, "packing the tree", err);

    return r < 0 ? r : way_end(&w, fc_export_tar(s, way_add, &w, err), ret, err);
}
