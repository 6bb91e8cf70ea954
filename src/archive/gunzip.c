/* SPDX-License-Identifier: Apache-2.0 */
/* Decompress gzip, any number of members, each checked: libarchive 3.6 does not compare a member's checksum. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "archive/inflate.h"
#include "archive/stream.h"

#define MAGIC_SIZE 3u
/* For whoever doubts one engine, and for tests of both: FCCOMPOSE_INFLATE=zlib. */
#define ENGINE_VARIABLE "FCCOMPOSE_INFLATE"

struct gunzip {
    struct fc_unpack base;
    struct fc_feed *feed;
    struct fc_inflate *engine;
    const uint8_t *in; /* what is left of the feed's piece */
    size_t in_size;
    uint8_t magic[MAGIC_SIZE]; /* first bytes of the next member: read before it is known to be one */
    bool in_member, end, source_end;
    int code; /* a failure, told when the bytes before it have been given */
    const char *words;
};

static struct fc_inflate *new_engine(void)
{
#ifdef FC_HAVE_ISAL
    const char *choice = getenv(ENGINE_VARIABLE);

    if (!choice || strcmp(choice, "zlib") != 0)
        return fc_inflate_isal();
#endif
    return fc_inflate_zlib();
}

/* Make sure of input. Returns 1, 0 at the end of the source, or -errno. */
static int need_input(struct gunzip *g, struct fc_error *err)
{
    const void *data;
    ssize_t n;

    if (g->in_size > 0)
        return 1;
    if (g->source_end)
        return 0;
    n = fc_feed_next(g->feed, &data, err);
    if (n < 0)
        return (int)n;
    g->source_end = n == 0;
    g->in = data;
    g->in_size = (size_t)n;
    return n > 0;
}

static void fail_later(struct gunzip *g, int code, const char *words)
{
    g->code = code;
    g->words = words;
}

static void judge(struct gunzip *g, enum fc_inflate_status status)
{
    switch (status) {
    case FC_INFLATE_OK:
        break;
    case FC_INFLATE_END:
        g->in_member = false;
        break;
    case FC_INFLATE_BAD_HEADER:
        fail_later(g, EBADMSG, "damaged gzip data: not a header");
        break;
    case FC_INFLATE_BAD_DATA:
        fail_later(g, EBADMSG, "damaged gzip data: cannot be decompressed");
        break;
    case FC_INFLATE_BAD_CHECK:
        fail_later(g, EBADMSG, "damaged gzip data: wrong checksum or length");
        break;
    case FC_INFLATE_NO_MEMORY:
        fail_later(g, ENOMEM, "out of memory");
        break;
    }
}

/* Between members: another one, or padding and junk, which gzip(1) ignores too. */
static int next_member(struct gunzip *g, struct fc_error *err)
{
    size_t n = 0;
    int r = 1;

    while (n < MAGIC_SIZE && (r = need_input(g, err)) > 0) {
        g->magic[n++] = *g->in++;
        g->in_size--;
    }
    if (r < 0)
        return r;
    if (n < MAGIC_SIZE || memcmp(g->magic, "\x1f\x8b\x08", MAGIC_SIZE) != 0) {
        g->end = true;
        return 0;
    }
    g->engine->reset(g->engine);
    g->engine->in = g->magic;
    g->engine->in_size = MAGIC_SIZE;
    judge(g, g->engine->step(g->engine));
    g->in_member = true;
    return 0;
}

/* Decompress from the piece at hand. */
static int more(struct gunzip *g, struct fc_error *err)
{
    int r = need_input(g, err);

    if (r < 0)
        return r;
    if (r == 0) {
        fail_later(g, EBADMSG, "damaged gzip data: cut short");
        return 0;
    }
    g->engine->in = g->in;
    g->engine->in_size = g->in_size;
    judge(g, g->engine->step(g->engine));
    g->in = g->engine->in;
    g->in_size = g->engine->in_size;
    return 0;
}

static ssize_t gunzip_read(struct fc_unpack *base, void *buffer, size_t size, struct fc_error *err)
{
    struct gunzip *g = (struct gunzip *)base;

    g->engine->out = buffer;
    g->engine->out_size = size;
    while (!g->end && !g->code && g->engine->out_size > 0) {
        int r;

        /* What there is goes out before we wait: a pipe's writer may be waiting for what is said of it. */
        if (g->in_size == 0 && g->engine->out_size < size && !fc_feed_ready(g->feed))
            break;
        r = g->in_member ? more(g, err) : next_member(g, err);
        if (r < 0)
            return r;
    }
    if (g->code && g->engine->out_size == size)
        return fc_fail(err, g->code, "%s", g->words);
    return (ssize_t)(size - g->engine->out_size);
}

static void gunzip_free(struct fc_unpack *base)
{
    struct gunzip *g = (struct gunzip *)base;

    if (g->engine)
        g->engine->free(g->engine);
    free(g);
}

int fc_gunzip_new(struct fc_feed *feed, struct fc_unpack **ret, struct fc_error *err)
{
    struct gunzip *g = calloc(1, sizeof(*g));

    if (!g)
        return fc_fail(err, ENOMEM, "out of memory");
    *g = (struct gunzip){.base = {.read = gunzip_read, .free = gunzip_free}, .feed = feed, .engine = new_engine()};
    if (!g->engine) {
        gunzip_free(&g->base);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    *ret = &g->base;
    return 0;
}
