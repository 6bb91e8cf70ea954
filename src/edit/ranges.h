/* SPDX-License-Identifier: Apache-2.0 */
/* A set of byte ranges that never overlap or touch, for the space of the data file. */
#ifndef FC_EDIT_RANGES_H
#define FC_EDIT_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A range of bytes. */
struct fc_range {
    uint64_t offset, length;
};

/** All zero is an empty set. Not thread-safe. Every operation but fc_ranges_release() is logarithmic. */
struct fc_ranges {
    struct fc_ranges_node *root;
    uint64_t seed;
    uint64_t bytes; /**< sum of the lengths */
    size_t n;       /**< number of ranges */
};

/** Unite with [offset, offset + length). Returns 0, or -ENOMEM with the set as it was. */
int fc_ranges_add(struct fc_ranges *r, uint64_t offset, uint64_t length);
/** Subtract [offset, offset + length). Returns 0, or -ENOMEM with the set as it was. */
int fc_ranges_remove(struct fc_ranges *r, uint64_t offset, uint64_t length);
/** The lowest start >= @from of @length bytes that are in the set. */
bool fc_ranges_fit(const struct fc_ranges *r, uint64_t from, uint64_t length, uint64_t *ret_offset);
/** Whether all of [offset, offset + length) is in the set. */
bool fc_ranges_covers(const struct fc_ranges *r, uint64_t offset, uint64_t length);
/** The first range that ends behind @from (it may begin before). */
bool fc_ranges_next(const struct fc_ranges *r, uint64_t from, struct fc_range *ret);
/** The last range. */
bool fc_ranges_last(const struct fc_ranges *r, struct fc_range *ret);
/** Free the memory; empty and usable again. */
void fc_ranges_release(struct fc_ranges *r);

#endif
