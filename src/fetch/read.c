/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads as their users see them: read while bytes arrive, wait, open. In the users' threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "fetch/blob.h"

/* Whether @r says that nobody could be asked. */
static bool is_unreachable(int r)
{
    return r == -EHOSTUNREACH || r == -ECONNREFUSED || r == -ETIMEDOUT || r == -ECONNRESET || r == -EBUSY;
}

/* Whether it is over, with *ret_r; under the lock. What was fetched earlier steps in when nobody can be asked. */
static bool is_over(struct fc_blob *b, int *ret_r)
{
    if (b->busy)
        return false;
    if (!b->here && b->r == 0 && b->running && b->transfer.state == FC_TRANSFER_DONE && b->transfer.r < 0 &&
        b->conditional && b->want.stale_ok && is_unreachable(b->transfer.r)) {
        fc_log(FC_LOG_WARN, "%s: using what the cache has", b->transfer.err.msg);
        b->digest = b->known.digest;
        b->here = b->cached = b->stale = true;
    }
    *ret_r = b->here ? 0 : b->r < 0 ? b->r : b->transfer.r;
    return b->here || b->r < 0 || (b->running && b->transfer.state == FC_TRANSFER_DONE);
}

static void words_of(const struct fc_blob *b, struct fc_error *err)
{
    if (err)
        *err = b->r < 0 ? b->err : b->transfer.err;
}

/* Take the lock off, do something that takes long on behalf of all readers, and take it again. */
static void begin_busy(struct fc_blob *b)
{
    b->busy = true;
    pthread_mutex_unlock(&b->f->lock);
}

static void end_transfer(struct fc_blob *b)
{
    fc_transfer_withdraw(&b->transfer);
    fc_transfer_release(&b->transfer);
    fc_blob_set_running(b, false);
}

/* The server wants to know who asks. Returns 0: it is asked again; or -errno with words. Under the lock. */
static int renew(struct fc_fetch *t, struct fc_error *err)
{
    struct fc_blob *b = t->b;
    struct fc_error why = {0};
    char *authorization = NULL;
    int r;

    /* One that is refused at once is not tried for ever; that one expires while a large blob comes is as it should be. */
    b->renewals = b->received > b->renewed_at ? 1 : b->renewals + 1;
    b->renewed_at = b->received;
    begin_busy(b);
    r = t->renew(t->arg, b->challenge.data ? b->challenge.data : "", &authorization, &why);
    if (r == 0) {
        end_transfer(b);
        free(b->authorization);
        b->authorization = authorization;
        b->want.request.authorization = authorization;
        fc_blob_set_running(b, true);
        r = fc_blob_submit(b, &why);
    }
    fc_blob_not_busy(b, r, &why);
    pthread_mutex_lock(&b->f->lock);
    if (r < 0 && err)
        *err = why;
    return r;
}

/* The bytes in the cache are looked at for the first time. Returns 0, or -errno with words. Under the lock. */
static int check_cached(struct fc_blob *b, struct fc_error *err)
{
    struct fc_error why = {0};
    uint64_t size = 0;
    int fd = -1, r;

    begin_busy(b);
    if (b->running)
        end_transfer(b);
    fc_part_close(b);
    r = fc_layout_open(b->f, &b->digest, true, &fd, &size, &why);
    pthread_mutex_lock(&b->f->lock);
    if (r == 0) {
        b->part.fd = fd;
        b->received = b->total = size;
        b->checked = true;
    } else {
        b->here = b->cached = b->stale = b->answered = false;
        b->received = 0;
    }
    pthread_mutex_unlock(&b->f->lock);
    if (r == -ENOENT)
        r = fc_blob_launch(b, false, &why);
    fc_blob_not_busy(b, r, &why);
    pthread_mutex_lock(&b->f->lock);
    if (r < 0 && err)
        *err = why;
    return r;
}

/* What to do before looking at the blob again: 1: nothing, look; 0: something was done or waited for; -errno with words. */
static int turn(struct fc_fetch *t, bool want_bytes, struct fc_error *err)
{
    struct fc_blob *b = t->b;
    int r = 0;

    if (t->canceled || fc_fetcher_canceled(b->f))
        return fc_fail(err, ECANCELED, "canceled");
    if (is_over(b, &r)) {
        if (r == -EACCES && b->status == 401 && b->may_renew && t->renew &&
            (b->renewals < 2 || b->received > b->renewed_at) && b->r == 0)
            return renew(t, err);
        if (r < 0)
            words_of(b, err);
        if (r == 0 && !b->checked && want_bytes)
            return check_cached(b, err);
        return r < 0 ? r : 1;
    }
    if (want_bytes && !b->busy && b->running && (b->received > t->at || t->generation != b->generation))
        return 1;
    pthread_cond_wait(&b->f->changed, &b->f->lock);
    return 0;
}

/*
 * What was read is not what there is now: whoever reads has to wait for the whole in any case, and if that fails it is why.
 * Under the lock.
 */
static int is_stale(struct fc_fetch *t, struct fc_error *err)
{
    int r;

    while ((r = turn(t, false, err)) == 0)
        ;
    return r < 0 ? r : fc_fail(err, ESTALE, "%s: it changed on the server while it was read", t->b->label);
}

/* Bytes that can be read at once. Returns their count, 0: the end, -ESTALE and other failures. Under the lock. */
static ssize_t at_hand(struct fc_fetch *t, size_t size, struct fc_error *err)
{
    struct fc_blob *b = t->b;

    if (t->generation != b->generation) {
        if (t->at > 0)
            return is_stale(t, err);
        t->generation = b->generation;
    }
    return (ssize_t)(b->received - t->at < size ? b->received - t->at : size);
}

ssize_t fc_fetch_read(struct fc_fetch *t, void *buffer, size_t size, struct fc_error *err)
{
    struct fc_blob *b = t->b;
    ssize_t n = 0;
    int r, over = 0;

    pthread_mutex_lock(&b->f->lock);
    for (;;) {
        while ((r = turn(t, true, err)) == 0)
            ;
        n = r < 0 ? r : at_hand(t, size, err);
        if (n < 0 || (n == 0 && is_over(b, &over)))
            break;
        if (n == 0)
            continue;
        pthread_mutex_unlock(&b->f->lock);
        n = fc_pread_full(b->part.fd, buffer, (size_t)n, t->at);
        if (n < 0)
            fc_fail_errno(err, (int)-n, "cannot read %s", b->label);
        pthread_mutex_lock(&b->f->lock);
        /* A part that began anew meanwhile may have given anything. */
        if (n != 0 && (n < 0 || t->generation == b->generation))
            break;
    }
    if (n > 0)
        t->at += (uint64_t)n;
    pthread_mutex_unlock(&b->f->lock);
    return n;
}

void fc_fetch_cancel_read(struct fc_fetch *t)
{
    pthread_mutex_lock(&t->b->f->lock);
    t->canceled = true;
    pthread_cond_broadcast(&t->b->f->changed);
    pthread_mutex_unlock(&t->b->f->lock);
}

int fc_fetch_wait(struct fc_fetch *t, struct fc_error *err)
{
    int r;

    pthread_mutex_lock(&t->b->f->lock);
    t->canceled = false;
    while ((r = turn(t, false, err)) == 0)
        ;
    pthread_mutex_unlock(&t->b->f->lock);
    return r < 0 ? r : 0;
}

int fc_fetch_answered(struct fc_fetch *t, struct fc_error *err)
{
    struct fc_blob *b = t->b;
    int r = 0;

    pthread_mutex_lock(&b->f->lock);
    while (r == 0 && !(b->running && b->answered && !b->busy && !b->here))
        r = turn(t, false, err);
    pthread_mutex_unlock(&b->f->lock);
    return r;
}

void fc_fetch_info(struct fc_fetch *t, struct fc_fetch_info *ret)
{
    struct fc_blob *b = t->b;

    pthread_mutex_lock(&b->f->lock);
    *ret = (struct fc_fetch_info){.cached = b->cached,
                                  .stale = b->stale,
                                  .summed = b->want.sum.kind != FC_SUM_NONE,
                                  .restarted = b->generation > 0,
                                  .digest = b->digest,
                                  .size = b->received,
                                  .total = b->total,
                                  .status = b->status,
                                  .modified = b->modified ? b->modified : b->known.modified};
    pthread_mutex_unlock(&b->f->lock);
}

int fc_fetch_open(struct fc_fetch *t, struct fc_error *err)
{
    struct fc_blob *b = t->b;
    uint64_t size, at = t->at;
    unsigned generation = t->generation;
    int r, fd = -1;

    pthread_mutex_lock(&b->f->lock);
    t->canceled = false;
    /* Behind the last byte, so that nothing but the end of it all is waited for. */
    t->at = UINT64_MAX;
    t->generation = b->generation;
    while ((r = turn(t, true, err)) == 0 || (r > 0 && !b->checked && t->generation != b->generation))
        t->generation = b->generation;
    t->at = at;
    t->generation = generation;
    pthread_mutex_unlock(&b->f->lock);
    if (r < 0)
        return r;
    r = fc_layout_open(b->f, &b->digest, false, &fd, &size, err);
    return r < 0 ? r : fd;
}

int fc_fetch_document(struct fc_fetcher *f, const struct fc_fetch_want *want, size_t max, struct fc_buf *ret,
                      struct fc_fetch_info *ret_info, struct fc_error *err)
{
    struct fc_fetch_want w = *want;
    fc_auto(fc_fetch_free) struct fc_fetch *t = NULL;
    char chunk[16384];
    ssize_t n;
    int r;

    fc_buf_clear(ret);
    w.request.max_bytes = max;
    r = fc_fetch_start(f, &w, &t, err);
    if (r == 0)
        r = fc_fetch_wait(t, err); /* first, so that a change meanwhile disturbs nobody */
    while (r == 0 && (n = fc_fetch_read(t, chunk, sizeof(chunk), err)) != 0) {
        r = n < 0 ? (int)n : ret->len + (size_t)n > max ? fc_fail(err, EFBIG, "%s: too long", t->b->label) : 0;
        if (r == 0 && fc_buf_add(ret, chunk, (size_t)n) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
    }
    if (r == 0 && ret_info) {
        fc_fetch_info(t, ret_info);
        ret_info->modified = NULL;
    }
    return r;
}
