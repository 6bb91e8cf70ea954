/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges whose answer is kept in memory. */
#include <errno.h>
#include <string.h>

#include "fetch/internal.h"

#define ANSWER_MAX (16u << 20)

static int begin(struct fc_transfer *t)
{
    (void)t;
    return 0;
}

static int answer(struct fc_transfer *t)
{
    struct fc_http_response *ret = t->owner;

    fc_buf_clear(&ret->body);
    return 0;
}

static int take(struct fc_transfer *t, const void *data, size_t size)
{
    struct fc_http_response *ret = t->owner;
    uint64_t max = t->request->max_bytes ? t->request->max_bytes : ANSWER_MAX;
    char url[200];

    if (size > max - ret->body.len)
        return fc_fail(&t->err, EFBIG, "%s: the answer is longer than the allowed %llu bytes",
                       fc_url_show(url, sizeof(url), t->url), (unsigned long long)max);
    return fc_buf_add(&ret->body, data, size) < 0 ? fc_fail(&t->err, ENOMEM, "out of memory") : 0;
}

static int finish(struct fc_transfer *t)
{
    struct fc_http_response *ret = t->owner;
    fc_auto(fc_free) char *user = NULL;
    fc_auto(fc_free) char *password = NULL;

    ret->status = t->status;
    fc_buf_clear(&ret->headers);
    if (fc_buf_add(&ret->headers, t->headers.data, t->headers.len) < 0 ||
        fc_url_split(t->url, &ret->url, &user, &password) < 0)
        return fc_fail(&t->err, ENOMEM, "out of memory");
    return 0;
}

static bool move_on(const struct fc_transfer *t) { return t->r < 0 || t->err.code || t->status >= 400; }

static const struct fc_transfer_ops ops = {
    .begin = begin, .answer = answer, .data = take, .finish = finish, .move_on = move_on};

static int start(struct fc_fetcher *f, const struct fc_http_request *request, struct fc_transfer *t,
                 struct fc_http_response *response, struct fc_error *err)
{
    char url[200];

    *t = (struct fc_transfer){
        .f = f, .request = request, .ops = &ops, .owner = response, .authorization = request->authorization};
    *response = (struct fc_http_response){0};
    if (f->offline && !fc_url_is(request->url, "file"))
        return fc_fail(err, ENETDOWN, "%s is not asked, because of --offline",
                       fc_url_show(url, sizeof(url), request->url));
    return fc_transfer_submit(t, err);
}

/* Wait for it and take it out. Returns its result. */
static int end(struct fc_transfer *t, struct fc_error *err)
{
    struct fc_fetcher *f = t->f;
    int r;

    pthread_mutex_lock(&f->lock);
    while (t->state != FC_TRANSFER_DONE)
        pthread_cond_wait(&f->changed, &f->lock);
    r = t->r;
    if (r < 0 && err)
        *err = t->err;
    pthread_mutex_unlock(&f->lock);
    fc_transfer_withdraw(t);
    fc_transfer_release(t);
    if (r < 0)
        fc_http_response_release(t->owner);
    return r;
}

int fc_http_exchange(struct fc_fetcher *f, const struct fc_http_request *request, struct fc_http_response *ret,
                     struct fc_error *err)
{
    struct fc_http_response response;
    struct fc_transfer t;
    int r = start(f, request, &t, &response, err);

    if (r < 0)
        fc_transfer_release(&t);
    else
        r = end(&t, err);
    if (r == 0)
        *ret = response;
    return r;
}

int fc_http_exchange_many(struct fc_fetcher *f, const struct fc_http_request *requests, size_t n,
                          struct fc_http_response *ret, struct fc_error *err)
{
    struct fc_transfer *list = calloc(n + 1, sizeof(*list));
    size_t begun = 0;
    int r = list ? 0 : fc_fail(err, ENOMEM, "out of memory");

    while (begun < n && r == 0) {
        r = start(f, &requests[begun], &list[begun], &ret[begun], err);
        if (r < 0)
            fc_transfer_release(&list[begun]);
        else
            begun++;
    }
    for (size_t i = 0; i < begun; i++) {
        struct fc_error why = {0};
        int one = end(&list[i], &why);

        if (one == -ECANCELED && r == 0)
            r = fc_fail(err, ECANCELED, "canceled");
        else if (one < 0)
            ret[i] = (struct fc_http_response){0};
    }
    for (size_t i = 0; i < begun && r < 0; i++)
        fc_http_response_release(&ret[i]);
    free(list);
    return r;
}

void fc_http_response_release(struct fc_http_response *r)
{
    fc_buf_release(&r->headers);
    fc_buf_release(&r->body);
    free(fc_steal(&r->url));
    r->status = 0;
}

int fc_http_header(const struct fc_http_response *r, const char *name, size_t nth, struct fc_buf *ret)
{
    return fc_headers_find(&r->headers, name, nth, ret);
}
