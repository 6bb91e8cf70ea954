/* SPDX-License-Identifier: Apache-2.0 */
/* Bring the layer that a locator names into the cache: choose the source, recall what was imported before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "layer/gc.h"
#include "stack/stack.h"

int fc_import_key(const struct fc_import_options *options, const struct fc_digest *blob, struct fc_digest *ret)
{
    char text[FC_DIGEST_TEXT], key[FC_DIGEST_TEXT + 64];

    if (!options->force_owner) {
        *ret = *blob;
        return 0;
    }
    snprintf(key, sizeof(key), "owner %u:%u of %s", options->uid, options->gid, fc_digest_format(blob, text));
    return fc_digest_of(key, strlen(key), ret);
}

int fc_import_recall(const struct fc_import *im, const struct fc_digest *key, struct fc_layer **ret_layer)
{
    struct fc_error why = {0};
    struct fc_digest diffid;
    int r;

    if (fc_cache_recall(im->cache, key, &diffid) < 0)
        return 0;
    r = fc_layer_open_whole(im->cache, &diffid, ret_layer, &why);
    if (r < 0 && r != -ENOENT)
        fc_log(FC_LOG_WARN, "%s: importing again, because %s", im->label, why.msg);
    if (r == -EBADMSG)
        (void)fc_layer_set_aside(im->cache, &diffid, NULL);
    if (r < 0)
        return 0;
    im->result->cached = true;
    return 1;
}

static int build_and_name(const struct fc_import *im, struct fc_tee *tee, struct fc_layer **ret_layer,
                          struct fc_error *err)
{
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *builder = NULL;
    struct fc_digest diffid;
    uint64_t size;
    int r = fc_layer_builder_new(im->cache, im->label, &builder, err);

    if (r == 0)
        r = fc_layer_builder_add_all(builder, fc_tee_iter(tee), err);
    if (r == 0)
        r = fc_tee_finish(tee, &diffid, &size, err);
    if (r == 0)
        r = fc_layer_builder_finish(builder, &diffid, size, ret_layer, err);
    return r;
}

int fc_import_entries(const struct fc_import *im, struct fc_entry_iter *it, struct fc_layer **ret_layer,
                      struct fc_error *err)
{
    struct fc_progress *progress = im->options->progress;
    fc_auto(fc_tee_free) struct fc_tee *tee = NULL;
    char what[200];
    int r = fc_tee_new(it, progress, &tee, err);

    if (r < 0)
        return r;
    snprintf(what, sizeof(what), "importing %.180s", im->label);
    if (progress && progress->begin)
        progress->begin(progress, what, 0, FC_PROGRESS_BYTES);
    r = build_and_name(im, tee, ret_layer, err);
    if (progress && progress->end)
        progress->end(progress, r == 0);
    return r;
}

static int import_dir(const struct fc_import *im, const char *path, struct fc_layer **ret_layer, struct fc_error *err)
{
    const struct fc_import_options *o = im->options;
    const struct fc_dir_options dir = {
        .excludes = o->excludes, .n_excludes = o->n_excludes, .cross_mounts = o->cross_mounts};
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    int r;

    if (fd < 0)
        return fc_fail_errno(err, errno, "%s", im->label);
    r = fc_dir_iter(fd, im->label, &dir, &it, err);
    /* ".wh." names act as in a tar: the layer's name is that tar's digest, and one name has one content. */
    if (r == 0)
        r = fc_filter_whiteouts(fc_steal(&it), &it, err);
    if (r == 0 && o->force_owner)
        r = fc_filter_owner(fc_steal(&it), o->uid, o->gid, &it, err);
    return r < 0 ? r : fc_import_entries(im, fc_steal(&it), ret_layer, err);
}

static int import_digest(const struct fc_import *im, const char *text, struct fc_layer **ret_layer,
                         struct fc_error *err)
{
    struct fc_digest digest;
    int r;

    if (im->options->force_owner)
        return fc_fail(err, EINVAL, "%s: the owner of a layer that is in the cache cannot be changed", text);
    r = fc_digest_parse(text, &digest);
    if (r < 0)
        return fc_fail(err, EINVAL, "%s: not a digest", text);
    r = fc_layer_open(im->cache, &digest, ret_layer, err);
    im->result->cached = r == 0;
    return r;
}

/* Whether it is the image of an ext2, ext3 or ext4 file system, by its magic number: somebody may well take one for a layer. */
static bool is_ext_image(int fd)
{
    unsigned char head[1024 + 58];

    return fc_pread_full(fd, head, sizeof(head), 0) == sizeof(head) && memcmp(head + 257, "ustar", 5) != 0 &&
           head[1024 + 56] == 0x53 && head[1024 + 57] == 0xef;
}

static int import_file(const struct fc_import *im, const char *path, struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return fc_fail_errno(err, errno, "%s", im->label);
    if (S_ISDIR(st.st_mode))
        return fc_fail(err, EINVAL, "%s is a folder, not a tar: write dir:%s to import it", im->label, path);
    r = fc_import_tar(im, fd, ret_layer, err);
    if (r == -EBADMSG && is_ext_image(fd))
        return fc_fail(err, EBADMSG,
                       "%s is an ext4 image, not a tar: make a layer of it with fccompose export -i %s - | "
                       "fccompose init - (or layer add -)",
                       im->label, im->label);
    return r;
}

void fc_imported_release(struct fc_imported *imported)
{
    for (size_t i = 0; i < imported->n_layers; i++)
        fc_layer_unref(imported->layers[i]);
    free(imported->layers);
    free(imported->config);
    free(imported->source);
    *imported = (struct fc_imported){0};
}

static bool is_image(enum fc_locator_kind kind)
{
    return kind == FC_LOCATOR_REGISTRY || kind == FC_LOCATOR_OCI || kind == FC_LOCATOR_OCI_ARCHIVE ||
           kind == FC_LOCATOR_DOCKER_ARCHIVE;
}

/* A file: on this host is read where it is. */
static int import_url(const struct fc_import *im, const struct fc_locator *l, struct fc_layer **ret_layer,
                      struct fc_error *err)
{
    fc_auto(fc_free) char *path = fc_url_path(l->rest);

    return path ? import_file(im, path, ret_layer, err) : fc_import_remote(im, l, ret_layer, err);
}

/* The locators that are one layer. */
static int import_one(const struct fc_import *im, const struct fc_locator *l, struct fc_layer **ret_layer,
                      struct fc_error *err)
{
    switch (l->kind) {
    case FC_LOCATOR_STDIN:
        return fc_import_tar(im, 0, ret_layer, err);
    case FC_LOCATOR_DIR:
        return import_dir(im, l->rest, ret_layer, err);
    case FC_LOCATOR_BUILTIN:
        return fc_import_builtin(im, l->rest, ret_layer, err);
    case FC_LOCATOR_DIGEST:
        return import_digest(im, l->rest, ret_layer, err);
    case FC_LOCATOR_URL:
        return import_url(im, l, ret_layer, err);
    case FC_LOCATOR_NAME:
        return fc_import_remote(im, l, ret_layer, err);
    default:
        return import_file(im, l->rest, ret_layer, err);
    }
}

void fc_import_note(const struct fc_import *im, const struct fc_digest *blob, uint64_t size)
{
    if (im->source && im->source->n_layers == 1)
        im->source->layers[0] = (struct fc_lock_layer){.have_digest = true, .digest = *blob, .size = size};
}

/* A locator that is one layer; what is noted about its bytes goes to the one layer of its source. */
static int import_single(const struct fc_import *im, const struct fc_locator *l, struct fc_imported *result,
                         struct fc_error *err)
{
    int r;

    result->layers = calloc(1, sizeof(*result->layers));
    im->source->layers = calloc(1, sizeof(*im->source->layers));
    if (!result->layers || !im->source->layers)
        return fc_fail_errno(err, ENOMEM, "%s", im->label);
    im->source->n_layers = 1;
    r = import_one(im, l, result->layers, err);
    if (r < 0)
        return r;
    result->n_layers = 1;
    im->source->layers[0].diffid = *fc_layer_diffid(result->layers[0]);
    return 0;
}

/* Every layer that the lock has must be there. */
static int check_locked(const struct fc_import *im, const struct fc_imported *result, struct fc_error *err)
{
    const struct fc_lock_entry *locked = im->options->locked;
    char text[FC_DIGEST_TEXT];

    for (size_t i = 0; locked && i < locked->n_layers; i++) {
        bool there = false;

        for (size_t k = 0; k < result->n_layers && !there; k++)
            there =
                memcmp(fc_layer_diffid(result->layers[k]), &locked->layers[i].diffid, sizeof(struct fc_digest)) == 0;
        if (!there)
            return fc_fail(err, ESTALE,
                           "%s is no longer what " FC_LOCK_NAME " says (%s): it has changed since, or is imported with "
                           "other options; fccompose lock --update takes what there is now",
                           im->label, fc_digest_format(&locked->layers[i].diffid, text));
    }
    return 0;
}

int fc_stack_import(struct fc_cache *cache, const char *locator, const struct fc_import_options *options,
                    struct fc_imported *ret, struct fc_error *err)
{
    static const struct fc_import_options defaults;
    fc_auto(fc_imported_release) struct fc_imported result = {0};
    char label[128];
    fc_auto(fc_lock_entry_release) struct fc_lock_entry source = {.locator =
                                                                      fc_stack_locator_for_record(locator, NULL)};
    const struct fc_import im = {
        .cache = cache, .label = label, .options = options ? options : &defaults, .result = &result, .source = &source};
    struct fc_locator l;
    int r = source.locator ? fc_locator_parse(locator, &l, err) : fc_fail_errno(err, ENOMEM, "%s", locator);

    if (r < 0)
        return r;
    if (l.kind == FC_LOCATOR_STDIN)
        strcpy(label, "standard input");
    else if (l.kind == FC_LOCATOR_URL)
        fc_url_show(label, sizeof(label), locator);
    else
        fc_name_show(label, sizeof(label), locator, strlen(locator));
    if (im.options->n_excludes && l.kind != FC_LOCATOR_DIR)
        return fc_fail(err, EINVAL, "%s: only dir:PATH can leave files out", label);
    r = is_image(l.kind) ? fc_import_image(&im, &l, &result, err) : import_single(&im, &l, &result, err);
    if (r == 0)
        r = check_locked(&im, &result, err);
    if (r == 0 && im.options->to)
        r = fc_import_relocate(&im, &result, err);
    result.source = fc_lock_entry_format(&source); /* NULL for a name that JSON cannot say: it cannot be locked then */
    if (r < 0)
        return r;
    *ret = result;
    result = (struct fc_imported){0};
    return 0;
}
