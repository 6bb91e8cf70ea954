/* SPDX-License-Identifier: Apache-2.0 */
/* Find an image in a registry, an image layout, an archive, and note what it is; its layers are imported by image_layers.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/fetch.h"
#include "stack/image.h"

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

/* With a lock the tag no longer counts. */
static int open_registry(const struct fc_import *im, const char *ref, struct fc_oci_source **ret, struct fc_error *err)
{
    const char *manifest = im->options->locked ? im->options->locked->manifest : NULL;
    fc_auto(fc_free) char *exact = NULL;
    int r = need_fetcher(im, err);

    if (r < 0 || !manifest)
        return r < 0 ? r : fc_oci_registry_open(im->options->fetcher, ref, im->label, ret, err);
    if (asprintf(&exact, "%.*s@%s", (int)strcspn(ref, "@"), ref, manifest) < 0)
        return exact = NULL, fc_fail_errno(err, ENOMEM, "%s", im->label);
    return fc_oci_registry_open(im->options->fetcher, exact, im->label, ret, err);
}

/* Open what @l names; *choice says which image in it, and borrows from @p. */
static int open_source(const struct fc_import *im, const struct fc_locator *l, struct place *p,
                       struct fc_oci_choice *choice, struct fc_oci_source **ret, struct fc_error *err)
{
    int r;

    if (l->kind == FC_LOCATOR_REGISTRY)
        return open_registry(im, l->rest, ret, err);
    r = split(l->rest, p, err);
    if (r < 0)
        return r;
    if (l->kind == FC_LOCATOR_DOCKER_ARCHIVE)
        return open_archive(im, p, FC_OCI_ARCHIVE_DOCKER, ret, err);
    if (im->options->locked && im->options->locked->manifest)
        choice->digest = im->options->locked->manifest;
    else if (p->ref && p->ref[0] == '@')
        choice->digest = p->ref + 1;
    else
        choice->tag = p->ref;
    return l->kind == FC_LOCATOR_OCI ? fc_oci_layout_open(p->path, im->label, ret, err)
                                     : open_archive(im, p, FC_OCI_ARCHIVE_OCI, ret, err);
}

static int note_text(char **to, const char *text)
{
    *to = text ? strdup(text) : NULL;
    return *to || !text ? 0 : -ENOMEM;
}

/* What the lock is to know of the image. */
static int note_image(const struct fc_import *im, const struct fc_oci_image *image, struct fc_error *err)
{
    struct fc_lock_entry *s = im->source;
    char platform[72];
    int r = note_text(&s->index, image->index);

    if (r == 0)
        r = note_text(&s->manifest, image->digest);
    if (r == 0)
        r = note_text(&s->config, image->document.config.digest);
    if (r == 0)
        r = note_text(&s->platform, fc_oci_platform_format(&image->config.platform, platform));
    s->layers = calloc(image->document.n_items, sizeof(*s->layers));
    if (r < 0 || !s->layers)
        return fc_fail_errno(err, ENOMEM, "%s", im->label);
    s->n_layers = image->document.n_items;
    for (size_t i = 0; i < s->n_layers; i++) {
        s->layers[i].have_digest = fc_digest_parse(image->document.items[i].digest, &s->layers[i].digest) == 0;
        s->layers[i].size = image->document.items[i].size;
        (void)fc_digest_parse(image->config.diff_ids[i], &s->layers[i].diffid); /* importing says it if it is none */
    }
    return 0;
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
    if (r == 0)
        r = note_image(im, &image, err);
    if (r < 0)
        return r;
    ret->layers = calloc(image.document.n_items, sizeof(*ret->layers));
    ret->config = strndup(image.config_bytes.data, image.config_bytes.len);
    if (!ret->layers || !ret->config)
        return fc_fail_errno(err, ENOMEM, "%s", im->label);
    return fc_import_layers(im, source, &image, ret, err);
}
