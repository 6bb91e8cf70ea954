/* SPDX-License-Identifier: Apache-2.0 */
/* URLs taken apart, compared and shown; libcurl's own parser does the reading. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "fetch/internal.h"

static void url_cleanup(CURLU **u)
{
    if (*u)
        curl_url_cleanup(*u);
}

static CURLU *parse(const char *url)
{
    CURLU *u = fc_curl() ? curl_url() : NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
        return u;
    if (u)
        curl_url_cleanup(u);
    return NULL;
}

static char *part(CURLU *u, CURLUPart what, unsigned flags)
{
    char *text = NULL, *copy;

    if (curl_url_get(u, what, &text, flags) != CURLUE_OK)
        return NULL;
    copy = strdup(text);
    curl_free(text);
    return copy;
}

bool fc_url_same_origin(const char *a, const char *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    __attribute__((cleanup(url_cleanup))) CURLU *x = parse(a), *y = parse(b);

    if (!x || !y)
        return false;
    for (size_t i = 0; i < FC_LENGTH(parts); i++) {
        fc_auto(fc_free) char *one = part(x, parts[i], CURLU_DEFAULT_PORT);
        fc_auto(fc_free) char *two = part(y, parts[i], CURLU_DEFAULT_PORT);

        if (!one || !two || strcasecmp(one, two) != 0)
            return false;
    }
    return true;
}

int fc_url_split(const char *url, char **ret_url, char **ret_user, char **ret_password)
{
    __attribute__((cleanup(url_cleanup))) CURLU *u = parse(url);
    fc_auto(fc_free) char *bare = NULL;

    if (!u)
        return -EINVAL;
    *ret_user = part(u, CURLUPART_USER, CURLU_URLDECODE);
    *ret_password = part(u, CURLUPART_PASSWORD, CURLU_URLDECODE);
    curl_url_set(u, CURLUPART_USER, NULL, 0);
    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    bare = part(u, CURLUPART_URL, 0);
    if (!bare) {
        free(fc_steal(ret_user));
        free(fc_steal(ret_password));
        return -ENOMEM;
    }
    *ret_url = fc_steal(&bare);
    return 0;
}

char *fc_url_bare(const char *url)
{
    fc_auto(fc_free) char *user = NULL;
    fc_auto(fc_free) char *password = NULL;
    char *bare = NULL;

    return fc_url_split(url, &bare, &user, &password) < 0 ? NULL : bare;
}

char *fc_url_path(const char *url)
{
    __attribute__((cleanup(url_cleanup))) CURLU *u = fc_url_is(url, "file") ? parse(url) : NULL;

    return u ? part(u, CURLUPART_PATH, CURLU_URLDECODE) : NULL;
}

char *fc_http_resolve(const char *base, const char *location)
{
    __attribute__((cleanup(url_cleanup))) CURLU *u = parse(base);

    if (!u || curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return NULL;
    return part(u, CURLUPART_URL, 0);
}

bool fc_url_is(const char *url, const char *scheme)
{
    size_t n = strlen(scheme);

    return strncasecmp(url, scheme, n) == 0 && url[n] == ':';
}

bool fc_url_insecure(const struct fc_fetcher *f, const char *url)
{
    __attribute__((cleanup(url_cleanup))) CURLU *u = parse(url);
    fc_auto(fc_free) char *host = u ? part(u, CURLUPART_HOST, 0) : NULL;
    fc_auto(fc_free) char *port = u ? part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT) : NULL;
    char both[300];

    if (!host)
        return false;
    snprintf(both, sizeof(both), "%.255s:%.8s", host, port ? port : "");
    for (size_t i = 0; i < f->n_insecure; i++)
        if (strcasecmp(f->insecure[i], host) == 0 || strcasecmp(f->insecure[i], both) == 0)
            return true;
    return false;
}

bool fc_fetcher_trusts_plain(const struct fc_fetcher *f, const char *url)
{
    __attribute__((cleanup(url_cleanup))) CURLU *u = parse(url);
    fc_auto(fc_free) char *host = u ? part(u, CURLUPART_HOST, 0) : NULL;

    if (!host)
        return false;
    /* A name that merely begins with "127." is somebody's. */
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host)) || fc_url_insecure(f, url);
}

char *fc_url_show(char *out, size_t size, const char *url)
{
    __attribute__((cleanup(url_cleanup))) CURLU *u = parse(url);
    fc_auto(fc_free) char *bare = NULL;
    size_t scheme = strcspn(url, ":");

    if (!u) /* not a URL: what could be a secret in it is unknown, so nothing behind the scheme is shown */
        return fc_name_show(out, size, url, url[scheme] ? scheme + 1 : scheme);
    curl_url_set(u, CURLUPART_USER, NULL, 0);
    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(u, CURLUPART_QUERY, NULL, 0);
    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    bare = part(u, CURLUPART_URL, 0);
    return fc_name_show(out, size, bare ? bare : "a URL", strlen(bare ? bare : "a URL"));
}
