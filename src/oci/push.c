/* SPDX-License-Identifier: Apache-2.0 */
/* Push an image: blobs, configuration, and the manifest last. */
#include "oci/push.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/fetch.h"
#include "oci/blob.h"
#include "oci/token.h"
#include "oci/upload.h"

static int push_blob(struct fc_oci_session *s, struct fc_oci_upload *u, const struct fc_digest *digest,
                     struct fc_oci_push_result *result, struct fc_error *err)
{
    char text[FC_DIGEST_TEXT], what[64];
    int r;

    u->digest = fc_digest_format(digest, text);
    snprintf(what, sizeof(what), "pushing %.19s", text);
    if (u->progress && u->progress->begin)
        u->progress->begin(u->progress, what, u->size, FC_PROGRESS_BYTES);
    r = fc_oci_upload(s, u, err);
    if (u->progress && u->progress->end)
        u->progress->end(u->progress, r >= 0);
    if (r < 0)
        return r;
    result->n_sent += r > 0;
    result->n_there += r == 0;
    result->bytes += r > 0 ? u->size : 0;
    return 0;
}

static int push_layer(struct fc_oci_session *s, const struct fc_oci_layer *l, const struct fc_oci_push_options *o,
                      struct fc_oci_push_result *result, struct fc_error *err)
{
    fc_auto(fc_free) char *path = fc_oci_blob_path(fc_fetcher_layout(s->f), &l->blob);
    fc_auto(fc_close) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct fc_oci_upload u = {.size = l->size, .fd = fd, .from = o->from, .chunk = o->chunk, .progress = o->progress};

    if (fd < 0)
        return fc_fail_errno(err, path ? errno : ENOMEM, "%s", path ? path : "a layer");
    return push_blob(s, &u, &l->blob, result, err);
}

static int push_manifest(struct fc_oci_session *s, const struct fc_oci_made *made, const char *tag,
                         struct fc_error *err)
{
    static const char *const headers[] = {"Content-Type: " FC_OCI_TYPE_MANIFEST};
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    fc_auto(fc_free) char *url = fc_oci_session_url(s, "manifests", tag);
    const struct fc_http_request request = {.url = url,
                                            .method = "PUT",
                                            .headers = headers,
                                            .n_headers = 1,
                                            .body = made->manifest.data,
                                            .body_size = made->manifest.len,
                                            .no_redirects = true};
    int r = url ? fc_oci_session_exchange(s, &request, &response, err) : fc_fail_errno(err, ENOMEM, "%s", tag);

    if (r < 0)
        return r;
    return response.status == 201 || response.status == 200 ? 0 : fc_oci_session_fail(s, &response, tag, err);
}

static int push_all(struct fc_oci_session *s, const struct fc_oci_made *made, const char *tag,
                    const struct fc_oci_push_options *o, struct fc_oci_push_result *result, struct fc_error *err)
{
    struct fc_oci_upload config = {.size = made->config.len, .fd = -1, .data = made->config.data, .from = o->from};
    int r = 0;

    for (size_t i = 0; i < made->n_layers && r == 0; i++)
        r = push_layer(s, &made->layers[i], o, result, err);
    if (r == 0)
        r = push_blob(s, &config, &made->config_digest, result, err);
    return r < 0 ? r : push_manifest(s, made, tag, err);
}

int fc_oci_push(struct fc_fetcher *f, const char *ref, const struct fc_oci_made *made,
                const struct fc_oci_push_options *options, struct fc_oci_push_result *ret, struct fc_error *err)
{
    static const struct fc_oci_push_options defaults;
    fc_auto(fc_oci_ref_release) struct fc_oci_ref where = {0};
    fc_auto(fc_oci_session_end) struct fc_oci_session session = {0};
    struct fc_oci_push_result result = {0};
    int r = fc_oci_ref_parse(ref, &where, err);

    if (r == 0 && where.digest)
        r = fc_fail(err, EINVAL, "%s: the digest of what is pushed comes out, it cannot be chosen", ref);
    if (r == 0 && fc_fetcher_offline(f))
        r = fc_fail(err, ENETDOWN, "%s: nothing can be pushed offline", ref);
    if (r == 0)
        r = fc_oci_session_begin(&session, f, &where, err);
    if (r < 0)
        return r;
    session.push = true;
    r = push_all(&session, made, where.tag, options ? options : &defaults, &result, err);
    if (r == 0)
        *ret = result;
    return r;
}

int fc_oci_login(struct fc_fetcher *f, const char *host, const char *user, const char *password, struct fc_error *err)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    fc_auto(fc_oci_session_end) struct fc_oci_session session = {0};
    fc_auto(fc_free) char *url = NULL, *name = strdup(host), *all = strdup("login");
    const struct fc_oci_ref ref = {.host = name, .repository = all};
    int r = name && all ? fc_oci_session_begin(&session, f, &ref, err) : fc_fail_errno(err, ENOMEM, "%s", host);

    if (r < 0)
        return r;
    session.looked = true;
    session.any = true;
    session.credentials.user = strdup(user);
    session.credentials.password = strdup(password);
    if (!session.credentials.user || !session.credentials.password || asprintf(&url, "%s/v2/", session.base) < 0)
        return url = NULL, fc_fail_errno(err, ENOMEM, "%s", host);
    r = fc_oci_session_exchange(&session, &(struct fc_http_request){.url = url}, &response, err);
    if (r < 0)
        return r;
    if (response.status == 401 || response.status == 403)
        return fc_fail(err, EACCES, "%s does not accept this user and password", host);
    if (response.status != 200)
        return fc_oci_session_fail(&session, &response, "/v2/", err);
    return 0;
}
