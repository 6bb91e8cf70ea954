/* SPDX-License-Identifier: Apache-2.0 */
/* What every distribution's file needs: fetching an index, saying what there is not, lists of releases. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "catalogue/distro.h"

#define INDEX_MAX (16u << 20)

static int get(struct fc_inquiry *q, struct fc_buf *ret, const struct fc_sum *sum, struct fc_digest *ret_digest,
               const char *url, struct fc_error *err)
{
    struct fc_fetch_want want = {.request = {.url = url}, .stale_ok = true};
    struct fc_fetch_info info;
    int r;

    if (sum)
        want.sum = *sum;
    r = fc_fetch_document(q->f, &want, INDEX_MAX, ret, &info, err);
    /* A NUL would hide what follows it from those who read texts. */
    if (r == 0 && (!ret->data ? fc_buf_adds(ret, "") < 0 : strlen(ret->data) != ret->len))
        r = fc_fail(err, EBADMSG, "%s: not a text", url);
    if (r == 0 && ret_digest)
        *ret_digest = info.digest;
    return r;
}

int fc_inquiry_get(struct fc_inquiry *q, struct fc_buf *ret, const struct fc_sum *sum, struct fc_digest *ret_digest,
                   struct fc_error *err, const char *url, ...)
{
    char *whole = NULL;
    va_list ap;
    int r;

    va_start(ap, url);
    r = vasprintf(&whole, url, ap);
    va_end(ap);
    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    r = get(q, ret, sum, ret_digest, whole, err);
    free(whole);
    return r;
}

int fc_inquiry_none(struct fc_inquiry *q, const struct fc_buf *there, struct fc_error *err)
{
    const char *name = q->distro->name;

    if (there && there->len)
        return fc_fail(err, ENOENT, "there is no %s%s%s for %s: there is%.400s", name, *q->version ? " " : "",
                       q->version, q->arch, there->data);
    return fc_fail(err, ENOENT, "there is no %s%s%s for %s (fccompose ls-remote %s lists what there is)", name,
                   *q->version ? " " : "", q->version, q->arch, name);
}

int fc_releases_add(struct fc_releases *r, const char *version, const char *full, const char *date, const char *url)
{
    struct fc_release *to;

    if (fc_grow(&r->list, &r->cap, r->n + 1, sizeof(*r->list)) < 0)
        return -ENOMEM;
    to = &r->list[r->n];
    *to = (struct fc_release){.version = strdup(version), .full = strdup(full)};
    to->date = date ? strdup(date) : NULL;
    to->url = url ? strdup(url) : NULL;
    r->n++;
    return to->version && to->full && (to->date || !date) && (to->url || !url) ? 0 : -ENOMEM;
}

static void clear(struct fc_release *r)
{
    free(r->version);
    free(r->full);
    free(r->date);
    free(r->url);
}

void fc_releases_release(struct fc_releases *r)
{
    for (size_t i = 0; i < r->n; i++)
        clear(&r->list[i]);
    free(r->list);
    *r = (struct fc_releases){0};
}

static int compare(const void *a, const void *b)
{
    return -strverscmp(((const struct fc_release *)a)->full, ((const struct fc_release *)b)->full);
}

void fc_releases_sort(struct fc_releases *r)
{
    if (r->n)
        qsort(r->list, r->n, sizeof(*r->list), compare);
}

/* Date and size from the headers of an answer. Returns whether there is such a file. */
static bool note(struct fc_release *release, const struct fc_http_response *answer)
{
    struct fc_buf value = {0};
    struct tm tm = {0};
    char date[16];

    if (answer->status != 200)
        return answer->status != 404 && answer->status != 410;
    if (fc_http_header(answer, "Content-Length", 0, &value) > 0) {
        release->size = strtoull(value.data, NULL, 10);
        release->have_size = true;
    }
    if (!release->date && fc_http_header(answer, "Last-Modified", 0, &value) > 0 &&
        strptime(value.data, "%a, %d %b %Y", &tm) && strftime(date, sizeof(date), "%Y-%m-%d", &tm))
        release->date = strdup(date);
    fc_buf_release(&value);
    return true;
}

int fc_releases_ask(struct fc_inquiry *q, struct fc_releases *r, struct fc_error *err)
{
    struct fc_http_request *asks = calloc(r->n + 1, sizeof(*asks));
    struct fc_http_response *answers = calloc(r->n + 1, sizeof(*answers));
    size_t kept = 0;
    int result = asks && answers ? 0 : fc_fail(err, ENOMEM, "out of memory");

    for (size_t i = 0; i < r->n && result == 0; i++)
        asks[i] = (struct fc_http_request){.url = r->list[i].url, .method = "HEAD"};
    /* Offline the list has versions alone. */
    if (result == 0 && !fc_fetcher_offline(q->f))
        result = fc_http_exchange_many(q->f, asks, r->n, answers, err);
    for (size_t i = 0; i < r->n && answers; i++) {
        bool keep = result < 0 || fc_fetcher_offline(q->f) || note(&r->list[i], &answers[i]);

        fc_http_response_release(&answers[i]);
        if (keep)
            r->list[kept++] = r->list[i];
        else
            clear(&r->list[i]);
    }
    r->n = answers ? kept : r->n;
    free(asks);
    free(answers);
    return result;
}
