/* SPDX-License-Identifier: Apache-2.0 */
/* Count, cap and hash uncompressed bytes on their way to the tar parser. */
#include "archive/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

#define DEFAULT_MAX (UINT64_C(1) << 40)

struct fc_stream {
    struct fc_byte_source *source;
    struct fc_unpack *unpack;
    struct fc_hasher *hasher;
    uint64_t max, produced, taken;
    const uint8_t *data; /* of the producer, or into @hold */
    size_t size;
    bool end;
    /* A block looked at over the border of two pieces: it is given out first, then @after. */
    uint8_t hold[FC_TAR_BLOCK];
    const uint8_t *after;
    size_t after_size;
};

int fc_stream_new(struct fc_byte_source *source, uint64_t max_bytes, struct fc_stream **ret, struct fc_error *err)
{
    struct fc_stream *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return fc_fail(err, ENOMEM, "out of memory");
    s->source = source;
    s->max = max_bytes ? max_bytes : DEFAULT_MAX;
    s->hasher = fc_hasher_new();
    r = s->hasher ? fc_unpack_new(source, &s->unpack, err) : fc_fail(err, ENOMEM, "out of memory");
    if (r < 0) {
        fc_stream_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

/* The next piece of the producer, counted and hashed. Returns 1, 0 at the end, or -errno. */
static int produce(struct fc_stream *s, const uint8_t **ret_data, size_t *ret_size, struct fc_error *err)
{
    const void *data;
    ssize_t n;

    if (s->end)
        return 0;
    n = s->unpack->next(s->unpack, &data, err);
    if (n < 0)
        return (int)n;
    if (n == 0) {
        s->end = true;
        return 0;
    }
    if ((uint64_t)n > s->max - s->produced)
        return fc_fail(err, EFBIG, "more than the allowed %llu bytes uncompressed", (unsigned long long)s->max);
    s->produced += (uint64_t)n;
    if (fc_hasher_add(s->hasher, data, (size_t)n) < 0)
        return fc_fail(err, EIO, "cannot compute a digest");
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

int fc_stream_finish(struct fc_stream *s, struct fc_digest *ret_digest, bool *ret_nonzero, struct fc_error *err)
{
    const void *data;
    char rest[4096];
    ssize_t left;
    size_t n;
    int r;

    *ret_nonzero = false;
    while ((r = fc_stream_peek(s, &data, &n, err)) > 0) {
        *ret_nonzero = *ret_nonzero || !is_zero(data, n);
        fc_stream_take(s, n);
    }
    /* What follows the compressed data is no content, but whoever hashes the source wants to see it. */
    while (r == 0 && (left = s->source->read(s->source, rest, sizeof(rest), err)) != 0)
        r = left < 0 ? (int)left : 0;
    if (r < 0)
        return r;
    return fc_hasher_finish(s->hasher, ret_digest) < 0 ? fc_fail(err, EIO, "cannot compute a digest") : 0;
}

void fc_stream_free(struct fc_stream *s)
{
    if (!s)
        return;
    if (s->unpack)
        s->unpack->free(s->unpack);
    fc_hasher_free(s->hasher);
    free(s);
}
