/* SPDX-License-Identifier: Apache-2.0 */
/* What follows an attempt: the end, a redirect, another attempt after a pause, another server. In the fetcher's thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fetch/internal.h"

bool fc_transfer_is_redirect(const struct fc_transfer *t)
{
    struct fc_buf location = {0};
    bool is = false;

    if (!t->request->no_redirects &&
        (t->status == 301 || t->status == 302 || t->status == 303 || t->status == 307 || t->status == 308))
        is = fc_headers_find(&t->headers, "Location", 0, &location) > 0;
    fc_buf_release(&location);
    return is;
}

/* Whether sending it twice is as good as once. */
static bool may_repeat(const struct fc_transfer *t)
{
    const char *m = t->request->method ? t->request->method : "GET";

    return t->request->repeat || strcmp(m, "GET") == 0 || strcmp(m, "HEAD") == 0 || strcmp(m, "PUT") == 0;
}

bool fc_transfer_wants_again(const struct fc_transfer *t, curl_off_t *ret_after)
{
    static const int again[] = {408, 425, 429, 500, 502, 503, 504};

    *ret_after = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, ret_after);
    /* These two refuse; after the others something may have been done. */
    if (t->status != 429 && t->status != 503 && !may_repeat(t))
        return false;
    for (size_t i = 0; i < FC_LENGTH(again); i++)
        if (t->status == again[i])
            return t->attempt < t->f->attempts && *ret_after <= 60;
    return false;
}

/* Follow the Location. Returns 0: go on at once; or -errno with words. */
static int redirect(struct fc_transfer *t)
{
    struct fc_buf location = {0};
    fc_auto(fc_free) char *to = NULL;
    char from[160], shown[160];
    const char *method = t->request->method ? t->request->method : "GET";

    if (fc_headers_find(&t->headers, "Location", 0, &location) > 0)
        to = fc_http_resolve(t->url, location.data);
    fc_buf_release(&location);
    fc_url_show(from, sizeof(from), t->url);
    if (!to)
        return fc_fail(&t->err, EPROTO, "%s redirects to what is no URL", from);
    fc_url_show(shown, sizeof(shown), to);
    if (!fc_url_is(to, "https") && !fc_url_is(to, "http"))
        return fc_fail(&t->err, EPROTO, "%s redirects to %s, which is not followed", from, shown);
    if (fc_url_is(t->url, "https") && !fc_url_is(to, "https"))
        return fc_fail(&t->err, EPROTO, "%s redirects to %s, which is not encrypted and so not followed", from, shown);
    if (++t->redirects > 10)
        return fc_fail(&t->err, ELOOP, "%s: more than ten redirects", from);
    if (t->status == 303 || (t->status < 303 && strcmp(method, "POST") == 0))
        t->as_get = true;
    free(t->url);
    t->url = fc_steal(&to);
    return 0;
}

static double pause_before(const struct fc_transfer *t, curl_off_t after)
{
    double s = (double)t->f->retry_ms / 1000;

    for (unsigned i = 1; i < t->attempt && s < 60; i++)
        s *= 2;
    s = s < 60 ? s : 60;
    return s > (double)after ? s : (double)after;
}

/* What the server's answer means. Returns 0: done; 1: again, *ret_pause seconds later; or -errno with words. */
static int conclude(struct fc_transfer *t, double *ret_pause)
{
    curl_off_t after;
    int r = fc_transfer_judge(t); /* there was no body */

    if (r < 0)
        return r;
    if (fc_transfer_is_redirect(t)) {
        t->attempt--;
        return redirect(t) < 0 ? -t->err.code : 1;
    }
    if (fc_transfer_wants_again(t, &after)) {
        *ret_pause = pause_before(t, after);
        return 1;
    }
    r = t->ops->finish(t);
    if (r == -EAGAIN)
        return 1;
    return r;
}

static int failed(struct fc_transfer *t, CURLcode code, double *ret_pause)
{
    unsigned most = may_repeat(t) ? fc_fetch_attempts_for(t, code) : 1;

    if (t->err.code) /* one of ours */
        return t->err.code == EAGAIN ? 1 : -t->err.code;
    fc_fetch_explain(t, code, &t->err);
    if (t->attempt >= most)
        return -t->err.code;
    *ret_pause = pause_before(t, 0);
    return 1;
}

void fc_transfer_ended(struct fc_transfer *t, CURLcode code)
{
    double pause = 0;
    int r = t->err.code && code == CURLE_OK ? -t->err.code
            : code == CURLE_OK              ? conclude(t, &pause)
                                            : failed(t, code, &pause);
    enum fc_transfer_state state = r == 1 ? FC_TRANSFER_WAITING : FC_TRANSFER_DONE;

    if (r <= 0 && t->at_url + 1 < t->n_urls && t->ops->move_on(t)) {
        char shown[160];

        fc_url_show(shown, sizeof(shown), t->urls[t->at_url]);
        if (t->err.code)
            fc_log(FC_LOG_INFO, "%s: asking elsewhere", t->err.msg);
        else
            fc_log(FC_LOG_INFO, "%s: status %d: asking elsewhere", shown, t->status);
        t->at_url++;
        free(fc_steal(&t->url));
        t->attempt = t->redirects = 0;
        t->as_get = false;
        state = FC_TRANSFER_WAITING;
    }
    fc_transfer_close(t);
    t->not_before = pause > 0 ? fc_fetch_now() + pause : 0;
    pthread_mutex_lock(&t->f->lock);
    t->state = state;
    if (state == FC_TRANSFER_DONE)
        t->r = r;
    pthread_cond_broadcast(&t->f->changed);
    pthread_mutex_unlock(&t->f->lock);
}
