/* SPDX-License-Identifier: Apache-2.0 */
/* Inflate gzip members with zlib, which is everywhere. */
#include "archive/inflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

struct zlib_engine {
    struct fc_inflate base;
    z_stream z;
};

/* zlib says what is wrong in words alone. */
static enum fc_inflate_status kind_of_damage(const char *words)
{
    static const char *const header[] = {"incorrect header check", "unknown compression method",
                                         "unknown header flags set", "header crc mismatch", "invalid window size"};
    static const char *const check[] = {"incorrect data check", "incorrect length check"};

    for (size_t i = 0; words && i < sizeof(header) / sizeof(*header); i++)
        if (strcmp(words, header[i]) == 0)
            return FC_INFLATE_BAD_HEADER;
    for (size_t i = 0; words && i < sizeof(check) / sizeof(*check); i++)
        if (strcmp(words, check[i]) == 0)
            return FC_INFLATE_BAD_CHECK;
    return FC_INFLATE_BAD_DATA;
}

static enum fc_inflate_status zlib_step(struct fc_inflate *base)
{
    struct zlib_engine *e = (struct zlib_engine *)base;
    int r;

    e->z.next_in = base->in;
    e->z.avail_in = (uInt)base->in_size;
    e->z.next_out = base->out;
    e->z.avail_out = (uInt)base->out_size;
    r = inflate(&e->z, Z_NO_FLUSH);
    base->in = e->z.next_in;
    base->in_size = e->z.avail_in;
    base->out = e->z.next_out;
    base->out_size = e->z.avail_out;
    switch (r) {
    case Z_OK:
    case Z_BUF_ERROR:
        return FC_INFLATE_OK;
    case Z_STREAM_END:
        return FC_INFLATE_END;
    case Z_MEM_ERROR:
        return FC_INFLATE_NO_MEMORY;
    default:
        return kind_of_damage(e->z.msg);
    }
}

static void zlib_reset(struct fc_inflate *base) { inflateReset(&((struct zlib_engine *)base)->z); }

static void zlib_free(struct fc_inflate *base)
{
    struct zlib_engine *e = (struct zlib_engine *)base;

    inflateEnd(&e->z);
    free(e);
}

struct fc_inflate *fc_inflate_zlib(void)
{
    struct zlib_engine *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->base = (struct fc_inflate){.step = zlib_step, .reset = zlib_reset, .free = zlib_free};
    /* 16: the gzip wrapper, with its checksum and length compared. */
    if (inflateInit2(&e->z, 16 + MAX_WBITS) == Z_OK)
        return &e->base;
    free(e);
    return NULL;
}
