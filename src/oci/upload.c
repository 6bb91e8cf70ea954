/* SPDX-License-Identifier: Apache-2.0 */
/* Upload one blob: look, mount, send in pieces, go on after a cut; as one piece where pieces are not taken. */
#include "oci/upload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

/* How often a piece is tried again, each time from where the registry says that it is. */
enum { RESUMES_MAX = 5 };

/* An upload under way. */
struct way {
    struct fc_oci_session *s;
    const struct fc_oci_upload *u;
    char *location; /* where the next request goes: as the registry said it, never rebuilt */
    uint64_t at;    /* bytes that are there */
    uint64_t chunk;
    struct fc_error *err;
};

static int ask(struct way *w, const struct fc_http_request *request, struct fc_http_response *ret)
{
    return fc_oci_session_exchange(w->s, request, ret, w->err);
}

static int refused(const struct way *w, const struct fc_http_response *response)
{
    return fc_oci_session_fail(w->s, response, w->u->digest, w->err);
}

/* Whether it is there already. Returns 1, 0, or -errno. */
static int look(struct way *w)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    fc_auto(fc_free) char *url = fc_oci_session_url(w->s, "blobs", w->u->digest);
    int r = url ? ask(w, &(struct fc_http_request){.url = url, .method = "HEAD"}, &response)
                : fc_fail_errno(w->err, ENOMEM, "%s", w->u->digest);

    return r < 0 ? r : response.status == 200;
}

/* Take the next address from an answer: absolute or relative (distribution-spec), with a query that means something. */
static int take_location(struct way *w, const struct fc_http_response *response)
{
    struct fc_buf value __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char *next;

    if (fc_http_header(response, "Location", 0, &value) <= 0)
        return fc_fail(w->err, EPROTO, "%s: the registry does not say where the upload goes on", w->s->host);
    next = fc_http_resolve(response->url, value.data);
    if (!next)
        return fc_fail(w->err, EPROTO, "%s: the registry's upload leads nowhere", w->s->host);
    free(w->location);
    w->location = next;
    return 0;
}

/* Some registries take no smaller pieces than they say (distribution-spec, "Pushing a blob in chunks"). */
static void take_least(struct way *w, const struct fc_http_response *response)
{
    struct fc_buf value __attribute__((cleanup(fc_buf_release_auto))) = {0};
    unsigned long long least;

    if (fc_http_header(response, "OCI-Chunk-Min-Length", 0, &value) > 0 && sscanf(value.data, "%llu", &least) == 1 &&
        least > w->chunk)
        w->chunk = least;
}

/* Ask for an upload. Returns 1 when the registry took the blob from elsewhere instead, 0, or -errno. */
static int begin(struct way *w)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    fc_auto(fc_free) char *url = NULL;
    int r;

    if (asprintf(&url, "%s/v2/%s/blobs/uploads/%s%s%s%s", w->s->base, w->s->repository, w->u->from ? "?mount=" : "",
                 w->u->from ? w->u->digest : "", w->u->from ? "&from=" : "", w->u->from ? w->u->from : "") < 0)
        return url = NULL, fc_fail_errno(w->err, ENOMEM, "%s", w->u->digest);
    r = ask(w, &(struct fc_http_request){.url = url, .method = "POST", .body = "", .repeat = true}, &response);
    if (r < 0)
        return r;
    if (response.status == 201)
        return 1;
    take_least(w, &response);
    return response.status == 202 ? take_location(w, &response) : refused(w, &response);
}

/* The bytes from w->at on, for the fetcher's thread. */
struct piece {
    const struct way *w;
    uint64_t start;
};

static ssize_t read_piece(void *arg, uint64_t offset, void *buffer, size_t size, struct fc_error *err)
{
    const struct piece *p = arg;
    const struct fc_oci_upload *u = p->w->u;
    ssize_t n;

    if (u->fd < 0) {
        memcpy(buffer, (const char *)u->data + p->start + offset, size);
        return (ssize_t)size;
    }
    n = fc_pread_full(u->fd, buffer, size, p->start + offset);
    if (n < (ssize_t)size)
        return fc_fail_errno(err, n < 0 ? (int)-n : EIO, "cannot read %s", u->digest);
    return n;
}

/* Send @size bytes from w->at on. Any answer is one. */
static int send_piece(struct way *w, const char *method, const char *url, uint64_t size, bool ranged,
                      struct fc_http_response *ret)
{
    struct piece p = {w, w->at};
    const struct fc_http_source source = {.read = read_piece, .arg = &p, .size = size};
    char range[64];
    const char *headers[] = {"Content-Type: application/octet-stream", range};

    snprintf(range, sizeof(range), "Content-Range: %llu-%llu", (unsigned long long)w->at,
             (unsigned long long)(w->at + size - 1));
    return ask(w,
               &(struct fc_http_request){.url = url,
                                         .method = method,
                                         .headers = headers,
                                         .n_headers = ranged ? 2 : 1,
                                         .source = &source,
                                         .no_redirects = true},
               ret);
}

/* How far the registry is, by its Range header "0-END"; there is none when it has nothing. */
static void take_range(struct way *w, const struct fc_http_response *response)
{
    struct fc_buf value __attribute__((cleanup(fc_buf_release_auto))) = {0};
    unsigned long long last;

    if (fc_http_header(response, "Range", 0, &value) > 0 &&
        (sscanf(value.data, "%*[a-z=]0-%llu", &last) == 1 || sscanf(value.data, "0-%llu", &last) == 1))
        w->at = last == 0 ? 0 : (uint64_t)last + 1;
}

/* Ask how far an upload is. Returns 0 or -errno. */
static int where_are_we(struct way *w)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    int r = ask(w, &(struct fc_http_request){.url = w->location}, &response);

    if (r < 0)
        return r;
    if (response.status != 204 && response.status != 202)
        return refused(w, &response);
    w->at = 0;
    take_range(w, &response);
    return w->at > w->u->size
               ? fc_fail(w->err, EPROTO, "%s: the registry has more of %s than there is", w->s->host, w->u->digest)
               : take_location(w, &response);
}

static void tell(const struct way *w)
{
    if (w->u->progress && w->u->progress->update)
        w->u->progress->update(w->u->progress, w->at);
}

/* Send all pieces. Returns 0; -ENOTSUP when the registry does not take pieces; or -errno with words. */
static int send_pieces(struct way *w)
{
    int resumes = 0, r;

    while (w->at < w->u->size) {
        struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
        uint64_t size = w->u->size - w->at < w->chunk ? w->u->size - w->at : w->chunk;

        r = send_piece(w, "PATCH", w->location, size, true, &response);
        if (r == 0 && (response.status == 202 || response.status == 201 || response.status == 204)) {
            w->at += size;
            r = take_location(w, &response);
            if (r < 0)
                return r;
            tell(w);
            continue;
        }
        if (r == 0 && (response.status == 404 || response.status == 405 || response.status == 501) && w->at == 0)
            return -ENOTSUP;
        if (r == -ECANCELED || (r == 0 && response.status != 416 && response.status < 500) || resumes++ == RESUMES_MAX)
            return r < 0 ? r : refused(w, &response);
        r = where_are_we(w);
        if (r < 0)
            return r;
        tell(w);
    }
    return 0;
}

static char *with_digest(const struct way *w)
{
    char *url;

    return asprintf(&url, "%s%sdigest=%s", w->location, strchr(w->location, '?') ? "&" : "?", w->u->digest) < 0 ? NULL
                                                                                                                : url;
}

/* End the upload: with no more bytes, or with all of them. */
static int put(struct way *w, bool whole)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    fc_auto(fc_free) char *url = with_digest(w);
    int r;

    if (!url)
        return fc_fail_errno(w->err, ENOMEM, "%s", w->u->digest);
    if (whole) {
        w->at = 0;
        r = send_piece(w, "PUT", url, w->u->size, false, &response);
    } else {
        r = ask(w, &(struct fc_http_request){.url = url, .method = "PUT", .body = "", .no_redirects = true}, &response);
    }
    if (r < 0)
        return r;
    return response.status == 201 || response.status == 204 ? 0 : refused(w, &response);
}

/* Give an upload up, so that the registry need not keep it. */
static void cancel(struct way *w)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};

    if (w->location && !fc_fetcher_canceled(w->s->f))
        (void)fc_oci_session_exchange(w->s, &(struct fc_http_request){.url = w->location, .method = "DELETE"},
                                      &response, NULL);
}

static int send_all(struct way *w)
{
    int r;

    if (w->u->size <= w->chunk && w->u->size < 4 << 20) /* one request less for what is small */
        return put(w, true);
    r = send_pieces(w);
    if (r == -ENOTSUP) {
        r = begin(w); /* the session may have been spoilt */
        return r != 0 ? (r > 0 ? 0 : r) : put(w, true);
    }
    return r < 0 ? r : put(w, false);
}

int fc_oci_upload(struct fc_oci_session *s, const struct fc_oci_upload *u, struct fc_error *err)
{
    struct way w = {.s = s, .u = u, .chunk = u->chunk ? u->chunk : 64u << 20, .err = err};
    int r = look(&w);

    if (r != 0)
        return r < 0 ? r : 0;
    r = begin(&w);
    if (r == 0) {
        r = send_all(&w);
        if (r < 0)
            cancel(&w);
        else
            r = 1;
    } else if (r > 0) {
        r = 0;
    }
    free(w.location);
    return r;
}
