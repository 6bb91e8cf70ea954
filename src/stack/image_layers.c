/* SPDX-License-Identifier: Apache-2.0 */
/* Import the layers of an image in turn, while the downloads of those that follow run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "fetch/fetch.h"
#include "layer/gc.h"
#include "oci/assemble.h"
#include "stack/image.h"

/* Layers that are open at once, the one being imported included: enough to keep a line busy, few in descriptors and partial files. */
#define AHEAD 6u

/* A layer, ahead of its import. */
struct upcoming {
    char label[160];
    struct fc_digest blob, diffid;
    bool plain; /* @blob is there; else it is a SHA-512, which the source checks, or the diffID must do */
    bool open;
    struct fc_oci_blob bytes; /* if @open */
    struct fc_layer *cached;  /* found before it was opened */
};

/* The layers of one image. */
struct layers {
    const struct fc_import *im;
    struct fc_oci_source *source;
    const struct fc_oci_descriptor *descriptors;
    struct upcoming *items;
    size_t n, looked_at; /* items before it were looked for, and opened if need be */
};

static void close_bytes(struct upcoming *u)
{
    if (!u->open)
        return;
    fc_fetch_free(u->bytes.fetch);
    if (u->bytes.fd >= 0)
        close(u->bytes.fd);
    u->open = false;
}

static void layers_release(struct layers *l)
{
    for (size_t i = 0; l->items && i < l->n; i++) {
        close_bytes(&l->items[i]);
        fc_layer_unref(l->items[i].cached);
    }
    free(l->items);
}

static int layers_init(struct layers *l, const struct fc_oci_image *image, struct fc_error *err)
{
    l->n = image->document.n_items;
    l->descriptors = image->document.items;
    l->items = calloc(l->n, sizeof(*l->items));
    if (!l->items)
        return fc_fail_errno(err, ENOMEM, "%s", l->im->label);
    for (size_t i = 0; i < l->n; i++) {
        struct upcoming *u = &l->items[i];

        snprintf(u->label, sizeof(u->label), "%.100s, layer %zu of %zu", l->im->label, i + 1, l->n);
        u->plain = fc_digest_parse(l->descriptors[i].digest, &u->blob) == 0;
        if (fc_digest_parse(image->config.diff_ids[i], &u->diffid) < 0)
            return fc_fail(err, EBADMSG, "%s: its diffID is none", u->label);
    }
    return 0;
}

/* The import of one of them. Its counts go to @counts. */
static struct fc_import import_of(const struct layers *l, const struct upcoming *u, struct fc_imported *counts)
{
    struct fc_import im = *l->im;

    im.label = u->label;
    im.result = counts;
    im.source = NULL; /* the whole image's is complete */
    im.check = (struct fc_import_check){.blob = u->plain ? &u->blob : NULL, .diffid = &u->diffid};
    return im;
}

/* A layer of this image that the cache has, by its diffID; of one with another owner by the digest of its blob. */
static int recall(const struct layers *l, struct upcoming *u)
{
    struct fc_imported counts = {0};
    struct fc_import im = import_of(l, u, &counts);
    struct fc_error why = {0};
    struct fc_digest key;
    int r;

    if (u->cached)
        return 1;
    if (!im.options->force_owner) {
        r = fc_layer_open_whole(im.cache, &u->diffid, &u->cached, &why);
        if (r == -EBADMSG) {
            fc_log(FC_LOG_WARN, "%s: importing again, because %s", im.label, why.msg);
            (void)fc_layer_set_aside(im.cache, &u->diffid, NULL);
        }
        if (r == 0)
            return 1;
    }
    if (!im.options->force_owner || !u->plain || fc_import_key(im.options, &u->blob, &key) < 0)
        return 0;
    return fc_import_recall(&im, &key, &u->cached);
}

/* Look at the next ones: a download then runs by itself. What fails is said when its turn comes. */
static void look_ahead(struct layers *l, size_t at)
{
    for (; l->looked_at < l->n && l->looked_at < at + AHEAD; l->looked_at++) {
        struct upcoming *u = &l->items[l->looked_at];

        if (recall(l, u) == 0)
            u->open = l->source->open(l->source, &l->descriptors[l->looked_at], &u->bytes, NULL) == 0;
    }
}

static int import_bytes(struct layers *l, size_t i, struct fc_imported *counts, struct fc_layer **ret,
                        struct fc_error *err)
{
    struct upcoming *u = &l->items[i];
    const struct fc_import im = import_of(l, u, counts);
    int r = u->open ? 0 : l->source->open(l->source, &l->descriptors[i], &u->bytes, err);

    if (r < 0)
        return r;
    u->open = true;
    return u->bytes.fetch ? fc_import_fetch(&im, u->bytes.fetch, ret, err) : fc_import_tar(&im, u->bytes.fd, ret, err);
}

/* Whether it was seen once that the bytes @blob are the layer @diffid. A manifest's word for it is not enough. */
static bool is_proven(const struct fc_import *im, const struct fc_digest *blob, const struct fc_digest *diffid)
{
    struct fc_digest known;

    return fc_cache_recall(im->cache, blob, &known) == 0 && memcmp(&known, diffid, sizeof(known)) == 0;
}

/*
 * For pushing it on: if the cache has the bytes as they came, they are the layer's blob. Not when the layer has other owners
 * than those bytes.
 */
static void remember_blob(const struct layers *l, size_t i, const struct fc_digest *diffid)
{
    const struct fc_oci_descriptor *d = &l->descriptors[i];
    const struct fc_import_options *options = l->im->options;
    struct fc_oci_layer layer = {.blob = l->items[i].blob, .diffid = *diffid, .size = d->size};

    if (options->force_owner || !options->fetcher || !is_proven(l->im, &layer.blob, diffid))
        return;
    layer.media_type = strstr(d->media_type, "zstd")   ? FC_OCI_TYPE_LAYER_ZSTD
                       : strstr(d->media_type, "gzip") ? FC_OCI_TYPE_LAYER_GZIP
                                                       : FC_OCI_TYPE_LAYER;
    fc_oci_blob_remember(fc_fetcher_layout(options->fetcher), diffid, &layer);
}

static int import_layer(struct layers *l, size_t i, struct fc_layer **ret, struct fc_error *err)
{
    struct upcoming *u = &l->items[i];
    struct fc_imported counts = {0};
    int r = 0;

    /* Once more: it may be the same as one below, which was imported since. */
    if (recall(l, u) > 0) {
        counts.cached = true;
        *ret = fc_steal(&u->cached);
    } else {
        r = import_bytes(l, i, &counts, ret, err);
    }
    close_bytes(u);
    if (r >= 0 && u->plain)
        remember_blob(l, i, fc_layer_diffid(*ret));
    l->im->result->cached = l->im->result->cached && counts.cached;
    l->im->result->source_bytes += counts.source_bytes;
    l->im->result->n_notes += counts.n_notes;
    return r < 0 ? r : 0;
}

int fc_import_layers(const struct fc_import *im, struct fc_oci_source *source, const struct fc_oci_image *image,
                     struct fc_imported *ret, struct fc_error *err)
{
    struct layers l __attribute__((cleanup(layers_release))) = {.im = im, .source = source};
    int r = layers_init(&l, image, err);

    ret->cached = true;
    for (size_t i = 0; r == 0 && i < l.n; i++) {
        look_ahead(&l, i);
        r = import_layer(&l, i, &ret->layers[i], err);
        if (r == 0)
            ret->n_layers++;
    }
    return r;
}
