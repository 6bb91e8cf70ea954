/* SPDX-License-Identifier: Apache-2.0 */
/* Import a tar: recognise its compressed bytes, else decompress, digest and build in one pass. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/io.h"
#include "stack/seen.h"
#include "stack/stack.h"

/* The bytes of a descriptor. A pipe may keep a reader waiting for ever: @stop wakes it. */
struct fd_source {
    struct fc_byte_source source; /* first: it is what the tar reader holds */
    int fd, stop;                 /* @stop: -1 for a regular file */
    const char *label;
    struct fc_sample sample;
};

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

/* Wait for bytes, or for the stop. Returns 0 or -errno. */
static int wait_readable(const struct fd_source *s)
{
    struct pollfd fds[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->stop, .events = POLLIN}};

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return -errno;
    return fds[1].revents ? -ECANCELED : 0;
}

static ssize_t source_read(struct fc_byte_source *base, void *buffer, size_t size, struct fc_error *err)
{
    struct fd_source *s = (struct fd_source *)base;
    int r = s->stop >= 0 ? wait_readable(s) : 0;
    ssize_t n = -1;

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s", s->label);
    do
        n = read(s->fd, buffer, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fc_fail_errno(err, errno, "cannot read %s", s->label);
    fc_sample_add(&s->sample, buffer, (size_t)n);
    return n;
}

static void source_cancel(struct fc_byte_source *base)
{
    const struct fd_source *s = (struct fd_source *)base;

    if (s->stop >= 0)
        (void)eventfd_write(s->stop, 1);
}

static int recall_blob(const struct fc_import *im, const struct fc_digest *blob, struct fc_layer **ret_layer,
                       struct fc_error *err)
{
    struct fc_digest key;
    int r = fc_import_key(im->options, blob, &key);

    return r < 0 ? fc_fail(err, -r, "cannot digest %s", im->label) : fc_import_recall(im, &key, ret_layer);
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
        r = recall_blob(im, &blob, ret_layer, err);
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
    r = recall_blob(im, &blob, ret_layer, err);
    if (r > 0) {
        im->result->source_bytes = fc_seen_size(seen);
        fc_seen_remember(seen, &blob);
    }
    return r;
}

/* With the owner changed the layer is no longer that tar: it gets the name of the tar that it would be. */
static int build_changed(const struct fc_import *im, struct fc_entry_iter *it, struct fc_entry_iter *tar,
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
        r = fc_tar_finish(tar, ret, err);
    if (r == 0)
        r = fc_tee_finish(tee, &diffid, &size, err);
    if (r == 0)
        r = fc_layer_builder_finish(builder, &diffid, size, &layer, err);
    if (r == 0)
        *ret_layer = fc_steal(&layer);
    return r;
}

static int build_plain(const struct fc_import *im, struct fc_entry_iter *owned, struct fc_entry_iter *tar,
                       struct fc_tar_result *ret, struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = owned;
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *builder = NULL;
    int r = fc_layer_builder_new(im->cache, im->label, &builder, err);

    if (r == 0)
        r = fc_layer_builder_add_all(builder, it, err);
    if (r == 0)
        r = fc_tar_finish(tar, ret, err);
    if (r == 0)
        r = fc_layer_builder_finish(builder, &ret->diffid, ret->tar_bytes, ret_layer, err);
    return r;
}

static int import_stream(const struct fc_import *im, struct fd_source *s, struct fc_tar_result *ret,
                         struct fc_layer **ret_layer, struct fc_error *err)
{
    const struct fc_tar_options options = {
        .label = im->label, .max_bytes = im->options->max_bytes, .progress = im->options->progress};
    struct fc_entry_iter *tar = NULL, *it = NULL;
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    struct fc_digest key;
    int r = fc_tar_iter(&s->source, &options, &tar, err);

    if (r == 0)
        r = fc_filter_whiteouts(tar, &it, err);
    if (r == 0)
        r = im->options->force_owner ? build_changed(im, it, tar, ret, &layer, err)
                                     : build_plain(im, it, tar, ret, &layer, err);
    if (r < 0)
        return r;
    /* Forgetting costs time, nothing else. */
    if (fc_import_key(im->options, &ret->source_digest, &key) == 0)
        (void)fc_cache_remember(im->cache, &key, fc_layer_diffid(layer));
    fc_seen_remember_sample(im->cache, &s->sample, ret->source_bytes, &ret->source_digest);
    im->result->n_notes = ret->n_notes;
    im->result->source_bytes = ret->source_bytes;
    *ret_layer = fc_steal(&layer);
    return 0;
}

int fc_import_tar(const struct fc_import *im, int fd, struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_close) int stop = -1;
    struct fd_source s = {.source = {.read = source_read, .cancel = source_cancel}, .fd = fd, .label = im->label};
    fc_auto(fc_seen_free) struct fc_seen *seen = NULL;
    struct fc_tar_result result;
    int r = fc_seen_new(im->cache, fd, im->label, &seen, err);

    if (r == 0 && seen)
        r = recognise(im, seen, ret_layer, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!seen) {
        stop = eventfd(0, EFD_CLOEXEC);
        if (stop < 0)
            return fc_fail_errno(err, errno, "cannot read %s", im->label);
    }
    s.stop = stop;
    progress_begin(im->options->progress, "importing", im->label, seen ? fc_seen_size(seen) : 0);
    r = import_stream(im, &s, &result, ret_layer, err);
    progress_end(im->options->progress, r);
    if (r == 0 && seen)
        fc_seen_remember(seen, &result.source_digest);
    return r;
}
