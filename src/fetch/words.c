/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong with a transfer: libcurl's codes and HTTP's statuses as errno and words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "fetch/internal.h"

static const struct {
    CURLcode code;
    int number;
    unsigned attempts; /* 0: as many as there are */
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH, 2},
    {CURLE_COULDNT_RESOLVE_PROXY, EHOSTUNREACH, 2},
    {CURLE_COULDNT_CONNECT, ECONNREFUSED, 3},
    {CURLE_OPERATION_TIMEDOUT, ETIMEDOUT, 0},
    {CURLE_PARTIAL_FILE, ECONNRESET, 0},
    {CURLE_GOT_NOTHING, ECONNRESET, 0},
    {CURLE_RECV_ERROR, ECONNRESET, 0},
    {CURLE_SEND_ERROR, ECONNRESET, 0},
    {CURLE_HTTP2, ECONNRESET, 0},
    {CURLE_HTTP2_STREAM, ECONNRESET, 0},
    {CURLE_SSL_CONNECT_ERROR, EPROTO, 2},
    {CURLE_PEER_FAILED_VERIFICATION, EKEYREJECTED, 1},
    {CURLE_SSL_CACERT_BADFILE, EKEYREJECTED, 1},
    {CURLE_SSL_INVALIDCERTSTATUS, EKEYREJECTED, 1},
    {CURLE_FILE_COULDNT_READ_FILE, ENOENT, 1},
    {CURLE_URL_MALFORMAT, EINVAL, 1},
    {CURLE_UNSUPPORTED_PROTOCOL, EINVAL, 1},
    {CURLE_OUT_OF_MEMORY, ENOMEM, 1},
};

unsigned fc_fetch_attempts_for(const struct fc_transfer *t, CURLcode code)
{
    unsigned most =
        t->request->attempts && t->request->attempts < t->f->attempts ? t->request->attempts : t->f->attempts;

    if (code == CURLE_WRITE_ERROR || code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_READ_ERROR)
        return 1; /* it was us */
    for (size_t i = 0; i < FC_LENGTH(failures); i++)
        if (failures[i].code == code && failures[i].attempts && failures[i].attempts < most)
            most = failures[i].attempts;
    if (t->hasty && (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
                     code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_OPERATION_TIMEDOUT))
        most = 1;
    return most;
}

int fc_fetch_explain(const struct fc_transfer *t, CURLcode code, struct fc_error *err)
{
    char url[200], said[160];
    const char *words = t->words[0] ? t->words : curl_easy_strerror(code);
    int number = EPROTO;

    for (size_t i = 0; i < FC_LENGTH(failures); i++)
        if (failures[i].code == code)
            number = failures[i].number;
    fc_url_show(url, sizeof(url), t->url ? t->url : t->request->url);
    fc_name_show(said, sizeof(said), words, strlen(words));
    if (number == EKEYREJECTED)
        return fc_fail(
            err, number,
            "%s: the server's certificate is not trusted: %s (SSL_CERT_FILE names a file of authorities to trust)", url,
            said);
    if (number == ENOENT)
        return fc_fail(err, number, "%s: there is no such file, or it cannot be read", url);
    if (t->attempt > 1)
        return fc_fail(err, number, "%s: %s (after %u attempts)", url, said, t->attempt);
    return fc_fail(err, number, "%s: %s", url, said);
}

int fc_fetch_explain_status(const struct fc_transfer *t, struct fc_error *err)
{
    char url[200];
    curl_off_t after = 0;

    fc_url_show(url, sizeof(url), t->url);
    if (t->easy)
        curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
    switch (t->status) {
    case 404:
    case 410:
        return fc_fail(err, ENOENT, "%s: the server has no such file (status %d)", url, t->status);
    case 401:
    case 403:
        return fc_fail(err, EACCES, "%s: the server refuses (status %d)%s", url, t->status,
                       t->status == 401 ? ": it wants to know who asks" : "");
    case 407:
        return fc_fail(err, EACCES,
                       "%s: the proxy wants to know who asks (status 407): http_proxy may hold user:password@", url);
    case 429:
    case 503:
        if (after > 0)
            return fc_fail(err, EBUSY, "%s: the server is busy (status %d) and asks to come back in %lld seconds", url,
                           t->status, (long long)after);
        return fc_fail(err, EBUSY, "%s: the server is busy (status %d, %u attempts): try again later", url, t->status,
                       t->attempt);
    default:
        return fc_fail(err, EPROTO, "%s: the server answers with status %d%s", url, t->status,
                       t->status / 100 == 3 ? ", which leads nowhere" : "");
    }
}
