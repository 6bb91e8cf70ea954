/* SPDX-License-Identifier: Apache-2.0 */
/* Begin a download: find what is under way or in the cache, else have it transferred. In the users' threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fetch/blob.h"

static void free_blob(struct fc_blob *b)
{
    fc_part_close(b);
    fc_transfer_release(&b->transfer);
    fc_note_release(&b->known);
    for (size_t i = 0; b->headers && b->headers[i]; i++)
        free(b->headers[i]);
    free(b->headers);
    free(b->url);
    free(b->label);
    free(b->authorization);
    free(b->gathered);
    free(b->modified);
    fc_buf_release(&b->challenge);
    free(b);
}

static int copy_want(struct fc_blob *b, const struct fc_fetch_want *w)
{
    char shown[200];

    b->want = *w;
    b->part.fd = -1;
    b->url = strdup(w->request.url);
    b->label = strdup(w->label ? w->label : fc_url_show(shown, sizeof(shown), w->request.url));
    b->headers = calloc(w->request.n_headers + 1, sizeof(*b->headers));
    if (!b->url || !b->label || !b->headers)
        return -ENOMEM;
    for (size_t i = 0; i < w->request.n_headers; i++) {
        b->headers[i] = strdup(w->request.headers[i]);
        if (!b->headers[i])
            return -ENOMEM;
    }
    if (w->request.authorization && !(b->authorization = strdup(w->request.authorization)))
        return -ENOMEM;
    b->want.request.url = b->url;
    b->want.request.headers = (const char *const *)b->headers;
    b->want.request.authorization = b->authorization;
    b->want.request.method = NULL;
    return 0;
}

/* What tells two downloads apart: the digest, or else the URL without credentials. */
static int key_of(const struct fc_fetch_want *w, char ret[FC_KEY_TEXT], struct fc_error *err)
{
    fc_auto(fc_free) char *url = NULL;
    fc_auto(fc_free) char *user = NULL;
    fc_auto(fc_free) char *password = NULL;
    char text[FC_SUM_TEXT];

    if (fc_url_split(w->request.url, &url, &user, &password) < 0 ||
        (!fc_url_is(url, "http") && !fc_url_is(url, "https") && !fc_url_is(url, "file")))
        return fc_fail(err, EINVAL, "%s is no URL of http, https or file",
                       fc_url_show(text, sizeof(text), w->request.url));
    if (fc_layout_key(w->sum.kind ? fc_sum_format(&w->sum, text) : url, ret) < 0)
        return fc_fail(err, EIO, "cannot compute a digest");
    return 0;
}

/* Find the blob of @key that is under way, or make one that is busy. Sets *ret_new. */
static struct fc_blob *blob_of(struct fc_fetcher *f, const struct fc_fetch_want *w, const char *key, bool *ret_new)
{
    struct fc_blob *made = calloc(1, sizeof(*made)), *b, **at;

    if (made && copy_want(made, w) < 0) {
        free_blob(made);
        made = NULL;
    }
    pthread_mutex_lock(&f->lock);
    for (b = f->blobs; b; b = b->next)
        if (strcmp(b->key, key) == 0 && b->r == 0 &&
            !(b->running && b->transfer.state == FC_TRANSFER_DONE && b->transfer.r < 0))
            break;
    *ret_new = !b && made;
    if (!b && made) {
        memcpy(made->key, key, FC_KEY_TEXT);
        made->f = f;
        made->busy = true;
        for (at = &f->blobs; *at; at = &(*at)->next)
            ;
        *at = b = fc_steal(&made);
    }
    if (b)
        b->refs++;
    pthread_mutex_unlock(&f->lock);
    if (made)
        free_blob(made);
    return b;
}

/* Whether the cache has it, as far as its name says. Sets the digest, and what is known of the URL. */
static bool find_cached(struct fc_blob *b)
{
    const struct fc_sum *sum = &b->want.sum;
    fc_auto(fc_free) char *path = NULL;

    if (sum->kind == FC_SUM_SHA256) {
        memcpy(b->digest.bytes, sum->bytes, sizeof(b->digest.bytes));
    } else {
        fc_note_release(&b->known);
        fc_note_read(b->f, ".notes", b->key, &b->known);
        if (!b->known.have_digest)
            return false;
        b->digest = b->known.digest;
    }
    path = fc_fetch_blob_path(b->f, &b->digest);
    return path && access(path, R_OK) == 0;
}

int fc_blob_submit(struct fc_blob *b, struct fc_error *err)
{
    b->transfer = (struct fc_transfer){.f = b->f,
                                       .request = &b->want.request,
                                       .ops = &fc_blob_ops,
                                       .owner = b,
                                       .authorization = b->authorization,
                                       .hasty = b->want.stale_ok && b->conditional};
    return fc_transfer_submit(&b->transfer, err);
}

void fc_blob_set_running(struct fc_blob *b, bool running)
{
    pthread_mutex_lock(&b->f->lock);
    b->running = running;
    pthread_mutex_unlock(&b->f->lock);
}

int fc_blob_launch(struct fc_blob *b, bool conditional, struct fc_error *err)
{
    int r;

    if (b->f->offline && !fc_url_is(b->url, "file"))
        return fc_fail(err, ENOENT, "%s is not in the cache, and --offline keeps it from being fetched", b->label);
    b->conditional = conditional;
    r = fc_part_open(b, err);
    if (r == 0 && !conditional && find_cached(b) &&
        b->want.sum.kind != FC_SUM_NONE) { /* by the process that had the lock */
        b->received = 0;
        fc_part_remove(b);
        fc_part_close(b);
        b->here = b->cached = true;
        return 0;
    }
    if (r < 0) {
        fc_part_close(b);
        return r;
    }
    b->transfer.state = FC_TRANSFER_IDLE;
    fc_blob_set_running(b, true);
    r = fc_blob_submit(b, err);
    if (r < 0)
        fc_blob_set_running(b, false);
    return r;
}

static int prepare(struct fc_blob *b, struct fc_error *err)
{
    bool cached;
    int r = fc_layout_prepare(b->f, err);

    if (r < 0)
        return r;
    cached = find_cached(b);
    if (cached && (b->want.sum.kind != FC_SUM_NONE || b->f->offline)) {
        b->here = b->cached = b->answered = true;
        b->stale = b->want.sum.kind == FC_SUM_NONE;
        return 0;
    }
    return fc_blob_launch(b, cached && (b->known.etag || b->known.modified), err);
}

void fc_blob_not_busy(struct fc_blob *b, int r, const struct fc_error *why)
{
    pthread_mutex_lock(&b->f->lock);
    b->busy = false;
    if (r < 0) {
        b->r = r;
        b->err = *why;
    }
    pthread_cond_broadcast(&b->f->changed);
    pthread_mutex_unlock(&b->f->lock);
}

static void unref(struct fc_blob *b)
{
    struct fc_fetcher *f = b->f;
    bool last, running;

    pthread_mutex_lock(&f->lock);
    last = --b->refs == 0;
    running = b->running;
    for (struct fc_blob **p = &f->blobs; last && *p; p = &(*p)->next) {
        if (*p == b) {
            *p = b->next;
            break;
        }
    }
    pthread_mutex_unlock(&f->lock);
    if (!last)
        return;
    if (running)
        fc_transfer_withdraw(&b->transfer);
    free_blob(b);
}

int fc_fetch_start(struct fc_fetcher *f, const struct fc_fetch_want *want, struct fc_fetch **ret, struct fc_error *err)
{
    struct fc_fetch *t = calloc(1, sizeof(*t));
    struct fc_error why = {0};
    char key[FC_KEY_TEXT];
    bool is_new = false;
    int r = t ? key_of(want, key, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r == 0 && !(t->b = blob_of(f, want, key, &is_new)))
        r = fc_fail(err, ENOMEM, "out of memory");
    if (r < 0) {
        free(t);
        return r;
    }
    t->renew = want->renew;
    t->arg = want->arg;
    if (is_new) {
        r = prepare(t->b, &why);
        fc_blob_not_busy(t->b, r, &why);
    }
    if (r < 0) {
        if (err)
            *err = why;
        fc_fetch_free(t);
        return r;
    }
    t->generation = t->b->generation;
    *ret = t;
    return 0;
}

void fc_fetch_free(struct fc_fetch *t)
{
    if (!t)
        return;
    unref(t->b);
    free(t);
}
