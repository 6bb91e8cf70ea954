/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a recipe: from a key for each kind of source to the locator that the command line takes. */
#include <string.h>

#include <jansson.h>

#include "catalogue/catalogue.h"
#include "compose/shape.h"
#include "oci/oci.h"
#include "stack/stack.h"

/* What the keys of a layer say, before they are one locator. */
struct sources {
    struct fc_recipe_layer layer; /* first: fields of it have its offsets */
    char *locator, *oci, *url, *archive, *layout, *tar, *dir, *name, *builtin, *owner;
};

/* As the command line takes it, but relative to the file. */
static char *convert_locator(struct reader *r, const struct node *n, const char *text)
{
    size_t prefix = fc_locator_prefix(text);
    struct fc_buf out = {0};
    fc_auto(fc_free) char *path = NULL;

    if (!prefix && (strstr(text, "://") || strncmp(text, "builtin:", 8) == 0 || strncmp(text, "sha256:", 7) == 0 ||
                    fc_catalogue_knows(text))) {
        r->oom |= fc_buf_adds(&out, text) < 0;
        return out.data;
    }
    path = scalar_absolute(r, n, text + prefix);
    if (!path || fc_buf_addf(&out, "%.*s%s", prefix ? (int)prefix : 5, prefix ? text : "file:", path) < 0)
        r->oom = true;
    return out.data;
}

static const char *refuse_locator(const char *text)
{
    return strcmp(text, "-") == 0 ? "standard input is no layer of a recipe" : NULL;
}

static const struct scalar scalar_locator = {"a layer as the commands take it, such as alpine:3.20 or ./app.tar.gz",
                                             NULL, refuse_locator, convert_locator};

static const struct field verify_fields[] = {
    {"openpgp", "file with the OpenPGP certificates one of which must have signed", &kind_scalar,
     AT(struct fc_recipe_layer, keyring), &scalar_host, FIELD_REQUIRED, 0, NULL},
    {"signature", "URL of the detached signature, or + and what is put behind the layer's (default +.asc)",
     &kind_scalar, AT(struct fc_recipe_layer, signature), &scalar_signature, 0, 0, NULL},
    {0},
};

static const struct shape shape_verify = {"verify", "A signature that the file must have", verify_fields, NULL, NULL};

#define L(member) AT(struct sources, member)
static const struct field fields[] = {
    {"when", "only under these conditions", &kind_when, 0, NULL, 0, 0, NULL},
    {"locator", "a source as the commands take it: a path, a URL, alpine:3.20, docker://..., dir:PATH", &kind_scalar,
     L(locator), &scalar_locator, FIELD_ONE_OF, 0, NULL},
    {"oci", "an image in a registry, by its reference", &kind_scalar, L(oci), &scalar_oci, FIELD_ONE_OF, 0, NULL},
    {"url", "a tar behind a URL", &kind_scalar, L(url), &scalar_url, FIELD_ONE_OF, 0, NULL},
    {"archive", "an image in a file; of several: #NAME:TAG behind it (docker save), #TAG (OCI archive)", &kind_scalar,
     L(archive), &scalar_host, FIELD_ONE_OF, 0, NULL},
    {"layout", "an OCI image layout (a directory), and # and the tag or digest that is meant", &kind_scalar, L(layout),
     &scalar_host, FIELD_ONE_OF, 0, NULL},
    {"tar", "a tar on this machine, compressed or not", &kind_scalar, L(tar), &scalar_host, FIELD_ONE_OF, 0, NULL},
    {"dir", "a directory of this machine", &kind_scalar, L(dir), &scalar_host, FIELD_ONE_OF, 0, NULL},
    {"name", "a distribution's root file system by its name, such as alpine:3.20", &kind_scalar, L(name), &scalar_name,
     FIELD_ONE_OF, 0, NULL},
    {"builtin", "busybox: a small tree made on the spot", &kind_scalar, L(builtin), &scalar_builtin, FIELD_ONE_OF, 0,
     NULL},
    {"sha256", "the digest that the file must have", &kind_scalar, L(layer.sha256), &scalar_sha256, 0, 0, NULL},
    {"sha512", "the digest that the file must have", &kind_scalar, L(layer.sha512), &scalar_sha512, 0, 0, NULL},
    {"verify", "the signature that the file must have", &kind_shape, L(layer), &shape_verify, 0, 0, "url"},
    {"to", "put it below this path of the tree", &kind_scalar, L(layer.to), &scalar_path, 0, 0, NULL},
    {"owner", "UID:GID that everything in it belongs to", &kind_scalar, L(owner), &scalar_ids, 0, 0, NULL},
    {"exclude", "globs of what is left out", &kind_list, L(layer.exclude), &scalar_text, 0, 0, NULL},
    {0},
};
#undef L

/* "PATH#REF" with the separator that locators have: ":TAG" or "@DIGEST". */
static int with_reference(struct fc_buf *out, const char *prefix, const char *path)
{
    const char *hash = strrchr(path, '#');
    size_t len = hash && hash[1] ? (size_t)(hash - path) : strlen(path);

    if (fc_buf_addf(out, "%s%.*s", prefix, (int)len, path) < 0)
        return -1;
    if (!path[len])
        return 0;
    return fc_buf_addf(out, "%s%s", fc_oci_digest_valid(path + len + 1) ? "@" : ":", path + len + 1);
}

/* docker-archive: takes both kinds when nothing is chosen; what docker save calls an image has a colon, a tag has none. */
static const char *archive_prefix(const char *archive)
{
    const char *hash = strrchr(archive, '#');

    return hash && hash[1] && !strpbrk(hash, ":/@") ? "oci-archive:" : "docker-archive:";
}

static int make_locator(const struct sources *s, struct fc_buf *out)
{
    if (s->oci)
        return fc_buf_addf(out, "docker://%s", s->oci);
    if (s->archive)
        return with_reference(out, archive_prefix(s->archive), s->archive);
    if (s->layout)
        return with_reference(out, "oci:", s->layout);
    if (s->tar)
        return fc_buf_addf(out, "file:%s", s->tar);
    if (s->dir)
        return fc_buf_addf(out, "dir:%s", s->dir);
    if (s->builtin)
        return fc_buf_addf(out, "builtin:%s", s->builtin);
    return fc_buf_adds(out, s->url ? s->url : s->name ? s->name : s->locator);
}

static void resolve_signature(struct reader *r, struct fc_recipe_layer *l, const char *url)
{
    struct fc_buf out = {0};
    const char *text = l->signature ? l->signature : "+.asc";

    if (fc_buf_addf(&out, "%s%s", *text == '+' ? url : "", *text == '+' ? text + 1 : text) < 0)
        r->oom = true;
    free(l->signature);
    l->signature = out.data;
}

static void check(struct reader *r, const struct node *n, void *into)
{
    struct sources *s = into;
    struct fc_recipe_layer *l = &s->layer;
    struct fc_buf locator = {0};
    unsigned long uid, gid;
    char *end;

    if ((l->sha256 || l->sha512) && !s->url && !s->tar && !s->archive)
        reader_problem(r, n, "layer: sha256 and sha512 are those of a file: of url, tar or archive");
    if (l->keyring)
        resolve_signature(r, l, s->url);
    if (s->owner) {
        uid = strtoul(s->owner, &end, 10);
        gid = strtoul(end + 1, NULL, 10);
        l->force_owner = true;
        l->uid = (uint32_t)uid;
        l->gid = (uint32_t)gid;
    }
    r->oom |= make_locator(s, &locator) < 0;
    l->locator = locator.data;
}

const struct shape shape_layer = {"layer", "A layer: one source, and where and how it is put", fields, "locator",
                                  check};

void layer_release(struct fc_recipe_layer *l)
{
    free(l->locator);
    free(l->sha256);
    free(l->sha512);
    free(l->keyring);
    free(l->signature);
    free(l->to);
    list_release(&l->exclude);
}

static void sources_release(struct sources *s)
{
    free(s->locator);
    free(s->oci);
    free(s->url);
    free(s->archive);
    free(s->layout);
    free(s->tar);
    free(s->dir);
    free(s->name);
    free(s->builtin);
    free(s->owner);
    layer_release(&s->layer);
}

static void read_one(struct reader *r, const struct node *n)
{
    struct fc_recipe *recipe = r->recipe;
    struct sources s = {.layer.place = reader_place(n)};
    struct fc_recipe_layer *more;

    r->applies = true;
    shape_read(r, n, &shape_layer, &s);
    more = r->applies ? realloc(recipe->layers, (recipe->n_layers + 1) * sizeof(*more)) : NULL;
    if (more) {
        recipe->layers = more;
        more[recipe->n_layers++] = s.layer;
        s.layer = (struct fc_recipe_layer){0};
    }
    r->oom |= r->applies && !more;
    sources_release(&s);
}

static void read_layers(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    (void)into;
    if (n->kind != FC_YAML_LIST && !node_is_null(n))
        reader_problem(r, n, "%s: expected a list, the lowest first", f->name);
    for (size_t i = 0; n->kind == FC_YAML_LIST && i < n->n && !reader_is_done(r); i++)
        read_one(r, n->items[i]);
}

static json_t *schema_layers(const struct field *f, json_t *defs)
{
    (void)f;
    return schema_list(schema_shape(&shape_layer, defs));
}

const struct kind kind_layers = {read_layers, schema_layers};
