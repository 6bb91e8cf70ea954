/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on their way to the tar parser, which is the caller: one thread reads and digests the source, one decompresses,
 * one digests what comes out, each a few buffers ahead.
 */
#include "archive/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ahead.h"
#include "base/digest.h"

#define DEFAULT_MAX (UINT64_C(1) << 40)
/* Large enough that a call of the decompressor costs nothing beside its work, small enough for a core's cache. */
#define PIECE (512u * 1024)
#define PIECES 8u

struct fc_stream {
    struct fc_feed *feed;
    struct fc_unpack *unpack; /* NULL: the source's bytes as they are, and no further thread */
    struct fc_ahead *ahead;
    struct fc_hasher *hasher;
    struct fc_progress *progress;
    uint64_t max, produced, taken;
    const uint8_t *data; /* of the producer, or into @hold */
    size_t size;
    bool end;
    /* A block looked at over the border of two pieces: it is given out first, then @after. */
    uint8_t hold[FC_TAR_BLOCK];
    const uint8_t *after;
    size_t after_size;
};

/* What follows the compressed data is no content, but the source's digest is that of the whole. */
static int drain(struct fc_feed *feed, struct fc_error *err)
{
    const void *rest;
    ssize_t n;

    while ((n = fc_feed_next(feed, &rest, err)) > 0)
        ;
    return (int)n;
}

/* In the decompressing thread. */
static ssize_t fill(void *arg, void *buffer, size_t size, struct fc_error *err)
{
    struct fc_stream *s = arg;
    ssize_t n = s->unpack->read(s->unpack, buffer, size, err);

    return n != 0 ? n : drain(s->feed, err);
}

/* In the digesting thread. */
static int digest(void *arg, const void *data, size_t size, struct fc_error *err)
{
    return fc_hasher_add(arg, data, size) < 0 ? fc_fail(err, EIO, "cannot compute a digest") : 0;
}

static int start(struct fc_stream *s, struct fc_byte_source *source, struct fc_error *err)
{
    const struct fc_ahead_options options = {.size = PIECE, .n = PIECES, .watch = digest, .watch_arg = s->hasher};
    int r = fc_feed_new(source, &s->feed, err);

    if (r == 0)
        r = fc_unpack_new(s->feed, &s->unpack, err);
    if (r == 0 && s->unpack)
        r = fc_ahead_new(fill, s, &options, &s->ahead, err);
    return r;
}

int fc_stream_new(struct fc_byte_source *source, const struct fc_tar_options *options, struct fc_stream **ret,
                  struct fc_error *err)
{
    struct fc_stream *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return fc_fail(err, ENOMEM, "out of memory");
    s->max = options && options->max_bytes ? options->max_bytes : DEFAULT_MAX;
    s->progress = options ? options->progress : NULL;
    s->hasher = fc_hasher_new();
    r = s->hasher ? start(s, source, err) : fc_fail(err, ENOMEM, "out of memory");
    if (r < 0) {
        fc_stream_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

/* The next piece of the producer, counted. Returns 1, 0 at the end, or -errno. */
static int produce(struct fc_stream *s, const uint8_t **ret_data, size_t *ret_size, struct fc_error *err)
{
    const void *data;
    ssize_t n;

    if (s->end)
        return 0;
    n = s->ahead ? fc_ahead_next(s->ahead, &data, err) : fc_feed_next(s->feed, &data, err);
    if (s->progress && s->progress->update)
        s->progress->update(s->progress, fc_feed_done(s->feed));
    if (n < 0)
        return (int)n;
    if (n == 0) {
        s->end = true;
        return 0;
    }
    if ((uint64_t)n > s->max - s->produced)
        return fc_fail(err, EFBIG, "more than the allowed %llu bytes uncompressed", (unsigned long long)s->max);
    s->produced += (uint64_t)n;
    *ret_data = data;
    *ret_size = (size_t)n;
    return 1;
}

int fc_stream_peek(struct fc_stream *s, const void **ret_data, size_t *ret_size, struct fc_error *err)
{
    if (s->size == 0 && s->after_size > 0) {
        s->data = s->after;
        s->size = s->after_size;
        s->after_size = 0;
    }
    if (s->size == 0) {
        int r = produce(s, &s->data, &s->size, err);

        if (r <= 0)
            return r;
    }
    *ret_data = s->data;
    *ret_size = s->size;
    return 1;
}

void fc_stream_take(struct fc_stream *s, size_t size)
{
    s->data += size;
    s->size -= size;
    s->taken += size;
}

ssize_t fc_stream_read(struct fc_stream *s, void *buffer, size_t size, struct fc_error *err)
{
    size_t done = 0;

    while (done < size) {
        const void *data;
        size_t n;
        int r = fc_stream_peek(s, &data, &n, err);

        if (r < 0)
            return r;
        if (r == 0)
            break;
        n = n < size - done ? n : size - done;
        memcpy((char *)buffer + done, data, n);
        fc_stream_take(s, n);
        done += n;
    }
    return (ssize_t)done;
}

int fc_stream_skip(struct fc_stream *s, uint64_t size, struct fc_error *err)
{
    while (size > 0) {
        const void *data;
        size_t n;
        int r = fc_stream_peek(s, &data, &n, err);

        if (r <= 0)
            return r;
        n = n < size ? n : (size_t)size;
        fc_stream_take(s, n);
        size -= n;
    }
    return 1;
}

int fc_stream_look(struct fc_stream *s, uint8_t block[FC_TAR_BLOCK], struct fc_error *err)
{
    const void *data;
    size_t n;
    int r = fc_stream_peek(s, &data, &n, err);

    if (r <= 0)
        return r;
    if (n < FC_TAR_BLOCK) {
        size_t held = n;

        /* When the rest of an earlier look is at hand, it lies in @hold itself: move, not copy. */
        memmove(s->hold, data, n);
        s->data = s->hold;
        while (held < FC_TAR_BLOCK) {
            size_t part;

            if (s->after_size == 0) {
                r = produce(s, &s->after, &s->after_size, err);
                if (r <= 0)
                    break;
            }
            part = s->after_size < FC_TAR_BLOCK - held ? s->after_size : FC_TAR_BLOCK - held;
            memcpy(s->hold + held, s->after, part);
            s->after += part;
            s->after_size -= part;
            held += part;
        }
        s->size = held;
        if (held < FC_TAR_BLOCK)
            return r;
        data = s->hold;
    }
    memcpy(block, data, FC_TAR_BLOCK);
    return 1;
}

uint64_t fc_stream_offset(const struct fc_stream *s) { return s->taken; }

static bool is_zero(const uint8_t *p, size_t n) { return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0); }

int fc_stream_finish(struct fc_stream *s, struct fc_stream_result *ret, struct fc_error *err)
{
    const void *data;
    size_t n;
    int r;

    ret->nonzero = false;
    while ((r = fc_stream_peek(s, &data, &n, err)) > 0) {
        ret->nonzero = ret->nonzero || !is_zero(data, n);
        fc_stream_take(s, n);
    }
    if (r == 0)
        r = fc_feed_digest(s->feed, &ret->source_digest, err);
    if (r < 0)
        return r;
    ret->source_bytes = fc_feed_done(s->feed);
    ret->digest = ret->source_digest;
    if (s->unpack && fc_hasher_finish(s->hasher, &ret->digest) < 0)
        return fc_fail(err, EIO, "cannot compute a digest");
    return 0;
}

void fc_stream_free(struct fc_stream *s)
{
    if (!s)
        return;
    /* From the source upwards, so that nobody waits for a thread that waits. */
    if (s->feed)
        fc_feed_cancel(s->feed);
    fc_ahead_free(s->ahead);
    if (s->unpack)
        s->unpack->free(s->unpack);
    fc_feed_free(s->feed);
    fc_hasher_free(s->hasher);
    free(s);
}
