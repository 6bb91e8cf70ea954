/* SPDX-License-Identifier: Apache-2.0 */
/* What the fetcher's thread does with the transfer of a blob: ask for what is missing, judge the answer, end it. */
#include "fetch/blob.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* What is written and digested at once. */
enum { GATHER = 256 << 10 };

static int add(struct fc_transfer *t, const char *name, const char *value)
{
    struct fc_buf line = {0};
    struct curl_slist *longer = NULL;

    if (fc_buf_addf(&line, "%s: %s", name, value) == 0)
        longer = curl_slist_append(t->list, line.data);
    fc_buf_release(&line);
    if (!longer)
        return fc_fail(&t->err, ENOMEM, "out of memory");
    t->list = longer;
    return 0;
}

/* What If-Range may name: a strong ETag, or else a time. NULL: the server gave neither, or it is another server. */
static const char *validator(const struct fc_blob *b)
{
    const struct fc_note *from = &b->part.from;
    char key[FC_KEY_TEXT];

    if (!from->url || fc_layout_key(b->transfer.urls[b->transfer.at_url], key) < 0 || strcmp(from->url, key) != 0)
        return NULL;
    if (from->etag && from->etag[0] == '"')
        return from->etag;
    return from->modified;
}

/* Ask for the rest, so that what comes is the rest of the same. */
static int ask_for_rest(struct fc_transfer *t)
{
    struct fc_blob *b = t->owner;
    const char *since = validator(b);
    char range[48];
    int r = 0;

    /* With a digest the whole is judged in the end, whoever gave the parts. */
    if ((!since && b->want.sum.kind == FC_SUM_NONE) || b->no_range || fc_url_is(t->url, "file"))
        return fc_part_rewind(b) < 0 ? fc_fail(&t->err, EIO, "cannot begin %s anew", b->label) : 0;
    snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)b->received);
    r = add(t, "Range", range);
    return r == 0 && since ? add(t, "If-Range", since) : r;
}

static int begin(struct fc_transfer *t)
{
    struct fc_blob *b = t->owner;
    int r = b->received ? ask_for_rest(t) : 0;

    b->began = b->received;
    if (r < 0 || b->received || !b->conditional)
        return r;
    if (b->known.etag)
        r = add(t, "If-None-Match", b->known.etag);
    if (r == 0 && b->known.modified)
        r = add(t, "If-Modified-Since", b->known.modified);
    return r;
}

/* "bytes A-B/TOTAL"; TOTAL may be "*" (then 0). Returns false for what is none. */
static bool content_range(const struct fc_buf *headers, uint64_t *ret_from, uint64_t *ret_total)
{
    struct fc_buf value = {0};
    unsigned long long from = 0, to = 0, total = 0;
    bool good = fc_headers_find(headers, "Content-Range", 0, &value) > 0 &&
                sscanf(value.data, "bytes %llu-%llu/%llu", &from, &to, &total) >= 2;

    fc_buf_release(&value);
    *ret_from = from;
    *ret_total = total;
    return good;
}

/* The whole comes, or the rest. Returns 0 or -errno with words. */
static int take_success(struct fc_transfer *t)
{
    struct fc_blob *b = t->owner;
    uint64_t from = 0, total = 0;
    curl_off_t length = -1;

    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (t->status == 206 && b->received) {
        if (!content_range(&t->headers, &from, &total) || from != b->received) {
            b->no_range = true;
            return fc_fail(&t->err, EAGAIN, "%s: the server gives another range than the one that was asked for",
                           b->label);
        }
    } else if (t->status == 206) {
        return fc_fail(&t->err, EPROTO, "%s: the server gives a part, and was asked for the whole", b->label);
    } else {
        if (b->received && fc_part_rewind(b) < 0)
            return fc_fail(&t->err, EIO, "cannot begin %s anew", b->label);
        total = length > 0 ? (uint64_t)length : 0;
        fc_part_note(b, &t->headers, t->urls[t->at_url]);
    }
    pthread_mutex_lock(&b->f->lock);
    b->total = b->want.have_size ? b->want.size : total;
    b->answered = true;
    pthread_cond_broadcast(&b->f->changed);
    pthread_mutex_unlock(&b->f->lock);
    return 0;
}

static void set_status(struct fc_blob *b, int status)
{
    pthread_mutex_lock(&b->f->lock);
    b->status = status;
    pthread_mutex_unlock(&b->f->lock);
}

static int answer(struct fc_transfer *t)
{
    set_status(t->owner, t->status);
    return t->status == 200 || t->status == 206 ? take_success(t) : 0;
}

/* Pass on what was gathered. */
static int settle(struct fc_transfer *t)
{
    struct fc_blob *b = t->owner;
    size_t n = b->n_gathered;
    int r;

    b->n_gathered = 0;
    if (n == 0)
        return 0;
    r = fc_part_add(b, b->gathered, n, &t->err);
    if (r == -EBADMSG || r == -EFBIG) /* no beginning of anything that is wanted */
        (void)fc_part_rewind(b);
    return r;
}

static int gather(struct fc_transfer *t, const void *data, size_t size)
{
    struct fc_blob *b = t->owner;
    int r = 0;

    if (t->status != 200 && t->status != 206)
        return 0;
    /* What gets ahead is no failed attempt. */
    if (b->received - b->began > (1u << 20))
        t->attempt = 1;
    if (!b->gathered)
        b->gathered = malloc(GATHER);
    if (!b->gathered)
        return fc_fail(&t->err, ENOMEM, "out of memory");
    while (size > 0 && r == 0) {
        size_t n = size < GATHER - b->n_gathered ? size : GATHER - b->n_gathered;

        memcpy(b->gathered + b->n_gathered, data, n);
        b->n_gathered += n;
        data = (const char *)data + n;
        size -= n;
        if (b->n_gathered == GATHER)
            r = settle(t);
    }
    return r;
}

/* The bytes are all here. */
static int complete(struct fc_transfer *t)
{
    struct fc_blob *b = t->owner;
    bool resumed = b->resumed;
    struct fc_digest digest;
    struct fc_buf modified = {0};
    int r = fc_part_finish(b, &digest, &t->err);

    if (r == -EBADMSG && resumed && !b->restarted) {
        fc_log(FC_LOG_INFO, "%s; what an earlier run left was not its beginning: again from the start", t->err.msg);
        b->restarted = true;
        if (fc_part_rewind(b) < 0)
            return -EIO;
        t->err = (struct fc_error){0};
        return -EAGAIN;
    }
    if (r == -EBADMSG && t->at_url + 1 < t->n_urls)
        (void)fc_part_rewind(b);
    else if (r == -EBADMSG)
        fc_part_remove(b);
    if (r < 0)
        return r;
    pthread_mutex_lock(&b->f->lock);
    free(fc_steal(&b->gathered));
    b->here = b->checked = b->answered = true;
    b->total = b->received;
    b->digest = digest;
    if (!b->modified && fc_headers_find(&t->headers, "Last-Modified", 0, &modified) > 0)
        b->modified = fc_steal(&modified.data);
    pthread_mutex_unlock(&b->f->lock);
    fc_buf_release(&modified);
    return 0;
}

/* Nothing follows what we have: it is complete, or not the beginning of what there is now. */
static int no_such_range(struct fc_transfer *t)
{
    struct fc_blob *b = t->owner;
    struct fc_buf value = {0};
    unsigned long long total = 0;
    bool whole = fc_headers_find(&t->headers, "Content-Range", 0, &value) > 0 &&
                 sscanf(value.data, "bytes */%llu", &total) == 1 && total == b->received;

    fc_buf_release(&value);
    if (whole)
        return complete(t);
    if (b->no_range)
        return fc_fetch_explain_status(t, &t->err);
    b->no_range = true;
    return fc_part_rewind(b) < 0 ? -EIO : -EAGAIN;
}

static int use_known(struct fc_blob *b)
{
    pthread_mutex_lock(&b->f->lock);
    b->here = b->cached = b->answered = true;
    b->digest = b->known.digest;
    pthread_mutex_unlock(&b->f->lock);
    fc_part_remove(b);
    return 0;
}

static int finish(struct fc_transfer *t)
{
    struct fc_blob *b = t->owner;
    struct fc_buf line = {0};

    set_status(b, t->status);
    switch (t->status) {
    case 200:
    case 206:
        return complete(t);
    case 304:
        if (b->conditional)
            return use_known(b);
        break;
    case 416:
        if (b->received)
            return no_such_range(t);
        break;
    case 401: /* who asks after a redirect, or in a mirror's name, is not whom the credentials are for */
        b->may_renew = fc_url_same_origin(t->url, t->request->url);
        fc_buf_clear(&b->challenge);
        for (size_t i = 0; fc_headers_find(&t->headers, "WWW-Authenticate", i, &line) > 0; i++)
            if (fc_buf_addf(&b->challenge, "%s\n", line.data) < 0)
                break;
        fc_buf_release(&line);
        break;
    default:
        break;
    }
    return fc_fetch_explain_status(t, &t->err);
}

static bool move_on(const struct fc_transfer *t)
{
    const struct fc_blob *b = t->owner;

    return !b->here && t->err.code != 0 && t->err.code != ECANCELED && t->err.code != ENOSPC;
}

const struct fc_transfer_ops fc_blob_ops = {begin, answer, gather, settle, finish, move_on};

static void measure(struct fc_blob *b, double now)
{
    double span = now - b->measured_at, rate;

    if (b->measured_at == 0 || b->received < b->measured)
        span = 0;
    rate = span > 0.05 ? (double)(b->received - b->measured) / span : b->rate;
    if (span > 0.05)
        b->rate = b->rate > 0 ? b->rate + (rate - b->rate) * (span > 2 ? 1 : span / 2) : rate;
    b->measured = b->received;
    b->measured_at = now;
}

void fc_blobs_watch(struct fc_fetcher *f, bool over)
{
    struct fc_fetch_item items[32];
    double now = fc_fetch_now();
    size_t n = 0;

    if (!f->watch || (!over && now - f->watched_at < 0.1))
        return;
    f->watched_at = now;
    pthread_mutex_lock(&f->lock);
    for (struct fc_blob *b = f->blobs; b && n < FC_LENGTH(items) && !over; b = b->next) {
        if (!b->running || b->transfer.state == FC_TRANSFER_DONE || !b->answered)
            continue;
        measure(b, now);
        items[n++] = (struct fc_fetch_item){b->label, b->received, b->total, b->rate};
    }
    /* Under the lock, so that no label is freed meanwhile. */
    if (n || f->watching)
        f->watch->update(f->watch, items, n);
    f->watching = n > 0;
    pthread_mutex_unlock(&f->lock);
}
