/* SPDX-License-Identifier: Apache-2.0 */
/* Import the layers of an image: from a registry, an image layout, an archive. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/fetch.h"
#include "oci/assemble.h"
#include "oci/image.h"
#include "stack/stack.h"

/* A path and what follows it in a locator. */
struct place {
    char *path;
    const char *ref; /* behind the colon, or "@..."; NULL: nothing follows */
};

static void place_release(struct place *p) { free(p->path); }

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/*
 * Cut PATH[:REF] or PATH@DIGEST. A path may have colons itself: the longest beginning that exists and ends before one of
 * them is the path; "-" is standard input.
 */
static int split(const char *rest, struct place *ret, struct fc_error *err)
{
    struct place p __attribute__((cleanup(place_release))) = {.path = strdup(rest)};
    size_t len = strlen(rest);

    if (!p.path)
        return fc_fail_errno(err, ENOMEM, "%s", rest);
    while (len > 0 && strcmp(p.path, "-") != 0 && !exists(p.path)) {
        while (len > 0 && rest[len - 1] != ':' && rest[len - 1] != '@')
            len--;
        if (len > 0)
            p.path[--len] = '\0';
    }
    if (len == 0) { /* nothing of it exists: say so of what was most likely meant */
        strcpy(p.path, rest);
        p.path[strcspn(p.path, ":")] = '\0';
        return fc_fail_errno(err, ENOENT, "%s", p.path);
    }
    len = strlen(p.path);
    p.ref = rest[len] == '\0' ? NULL : rest[len] == '@' ? rest + len : rest + len + 1;
    if (p.ref && !p.ref[p.ref[0] == '@'])
        return fc_fail(err, EINVAL, "%s: nothing follows the %c", rest, rest[len]);
    *ret = p;
    p.path = NULL;
    return 0;
}

static int need_fetcher(const struct fc_import *im, struct fc_error *err)
{
    return im->options->fetcher ? 0 : fc_fail(err, EINVAL, "%s: no fetcher was given for it", im->label);
}

static int open_archive(const struct fc_import *im, const struct place *p, enum fc_oci_archive_kind kind,
                        struct fc_oci_source **ret, struct fc_error *err)
{
    const struct fc_oci_archive_options options = {.kind = kind, .ref = p->ref, .progress = im->options->progress};
    struct fc_progress *progress = im->options->progress;
    struct fc_fd_source s __attribute__((cleanup(fc_fd_source_release))) = {.stop = -1};
    fc_auto(fc_close) int fd = -1;
    struct stat st = {0};
    char what[200];
    int r = need_fetcher(im, err);

    if (r < 0)
        return r;
    if (strcmp(p->path, "-") != 0) {
        fd = open(p->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
            return fc_fail_errno(err, errno, "%s", im->label);
    }
    r = fc_fd_source_init(&s, fd < 0 ? STDIN_FILENO : fd, im->label, err);
    if (r < 0)
        return r;
    snprintf(what, sizeof(what), "reading %.180s", im->label);
    if (progress && progress->begin)
        progress->begin(progress, what, (uint64_t)st.st_size, FC_PROGRESS_BYTES);
    r = fc_oci_archive_open(im->options->fetcher, &s.source, im->label, &options, ret, err);
    if (progress && progress->end)
        progress->end(progress, r == 0);
    return r;
}

/* Open what @l names; *choice says which image in it, and borrows from @p. */
static int open_source(const struct fc_import *im, const struct fc_locator *l, struct place *p,
                       struct fc_oci_choice *choice, struct fc_oci_source **ret, struct fc_error *err)
{
    int r;

    if (l->kind == FC_LOCATOR_REGISTRY) {
        r = need_fetcher(im, err);
        return r < 0 ? r : fc_oci_registry_open(im->options->fetcher, l->rest, im->label, ret, err);
    }
    r = split(l->rest, p, err);
    if (r < 0)
        return r;
    if (l->kind == FC_LOCATOR_DOCKER_ARCHIVE)
        return open_archive(im, p, FC_OCI_ARCHIVE_DOCKER, ret, err);
    if (p->ref && p->ref[0] == '@')
        choice->digest = p->ref + 1;
    else
        choice->tag = p->ref;
    return l->kind == FC_LOCATOR_OCI ? fc_oci_layout_open(p->path, im->label, ret, err)
                                     : open_archive(im, p, FC_OCI_ARCHIVE_OCI, ret, err);
}

/* A layer of this image that the cache has, by its diffID; of one with another owner by the digest of its blob. */
static int recall(const struct fc_import *im, const struct fc_digest *blob, const struct fc_digest *diffid,
                  struct fc_layer **ret)
{
    struct fc_digest key;

    if (!im->options->force_owner && fc_layer_open(im->cache, diffid, ret, NULL) == 0)
        return 1;
    if (!im->options->force_owner || !blob || fc_import_key(im->options, blob, &key) < 0)
        return 0;
    return fc_import_recall(im, &key, ret);
}

static int import_blob(const struct fc_import *im, struct fc_oci_source *source, const struct fc_oci_descriptor *d,
                       struct fc_layer **ret, struct fc_error *err)
{
    struct fc_oci_blob blob = {.fd = -1};
    int r = source->open(source, d, &blob, err);

    if (r < 0)
        return r;
    r = blob.fetch ? fc_import_fetch(im, blob.fetch, ret, err) : fc_import_tar(im, blob.fd, ret, err);
    fc_fetch_free(blob.fetch);
    if (blob.fd >= 0)
        close(blob.fd);
    return r;
}

/* For pushing it on: if the cache has the bytes as they came, they are the layer's blob. */
static void remember_blob(const struct fc_import *im, const struct fc_oci_descriptor *d, const struct fc_digest *blob,
                          const struct fc_digest *diffid)
{
    struct fc_oci_layer l = {.blob = *blob, .diffid = *diffid, .size = d->size};

    l.media_type = strstr(d->media_type, "zstd")   ? FC_OCI_TYPE_LAYER_ZSTD
                   : strstr(d->media_type, "gzip") ? FC_OCI_TYPE_LAYER_GZIP
                                                   : FC_OCI_TYPE_LAYER;
    if (im->options->fetcher)
        fc_oci_blob_remember(fc_fetcher_layout(im->options->fetcher), diffid, &l);
}

static int import_layer(const struct fc_import *whole, struct fc_oci_source *source, const struct fc_oci_image *image,
                        size_t i, struct fc_layer **ret, struct fc_error *err)
{
    const struct fc_oci_descriptor *d = &image->document.items[i];
    struct fc_imported counts = {0};
    struct fc_import im = *whole;
    struct fc_digest blob, diffid;
    bool plain =
        fc_digest_parse(d->digest, &blob) == 0; /* else SHA-512, which the source checks, or the diffID must do */
    char label[160];
    int r = fc_digest_parse(image->config.diff_ids[i], &diffid);

    snprintf(label, sizeof(label), "%.100s, layer %zu of %zu", whole->label, i + 1, image->document.n_items);
    im.label = label;
    im.result = &counts;
    im.check = (struct fc_import_check){.blob = plain ? &blob : NULL, .diffid = &diffid};
    if (r < 0)
        return fc_fail(err, EBADMSG, "%s: its diffID is none", label);
    r = recall(&im, im.check.blob, &diffid, ret);
    if (r == 0)
        r = import_blob(&im, source, d, ret, err);
    else
        counts.cached = true;
    if (r >= 0 && plain)
        remember_blob(whole, d, &blob, fc_layer_diffid(*ret));
    whole->result->cached = whole->result->cached && counts.cached;
    whole->result->source_bytes += counts.source_bytes;
    whole->result->n_notes += counts.n_notes;
    return r < 0 ? r : 0;
}

int fc_import_image(const struct fc_import *im, const struct fc_locator *l, struct fc_imported *ret,
                    struct fc_error *err)
{
    fc_auto(fc_oci_source_free) struct fc_oci_source *source = NULL;
    fc_auto(fc_oci_image_release) struct fc_oci_image image = {0};
    struct place place __attribute__((cleanup(place_release))) = {0};
    struct fc_oci_choice choice = {.platform = im->options->arch};
    int r = open_source(im, l, &place, &choice, &source, err);

    if (r == 0)
        r = fc_oci_resolve(source, &choice, &image, err);
    if (r < 0)
        return r;
    ret->layers = calloc(image.document.n_items, sizeof(*ret->layers));
    ret->config = strndup(image.config_bytes.data, image.config_bytes.len);
    if (!ret->layers || !ret->config)
        return fc_fail_errno(err, ENOMEM, "%s", im->label);
    ret->cached = true;
    for (size_t i = 0; i < image.document.n_items; i++) {
        r = import_layer(im, source, &image, i, &ret->layers[i], err);
        if (r < 0)
            return r;
        ret->n_layers++;
    }
    return 0;
}
