/* SPDX-License-Identifier: Apache-2.0 */
/* Write an image as one tar: an image layout, or what docker load reads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "archive/archive.h"
#include "base/io.h"
#include "oci/assemble.h"
#include "oci/blob.h"

struct output {
    struct fc_tar_writer *tar;
    const struct fc_oci_made *made;
    const char *from, *tag;
    struct fc_error *err;
};

static int put_directory(struct output *o, const char *path)
{
    return fc_tar_writer_entry(o->tar, &(struct fc_entry){.path = path, .mode = S_IFDIR | 0755}, o->err);
}

static int put_bytes(struct output *o, const char *path, const void *data, size_t size)
{
    int r = fc_tar_writer_entry(o->tar, &(struct fc_entry){.path = path, .mode = S_IFREG | 0644, .size = size}, o->err);

    return r < 0 || size == 0 ? r : fc_tar_writer_data(o->tar, &(struct fc_block){.data = data, .size = size}, o->err);
}

/* The blob of a layer, from the layout. */
static int put_layer(struct output *o, const char *path, const struct fc_oci_layer *l)
{
    fc_auto(fc_free) char *source = fc_oci_blob_path(o->from, &l->blob), *buffer = malloc(1 << 20);
    fc_auto(fc_close) int fd = source ? open(source, O_RDONLY | O_CLOEXEC) : -1;
    uint64_t at = 0;
    int r;

    if (!source || !buffer)
        return fc_fail_errno(o->err, ENOMEM, "%s", path);
    if (fd < 0)
        return fc_fail_errno(o->err, errno, "%s", source);
    r = fc_tar_writer_entry(o->tar, &(struct fc_entry){.path = path, .mode = S_IFREG | 0644, .size = l->size}, o->err);
    while (r == 0 && at < l->size) {
        ssize_t n = fc_read_full(fd, buffer, l->size - at < 1 << 20 ? (size_t)(l->size - at) : 1 << 20);

        if (n <= 0)
            return fc_fail_errno(o->err, n < 0 ? (int)-n : EIO, "%s", source);
        r = fc_tar_writer_data(o->tar, &(struct fc_block){.data = buffer, .size = (size_t)n, .offset = at}, o->err);
        at += (uint64_t)n;
    }
    return r;
}

static int put_json(struct output *o, const char *path, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    int r = text ? put_bytes(o, path, text, strlen(text)) : fc_fail_errno(o->err, ENOMEM, "%s", path);

    free(text);
    json_decref(json);
    return r;
}

/* "blobs/sha256/HEX" of the @i-th blob: layers, then configuration and manifest. */
static void blob_name(const struct fc_oci_made *m, size_t i, char out[96])
{
    const struct fc_digest *d = i < m->n_layers    ? &m->layers[i].blob
                                : i == m->n_layers ? &m->config_digest
                                                   : &m->manifest_digest;
    char text[FC_DIGEST_TEXT];

    snprintf(out, 96, "blobs/sha256/%s", fc_digest_format(d, text) + 7);
}

static int put_blob(struct output *o, size_t i)
{
    const struct fc_oci_made *m = o->made;
    char name[96];

    blob_name(m, i, name);
    for (size_t k = 0; k < i; k++) { /* two layers may be one blob: a tar has it once */
        char other[96];

        blob_name(m, k, other);
        if (strcmp(name, other) == 0)
            return 0;
    }
    if (i < m->n_layers)
        return put_layer(o, name, &m->layers[i]);
    return i == m->n_layers ? put_bytes(o, name, m->config.data, m->config.len)
                            : put_bytes(o, name, m->manifest.data, m->manifest.len);
}

static json_t *index_of(const struct output *o)
{
    char text[FC_DIGEST_TEXT];
    json_t *entry =
        json_pack("{s:s, s:s, s:I}", "mediaType", FC_OCI_TYPE_MANIFEST, "digest",
                  fc_digest_format(&o->made->manifest_digest, text), "size", (json_int_t)o->made->manifest.len);

    if (o->tag)
        json_object_set_new(entry, "annotations", json_pack("{s:s}", "org.opencontainers.image.ref.name", o->tag));
    return json_pack("{s:i, s:s, s:[o]}", "schemaVersion", 2, "mediaType", FC_OCI_TYPE_INDEX, "manifests", entry);
}

static int write_oci(struct output *o)
{
    int r = put_directory(o, "blobs");

    if (r == 0)
        r = put_directory(o, "blobs/sha256");
    for (size_t i = 0; i < o->made->n_layers + 2 && r == 0; i++)
        r = put_blob(o, i);
    if (r == 0)
        r = put_json(o, "index.json", index_of(o));
    return r < 0 ? r : put_json(o, "oci-layout", json_pack("{s:s}", "imageLayoutVersion", "1.0.0"));
}

/* The names that docker save gave for years: HEX.json and HEX.tar, by the digests of what is in them. */
static void docker_name(const struct fc_digest *d, const char *suffix, char out[96])
{
    char text[FC_DIGEST_TEXT];

    snprintf(out, 96, "%s%s", fc_digest_format(d, text) + 7, suffix);
}

static int write_docker(struct output *o)
{
    const struct fc_oci_made *m = o->made;
    json_t *layers = json_array(), *tags = json_array();
    char name[96], config[96];
    int r = 0;

    for (size_t i = 0; i < m->n_layers && r == 0; i++) {
        bool again = false;

        docker_name(&m->layers[i].blob, ".tar", name);
        for (size_t k = 0; k < i; k++)
            again = again || memcmp(&m->layers[k].blob, &m->layers[i].blob, sizeof(struct fc_digest)) == 0;
        json_array_append_new(layers, json_string(name));
        if (!again)
            r = put_layer(o, name, &m->layers[i]);
    }
    docker_name(&m->config_digest, ".json", config);
    if (o->tag)
        json_array_append_new(tags, json_string(o->tag));
    if (r == 0)
        r = put_bytes(o, config, m->config.data, m->config.len);
    if (r == 0)
        return put_json(o, "manifest.json",
                        json_pack("[{s:s, s:o, s:o}]", "Config", config, "RepoTags", tags, "Layers", layers));
    json_decref(layers);
    json_decref(tags);
    return r;
}

int fc_oci_write_archive(const struct fc_oci_made *made, const char *from, bool docker, const char *tag,
                         fc_oci_sink sink, void *arg, struct fc_error *err)
{
    fc_auto(fc_tar_writer_free) struct fc_tar_writer *tar = NULL;
    struct output o = {.made = made, .from = from, .tag = tag, .err = err};
    int r = fc_tar_writer_new(sink, arg, &tar, err);

    if (r < 0)
        return r;
    o.tar = tar;
    r = docker ? write_docker(&o) : write_oci(&o);
    return r < 0 ? r : fc_tar_writer_finish(tar, err);
}
