/* SPDX-License-Identifier: Apache-2.0 */
/* Make configuration and manifest of an image. */
#include "oci/assemble.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/digest.h"
#include "fetch/fetch.h"

/* What a configuration may have (image-spec, config.md); the rest is about a container of somebody's. */
static const char *const kept[] = {"author", "architecture", "os", "os.version", "os.features", "variant", "config"};

static json_t *begin_config(const char *text, struct fc_error *err)
{
    json_t *base, *json = json_object();
    json_error_t why;

    if (!text || !json)
        return json;
    base = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(base)) {
        fc_fail(err, EBADMSG, "the image's configuration is not a JSON object");
        json_decref(base);
        json_decref(json);
        return NULL;
    }
    for (size_t i = 0; i < FC_LENGTH(kept); i++)
        if (json_object_get(base, kept[i]))
            json_object_set(json, kept[i], json_object_get(base, kept[i]));
    json_decref(base);
    return json;
}

static int set_platform(json_t *json, const char *arch, struct fc_error *err)
{
    struct fc_oci_platform p;
    int r;

    if (!arch && json_string_value(json_object_get(json, "architecture")))
        return 0;
    r = fc_oci_platform_parse(arch, &p, err);
    if (r < 0)
        return r;
    json_object_set_new(json, "os", json_string(p.os));
    json_object_set_new(json, "architecture", json_string(p.arch));
    json_object_del(json, "variant");
    if (p.variant[0])
        json_object_set_new(json, "variant", json_string(p.variant));
    return 0;
}

/* "rootfs" and "history", which go together: an entry for each layer. */
static int set_layers(json_t *json, const struct fc_oci_made *made, const char *created)
{
    json_t *ids = json_array(), *history = json_array();
    char text[FC_DIGEST_TEXT];
    bool all;

    for (size_t i = 0; i < made->n_layers; i++) {
        json_t *step = json_object();

        json_array_append_new(ids, json_string(fc_digest_format(&made->layers[i].diffid, text)));
        if (made->layers[i].created_by)
            json_object_set_new(step, "created_by", json_string(made->layers[i].created_by));
        if (created)
            json_object_set_new(step, "created", json_string(created));
        json_array_append_new(history, step);
    }
    if (created)
        json_object_set_new(json, "created", json_string(created));
    all = json_array_size(ids) == made->n_layers && json_array_size(history) == made->n_layers;
    if (json_object_set_new(json, "history", history) < 0)
        all = false;
    return json_object_set_new(json, "rootfs", json_pack("{s:s, s:o}", "type", "layers", "diff_ids", ids)) < 0 || !all
               ? -ENOMEM
               : 0;
}

static int dump(json_t *json, struct fc_buf *ret, struct fc_digest *ret_digest, struct fc_error *err)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    int r = text ? fc_buf_adds(ret, text) : -ENOMEM;

    free(text);
    if (r == 0)
        r = fc_digest_of(ret->data, ret->len, ret_digest);
    return r < 0 ? fc_fail_errno(err, -r, "cannot make the image") : 0;
}

static json_t *describe(const char *type, const struct fc_digest *digest, uint64_t size)
{
    char text[FC_DIGEST_TEXT];

    return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", fc_digest_format(digest, text), "size",
                     (json_int_t)size);
}

static int make_manifest(struct fc_oci_made *made, struct fc_error *err)
{
    json_t *layers = json_array(), *json;
    int r;

    for (size_t i = 0; i < made->n_layers; i++)
        json_array_append_new(layers,
                              describe(made->layers[i].media_type, &made->layers[i].blob, made->layers[i].size));
    if (json_array_size(layers) != made->n_layers) {
        json_decref(layers);
        return fc_fail_errno(err, ENOMEM, "cannot make the image");
    }
    json = json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", FC_OCI_TYPE_MANIFEST, "config",
                     describe(FC_OCI_TYPE_CONFIG, &made->config_digest, made->config.len), "layers", layers);
    r = json ? dump(json, &made->manifest, &made->manifest_digest, err)
             : fc_fail_errno(err, ENOMEM, "cannot make the image");
    json_decref(json);
    return r;
}

int fc_oci_assemble(struct fc_oci_made *made, const struct fc_oci_assemble_options *options, struct fc_error *err)
{
    json_t *json = begin_config(options->config, err);
    int r = json              ? set_platform(json, options->arch, err)
            : options->config ? -EBADMSG
                              : fc_fail_errno(err, ENOMEM, "cannot make the image");

    if (r == 0 && set_layers(json, made, options->created) < 0)
        r = fc_fail_errno(err, ENOMEM, "cannot make the image");
    if (r == 0)
        r = dump(json, &made->config, &made->config_digest, err);
    json_decref(json);
    return r < 0 ? r : make_manifest(made, err);
}

int fc_oci_made_store(const struct fc_oci_made *made, struct fc_fetcher *f, struct fc_error *err)
{
    struct fc_digest digest;
    int r = fc_fetch_store(f, made->config.data, made->config.len, &digest, err);

    return r < 0 ? r : fc_fetch_store(f, made->manifest.data, made->manifest.len, &digest, err);
}

void fc_oci_made_release(struct fc_oci_made *m)
{
    free(m->layers);
    fc_buf_release(&m->config);
    fc_buf_release(&m->manifest);
    *m = (struct fc_oci_made){0};
}
