/* SPDX-License-Identifier: Apache-2.0 */
/* Which parts of the data file are free: bookkeeping only, no I/O. */
#ifndef FC_EDIT_SPACE_H
#define FC_EDIT_SPACE_H

#include "edit/ranges.h"

/** Addresses of the data file end here. */
#define FC_SPACE_MAX (UINT64_C(1) << 62)

/**
 * The address space of the data file. What is below @end and in none of the first three sets is allocated.
 *
 * A range goes allocated -> freed -> (durable commit) ready -> (no pin, punched) free. All zero: nothing allocated.
 */
struct fc_space {
    struct fc_ranges free;  /**< may be allocated */
    struct fc_ranges freed; /**< given back; the rows that referred to it may still be the durable ones */
    struct fc_ranges ready; /**< no durable row refers to it; to be punched */
    struct fc_ranges dirty; /**< part of @free that may not read as zeros */
    uint64_t end;           /**< all addresses from here on were never used */
    uint64_t cursor;        /**< where the last allocation ended */
};

/**
 * Set up from the @n ranges that are in use (sorted in place; multiples of the block size): the gaps become ready.
 *
 * Returns 0, -ENOMEM, or -EBADMSG with *ret_bad a range that overlaps another. @s must be all zero.
 */
int fc_space_rebuild(struct fc_space *s, struct fc_range *used, size_t n, struct fc_range *ret_bad);
/** Allocate: at @near, else behind it, else from the cursor on, else anywhere, else at the end. 0, -ENOSPC or -ENOMEM. */
int fc_space_alloc(struct fc_space *s, uint64_t length, uint64_t near, uint64_t *ret_offset);
/** Allocate exactly [offset, offset + length). */
bool fc_space_alloc_at(struct fc_space *s, uint64_t offset, uint64_t length);
/** Take back an allocation that was not used. */
void fc_space_undo(struct fc_space *s, uint64_t offset, uint64_t length);
/** Give back; parts that are not allocated are ignored. Without memory the range is lost until the next rebuild. */
void fc_space_free(struct fc_space *s, uint64_t offset, uint64_t length);
/** A durable commit happened: freed ranges become ready. */
void fc_space_durable(struct fc_space *s);
/** Take the first ready range out, to be punched. False when there is none. */
bool fc_space_take_ready(struct fc_space *s, struct fc_range *ret);
/** It was punched (@dirty false) or could not be: it may be allocated. */
void fc_space_put_free(struct fc_space *s, const struct fc_range *r, bool dirty);
/** Free the memory. */
void fc_space_release(struct fc_space *s);

#endif
