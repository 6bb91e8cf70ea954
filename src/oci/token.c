/* SPDX-License-Identifier: Apache-2.0 */
/* Get a token from the server that a registry names (distribution's "Token Authentication Specification"). */
#include "oci/token.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/base64.h"

/* Append @text so that it is one value in a query or a form. */
static int add_escaped(struct fc_buf *out, const char *text)
{
    int r = 0;

    for (; *text && r == 0; text++)
        r = isalnum((unsigned char)*text) || strchr("-._~", *text) ? fc_buf_add(out, text, 1)
                                                                   : fc_buf_addf(out, "%%%02X", (unsigned char)*text);
    return r;
}

static int add_field(struct fc_buf *out, const char *name, const char *value)
{
    int r = fc_buf_addf(out, "%s%s=", out->len ? "&" : "", name);

    return r < 0 ? r : add_escaped(out, value);
}

/* Each of the scopes, which blanks part, is a field of its own (distribution's "Token Authentication Specification"). */
static int add_scopes(struct fc_buf *out, const char *scopes)
{
    int r = 0;

    while (*scopes && r == 0) {
        size_t len = strcspn(scopes, " ");
        fc_auto(fc_free) char *one = strndup(scopes, len);

        if (!one)
            return -ENOMEM;
        if (len)
            r = add_field(out, "scope", one);
        scopes += len + (scopes[len] == ' ');
    }
    return r;
}

int fc_oci_basic(const struct fc_oci_credentials *c, char **ret)
{
    struct fc_buf both = {0}, out = {0};
    int r = fc_buf_addf(&both, "%s:%s", c->user, c->password);

    if (r == 0)
        r = fc_buf_adds(&out, "Basic ");
    if (r == 0)
        r = fc_base64_encode(&out, both.data, both.len);
    if (both.data)
        explicit_bzero(both.data, both.len);
    fc_buf_release(&both);
    if (r < 0)
        fc_buf_release(&out);
    else
        *ret = out.data;
    return r;
}

/* Take the token out of the answer: "token", or "access_token", both are in use. */
static int read_token(const struct fc_http_response *response, const char *host, struct fc_oci_token *ret,
                      struct fc_error *err)
{
    json_t *json = json_loadb(response->body.data ? response->body.data : "", response->body.len, 0, NULL);
    const char *token = json_string_value(json_object_get(json, "token"));
    double expires_in = json_number_value(json_object_get(json, "expires_in"));
    int r = 0;

    if (!token || !*token)
        token = json_string_value(json_object_get(json, "access_token"));
    if (!token || !*token)
        r = fc_fail(err, EPROTO, "%s: the answer of its token server has no token", host);
    else if (strpbrk(token, "\r\n"))
        r = fc_fail(err, EPROTO, "%s: its token server gave a token with a line break", host);
    else if (asprintf(&ret->authorization, "Bearer %s", token) < 0)
        r = fc_fail_errno(err, ENOMEM, "%s", host);
    else
        ret->expires_in = expires_in > 0 ? expires_in : 0;
    json_decref(json);
    return r;
}

static int ask(struct fc_fetcher *f, const struct fc_http_request *request, const char *host, struct fc_oci_token *ret,
               struct fc_error *err)
{
    struct fc_http_response response __attribute__((cleanup(fc_http_response_release_auto))) = {0};
    int r = fc_http_exchange(f, request, &response, err);
    char shown[200];

    if (r < 0)
        return fc_wrap(err, "%s: its token server", host);
    fc_url_show(shown, sizeof(shown), request->url);
    if (response.status == 401 || response.status == 403 || response.status == 400)
        return fc_fail(err, EACCES, "%s: its token server %s does not accept the credentials (%d); see fccompose login",
                       host, shown, response.status);
    if (response.status != 200)
        return fc_fail(err, EPROTO, "%s: its token server %s answers %d", host, shown, response.status);
    return read_token(&response, host, ret, err);
}

/* OAuth2: a long-lived identity token for one that is good now. */
static int refresh(struct fc_fetcher *f, const struct fc_oci_token_wish *w, struct fc_oci_token *ret,
                   struct fc_error *err)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded"};
    struct fc_buf form __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_http_request request = {.url = w->challenge->realm,
                                      .method = "POST",
                                      .headers = headers,
                                      .n_headers = 1,
                                      .repeat = true,
                                      .no_redirects = true, /* the secret is in the body, which would go along */
                                      .no_rules = true};
    int r = add_field(&form, "grant_type", "refresh_token");

    if (r == 0)
        r = add_field(&form, "client_id", "fccompose");
    if (r == 0)
        r = add_field(&form, "service", w->challenge->service ? w->challenge->service : "");
    if (r == 0)
        r = add_field(&form, "scope", w->scope);
    if (r == 0)
        r = add_field(&form, "refresh_token", w->credentials->identity_token);
    if (r < 0)
        return fc_fail_errno(err, -r, "%s", w->host);
    request.body = form.data;
    request.body_size = form.len;
    r = ask(f, &request, w->host, ret, err);
    explicit_bzero(form.data, form.len);
    return r;
}

int fc_oci_token(struct fc_fetcher *f, const struct fc_oci_token_wish *w, struct fc_oci_token *ret,
                 struct fc_error *err)
{
    struct fc_buf query __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *url = NULL, *basic = NULL;
    struct fc_http_request request = {.no_rules = true};
    int r;

    if (strncmp(w->challenge->realm, "https://", 8) != 0 && !fc_fetcher_trusts_plain(f, w->challenge->realm))
        return fc_fail(err, EPROTO, "%s: its token server is not spoken to by https", w->host);
    if (w->credentials->identity_token)
        return refresh(f, w, ret, err);
    r = w->challenge->service ? add_field(&query, "service", w->challenge->service) : 0;
    if (r == 0)
        r = add_scopes(&query, w->scope);
    if (r == 0 && asprintf(&url, "%s%s%s", w->challenge->realm, strchr(w->challenge->realm, '?') ? "&" : "?",
                           query.data ? query.data : "") < 0) {
        url = NULL;
        r = -ENOMEM;
    }
    if (r == 0 && w->credentials->user)
        r = fc_oci_basic(w->credentials, &basic);
    if (r < 0)
        return fc_fail_errno(err, -r, "%s", w->host);
    request.url = url;
    request.authorization = basic;
    r = ask(f, &request, w->host, ret, err);
    if (basic)
        explicit_bzero(basic, strlen(basic));
    return r;
}
