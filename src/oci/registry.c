/* SPDX-License-Identifier: Apache-2.0 */
/* A registry as a source of blobs: what it gives lands in the layout of the cache, and comes from there the next time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/sum.h"
#include "oci/image.h"
#include "oci/session.h"
#include "oci/tags.h"

struct registry {
    struct fc_oci_source source; /* first */
    struct fc_oci_session session;
    struct fc_fetcher *f;
    char *label, *tagged; /* the latter: "HOST/REPOSITORY:TAG" */
    struct fc_oci_ref ref;
    char type[128]; /* of the root */
};

static bool is_document(const char *media_type)
{
    return strstr(media_type, "manifest") || strstr(media_type, "index");
}

/* Download @d, or find it in the cache. */
static int start(struct registry *g, const struct fc_oci_descriptor *d, struct fc_fetch **ret, struct fc_error *err)
{
    static const char accept[] = "Accept: ";
    const char *what = is_document(d->media_type) ? "manifests" : "blobs";
    fc_auto(fc_free) char *url = fc_oci_session_url(&g->session, what, d->digest), *header = NULL;
    fc_auto(fc_free) char *authorization = fc_oci_session_authorization(&g->session);
    const char *headers[1];
    struct fc_fetch_want want = {.label = g->label,
                                 .have_size = d->size != UINT64_MAX,
                                 .size = d->size,
                                 .renew = fc_oci_session_renew,
                                 .arg = &g->session};

    if (!url || asprintf(&header, "%s%s", accept, fc_oci_accept) < 0 || fc_sum_parse(d->digest, &want.sum) < 0)
        return header = NULL, fc_fail_errno(err, ENOMEM, "%s", g->label);
    headers[0] = header;
    want.request = (struct fc_http_request){.url = url, .authorization = authorization};
    if (is_document(d->media_type)) {
        want.request.headers = headers;
        want.request.n_headers = 1;
        want.request.max_bytes = FC_OCI_DOCUMENT_MAX;
    }
    return fc_fetch_start(g->f, &want, ret, err);
}

static int registry_open(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_oci_blob *ret,
                         struct fc_error *err)
{
    struct fc_oci_blob blob = {.fd = -1};
    int r = start((struct registry *)s, d, &blob.fetch, err);

    if (r == 0)
        *ret = blob;
    return r;
}

static int registry_document(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_buf *ret,
                             struct fc_error *err)
{
    fc_auto(fc_fetch_free) struct fc_fetch *t = NULL;
    char chunk[16384];
    ssize_t n;
    int r = start((struct registry *)s, d, &t, err);

    if (r < 0)
        return r;
    r = fc_fetch_wait(t, err);
    while (r == 0 && (n = fc_fetch_read(t, chunk, sizeof(chunk), err)) != 0) {
        if (n < 0)
            r = (int)n;
        else if (ret->len + (size_t)n > FC_OCI_DOCUMENT_MAX)
            r = fc_fail(err, EBADMSG, "%s: %s is longer than %u bytes", s->label, d->digest, FC_OCI_DOCUMENT_MAX);
        else if (fc_buf_add(ret, chunk, (size_t)n) < 0)
            r = fc_fail_errno(err, ENOMEM, "%s", s->label);
    }
    return r;
}

/* What the answer says that the document is, and its digest. */
static int check_root(struct registry *g, const struct fc_http_response *response, struct fc_digest *ret_digest,
                      struct fc_error *err)
{
    struct fc_buf value __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char have[FC_DIGEST_TEXT];

    if (fc_fetch_store(g->f, response->body.data ? response->body.data : "", response->body.len, ret_digest, err) < 0)
        return fc_wrap(err, "%s", g->label);
    fc_digest_format(ret_digest, have);
    if (fc_http_header(response, "Docker-Content-Digest", 0, &value) > 0 && strncmp(value.data, "sha256:", 7) == 0 &&
        strcmp(value.data, have) != 0)
        return fc_fail(err, EBADMSG, "%s: damaged on the way: its digest is %s, the registry says %s", g->label, have,
                       value.data);
    if (fc_http_header(response, "Content-Type", 0, &value) > 0)
        snprintf(g->type, sizeof(g->type), "%.*s", (int)strcspn(value.data, "; \t"), value.data);
    return 0;
}

/* Ask for the manifest of the tag. Any answer is one. */
static int ask_tag(struct registry *g, const char *method, struct fc_http_response *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *url = fc_oci_session_url(&g->session, "manifests", g->ref.tag), *header = NULL;
    const char *headers[1];

    if (!url || asprintf(&header, "Accept: %s", fc_oci_accept) < 0)
        return header = NULL, fc_fail_errno(err, ENOMEM, "%s", g->label);
    headers[0] = header;
    return fc_oci_session_exchange(&g->session,
                                   &(struct fc_http_request){.url = url,
                                                             .method = method,
                                                             .headers = headers,
                                                             .n_headers = 1,
                                                             .max_bytes = FC_OCI_DOCUMENT_MAX,
                                                             .attempts = method ? 1 : 0}, /* else a GET follows */
                                   ret, err);
}

static int get_tag(struct registry *g, struct fc_buf *ret, struct fc_error *err)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    fc_auto(fc_oci_document_release) struct fc_oci_document document = {0};
    struct fc_digest digest;
    char text[FC_DIGEST_TEXT];
    int r = ask_tag(g, NULL, &response, err);

    if (r < 0)
        return r;
    if (response.status != 200)
        return fc_oci_session_fail(&g->session, &response, g->ref.tag, err);
    r = check_root(g, &response, &digest, err);
    /* It may be a portal's page: what was remembered before is better than that. */
    if (r == 0)
        r = fc_oci_document_parse(response.body.data, response.body.len, g->type, g->label, &document, err);
    if (r < 0)
        return r;
    *ret = response.body;
    response.body = (struct fc_buf){0};
    /* For the next time without a network; it is not worth failing for. */
    (void)fc_oci_tags_set(fc_fetcher_layout(g->f), g->tagged,
                          &(struct fc_oci_descriptor){.media_type = document.media_type,
                                                      .digest = fc_digest_format(&digest, text),
                                                      .size = ret->len},
                          NULL);
    return 0;
}

/* The document @digest, whatever it is. */
static int get_digest(struct registry *g, const char *digest, struct fc_buf *ret, struct fc_error *err)
{
    return registry_document(
        &g->source, &(struct fc_oci_descriptor){.media_type = "manifest", .digest = digest, .size = UINT64_MAX}, ret,
        err);
}

/* The digest of what the tag names now, without its bytes, if the registry says it. Caller frees; or NULL. */
static char *ask_digest(struct registry *g)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    struct fc_buf value __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (ask_tag(g, "HEAD", &response, NULL) < 0 || response.status != 200 ||
        fc_http_header(&response, "Docker-Content-Digest", 0, &value) <= 0)
        return NULL;
    return strdup(value.data);
}

/*
 * The document that the tag named the last time, if it still does and is in the cache: 0; -ENOENT if it must be fetched. Docker
 * Hub counts the manifests that somebody gets, and not the questions whether there is another.
 */
static int get_tag_again(struct registry *g, struct fc_buf *ret)
{
    fc_auto(fc_free) char *known = NULL, *now = NULL, *path = NULL;
    struct fc_digest digest;

    if (fc_oci_tags_get(fc_fetcher_layout(g->f), g->tagged, &known, NULL) < 0 || fc_digest_parse(known, &digest) < 0)
        return -ENOENT;
    path = fc_fetch_blob_path(g->f, &digest);
    if (!path || access(path, F_OK) < 0)
        return -ENOENT;
    now = ask_digest(g);
    if (!now || strcmp(now, known) != 0 || get_digest(g, known, ret, NULL) < 0) {
        fc_buf_release(ret);
        return -ENOENT;
    }
    return 0;
}

static int get_tag_offline(struct registry *g, struct fc_buf *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *digest = NULL;
    int r = fc_oci_tags_get(fc_fetcher_layout(g->f), g->tagged, &digest, err);

    if (r == -ENOENT)
        return fc_fail(err, ENOENT, "%s: offline, and the cache has no %s yet", g->label, g->tagged);
    return r < 0 ? r : get_digest(g, digest, ret, err);
}

static int registry_root(struct fc_oci_source *s, struct fc_buf *ret, const char **ret_type, struct fc_error *err)
{
    struct registry *g = (struct registry *)s;
    int r;

    g->type[0] = '\0';
    if (g->ref.digest)
        r = get_digest(g, g->ref.digest, ret, err);
    else if (fc_fetcher_offline(g->f))
        r = get_tag_offline(g, ret, err);
    else if (get_tag_again(g, ret) == 0)
        r = 0;
    else
        r = get_tag(g, ret, err);
    *ret_type = g->type;
    return r;
}

static void registry_free(struct fc_oci_source *s)
{
    struct registry *g = (struct registry *)s;

    fc_oci_session_end(&g->session);
    fc_oci_ref_release(&g->ref);
    free(g->label);
    free(g->tagged);
    free(g);
}

int fc_oci_registry_open(struct fc_fetcher *f, const char *ref, const char *label, struct fc_oci_source **ret,
                         struct fc_error *err)
{
    struct registry *g = calloc(1, sizeof(*g));
    fc_auto(fc_oci_source_free) struct fc_oci_source *owned = (struct fc_oci_source *)g;
    int r;

    if (!g)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    g->f = f;
    g->source = (struct fc_oci_source){registry_root, registry_document, registry_open, registry_free, NULL};
    g->source.label = g->label = strdup(label);
    if (!g->label)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    r = fc_oci_ref_parse(ref, &g->ref, err);
    if (r == 0 && asprintf(&g->tagged, "%s/%s:%s", g->ref.host, g->ref.repository, g->ref.tag ? g->ref.tag : "") < 0) {
        g->tagged = NULL;
        r = fc_fail_errno(err, ENOMEM, "%s", label);
    }
    if (r == 0)
        r = fc_oci_session_begin(&g->session, f, &g->ref, err);
    if (r == 0)
        *ret = fc_steal(&owned);
    return r;
}
