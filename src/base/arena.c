/* SPDX-License-Identifier: Apache-2.0 */
/* Allocate from chunks that are freed all at once. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct fc_arena_chunk {
    struct fc_arena_chunk *next;
    size_t pad; /* keeps what follows aligned to 16 */
};

enum { CHUNK = 1 << 18, ALIGN = 16 };

static void *take_chunk(struct fc_arena *a, size_t size)
{
    struct fc_arena_chunk *c = malloc(sizeof(*c) + size);

    if (!c)
        return NULL;
    c->next = a->chunks;
    a->chunks = c;
    return c + 1;
}

void *fc_arena_alloc(struct fc_arena *a, size_t size)
{
    char *p;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (size > a->size - a->used) {
        if (size > CHUNK / 4) {
            /* A large piece gets a chunk of its own, put behind the current one so that its rest stays in use. */
            struct fc_arena_chunk *current = a->chunks;

            p = take_chunk(a, size);
            if (p && current) {
                struct fc_arena_chunk *own = a->chunks;

                own->next = current->next;
                current->next = own;
                a->chunks = current;
            } else if (p) {
                a->used = a->size = size;
            }
            return p;
        }
        if (!take_chunk(a, CHUNK))
            return NULL;
        a->used = 0;
        a->size = CHUNK;
    }
    p = (char *)(a->chunks + 1) + a->used;
    a->used += size;
    return p;
}

char *fc_arena_copy(struct fc_arena *a, const void *data, size_t len)
{
    char *p = fc_arena_alloc(a, len + 1);

    if (!p)
        return NULL;
    if (len)
        memcpy(p, data, len);
    p[len] = '\0';
    return p;
}

void fc_arena_release(struct fc_arena *a)
{
    while (a->chunks) {
        struct fc_arena_chunk *next = a->chunks->next;

        free(a->chunks);
        a->chunks = next;
    }
    *a = (struct fc_arena){0};
}
