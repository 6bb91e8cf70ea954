/* SPDX-License-Identifier: Apache-2.0 */
/* Keep the index.json of an image layout. */
#include "oci/tags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/io.h"
#include "oci/blob.h"

#define REF_NAME "org.opencontainers.image.ref.name"

enum { INDEX_MAX = 64 << 20 };

/* Read the index; what is none is an empty one: it is a memory, nothing depends on it. */
static json_t *load(const char *path)
{
    struct fc_buf bytes __attribute__((cleanup(fc_buf_release_auto))) = {0};
    json_t *json = NULL;

    if (fc_read_regular(AT_FDCWD, path, INDEX_MAX, &bytes) == 0)
        json = json_loadb(bytes.data ? bytes.data : "", bytes.len, 0, NULL);
    if (!json_is_array(json_object_get(json, "manifests"))) {
        json_decref(json);
        json = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType", FC_OCI_TYPE_INDEX, "manifests");
    }
    return json;
}

static const char *ref_of(const json_t *entry)
{
    const char *s = json_string_value(json_object_get(json_object_get(entry, "annotations"), REF_NAME));

    return s ? s : "";
}

static int save(const char *path, const json_t *json, struct fc_error *err)
{
    fc_auto(fc_free) char *text = json_dumps(json, JSON_COMPACT);

    return text ? fc_atomic_write(path, text, strlen(text), false, err) : fc_fail_errno(err, ENOMEM, "%s", path);
}

/* Put the entry for @ref in, the old one out. */
static int put(json_t *json, const char *ref, const struct fc_oci_descriptor *d)
{
    json_t *list = json_object_get(json, "manifests");
    json_t *entry = json_pack("{s:s, s:s, s:I, s:{s:s}}", "mediaType", d->media_type, "digest", d->digest, "size",
                              (json_int_t)d->size, "annotations", REF_NAME, ref);

    if (!entry)
        return -ENOMEM;
    for (size_t i = json_array_size(list); i > 0; i--)
        if (strcmp(ref_of(json_array_get(list, i - 1)), ref) == 0)
            json_array_remove(list, i - 1);
    return json_array_append_new(list, entry) < 0 ? -ENOMEM : 0;
}

/* The paths of index and lock. */
struct names {
    char *index, *lock;
};

static void names_release(struct names *n)
{
    free(n->index);
    free(n->lock);
}

static int make_names(struct names *n, const char *dir, struct fc_error *err)
{
    *n = (struct names){0};
    if (asprintf(&n->index, "%s/index.json", dir) < 0)
        n->index = NULL;
    if (asprintf(&n->lock, "%s/.index.lock", dir) < 0)
        n->lock = NULL;
    return n->index && n->lock ? 0 : fc_fail_errno(err, ENOMEM, "%s", dir);
}

int fc_oci_tags_check(const char *dir, struct fc_error *err)
{
    struct fc_buf bytes __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct names n __attribute__((cleanup(names_release)));
    json_t *json;
    int r = make_names(&n, dir, err);

    if (r < 0)
        return r;
    r = fc_read_regular(AT_FDCWD, n.index, INDEX_MAX, &bytes);
    if (r == -ENOENT)
        return 0;
    if (r == -ENOTSUP)
        return fc_fail(err, EBADMSG, "%s: not a regular file", n.index);
    if (r < 0)
        return fc_fail_errno(err, -r, "%s", n.index);
    json = json_loadb(bytes.data ? bytes.data : "", bytes.len, 0, NULL);
    if (!json_is_array(json_object_get(json, "manifests")))
        r = fc_fail(err, EBADMSG, "%s is not the index of an image layout; it is left as it is", n.index);
    json_decref(json);
    return r;
}

int fc_oci_tags_set(const char *dir, const char *ref, const struct fc_oci_descriptor *d, struct fc_error *err)
{
    struct names n __attribute__((cleanup(names_release)));
    fc_auto(fc_close) int lock = -1;
    json_t *json;
    int r = make_names(&n, dir, err);

    if (r < 0)
        return r;
    lock = fc_lock_file(n.lock, true, true);
    if (lock < 0)
        return fc_fail_errno(err, -lock, "%s", n.lock);
    json = load(n.index);
    r = json ? put(json, ref, d) : -ENOMEM;
    r = r < 0 ? fc_fail_errno(err, -r, "%s", n.index) : save(n.index, json, err);
    json_decref(json);
    return r;
}

int fc_oci_tags_get(const char *dir, const char *ref, char **ret_digest, struct fc_error *err)
{
    struct names n __attribute__((cleanup(names_release)));
    const char *digest = NULL;
    json_t *json, *entry;
    size_t i;
    int r = make_names(&n, dir, err);

    if (r < 0)
        return r;
    json = load(n.index);
    json_array_foreach(json_object_get(json, "manifests"), i, entry)
    {
        if (strcmp(ref_of(entry), ref) == 0)
            digest = json_string_value(json_object_get(entry, "digest"));
    }
    if (!digest || !fc_oci_digest_valid(digest))
        r = fc_fail(err, ENOENT, "%s: no %s", n.index, ref);
    else
        *ret_digest = strdup(digest);
    json_decref(json);
    return r < 0 ? r : *ret_digest ? 0 : fc_fail_errno(err, ENOMEM, "%s", dir);
}

void fc_oci_tags_each(const char *dir, void (*fn)(void *arg, const char *ref, const char *digest), void *arg)
{
    struct names n __attribute__((cleanup(names_release)));
    json_t *json, *entry;
    size_t i;

    if (make_names(&n, dir, NULL) < 0)
        return;
    json = load(n.index);
    json_array_foreach(json_object_get(json, "manifests"), i, entry)
    {
        const char *digest = json_string_value(json_object_get(entry, "digest"));

        if (digest)
            fn(arg, ref_of(entry), digest);
    }
    json_decref(json);
}

static bool has_manifest(const char *dir, const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, "digest"));
    fc_auto(fc_free) char *path = NULL;
    struct fc_digest digest;

    if (!text || fc_digest_parse(text, &digest) < 0)
        return false;
    path = fc_oci_blob_path(dir, &digest);
    return path && access(path, F_OK) == 0;
}

int fc_oci_tags_prune(const char *dir, struct fc_error *err)
{
    struct names n __attribute__((cleanup(names_release)));
    fc_auto(fc_close) int lock = -1;
    json_t *json, *list;
    size_t before;
    int r = make_names(&n, dir, err);

    if (r < 0 || access(n.index, F_OK) < 0)
        return r;
    lock = fc_lock_file(n.lock, true, true);
    if (lock < 0)
        return fc_fail_errno(err, -lock, "%s", n.lock);
    json = load(n.index);
    list = json_object_get(json, "manifests");
    before = json_array_size(list);
    for (size_t i = before; i > 0; i--)
        if (!has_manifest(dir, json_array_get(list, i - 1)))
            json_array_remove(list, i - 1);
    if (json && json_array_size(list) != before)
        r = save(n.index, json, err);
    json_decref(json);
    return r;
}
