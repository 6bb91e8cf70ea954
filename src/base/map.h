/* SPDX-License-Identifier: Apache-2.0 */
/* An open-addressing map from uint64_t to uint64_t, and a keyed byte hash. */
#ifndef FC_BASE_MAP_H
#define FC_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** All zero is an empty map. Keys are any value below UINT64_MAX - 1, and not chosen by a stranger: hash what is. Not thread-safe. */
struct fc_map {
    uint64_t *keys, *values;
    size_t len, cap, tombs;
};

/** Set @key to @value. Returns 0 or -ENOMEM. */
int fc_map_set(struct fc_map *m, uint64_t key, uint64_t value);
/** Find @key. Returns true and sets *ret_value (may be NULL). */
bool fc_map_get(const struct fc_map *m, uint64_t key, uint64_t *ret_value);
/** Remove @key if it is there. Returns whether it was. */
bool fc_map_del(struct fc_map *m, uint64_t key);
/** Walk in no order: begin with *at 0; each call that returns true sets the next key and value. Nothing may change meanwhile. */
bool fc_map_next(const struct fc_map *m, size_t *at, uint64_t *ret_key, uint64_t *ret_value);
/** Free the memory; empty and usable again. */
void fc_map_release(struct fc_map *m);

/**
 * Hash @len bytes, and @seed (a parent's number) before them, under a random secret of this process.
 *
 * Names in a hostile layer cannot be built to collide. The value differs from run to run: it may decide where in a table
 * something lies, never what comes out or in which order, and is never stored. Any thread.
 */
uint64_t fc_hash(uint64_t seed, const void *data, size_t len);
/** The same under a given key (SipHash-1-3 of @seed in eight bytes, then the data), for tests. */
uint64_t fc_hash_keyed(const uint64_t key[2], uint64_t seed, const void *data, size_t len);

#endif
