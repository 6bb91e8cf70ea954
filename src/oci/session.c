/* SPDX-License-Identifier: Apache-2.0 */
/* Talk to one registry: where it is, who we are to it, and what its refusals mean. */
#include "oci/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "oci/token.h"

/* Docker's own registry has a name that it does not answer at. */
static const char *real_host(const char *host)
{
    return strcmp(host, "docker.io") == 0 ? "registry-1.docker.io" : host;
}

/* Plain http is for this machine and for who was named; https goes first even there. */
static int find_scheme(struct fc_oci_session *s, struct fc_error *err)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    fc_auto(fc_free) char *url = NULL;
    struct fc_http_request request = {.no_redirects = true, .attempts = 1};

    if (!fc_fetcher_trusts_plain(s->f, s->base) || fc_fetcher_offline(s->f))
        return 0;
    if (asprintf(&url, "%s/v2/", s->base) < 0)
        return url = NULL, fc_fail_errno(err, ENOMEM, "%s", s->host);
    request.url = url;
    if (fc_http_exchange(s->f, &request, &response, NULL) < 0 && !fc_fetcher_canceled(s->f))
        memmove(s->base + 4, s->base + 5, strlen(s->base + 5) + 1); /* what is wrong with http it says itself, later */
    return 0;
}

int fc_oci_session_begin(struct fc_oci_session *s, struct fc_fetcher *f, const struct fc_oci_ref *ref,
                         struct fc_error *err)
{
    int r;

    *s = (struct fc_oci_session){.f = f, .host = strdup(ref->host), .repository = strdup(ref->repository)};
    pthread_mutex_init(&s->lock, NULL);
    if (asprintf(&s->base, "https://%s", real_host(ref->host)) < 0)
        s->base = NULL;
    r = s->host && s->repository && s->base ? find_scheme(s, err) : fc_fail_errno(err, ENOMEM, "%s", ref->host);
    if (r < 0)
        fc_oci_session_end(s);
    return r;
}

void fc_oci_session_end(struct fc_oci_session *s)
{
    if (!s->f)
        return;
    free(s->host);
    free(s->repository);
    free(s->base);
    if (s->authorization)
        explicit_bzero(s->authorization, strlen(s->authorization));
    free(s->authorization);
    free(s->challenge);
    fc_oci_credentials_release(&s->credentials);
    pthread_mutex_destroy(&s->lock);
    *s = (struct fc_oci_session){0};
}

char *fc_oci_session_url(const struct fc_oci_session *s, const char *what, const char *which)
{
    char *url;

    return asprintf(&url, "%s/v2/%s/%s/%s", s->base, s->repository, what, which) < 0 ? NULL : url;
}

/* What the token is to be good for: what the registry says, else what we are going to do. */
static int scope_of(const struct fc_oci_session *s, const struct fc_oci_challenge *c, char **ret)
{
    if (s->any || (c->scope && *c->scope))
        *ret = strdup(s->any ? "" : c->scope);
    else if (asprintf(ret, "repository:%s:%s", s->repository, s->push ? "pull,push" : "pull") < 0)
        *ret = NULL;
    return *ret ? 0 : -ENOMEM;
}

/* The lock is held. */
static int make_authorization(struct fc_oci_session *s, const struct fc_oci_challenge *c, struct fc_oci_token *ret,
                              struct fc_error *err)
{
    fc_auto(fc_free) char *scope = NULL;

    if (s->credentials.registry_token)
        return asprintf(&ret->authorization, "Bearer %s", s->credentials.registry_token) < 0
                   ? fc_fail_errno(err, ENOMEM, "%s", s->host)
                   : 0;
    if (c->bearer && c->realm) {
        if (scope_of(s, c, &scope) < 0)
            return fc_fail_errno(err, ENOMEM, "%s", s->host);
        return fc_oci_token(s->f,
                            &(struct fc_oci_token_wish){
                                .host = s->host, .challenge = c, .scope = scope, .credentials = &s->credentials},
                            ret, err);
    }
    if (!c->basic)
        return fc_fail(err, EPROTO, "%s asks for an authorization of a kind that is not known here", s->host);
    if (!s->credentials.user)
        return fc_fail(err, EACCES, "%s asks who you are: fccompose login %s", s->host, s->host);
    return fc_oci_basic(&s->credentials, &ret->authorization) < 0 ? fc_fail_errno(err, ENOMEM, "%s", s->host) : 0;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Keep @fresh, which @challenge asked for. A token is renewed some seconds early: the request has a way to go. */
static void keep(struct fc_oci_session *s, const struct fc_oci_token *fresh, const char *challenge)
{
    double early = fresh->expires_in / 2 < 10 ? fresh->expires_in / 2 : 10;
    char *copy = strdup(challenge);

    if (s->authorization)
        explicit_bzero(s->authorization, strlen(s->authorization));
    free(s->authorization);
    free(s->challenge);
    s->authorization = fresh->authorization;
    s->challenge = copy;
    s->expires = copy && fresh->expires_in > 0 ? seconds() + fresh->expires_in - early : 0;
}

/* The lock is held. */
static int renew(struct fc_oci_session *s, const char *challenge, struct fc_error *err)
{
    fc_auto(fc_oci_challenge_release) struct fc_oci_challenge c = {0};
    struct fc_oci_token fresh = {0};
    int r = fc_oci_challenge_parse(challenge, &c) < 0 ? fc_fail_errno(err, ENOMEM, "%s", s->host) : 0;

    if (r == 0 && !s->looked) {
        r = fc_oci_credentials_find(s->host, s->repository, &s->credentials, err);
        s->looked = r == 0;
    }
    if (r == 0)
        r = make_authorization(s, &c, &fresh, err);
    if (r == 0)
        keep(s, &fresh, challenge);
    return r;
}

/* What was asked for once is asked for again; when that fails, so will the old token, and the registry says why. */
static void renew_in_time(struct fc_oci_session *s)
{
    fc_auto(fc_free) char *challenge = NULL;

    if (!s->authorization || s->expires <= 0 || seconds() < s->expires)
        return;
    challenge = strdup(s->challenge);
    s->expires = 0;
    if (challenge)
        (void)renew(s, challenge, NULL);
}

char *fc_oci_session_authorization(struct fc_oci_session *s)
{
    char *copy;

    pthread_mutex_lock(&s->lock);
    renew_in_time(s);
    copy = s->authorization ? strdup(s->authorization) : NULL;
    pthread_mutex_unlock(&s->lock);
    return copy;
}

int fc_oci_session_renew(void *session, const char *challenge, char **ret_authorization, struct fc_error *err)
{
    struct fc_oci_session *s = session;
    int r;

    pthread_mutex_lock(&s->lock);
    r = renew(s, challenge, err);
    if (r == 0) {
        *ret_authorization = strdup(s->authorization);
        r = *ret_authorization ? 0 : fc_fail_errno(err, ENOMEM, "%s", s->host);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* All WWW-Authenticate headers, one a line. */
static int challenge_of(const struct fc_http_response *response, struct fc_buf *ret)
{
    struct fc_buf value __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && fc_http_header(response, "WWW-Authenticate", i, &value) > 0; i++)
        r = fc_buf_addf(ret, "%s\n", value.data ? value.data : "");
    return r;
}

/* Whether @url is the registry's own: an upload may go on elsewhere, where our token is nobody's business. */
static bool is_ours(const struct fc_oci_session *s, const char *url) { return fc_url_same_origin(s->base, url); }

int fc_oci_session_exchange(struct fc_oci_session *s, const struct fc_http_request *request,
                            struct fc_http_response *ret, struct fc_error *err)
{
    struct fc_buf challenge __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *authorization = fc_oci_session_authorization(s);
    struct fc_http_request with = *request;
    int r;

    with.authorization = is_ours(s, request->url) ? authorization : NULL;
    r = fc_http_exchange(s->f, &with, ret, err);
    /* Nor is it anybody's whom we were sent on to: who asks there names a server that is to get our password. */
    if (r < 0 || ret->status != 401 || !is_ours(s, request->url) || !is_ours(s, ret->url))
        return r;
    r = challenge_of(ret, &challenge);
    fc_http_response_release(ret);
    if (r < 0)
        return fc_fail_errno(err, -r, "%s", s->host);
    free(fc_steal(&authorization));
    r = fc_oci_session_renew(s, challenge.data ? challenge.data : "", &authorization, err);
    with.authorization = authorization;
    return r < 0 ? r : fc_http_exchange(s->f, &with, ret, err);
}

/* What the registry says about it (distribution-spec, "Error Codes"), into @out. */
static void read_errors(const struct fc_http_response *response, char *out, size_t size)
{
    json_t *json = json_loadb(response->body.data ? response->body.data : "", response->body.len, 0, NULL);
    const json_t *first = json_array_get(json_object_get(json, "errors"), 0);
    const char *code = json_string_value(json_object_get(first, "code"));
    const char *message = json_string_value(json_object_get(first, "message"));

    if (code || message)
        snprintf(out, size, " (%.60s%s%.160s)", code ? code : "", code && message ? ": " : "", message ? message : "");
    else
        *out = '\0';
    for (; *out; out++) /* a stranger's words */
        if ((unsigned char)*out < ' ' || *out == 127)
            *out = '?';
    json_decref(json);
}

int fc_oci_session_fail(const struct fc_oci_session *s, const struct fc_http_response *response, const char *what,
                        struct fc_error *err)
{
    char said[256];

    read_errors(response, said, sizeof(said));
    switch (response->status) {
    case 404:
        return fc_fail(err, ENOENT, "%s/%s: %s is not there%s", s->host, s->repository, what, said);
    case 401:
    case 403:
        return fc_fail(err, EACCES, "%s/%s: %s is not for us to have%s: it does not exist, or needs fccompose login %s",
                       s->host, s->repository, what, said, s->host);
    case 429:
        return fc_fail(err, EBUSY,
                       "%s/%s: the registry wants fewer questions for now%s; try later, or fccompose login %s", s->host,
                       s->repository, said, s->host);
    default:
        return fc_fail(err, EPROTO, "%s/%s: %s: the registry answers %d%s", s->host, s->repository, what,
                       response->status, said);
    }
}
