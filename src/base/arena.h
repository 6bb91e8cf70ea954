/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once. */
#ifndef FC_BASE_ARENA_H
#define FC_BASE_ARENA_H

#include <stddef.h>

/** All zero is an empty arena. Not thread-safe. */
struct fc_arena {
    struct fc_arena_chunk *chunks;
    size_t used, size;
};

/** @size bytes aligned to 16, not cleared; NULL when out of memory. */
void *fc_arena_alloc(struct fc_arena *a, size_t size);
/** A copy of @len bytes with a NUL after them; NULL when out of memory. */
char *fc_arena_copy(struct fc_arena *a, const void *data, size_t len);
/** Free everything; empty and usable again. */
void fc_arena_release(struct fc_arena *a);

#endif
