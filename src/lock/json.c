/* SPDX-License-Identifier: Apache-2.0 */
/* Locks as JSON, in and out. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/io.h"
#include "base/path.h"
#include "lock/lock.h"

enum { VERSION = 1, FILE_MAX = 16 << 20, LAYERS_MAX = 65535 };

/* The members of an entry that are strings. */
static const struct {
    const char *key;
    size_t offset;
} texts[] = {
    {"locator", offsetof(struct fc_lock_entry, locator)},   {"resolved", offsetof(struct fc_lock_entry, resolved)},
    {"url", offsetof(struct fc_lock_entry, url)},           {"index", offsetof(struct fc_lock_entry, index)},
    {"manifest", offsetof(struct fc_lock_entry, manifest)}, {"config", offsetof(struct fc_lock_entry, config)},
    {"platform", offsetof(struct fc_lock_entry, platform)},
};

static char **text_of(struct fc_lock_entry *e, size_t i) { return (char **)((char *)e + texts[i].offset); }

static json_t *layer_to_json(const struct fc_lock_layer *l)
{
    char diffid[FC_DIGEST_TEXT], digest[FC_DIGEST_TEXT];

    fc_digest_format(&l->diffid, diffid);
    return l->have_digest ? json_pack("{s:s, s:s, s:I}", "diff_id", diffid, "digest",
                                      fc_digest_format(&l->digest, digest), "size", (json_int_t)l->size)
                          : json_pack("{s:s}", "diff_id", diffid);
}

/* NULL when out of memory or when a string is no UTF-8. */
static json_t *entry_to_json(const struct fc_lock_entry *e)
{
    json_t *json = json_object(), *layers = json_array();
    int r = json && layers ? 0 : -1;

    for (size_t i = 0; i < FC_LENGTH(texts) && r == 0; i++) {
        const char *text = *(char *const *)((const char *)e + texts[i].offset);

        if (text)
            r = json_object_set_new(json, texts[i].key, json_string(text));
    }
    for (size_t i = 0; i < e->n_layers && r == 0; i++)
        r = json_array_append_new(layers, layer_to_json(&e->layers[i]));
    if (r == 0)
        return json_object_set_new(json, "layers", layers) == 0 ? json : NULL;
    json_decref(json);
    json_decref(layers);
    return NULL;
}

char *fc_lock_entry_format(const struct fc_lock_entry *e)
{
    json_t *json = entry_to_json(e);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    json_decref(json);
    return text;
}

static int read_layer(const json_t *json, const char *label, struct fc_lock_layer *ret, struct fc_error *err)
{
    const char *diffid = json_string_value(json_object_get(json, "diff_id"));
    const char *digest = json_string_value(json_object_get(json, "digest"));
    const json_t *size = json_object_get(json, "size");

    if (!diffid || fc_digest_parse(diffid, &ret->diffid) < 0)
        return fc_fail(err, EBADMSG, "%s: a layer without a diff_id", label);
    ret->have_digest = digest != NULL;
    if (!digest)
        return 0;
    if (fc_digest_parse(digest, &ret->digest) < 0 || !json_is_integer(size) || json_integer_value(size) < 0)
        return fc_fail(err, EBADMSG, "%s: a layer whose digest or size is none", label);
    ret->size = (uint64_t)json_integer_value(size);
    return 0;
}

static int read_entry(const json_t *json, const char *label, struct fc_lock_entry *ret, struct fc_error *err)
{
    fc_auto(fc_lock_entry_release) struct fc_lock_entry e = {0};
    const json_t *layers = json_object_get(json, "layers");
    size_t n = json_array_size(layers);

    for (size_t i = 0; i < FC_LENGTH(texts); i++) {
        const char *text = json_string_value(json_object_get(json, texts[i].key));

        if (text && !(*text_of(&e, i) = strdup(text)))
            return fc_fail_errno(err, ENOMEM, "%s", label);
    }
    if (!e.locator || n == 0 || n > LAYERS_MAX)
        return fc_fail(err, EBADMSG, "%s: an entry without %s", label, e.locator ? "layers" : "a locator");
    e.layers = calloc(n, sizeof(*e.layers));
    if (!e.layers)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    for (e.n_layers = 0; e.n_layers < n; e.n_layers++) {
        int r = read_layer(json_array_get(layers, e.n_layers), label, &e.layers[e.n_layers], err);

        if (r < 0)
            return r;
    }
    *ret = e;
    e = (struct fc_lock_entry){0};
    return 0;
}

static json_t *load(const char *text, size_t size, const char *label, struct fc_error *err)
{
    json_error_t why;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);

    if (!json)
        fc_fail(err, EBADMSG, "%s: line %d, column %d: %s", label, why.line, why.column, why.text);
    return json;
}

int fc_lock_entry_parse(const char *text, const char *label, struct fc_lock_entry *ret, struct fc_error *err)
{
    json_t *json = load(text, strlen(text), label, err);
    int r = json ? read_entry(json, label, ret, err) : -EBADMSG;

    json_decref(json);
    return r;
}

static int read_kernels(const json_t *list, const char *path, struct fc_lock *l, struct fc_error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *k = json_array_get(list, i);
        const char *locator = json_string_value(json_object_get(k, "locator"));
        const char *origin = json_string_value(json_object_get(k, "origin"));
        const char *digest = json_string_value(json_object_get(k, "digest"));

        if (!locator || !origin || !digest)
            return fc_fail(err, EBADMSG, "%s: a kernel without locator, origin or digest", path);
        if (fc_lock_set_kernel(l, locator, origin, digest) < 0)
            return fc_fail_errno(err, ENOMEM, "%s", path);
    }
    return 0;
}

/* NULL: none, or out of memory. */
static json_t *kernels_to_json(const struct fc_lock *l)
{
    json_t *list = l->n_kernels ? json_array() : NULL;

    for (size_t i = 0; i < l->n_kernels; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "locator", l->kernels[i].locator, "origin",
                                              l->kernels[i].origin, "digest", l->kernels[i].digest));
    return list;
}

static int read_all(const json_t *json, const char *path, struct fc_lock *ret, struct fc_error *err)
{
    fc_auto(fc_lock_release) struct fc_lock l = {0};
    const json_t *layers = json_object_get(json, "layers"), *version = json_object_get(json, "version");

    if (!json_is_array(layers) || !json_is_integer(version))
        return fc_fail(err, EBADMSG, "%s: not a lock of fccompose: no layers, or no version", path);
    if (json_integer_value(version) != VERSION)
        return fc_fail(err, EOPNOTSUPP, "%s: version %lld of the lock; this program knows version %d", path,
                       (long long)json_integer_value(version), VERSION);
    for (size_t i = 0; i < json_array_size(layers); i++) {
        struct fc_lock_entry e = {0};
        int r = read_entry(json_array_get(layers, i), path, &e, err);

        if (r == 0 && fc_lock_add(&l, &e) < 0)
            r = fc_fail_errno(err, ENOMEM, "%s", path);
        fc_lock_entry_release(&e);
        if (r < 0)
            return r;
    }
    if (read_kernels(json_object_get(json, "kernels"), path, &l, err) < 0)
        return err ? -err->code : -EBADMSG;
    *ret = l;
    l = (struct fc_lock){0};
    return 0;
}

int fc_lock_read(const char *path, struct fc_lock *ret, struct fc_error *err)
{
    struct fc_buf bytes __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_read_file(AT_FDCWD, path, FILE_MAX, &bytes);
    json_t *json;

    if (r < 0)
        return fc_fail_errno(err, -r, "%s", path);
    json = load(bytes.data ? bytes.data : "", bytes.len, path, err);
    r = json ? read_all(json, path, ret, err) : -EBADMSG;
    json_decref(json);
    return r;
}

int fc_lock_format(const struct fc_lock *l, struct fc_buf *ret, struct fc_error *err)
{
    json_t *layers = json_array(), *json;
    char *text;
    int r = 0;

    for (size_t i = 0; i < l->n && r == 0; i++) {
        json_t *entry = entry_to_json(&l->entries[i]);
        char shown[160];

        if (!entry || json_array_append_new(layers, entry) < 0)
            r = fc_fail(err, EINVAL, "%s cannot be locked: JSON has no names that are not UTF-8",
                        fc_name_show(shown, sizeof(shown), l->entries[i].locator, strlen(l->entries[i].locator)));
    }
    json = json_pack("{s:i, s:o}", "version", VERSION, "layers", layers);
    if (l->n_kernels && json_object_set_new(json, "kernels", kernels_to_json(l)) < 0)
        r = fc_fail(err, EINVAL, "a kernel cannot be locked: JSON has no names that are not UTF-8");
    text = r == 0 && json ? json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    if (r == 0 && (!text || fc_buf_addf(ret, "%s\n", text) < 0))
        r = fc_fail_errno(err, ENOMEM, "the lock");
    free(text);
    json_decref(json);
    return r;
}

int fc_lock_write(const struct fc_lock *l, const char *path, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_lock_format(l, &text, err);

    return r < 0 ? r : fc_atomic_write(path, text.data, text.len, true, err);
}
