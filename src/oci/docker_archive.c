/* SPDX-License-Identifier: Apache-2.0 */
/* What `docker save` writes: manifest.json, and the OCI manifest that it stands for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "oci/archive.h"

/* Whether the tag @have of an image is the one that @ref means. */
static bool same_ref(const char *ref, const char *have)
{
    fc_auto(fc_oci_ref_release) struct fc_oci_ref a = {0}, b = {0};

    if (strcmp(ref, have) == 0)
        return true;
    return fc_oci_ref_parse(ref, &a, NULL) == 0 && fc_oci_ref_parse(have, &b, NULL) == 0 &&
           strcmp(a.host, b.host) == 0 && strcmp(a.repository, b.repository) == 0 && a.tag && b.tag &&
           strcmp(a.tag, b.tag) == 0;
}

static bool is_called(const json_t *image, const char *ref)
{
    const json_t *tags = json_object_get(image, "RepoTags");

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));

        if (tag && same_ref(ref, tag))
            return true;
    }
    return false;
}

/* All tags, for a message. */
static void list_tags(const json_t *images, struct fc_buf *out)
{
    for (size_t i = 0; i < json_array_size(images) && out->len < 300; i++) {
        const json_t *tags = json_object_get(json_array_get(images, i), "RepoTags");

        if (json_array_size(tags) == 0)
            (void)fc_buf_addf(out, "%s@%zu", out->len ? ", " : "", i);
        for (size_t k = 0; k < json_array_size(tags) && out->len < 300; k++) {
            const char *tag = json_string_value(json_array_get(tags, k));

            (void)fc_buf_addf(out, "%s%.200s", out->len ? ", " : "", tag ? tag : "?");
        }
    }
}

static const json_t *choose(const char *label, const json_t *images, const char *ref, struct fc_error *err)
{
    struct fc_buf tags __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const json_t *found = NULL;
    size_t n = json_array_size(images);
    char *end;

    if (!ref && n == 1)
        return json_array_get(images, 0);
    if (ref && ref[0] == '@' && ref[1]) {
        unsigned long i = strtoul(ref + 1, &end, 10);

        found = *end ? NULL : json_array_get(images, i);
    }
    for (size_t i = 0; ref && !found && i < n; i++)
        if (is_called(json_array_get(images, i), ref))
            found = json_array_get(images, i);
    if (found)
        return found;
    list_tags(images, &tags);
    if (ref)
        fc_fail(err, ENOENT, "%s: there is no %s in it; there is: %s", label, ref, tags.len ? tags.data : "nothing");
    else
        fc_fail(err, n ? ENOTUNIQ : EBADMSG, "%s: %s%s", label, n ? "several images; name one of: " : "no image in it",
                n ? tags.data : "");
    return NULL;
}

/* The form of a layer, by its first bytes: such archives have compressed ones too, whatever they are called. */
static const char *layer_type(const struct fc_archive_member *m)
{
    if (m->head[0] == 0x1f && m->head[1] == 0x8b)
        return FC_OCI_TYPE_LAYER_GZIP;
    return memcmp(m->head, "\x28\xb5\x2f\xfd", 4) == 0 ? FC_OCI_TYPE_LAYER_ZSTD : FC_OCI_TYPE_LAYER;
}

/* A descriptor for the file @name, NULL with words if it is not there. */
static json_t *describe(const struct fc_archive_blobs *a, const json_t *name, const char *type, struct fc_error *err)
{
    const char *text = json_string_value(name);
    const struct fc_archive_member *m = text ? fc_archive_find(a, text) : NULL;
    char digest[FC_DIGEST_TEXT];
    json_t *d;

    if (!m || m->text.data) {
        fc_fail(err, EBADMSG, "%s: manifest.json names \"%.200s\", which is not in the archive", a->label,
                text ? text : "");
        return NULL;
    }
    d = json_pack("{s:s, s:s, s:I}", "mediaType", type ? type : layer_type(m), "digest",
                  fc_digest_format(&m->digest, digest), "size", (json_int_t)m->size);
    if (!d)
        fc_fail_errno(err, ENOMEM, "%s", a->label);
    return d;
}

static json_t *describe_layers(const struct fc_archive_blobs *a, const json_t *names, struct fc_error *err)
{
    json_t *layers;

    if (json_array_size(names) > FC_OCI_LAYERS_MAX) {
        fc_fail(err, EBADMSG, "%s: manifest.json has %zu layers, more than %u", a->label, json_array_size(names),
                FC_OCI_LAYERS_MAX);
        return NULL;
    }
    layers = json_array();
    for (size_t i = 0; i < json_array_size(names); i++) {
        json_t *d = describe(a, json_array_get(names, i), NULL, err);

        if (!d || json_array_append_new(layers, d) < 0) {
            json_decref(layers);
            return NULL;
        }
    }
    return layers;
}

static int make(const struct fc_archive_blobs *a, const json_t *image, struct fc_buf *ret, struct fc_error *err)
{
    json_t *config = describe(a, json_object_get(image, "Config"), FC_OCI_TYPE_CONFIG, err), *layers, *manifest;
    char *text;
    int r;

    if (!config)
        return -EBADMSG;
    layers = describe_layers(a, json_object_get(image, "Layers"), err);
    if (!layers) {
        json_decref(config);
        return -EBADMSG;
    }
    manifest = json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", FC_OCI_TYPE_MANIFEST, "config",
                         config, "layers", layers);
    text = manifest ? json_dumps(manifest, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    r = text && fc_buf_adds(ret, text) == 0 ? 0 : fc_fail_errno(err, ENOMEM, "%s", a->label);
    free(text);
    json_decref(manifest);
    return r;
}

int fc_archive_docker_manifest(const struct fc_archive_blobs *a, const char *ref, struct fc_buf *ret,
                               struct fc_error *err)
{
    const struct fc_archive_member *m = fc_archive_find(a, "manifest.json");
    const json_t *image;
    json_error_t why;
    json_t *json;
    int r = -EBADMSG;

    if (!m || !m->text.data)
        return fc_fail(err, EBADMSG, "%s: no manifest.json in it: not an archive of docker save", a->label);
    json = json_loadb(m->text.data, m->text.len, JSON_REJECT_DUPLICATES, &why);
    if (!json) {
        return fc_fail(err, EBADMSG, "%s: manifest.json: not JSON: line %d, column %d: %s", a->label, why.line,
                       why.column, why.text);
    }
    if (!json_is_array(json)) {
        r = fc_fail(err, EBADMSG, "%s: manifest.json is not a list", a->label);
    } else {
        image = choose(a->label, json, ref, err);
        r = image ? make(a, image, ret, err) : -(err ? err->code : ENOENT);
    }
    json_decref(json);
    return r;
}
