/* SPDX-License-Identifier: Apache-2.0 */
/* Inflate gzip members with isa-l, which takes half the time of zlib or less. Compiled where the library is. */
#ifdef FC_HAVE_ISAL
#include "archive/inflate.h"

#include <stdbool.h>
#include <stdlib.h>

#include <isa-l/igzip_lib.h>

/* Bits of the flags byte that RFC 1952 reserves: isa-l lets them pass. */
#define RESERVED_FLAGS 0xe0u
#define FLAGS_AT 3u

struct isal_engine {
    struct fc_inflate base;
    struct isal_gzip_header header;
    unsigned at; /* bytes of the header seen, up to its flags */
    bool in_data;
    struct inflate_state state;
};

/* Whether the flags, if they are among the bytes at hand, are those of a gzip file. */
static bool good_flags(struct isal_engine *e)
{
    size_t i = FLAGS_AT - e->at;

    if (e->at > FLAGS_AT)
        return true;
    e->at += e->base.in_size <= i ? (unsigned)e->base.in_size : FLAGS_AT + 1 - e->at;
    return e->base.in_size <= i || !(e->base.in[i] & RESERVED_FLAGS);
}

static enum fc_inflate_status read_header(struct isal_engine *e)
{
    int r;

    if (!good_flags(e))
        return FC_INFLATE_BAD_HEADER;
    r = isal_read_gzip_header(&e->state, &e->header);
    if (r == ISAL_END_INPUT)
        return FC_INFLATE_OK;
    if (r != ISAL_DECOMP_OK)
        return FC_INFLATE_BAD_HEADER;
    e->in_data = true;
    return FC_INFLATE_OK;
}

static enum fc_inflate_status read_data(struct isal_engine *e)
{
    int r = isal_inflate(&e->state);

    if (r == ISAL_INCORRECT_CHECKSUM)
        return FC_INFLATE_BAD_CHECK;
    if (r < 0 || r == ISAL_NEED_DICT)
        return FC_INFLATE_BAD_DATA;
    return e->state.block_state == ISAL_BLOCK_FINISH ? FC_INFLATE_END : FC_INFLATE_OK;
}

static enum fc_inflate_status isal_step(struct fc_inflate *base)
{
    struct isal_engine *e = (struct isal_engine *)base;
    enum fc_inflate_status status = FC_INFLATE_OK;

    e->state.next_in = (uint8_t *)(uintptr_t)base->in; /* read only, but not declared so */
    e->state.avail_in = (uint32_t)base->in_size;
    e->state.next_out = base->out;
    e->state.avail_out = (uint32_t)base->out_size;
    if (!e->in_data)
        status = read_header(e);
    if (e->in_data)
        status = read_data(e);
    base->in = e->state.next_in;
    base->in_size = e->state.avail_in;
    base->out = e->state.next_out;
    base->out_size = e->state.avail_out;
    return status;
}

static void isal_reset_member(struct fc_inflate *base)
{
    struct isal_engine *e = (struct isal_engine *)base;

    isal_inflate_reset(&e->state);
    isal_gzip_header_init(&e->header);
    e->state.crc_flag = ISAL_GZIP_NO_HDR_VER; /* the header is read apart; checksum and length are compared */
    e->at = 0;
    e->in_data = false;
}

static void isal_free(struct fc_inflate *base) { free(base); }

struct fc_inflate *fc_inflate_isal(void)
{
    struct isal_engine *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->base = (struct fc_inflate){.step = isal_step, .reset = isal_reset_member, .free = isal_free};
    isal_inflate_init(&e->state);
    isal_reset_member(&e->base);
    return &e->base;
}
#endif
