/* SPDX-License-Identifier: Apache-2.0 */
/* Import a tar: recognise its compressed bytes, else decompress, digest and build in one pass. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fetch/fetch.h"
#include "stack/stack.h"

static void progress_begin(struct fc_progress *p, const char *verb, const char *label, uint64_t total)
{
    char what[200];

    snprintf(what, sizeof(what), "%s %.180s", verb, label);
    if (p && p->begin)
        p->begin(p, what, total, FC_PROGRESS_BYTES);
}

static void progress_end(struct fc_progress *p, int r)
{
    if (p && p->end)
        p->end(p, r >= 0);
}

static int differs(const struct fc_import *im, const char *what, const struct fc_digest *have,
                   const struct fc_digest *want, struct fc_error *err)
{
    char got[FC_DIGEST_TEXT], wanted[FC_DIGEST_TEXT];

    if (!want || memcmp(have, want, sizeof(*have)) == 0)
        return 0;
    return fc_fail(err, EBADMSG, "%s is damaged or was exchanged: %s is %s, not %s", im->label, what,
                   fc_digest_format(have, got), fc_digest_format(want, wanted));
}

/* What was imported before must be what is wanted now just as well: a known file may lie under another's name. */
int fc_import_recall_blob(const struct fc_import *im, const struct fc_digest *blob, uint64_t size,
                          struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    struct fc_digest key;
    int r = differs(im, "the digest of its bytes", blob, im->check.blob, err);

    if (r < 0)
        return r;
    r = fc_import_key(im->options, blob, &key);
    if (r < 0)
        return fc_fail(err, -r, "cannot digest %s", im->label);
    if (fc_import_recall(im, &key, &layer) == 0)
        return 0;
    if (!im->options->force_owner) /* else it is another tar's */
        r = differs(im, "its diffID", fc_layer_diffid(layer), im->check.diffid, err);
    if (r < 0)
        return r;
    fc_import_note(im, blob, size);
    *ret_layer = fc_steal(&layer);
    return 1;
}

/*
 * Look for a layer made of this file: at once if it is the very file of last time, unchanged; by the digest of the whole
 * if it looks like one that was seen. Returns 1 and sets *ret_layer, 0, or -errno with words.
 */
static int recognise(const struct fc_import *im, const struct fc_seen *seen, struct fc_layer **ret_layer,
                     struct fc_error *err)
{
    struct fc_progress *progress = im->options->progress;
    struct fc_digest blob;
    int r;

    if (fc_seen_same(seen, &blob)) {
        r = fc_import_recall_blob(im, &blob, fc_seen_size(seen), ret_layer, err);
        if (r != 0)
            return r;
    }
    if (!fc_seen_alike(seen))
        return 0;
    progress_begin(progress, "looking for", im->label, fc_seen_size(seen));
    r = fc_seen_digest(seen, progress, &blob, err);
    progress_end(progress, r);
    if (r < 0)
        return r;
    r = fc_import_recall_blob(im, &blob, fc_seen_size(seen), ret_layer, err);
    if (r > 0) {
        im->result->source_bytes = fc_seen_size(seen);
        fc_seen_remember(seen, &blob);
    }
    return r;
}

/* The tar being read, and where its bytes come from. */
struct tar_input {
    struct fc_byte_source *source;
    struct fc_fetch *fetch; /* NULL: they are here already */
    struct fc_entry_iter *tar;
};

/* Whether the bytes are those that they were to be. Only then they get a name in the cache. */
static int check_bytes(const struct fc_import *im, struct fc_fetch *t, const struct fc_tar_result *result,
                       struct fc_error *err)
{
    int r = differs(im, "the digest of its bytes", &result->source_digest, im->check.blob, err);

    if (r == 0)
        r = differs(im, "its diffID", &result->diffid, im->check.diffid, err);
    return r == 0 && t ? fc_fetch_wait(t, err) : r;
}

/* With the owner changed the layer is no longer that tar: it gets the name of the tar that it would be. */
static int build_changed(const struct fc_import *im, const struct tar_input *in, struct fc_entry_iter *it,
                         struct fc_tar_result *ret, struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *builder = NULL;
    fc_auto(fc_tee_free) struct fc_tee *tee = NULL;
    struct fc_digest diffid;
    uint64_t size;
    int r = fc_filter_owner(it, im->options->uid, im->options->gid, &it, err);

    if (r == 0)
        r = fc_tee_new(it, NULL, &tee, err);
    if (r == 0)
        r = fc_layer_builder_new(im->cache, im->label, &builder, err);
    if (r == 0)
        r = fc_layer_builder_add_all(builder, fc_tee_iter(tee), err);
    if (r == 0)
        r = fc_tar_finish(in->tar, ret, err);
    if (r == 0)
        r = check_bytes(im, in->fetch, ret, err);
    if (r == 0)
        r = fc_tee_finish(tee, &diffid, &size, err);
    if (r == 0)
        r = fc_layer_builder_finish(builder, &diffid, size, &layer, err);
    if (r == 0)
        *ret_layer = fc_steal(&layer);
    return r;
}

static int build_plain(const struct fc_import *im, const struct tar_input *in, struct fc_entry_iter *owned,
                       struct fc_tar_result *ret, struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = owned;
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *builder = NULL;
    int r = fc_layer_builder_new(im->cache, im->label, &builder, err);

    if (r == 0)
        r = fc_layer_builder_add_all(builder, it, err);
    if (r == 0)
        r = fc_tar_finish(in->tar, ret, err);
    if (r == 0)
        r = check_bytes(im, in->fetch, ret, err);
    if (r == 0)
        r = fc_layer_builder_finish(builder, &ret->diffid, ret->tar_bytes, ret_layer, err);
    return r;
}

static int import_stream(const struct fc_import *im, struct tar_input *in, struct fc_tar_result *ret,
                         struct fc_layer **ret_layer, struct fc_error *err)
{
    const struct fc_tar_options options = {
        .label = im->label, .max_bytes = im->options->max_bytes, .progress = im->options->progress};
    struct fc_entry_iter *it = NULL;
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    struct fc_digest key;
    int r = fc_tar_iter(in->source, &options, &in->tar, err);

    if (r == 0)
        r = fc_filter_whiteouts(in->tar, &it, err);
    if (r == 0)
        r = im->options->force_owner ? build_changed(im, in, it, ret, &layer, err)
                                     : build_plain(im, in, it, ret, &layer, err);
    if (r < 0)
        return r;
    /* Forgetting costs time, nothing else. */
    if (fc_import_key(im->options, &ret->source_digest, &key) == 0)
        (void)fc_cache_remember(im->cache, &key, fc_layer_diffid(layer));
    fc_import_note(im, &ret->source_digest, ret->source_bytes);
    im->result->n_notes += ret->n_notes;
    im->result->source_bytes += ret->source_bytes;
    *ret_layer = fc_steal(&layer);
    return 0;
}

int fc_import_tar(const struct fc_import *im, int fd, struct fc_layer **ret_layer, struct fc_error *err)
{
    struct fc_fd_source s __attribute__((cleanup(fc_fd_source_release))) = {.stop = -1};
    struct tar_input in = {.source = &s.source};
    fc_auto(fc_seen_free) struct fc_seen *seen = NULL;
    struct fc_tar_result result;
    int r = fc_seen_new(im->cache, fd, im->label, &seen, err);

    if (r == 0 && seen)
        r = recognise(im, seen, ret_layer, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = fc_fd_source_init(&s, fd, im->label, err);
    if (r < 0)
        return r;
    progress_begin(im->options->progress, "importing", im->label, seen ? fc_seen_size(seen) : 0);
    r = import_stream(im, &in, &result, ret_layer, err);
    progress_end(im->options->progress, r);
    if (r < 0)
        return r;
    fc_seen_remember_sample(im->cache, &s.sample, result.source_bytes, &result.source_digest);
    if (seen)
        fc_seen_remember(seen, &result.source_digest);
    return 0;
}

/* The bytes of a download. */
struct fetch_source {
    struct fc_byte_source source; /* first */
    struct fc_fetch *fetch;
};

static ssize_t fetch_source_read(struct fc_byte_source *base, void *buffer, size_t size, struct fc_error *err)
{
    return fc_fetch_read(((struct fetch_source *)base)->fetch, buffer, size, err);
}

static void fetch_source_cancel(struct fc_byte_source *base)
{
    fc_fetch_cancel_read(((struct fetch_source *)base)->fetch);
}

/* The download has digested the same bytes. */
static void fetch_source_digest(struct fc_byte_source *base, struct fc_digest *ret)
{
    struct fc_fetch_info info;

    fc_fetch_info(((struct fetch_source *)base)->fetch, &info);
    *ret = info.digest;
}

int fc_import_fetched(const struct fc_import *im, struct fc_fetch *t, struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_close) int fd = fc_fetch_open(t, err);

    return fd < 0 ? fd : fc_import_tar(im, fd, ret_layer, err);
}

/*
 * The import failed. If the download fails too, that tells why; and what was read of a part that turned out to be another
 * file's is read again.
 */
static int explain_or_repeat(const struct fc_import *im, struct fc_fetch *t, int r, struct fc_layer **ret_layer,
                             struct fc_error *err)
{
    struct fc_fetch_info info;
    struct fc_error why = {0};
    int w;

    fc_fetch_info(t, &info);
    /* Nothing is learned from a download that nobody can say more of, nor where the fault is on our side. */
    if ((!info.restarted && !info.summed) || r == -ENOSPC || r == -ENOMEM || r == -ECANCELED)
        return r;
    w = fc_fetch_wait(t, &why);
    if (w < 0) {
        if (err)
            *err = why;
        return w;
    }
    fc_fetch_info(t, &info);
    return info.restarted ? fc_import_fetched(im, t, ret_layer, err) : r;
}

int fc_import_fetch(const struct fc_import *im, struct fc_fetch *t, struct fc_layer **ret_layer, struct fc_error *err)
{
    struct fetch_source s = {
        .source = {.read = fetch_source_read, .cancel = fetch_source_cancel, .digest = fetch_source_digest},
        .fetch = t};
    struct tar_input in = {.source = &s.source, .fetch = t};
    struct fc_fetch_info info;
    struct fc_tar_result result;
    int r;

    fc_fetch_info(t, &info);
    progress_begin(im->options->progress, "importing", im->label, info.total);
    r = import_stream(im, &in, &result, ret_layer, err);
    progress_end(im->options->progress, r);
    /* What was read is no longer what there is: take the whole, once it is here. */
    if (r == -ESTALE)
        return fc_import_fetched(im, t, ret_layer, err);
    return r < 0 ? explain_or_repeat(im, t, r, ret_layer, err) : r;
}
