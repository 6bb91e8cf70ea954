/* SPDX-License-Identifier: Apache-2.0 */
/* Read a source ahead, digest it on the way unless it does so itself, and remember its first bytes. */
#include "archive/feed.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/ahead.h"
#include "base/digest.h"

#define HEAD_MAX 4096u
#define HEAD_MIN 6u
#define PIECE (256u * 1024)
#define PIECES 6u

struct fc_feed {
    struct fc_byte_source *source;
    struct fc_hasher *hasher; /* NULL: the source knows its digest */
    struct fc_ahead *ahead;
    _Atomic uint64_t done;
    uint8_t head[HEAD_MAX];
    size_t head_size;
    bool head_given, end; /* the thread's: @head was handed over; the source ended while it was read */
};

static ssize_t fill(void *arg, void *buffer, size_t size, struct fc_error *err)
{
    struct fc_feed *f = arg;
    ssize_t n;

    if (!f->head_given && f->head_size) {
        n = (ssize_t)f->head_size;
        memcpy(buffer, f->head, f->head_size);
    } else {
        n = f->end ? 0 : f->source->read(f->source, buffer, size, err);
    }
    f->head_given = true;
    if (n <= 0)
        return n;
    if (f->hasher && fc_hasher_add(f->hasher, buffer, (size_t)n) < 0)
        return fc_fail(err, EIO, "cannot compute a digest");
    atomic_fetch_add_explicit(&f->done, (uint64_t)n, memory_order_relaxed);
    return n;
}

static int read_head(struct fc_feed *f, struct fc_error *err)
{
    while (f->head_size < HEAD_MIN && !f->end) {
        ssize_t n = f->source->read(f->source, f->head + f->head_size, HEAD_MAX - f->head_size, err);

        if (n < 0)
            return (int)n;
        f->end = n == 0;
        f->head_size += (size_t)n;
    }
    return 0;
}

int fc_feed_new(struct fc_byte_source *source, struct fc_feed **ret, struct fc_error *err)
{
    const struct fc_ahead_options options = {.size = PIECE, .n = PIECES};
    struct fc_feed *f = calloc(1, sizeof(*f));
    int r;

    if (!f)
        return fc_fail(err, ENOMEM, "out of memory");
    f->source = source;
    f->hasher = source->digest ? NULL : fc_hasher_new();
    r = f->hasher || source->digest ? read_head(f, err) : fc_fail(err, ENOMEM, "out of memory");
    if (r == 0)
        r = fc_ahead_new(fill, f, &options, &f->ahead, err);
    if (r < 0) {
        fc_feed_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

const uint8_t *fc_feed_head(const struct fc_feed *f, size_t *ret_size)
{
    *ret_size = f->head_size;
    return f->head;
}

ssize_t fc_feed_next(struct fc_feed *f, const void **ret_data, struct fc_error *err)
{
    return fc_ahead_next(f->ahead, ret_data, err);
}

bool fc_feed_ready(struct fc_feed *f) { return fc_ahead_ready(f->ahead); }

uint64_t fc_feed_done(const struct fc_feed *f) { return atomic_load_explicit(&f->done, memory_order_relaxed); }

int fc_feed_digest(struct fc_feed *f, struct fc_digest *ret, struct fc_error *err)
{
    if (f->hasher)
        return fc_hasher_finish(f->hasher, ret) < 0 ? fc_fail(err, EIO, "cannot compute a digest") : 0;
    f->source->digest(f->source, ret);
    return 0;
}

void fc_feed_cancel(struct fc_feed *f)
{
    if (f->source->cancel)
        f->source->cancel(f->source);
    if (f->ahead)
        fc_ahead_cancel(f->ahead);
}

void fc_feed_free(struct fc_feed *f)
{
    if (!f)
        return;
    fc_feed_cancel(f);
    fc_ahead_free(f->ahead);
    fc_hasher_free(f->hasher);
    free(f);
}
