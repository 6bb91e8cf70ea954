/* SPDX-License-Identifier: Apache-2.0 */
/* From the outermost document of a source to one image: by tag, by platform, through nested indexes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sum.h"
#include "oci/image.h"

/* Indexes in indexes: no image in use has more than two, a circle never ends (a digest cannot be in a circle, but the
 * outermost index has none). */
enum { DEPTH_MAX = 8, LOOKED_AT_MAX = 256 };

/* What a search has found so far. */
struct search {
    struct fc_oci_source *source;
    const struct fc_oci_choice *choice;
    struct fc_oci_platform want;
    unsigned looked_at, best_match;
    bool rival; /* another one is as good */
    char *best_digest, *best_index, *best_type;
    uint64_t best_size;
    struct fc_buf seen; /* platforms or tags that were not it, for the message */
};

static void search_release(struct search *s)
{
    free(s->best_digest);
    free(s->best_index);
    free(s->best_type);
    fc_buf_release(&s->seen);
}

/* Read the document @d and check that it is what @d says. */
static int read_document(struct fc_oci_source *source, const struct fc_oci_descriptor *d, struct fc_buf *ret,
                         struct fc_error *err)
{
    struct fc_sum want, have;
    int r;

    if (d->size > FC_OCI_DOCUMENT_MAX)
        return fc_fail(err, EBADMSG, "%s: %s is %llu bytes long, too long for what it is", source->label, d->digest,
                       (unsigned long long)d->size);
    r = source->document(source, d, ret, err);
    if (r < 0)
        return r;
    if (ret->len != d->size)
        return fc_fail(err, EBADMSG, "%s: %s is %zu bytes long, not %llu", source->label, d->digest, ret->len,
                       (unsigned long long)d->size);
    if (fc_sum_parse(d->digest, &want) < 0 || fc_sum_of(want.kind, ret->data ? ret->data : "", ret->len, &have) < 0)
        return fc_fail(err, EIO, "%s: %s cannot be digested", source->label, d->digest);
    if (!fc_sum_equal(&want, &have)) {
        char text[FC_SUM_TEXT];

        return fc_fail(err, EBADMSG, "%s: %s is damaged: its digest is %s", source->label, d->digest,
                       fc_sum_format(&have, text));
    }
    return 0;
}

static bool is_listed(const struct fc_buf *list, const char *text)
{
    size_t len = strlen(text);

    for (const char *p = list->data; p; p = strchr(p, ',') ? strchr(p, ',') + 2 : NULL)
        if (strncmp(p, text, len) == 0 && (!p[len] || p[len] == ','))
            return true;
    return false;
}

/* Note what was passed by, each thing once, as many as a message can hold. */
static void note_seen(struct search *s, const char *text)
{
    if (s->seen.len < 300 && !is_listed(&s->seen, text))
        (void)fc_buf_addf(&s->seen, "%s%s", s->seen.len ? ", " : "", text);
}

static int take_best(struct search *s, const struct fc_oci_descriptor *d, const char *index, unsigned match,
                     struct fc_error *err)
{
    bool first = s->best_digest == NULL;

    if (!first && strcmp(s->best_digest, d->digest) == 0)
        return 0;
    if (!first && match <= s->best_match) {
        s->rival = s->rival || match == s->best_match;
        return 0;
    }
    s->rival = false;
    free(s->best_digest);
    free(s->best_index);
    free(s->best_type);
    s->best_match = match;
    s->best_size = d->size;
    s->best_digest = strdup(d->digest);
    s->best_type = strdup(d->media_type);
    s->best_index = index ? strdup(index) : NULL;
    return s->best_digest && s->best_type && (s->best_index || !index)
               ? 0
               : fc_fail_errno(err, ENOMEM, "%s", s->source->label);
}

/* Whether @d, listed in the outermost index, is what the choice names. */
static bool is_chosen(struct search *s, const struct fc_oci_descriptor *d)
{
    if (s->choice->digest)
        return strcmp(d->digest, s->choice->digest) == 0;
    if (!s->choice->tag || (d->ref_name && strcmp(d->ref_name, s->choice->tag) == 0))
        return true;
    if (d->ref_name)
        note_seen(s, d->ref_name);
    return false;
}

/* Where a search is. */
struct place {
    const char *digest; /* of the index that is looked through; NULL for the outermost of a layout */
    unsigned depth;
    bool chosen; /* it is what the choice names, or in it */
};

static int look_through(struct search *s, const struct fc_oci_document *index, const struct place *at,
                        struct fc_error *err);

static int look_into(struct search *s, const struct fc_oci_descriptor *d, unsigned depth, bool chosen,
                     struct fc_error *err)
{
    fc_auto(fc_oci_document_release) struct fc_oci_document inner = {0};
    struct fc_buf bytes __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r;

    if (depth >= DEPTH_MAX || ++s->looked_at > LOOKED_AT_MAX)
        return fc_fail(err, EBADMSG, "%s: indexes in indexes, more than %d deep or %d in all", s->source->label,
                       DEPTH_MAX, LOOKED_AT_MAX);
    r = read_document(s->source, d, &bytes, err);
    if (r == 0)
        r = fc_oci_document_parse(bytes.data, bytes.len, d->media_type, d->digest, &inner, err);
    if (r == 0 && inner.kind != FC_OCI_INDEX)
        return fc_fail(err, EBADMSG, "%s: %s is not the index that it is said to be", s->source->label, d->digest);
    return r < 0 ? r : look_through(s, &inner, &(struct place){d->digest, depth + 1, chosen}, err);
}

static bool is_index(const struct fc_oci_descriptor *d)
{
    return strstr(d->media_type, "image.index") || strstr(d->media_type, "manifest.list");
}

static int look_through(struct search *s, const struct fc_oci_document *index, const struct place *at,
                        struct fc_error *err)
{
    char text[72];
    int r = 0;

    for (size_t i = 0; i < index->n_items && r == 0; i++) {
        const struct fc_oci_descriptor *d = &index->items[i];
        unsigned match = 1; /* who says nothing may be it */

        bool chosen = at->chosen || is_chosen(s, d);

        if (d->attestation)
            continue;
        if (is_index(d)) { /* a digest may be that of something inside */
            if (chosen || s->choice->digest)
                r = look_into(s, d, at->depth, chosen, err);
            continue;
        }
        if (!chosen)
            continue;
        if (!strstr(d->media_type, "manifest")) /* unknown kinds are no error (image-spec, "Media Types") */
            continue;
        if (d->platform.arch[0])
            match = fc_oci_platform_match(&s->want, &d->platform);
        if (match == 0)
            note_seen(s, fc_oci_platform_format(&d->platform, text));
        if (match > 0 || !s->choice->platform)
            r = take_best(s, d, at->digest, match, err);
    }
    return r;
}

static int nothing_found(const struct search *s, struct fc_error *err)
{
    const char *label = s->source->label, *seen = s->seen.len ? s->seen.data : "nothing that is an image";
    char text[72];

    if (s->choice->digest)
        return fc_fail(err, ENOENT, "%s: there is no %s in its index", label, s->choice->digest);
    if (s->choice->tag)
        return fc_fail(err, ENOENT, "%s: there is no \"%s\" for %s; there is: %s", label, s->choice->tag,
                       fc_oci_platform_format(&s->want, text), seen);
    return fc_fail(err, ENOENT, "%s: there is no image for %s; there is: %s", label,
                   fc_oci_platform_format(&s->want, text), seen);
}

/* Sets *ret_d, whose strings @s owns, to the manifest to take. */
static int choose(struct search *s, const struct fc_oci_document *root, const char *root_digest, struct fc_error *err)
{
    const struct place at = {.digest = root_digest, .chosen = root_digest && !s->choice->digest};
    int r = look_through(s, root, &at, err);

    if (r < 0)
        return r;
    if (!s->best_digest || (s->best_match == 0 && s->rival))
        return nothing_found(s, err);
    if (s->rival && s->choice->tag)
        return fc_fail(err, ENOTUNIQ, "%s: \"%s\" names several images; give one's digest: @%s", s->source->label,
                       s->choice->tag, s->best_digest);
    if (s->rival)
        return fc_fail(err, ENOTUNIQ, "%s: there are several images; name one by its tag, or by its digest: @%s",
                       s->source->label, s->best_digest);
    return 0;
}

static int check_layers(const char *label, const struct fc_oci_image *image, struct fc_error *err)
{
    const char *why = NULL;

    if (image->document.n_items == 0)
        return fc_fail(err, EOPNOTSUPP, "%s: an image without layers", label);
    for (size_t i = 0; i < image->document.n_items; i++)
        if (!fc_oci_is_layer(image->document.items[i].media_type, &why))
            return fc_fail(err, EOPNOTSUPP, "%s: layer %zu (%s) cannot be read: %s", label, i + 1,
                           image->document.items[i].media_type, why);
    if (image->document.n_items != image->config.n_diff_ids)
        return fc_fail(err, EBADMSG, "%s: %zu layers, but %zu diffIDs in the configuration", label,
                       image->document.n_items, image->config.n_diff_ids);
    return 0;
}

static int read_config(struct fc_oci_source *source, struct fc_oci_image *image, struct fc_error *err)
{
    const struct fc_oci_descriptor *d = &image->document.config;
    int r;

    if (strcmp(d->media_type, FC_OCI_TYPE_CONFIG) != 0 &&
        strcmp(d->media_type, "application/vnd.docker.container.image.v1+json") != 0)
        return fc_fail(err, EOPNOTSUPP, "%s: not an image but an artifact (%s)", source->label, d->media_type);
    r = read_document(source, d, &image->config_bytes, err);
    return r < 0 ? r
                 : fc_oci_config_parse(image->config_bytes.data, image->config_bytes.len, source->label, &image->config,
                                       err);
}

static int check_platform(const char *label, const struct fc_oci_choice *choice, const struct fc_oci_platform *want,
                          const struct fc_oci_platform *have, struct fc_error *err)
{
    char wanted[72], there[72];

    if (!have->arch[0] || fc_oci_platform_match(want, have) > 0)
        return 0;
    if (!choice->platform) { /* the only one there is: most likely meant, for a guest of that kind */
        fc_log(FC_LOG_WARN, "%s is for %s, this machine is %s", label, fc_oci_platform_format(have, there),
               fc_oci_platform_format(want, wanted));
        return 0;
    }
    return fc_fail(err, ENOENT, "%s: there is no image for %s; there is: %s", label,
                   fc_oci_platform_format(want, wanted), fc_oci_platform_format(have, there));
}

/* Parse image->manifest_bytes, and read and check the rest. */
static int complete(struct fc_oci_source *source, const char *type, struct fc_oci_image *image, struct fc_error *err)
{
    int r = fc_oci_document_parse(image->manifest_bytes.data, image->manifest_bytes.len, type, source->label,
                                  &image->document, err);

    if (r == 0 && image->document.kind != FC_OCI_MANIFEST)
        r = fc_fail(err, EBADMSG, "%s: %s is not the manifest that it is said to be", source->label, image->digest);
    if (r == 0)
        r = read_config(source, image, err);
    if (r == 0)
        r = check_layers(source->label, image, err);
    return r;
}

/* The outermost document names many: find one, and read it. */
static int through_index(struct search *s, const struct fc_oci_document *root, const char *root_digest,
                         struct fc_oci_image *image, struct fc_error *err)
{
    struct fc_oci_descriptor d;
    int r = choose(s, root, root_digest, err);

    if (r < 0)
        return r;
    d = (struct fc_oci_descriptor){.media_type = s->best_type, .digest = s->best_digest, .size = s->best_size};
    r = read_document(s->source, &d, &image->manifest_bytes, err);
    if (r < 0)
        return r;
    image->digest = fc_steal(&s->best_digest);
    image->index = fc_steal(&s->best_index);
    return complete(s->source, s->best_type, image, err);
}

/* The digest of the outermost document, as it would stand in an index. Caller frees. */
static char *digest_text(const struct fc_buf *bytes)
{
    char text[FC_SUM_TEXT];
    struct fc_sum sum;

    return fc_sum_of(FC_SUM_SHA256, bytes->data, bytes->len, &sum) < 0 ? NULL : strdup(fc_sum_format(&sum, text));
}

int fc_oci_resolve(struct fc_oci_source *source, const struct fc_oci_choice *choice, struct fc_oci_image *ret,
                   struct fc_error *err)
{
    static const struct fc_oci_choice any;
    fc_auto(fc_oci_image_release) struct fc_oci_image image = {0};
    fc_auto(fc_oci_document_release) struct fc_oci_document root = {0};
    struct fc_buf bytes __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *digest = NULL;
    struct search search
        __attribute__((cleanup(search_release))) = {.source = source, .choice = choice ? choice : &any};
    const char *type = NULL;
    int r = fc_oci_platform_parse(search.choice->platform, &search.want, err);

    if (r == 0)
        r = source->root(source, &bytes, &type, err);
    if (r == 0)
        r = fc_oci_document_parse(bytes.data, bytes.len, type, source->label, &root, err);
    if (r < 0)
        return r;
    digest = digest_text(&bytes);
    if (!digest)
        return fc_fail_errno(err, ENOMEM, "%s", source->label);
    if (root.kind == FC_OCI_INDEX) {
        /* What was served with a type is a document of a registry, chosen by name already; an index.json is not. */
        r = through_index(&search, &root, type ? digest : NULL, &image, err);
    } else {
        image.digest = fc_steal(&digest);
        image.manifest_bytes = bytes;
        bytes = (struct fc_buf){0};
        r = complete(source, type, &image, err);
    }
    if (r == 0)
        r = check_platform(source->label, search.choice, &search.want, &image.config.platform, err);
    if (r < 0)
        return r;
    *ret = image;
    image = (struct fc_oci_image){0};
    return 0;
}

void fc_oci_image_release(struct fc_oci_image *image)
{
    free(image->index);
    free(image->digest);
    fc_oci_document_release(&image->document);
    fc_oci_config_release(&image->config);
    fc_buf_release(&image->manifest_bytes);
    fc_buf_release(&image->config_bytes);
    *image = (struct fc_oci_image){0};
}
