/* SPDX-License-Identifier: Apache-2.0 */
/* Read the JSON of indexes, manifests and configurations: hostile input, checked field by field. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "oci/oci.h"

#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

const char fc_oci_accept[] = FC_OCI_TYPE_INDEX ", " FC_OCI_TYPE_MANIFEST ", " DOCKER_LIST ", " DOCKER_MANIFEST;

/* A list of manifests may be long, but somebody looks through it. */
enum { INDEX_MAX = 10000 };

/* Media types of layers that are tars, by what follows the usual beginnings. "foreign" and "nondistributable" are ordinary
 * tars that used to be fetched from elsewhere (image-spec, "Non-Distributable Layers"). */
static const char *const layer_types[] = {
    FC_OCI_TYPE_LAYER,
    FC_OCI_TYPE_LAYER_GZIP,
    FC_OCI_TYPE_LAYER_ZSTD,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
};

bool fc_oci_is_layer(const char *media_type, const char **ret_why)
{
    for (size_t i = 0; i < FC_LENGTH(layer_types); i++)
        if (strcmp(media_type, layer_types[i]) == 0)
            return true;
    if (strstr(media_type, "+encrypted"))
        *ret_why = "it is encrypted";
    else if (strstr(media_type, "erofs"))
        *ret_why = "it is an EROFS image, not a tar";
    else
        *ret_why = "it is no layer of a root filesystem";
    return false;
}

static bool is_index_type(const char *t) { return strcmp(t, FC_OCI_TYPE_INDEX) == 0 || strcmp(t, DOCKER_LIST) == 0; }
static bool is_manifest_type(const char *t)
{
    return strcmp(t, FC_OCI_TYPE_MANIFEST) == 0 || strcmp(t, DOCKER_MANIFEST) == 0;
}

static json_t *load(const void *data, size_t size, const char *label, struct fc_error *err)
{
    json_error_t why;
    json_t *json = NULL;

    if (size > FC_OCI_DOCUMENT_MAX) {
        fc_fail(err, EBADMSG, "%s: longer than %u bytes", label, FC_OCI_DOCUMENT_MAX);
        return NULL;
    }
    /* Two fields of one name: readers differ in which one counts, so neither does. */
    json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &why);
    if (!json)
        fc_fail(err, EBADMSG, "%s: not JSON: line %d, column %d: %s", label, why.line, why.column, why.text);
    else if (!json_is_object(json))
        fc_fail(err, EBADMSG, "%s: not a JSON object", label);
    else
        return json;
    json_decref(json);
    return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}

static void read_platform(const json_t *json, struct fc_oci_platform *p)
{
    const struct {
        const char *key;
        char *to;
        size_t room;
    } fields[] = {{"os", p->os, sizeof(p->os)},
                  {"architecture", p->arch, sizeof(p->arch)},
                  {"variant", p->variant, sizeof(p->variant)}};

    for (size_t i = 0; i < FC_LENGTH(fields); i++) {
        const char *s = text_of(json, fields[i].key);

        if (strlen(s) < fields[i].room) /* a longer one is none that we could want */
            strcpy(fields[i].to, s);
    }
}

static int read_descriptor(const json_t *json, const char *label, const char *what, struct fc_oci_descriptor *ret,
                           struct fc_error *err)
{
    const json_t *size = json_object_get(json, "size"), *notes = json_object_get(json, "annotations");
    struct fc_oci_descriptor d = {.media_type = text_of(json, "mediaType"), .digest = text_of(json, "digest")};

    if (!json_is_object(json))
        return fc_fail(err, EBADMSG, "%s: %s is not an object", label, what);
    if (!fc_oci_digest_valid(d.digest))
        return fc_fail(err, EBADMSG, "%s: %s has no digest that can be checked: \"%.150s\"", label, what, d.digest);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return fc_fail(err, EBADMSG, "%s: %s (%s) has no size", label, what, d.digest);
    d.size = (uint64_t)json_integer_value(size);
    d.ref_name = json_string_value(json_object_get(notes, "org.opencontainers.image.ref.name"));
    d.attestation = json_object_get(notes, "vnd.docker.reference.type") != NULL;
    read_platform(json_object_get(json, "platform"), &d.platform);
    if (strcmp(d.platform.os, "unknown") == 0) /* how buildx marks what is no image */
        d.attestation = true;
    *ret = d;
    return 0;
}

static int read_items(const json_t *list, const char *label, const char *what, size_t max, struct fc_oci_document *d,
                      struct fc_error *err)
{
    size_t n = json_array_size(list);

    if (n > max)
        return fc_fail(err, EBADMSG, "%s: %zu %ss, more than %zu", label, n, what, max);
    d->items = calloc(n + 1, sizeof(*d->items));
    if (!d->items)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    for (size_t i = 0; i < n; i++) {
        int r = read_descriptor(json_array_get(list, i), label, what, &d->items[i], err);

        if (r < 0)
            return r;
    }
    d->n_items = n;
    return 0;
}

/* Which of the two it is, by its fields; what it is called must agree (CVE-2021-41190). */
static int tell_kind(const json_t *json, const char *served, const char *label, struct fc_oci_document *d,
                     struct fc_error *err)
{
    const char *said = text_of(json, "mediaType");
    bool index = json_is_array(json_object_get(json, "manifests")),
         manifest = json_is_array(json_object_get(json, "layers"));

    if (json_is_array(json_object_get(json, "fsLayers")) ||
        json_integer_value(json_object_get(json, "schemaVersion")) == 1)
        return fc_fail(
            err, EOPNOTSUPP,
            "%s: a manifest of Docker's first schema, which no longer is in use: push the image again with a "
            "program of today",
            label);
    if (json_integer_value(json_object_get(json, "schemaVersion")) != 2)
        return fc_fail(err, EBADMSG, "%s: schemaVersion is not 2", label);
    if (index == manifest)
        return fc_fail(err, EBADMSG, "%s: %s", label,
                       index ? "both an index and a manifest" : "neither an index nor a manifest");
    if (*said && served && *served && strcmp(said, served) != 0)
        return fc_fail(err, EBADMSG, "%s: served as %s, but it says that it is %s", label, served, said);
    d->media_type = *said ? said : served ? served : "";
    if (*d->media_type && !(index ? is_index_type(d->media_type) : is_manifest_type(d->media_type)))
        return fc_fail(err, EBADMSG, "%s: %s, but its media type is %s", label, index ? "an index" : "a manifest",
                       d->media_type);
    d->kind = index ? FC_OCI_INDEX : FC_OCI_MANIFEST;
    return 0;
}

int fc_oci_document_parse(const void *data, size_t size, const char *media_type, const char *label,
                          struct fc_oci_document *ret, struct fc_error *err)
{
    fc_auto(fc_oci_document_release) struct fc_oci_document d = {0};
    json_t *json = load(data, size, label, err);
    int r;

    if (!json)
        return -EBADMSG;
    d.json = json;
    r = tell_kind(json, media_type, label, &d, err);
    if (r == 0 && d.kind == FC_OCI_INDEX)
        r = read_items(json_object_get(json, "manifests"), label, "manifest", INDEX_MAX, &d, err);
    if (r == 0 && d.kind == FC_OCI_MANIFEST)
        r = read_items(json_object_get(json, "layers"), label, "layer", FC_OCI_LAYERS_MAX, &d, err);
    if (r == 0 && d.kind == FC_OCI_MANIFEST)
        r = read_descriptor(json_object_get(json, "config"), label, "config", &d.config, err);
    if (r < 0)
        return r;
    if (!*d.media_type)
        d.media_type = d.kind == FC_OCI_INDEX ? FC_OCI_TYPE_INDEX : FC_OCI_TYPE_MANIFEST;
    *ret = d;
    d = (struct fc_oci_document){0};
    return 0;
}

void fc_oci_document_release(struct fc_oci_document *d)
{
    free(d->items);
    json_decref(d->json);
    *d = (struct fc_oci_document){0};
}

int fc_oci_config_parse(const void *data, size_t size, const char *label, struct fc_oci_config *ret,
                        struct fc_error *err)
{
    fc_auto(fc_oci_config_release) struct fc_oci_config c = {0};
    json_t *json = load(data, size, label, err);
    const json_t *ids = json_object_get(json_object_get(json, "rootfs"), "diff_ids");
    size_t n = json_array_size(ids);

    if (!json)
        return -EBADMSG;
    c.json = json;
    if (!json_is_array(ids) || n > FC_OCI_LAYERS_MAX)
        return fc_fail(err, EBADMSG, "%s: no list of diff_ids in its rootfs, or too long a one", label);
    c.diff_ids = calloc(n + 1, sizeof(*c.diff_ids));
    if (!c.diff_ids)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    for (size_t i = 0; i < n; i++) {
        c.diff_ids[i] = json_string_value(json_array_get(ids, i));
        if (!c.diff_ids[i] || strncmp(c.diff_ids[i], "sha256:", 7) != 0 || !fc_oci_digest_valid(c.diff_ids[i]))
            return fc_fail(err, EBADMSG, "%s: the diffID of layer %zu is not sha256: and 64 digits", label, i + 1);
    }
    c.n_diff_ids = n;
    read_platform(json, &c.platform);
    *ret = c;
    c = (struct fc_oci_config){0};
    return 0;
}

void fc_oci_config_release(struct fc_oci_config *c)
{
    free(c->diff_ids);
    json_decref(c->json);
    *c = (struct fc_oci_config){0};
}
