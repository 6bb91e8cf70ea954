/* SPDX-License-Identifier: Apache-2.0 */
/* Decompress gzip, any number of members, with zlib: libarchive 3.6 does not compare a member's checksum. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "archive/stream.h"

#define OUT_SIZE (256u * 1024)
#define IN_SIZE (256u * 1024)
#define HEAD_SIZE 3u

struct gunzip {
    struct fc_unpack base;
    struct fc_byte_source *source;
    z_stream z;
    uint8_t *in, *out;
    uint8_t head[HEAD_SIZE]; /* first bytes of the next member: read before it is known to be one */
    bool in_member, end, source_end;
};

/* Make sure of input. Returns 1, 0 at the end of the source, or -errno. */
static int fill(struct gunzip *g, struct fc_error *err)
{
    ssize_t n;

    if (g->z.avail_in > 0)
        return 1;
    if (g->source_end)
        return 0;
    n = g->source->read(g->source, g->in, IN_SIZE, err);
    if (n < 0)
        return (int)n;
    g->source_end = n == 0;
    g->z.next_in = g->in;
    g->z.avail_in = (uInt)n;
    return n > 0;
}

/* Between members: another one, or padding and junk, which gzip(1) ignores too. */
static int next_member(struct gunzip *g, struct fc_error *err)
{
    const uint8_t *rest;
    uInt left;
    size_t n = 0;
    int r = 1;

    while (n < HEAD_SIZE && (r = fill(g, err)) > 0) {
        g->head[n++] = *g->z.next_in++;
        g->z.avail_in--;
    }
    if (r < 0)
        return r;
    if (n < HEAD_SIZE || memcmp(g->head, "\x1f\x8b\x08", HEAD_SIZE) != 0) {
        g->end = true;
        return 0;
    }
    rest = g->z.next_in;
    left = g->z.avail_in;
    inflateReset(&g->z);
    g->z.next_in = g->head;
    g->z.avail_in = HEAD_SIZE;
    r = inflate(&g->z, Z_NO_FLUSH);
    g->z.next_in = rest;
    g->z.avail_in = left;
    g->in_member = true;
    return r == Z_OK ? 0 : fc_fail(err, EBADMSG, "damaged gzip data");
}

static ssize_t gunzip_next(struct fc_unpack *base, const void **ret_data, struct fc_error *err)
{
    struct gunzip *g = (struct gunzip *)base;

    *ret_data = g->out;
    g->z.next_out = g->out;
    g->z.avail_out = OUT_SIZE;
    while (!g->end && g->z.avail_out == OUT_SIZE) {
        int r = g->in_member ? fill(g, err) : next_member(g, err);

        if (r < 0)
            return r;
        if (!g->in_member)
            continue;
        if (r == 0 && g->source_end)
            return fc_fail(err, EBADMSG, "damaged gzip data: cut short");
        r = inflate(&g->z, Z_NO_FLUSH);
        if (r == Z_STREAM_END)
            g->in_member = false;
        else if (r == Z_MEM_ERROR)
            return fc_fail(err, ENOMEM, "out of memory");
        else if (r != Z_OK && r != Z_BUF_ERROR)
            return fc_fail(err, EBADMSG, "damaged gzip data: %s", g->z.msg ? g->z.msg : "cannot be decompressed");
    }
    return (ssize_t)(OUT_SIZE - g->z.avail_out);
}

static void gunzip_free(struct fc_unpack *base)
{
    struct gunzip *g = (struct gunzip *)base;

    inflateEnd(&g->z);
    free(g->in);
    free(g->out);
    free(g);
}

int fc_gunzip_new(struct fc_byte_source *source, const void *begun, size_t n_begun, struct fc_unpack **ret,
                  struct fc_error *err)
{
    struct gunzip *g = calloc(1, sizeof(*g));

    if (!g)
        return fc_fail(err, ENOMEM, "out of memory");
    *g = (struct gunzip){.base = {.next = gunzip_next, .free = gunzip_free}, .source = source};
    g->in = malloc(IN_SIZE);
    g->out = malloc(OUT_SIZE);
    /* 16: the gzip wrapper, with its checksum and length compared. */
    if (!g->in || !g->out || n_begun > IN_SIZE || inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK) {
        gunzip_free(&g->base);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    memcpy(g->in, begun, n_begun);
    g->z.next_in = g->in;
    g->z.avail_in = (uInt)n_begun;
    *ret = &g->base;
    return 0;
}
