/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gzip member at a time, by zlib or by isa-l: the same bytes and the same failures. Of damaged data isa-l may give out
 * more before it notices: it begins blocks with incomplete codes, which zlib refuses. Private to archive/.
 */
#ifndef FC_ARCHIVE_INFLATE_H
#define FC_ARCHIVE_INFLATE_H

#include <stddef.h>
#include <stdint.h>

/** What a step came to. */
enum fc_inflate_status {
    FC_INFLATE_OK,         /**< input or room ran out */
    FC_INFLATE_END,        /**< the member is complete, its checksum and length compared */
    FC_INFLATE_BAD_HEADER, /**< a header that no gzip file has, or that its checksum does not fit */
    FC_INFLATE_BAD_DATA,   /**< no deflate data */
    FC_INFLATE_BAD_CHECK,  /**< checksum or length of the member differ */
    FC_INFLATE_NO_MEMORY,
};

/** An engine. A step takes from @in and puts at @out, and moves both. */
struct fc_inflate {
    const uint8_t *in;
    size_t in_size; /**< at most UINT32_MAX */
    uint8_t *out;
    size_t out_size;                                      /**< at most UINT32_MAX */
    enum fc_inflate_status (*step)(struct fc_inflate *i); /**< what was put at @out before a failure is good */
    void (*reset)(struct fc_inflate *i);                  /**< begin a member, at its magic */
    void (*free)(struct fc_inflate *i);
};

/** The engine of zlib, or NULL when out of memory. */
struct fc_inflate *fc_inflate_zlib(void);
/** The engine of isa-l: NULL when out of memory. Only where FC_HAVE_ISAL is defined. */
struct fc_inflate *fc_inflate_isal(void);

#endif
