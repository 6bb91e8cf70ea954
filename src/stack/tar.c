/* SPDX-License-Identifier: Apache-2.0 */
/* Import a tar: recognise its compressed bytes, else decompress, digest and build in one pass. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/io.h"
#include "stack/stack.h"

enum { CHUNK = 1 << 20 };

/* The bytes of a descriptor, digested and counted as they pass. */
struct fd_source {
    struct fc_byte_source source; /* first: it is what the tar reader holds */
    int fd;
    const char *label;
    struct fc_hasher *hasher;
    struct fc_progress *progress;
    uint64_t done;
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

static ssize_t source_read(struct fc_byte_source *base, void *buffer, size_t size, struct fc_error *err)
{
    struct fd_source *s = (struct fd_source *)base;
    ssize_t n;
    int r;

    do
        n = read(s->fd, buffer, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fc_fail_errno(err, errno, "cannot read %s", s->label);
    r = fc_hasher_add(s->hasher, buffer, (size_t)n);
    if (r < 0)
        return fc_fail(err, -r, "cannot digest %s", s->label);
    s->done += (uint64_t)n;
    if (s->progress && s->progress->update)
        s->progress->update(s->progress, s->done);
    return n;
}

/* Read to the very end, so that the digest is that of the whole input. Returns 0 or -errno with words. */
static int source_drain(struct fd_source *s, struct fc_digest *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *buffer = malloc(CHUNK);
    ssize_t n;
    int r;

    if (!buffer)
        return fc_fail(err, ENOMEM, "out of memory");
    do
        n = source_read(&s->source, buffer, CHUNK, err);
    while (n > 0);
    if (n < 0)
        return (int)n;
    r = fc_hasher_finish(s->hasher, ret);
    return r < 0 ? fc_fail(err, -r, "cannot digest %s", s->label) : 0;
}

/* Digest a regular file from where its descriptor stands, go back there, and look for a layer made of it. */
static int recognise(const struct fc_import *im, struct fd_source *s, uint64_t total, struct fc_layer **ret_layer,
                     struct fc_error *err)
{
    off_t start = lseek(s->fd, 0, SEEK_CUR);
    struct fc_digest blob, key;
    int r;

    if (start < 0)
        return 0;
    progress_begin(s->progress, "looking for", im->label, total);
    r = source_drain(s, &blob, err);
    progress_end(s->progress, r);
    if (r < 0)
        return r;
    im->result->source_bytes = s->done;
    s->done = 0;
    r = fc_import_key(im->options, &blob, &key);
    if (r < 0)
        return fc_fail(err, -r, "cannot digest %s", im->label);
    r = fc_import_recall(im, &key, ret_layer);
    if (r == 0 && lseek(s->fd, start, SEEK_SET) < 0)
        return fc_fail_errno(err, errno, "cannot read %s again", im->label);
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

static int import_stream(const struct fc_import *im, struct fd_source *s, struct fc_layer **ret_layer,
                         struct fc_error *err)
{
    const struct fc_tar_options options = {.label = im->label, .max_bytes = im->options->max_bytes};
    struct fc_entry_iter *tar = NULL, *it = NULL;
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    struct fc_tar_result result;
    struct fc_digest blob, key;
    int r = fc_tar_iter(&s->source, &options, &tar, err);

    if (r == 0)
        r = fc_filter_whiteouts(tar, &it, err);
    if (r == 0)
        r = im->options->force_owner ? build_changed(im, it, tar, &result, &layer, err)
                                     : build_plain(im, it, tar, &result, &layer, err);
    if (r == 0)
        r = source_drain(s, &blob, err);
    if (r == 0 && fc_import_key(im->options, &blob, &key) == 0)
        (void)fc_cache_remember(im->cache, &key, fc_layer_diffid(layer)); /* forgetting costs time, nothing else */
    if (r < 0)
        return r;
    im->result->n_notes = result.n_notes;
    im->result->source_bytes = s->done;
    *ret_layer = fc_steal(&layer);
    return 0;
}

int fc_import_tar(const struct fc_import *im, int fd, struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = fc_hasher_new();
    struct fd_source s = {.source = {.read = source_read},
                          .fd = fd,
                          .label = im->label,
                          .hasher = hasher,
                          .progress = im->options->progress};
    struct stat st;
    int r = 0;

    if (!hasher)
        return fc_fail(err, ENOMEM, "out of memory");
    if (fstat(fd, &st) < 0)
        return fc_fail_errno(err, errno, "cannot read %s", im->label);
    if (S_ISREG(st.st_mode)) {
        r = recognise(im, &s, (uint64_t)st.st_size, ret_layer, err);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    progress_begin(s.progress, "importing", im->label, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
    r = import_stream(im, &s, ret_layer, err);
    progress_end(s.progress, r);
    return r;
}
