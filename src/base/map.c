/* SPDX-License-Identifier: Apache-2.0 */
/* An open-addressing map from numbers to numbers. */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Keys are stored plus one, so that zeroed memory is an empty table; the largest stored value marks a removed key. */
#define EMPTY 0u
#define TOMB UINT64_MAX

/* Without a secret: keys are numbers that the program counts itself, or fc_hash() values, which have one. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* The slot that holds @stored, or the first one where it may be put. */
static size_t find_slot(const struct fc_map *m, uint64_t stored)
{
    size_t i = mix(stored) & (m->cap - 1), tomb = SIZE_MAX;

    for (;; i = (i + 1) & (m->cap - 1)) {
        if (m->keys[i] == stored)
            return i;
        if (m->keys[i] == EMPTY)
            return tomb != SIZE_MAX ? tomb : i;
        if (m->keys[i] == TOMB && tomb == SIZE_MAX)
            tomb = i;
    }
}

static int rehash(struct fc_map *m)
{
    struct fc_map n = {.cap = 64};

    while (n.cap < 4 * (m->len + 1))
        n.cap *= 2;
    n.keys = calloc(n.cap, sizeof(*n.keys));
    n.values = malloc(n.cap * sizeof(*n.values));
    if (!n.keys || !n.values) {
        fc_map_release(&n);
        return -ENOMEM;
    }
    for (size_t i = 0; i < m->cap; i++) {
        if (m->keys[i] != EMPTY && m->keys[i] != TOMB) {
            size_t slot = find_slot(&n, m->keys[i]);

            n.keys[slot] = m->keys[i];
            n.values[slot] = m->values[i];
        }
    }
    n.len = m->len;
    fc_map_release(m);
    *m = n;
    return 0;
}

int fc_map_set(struct fc_map *m, uint64_t key, uint64_t value)
{
    size_t slot;

    if ((m->len + m->tombs + 1) * 4 > m->cap * 3) {
        int r = rehash(m);

        if (r < 0)
            return r;
    }
    slot = find_slot(m, key + 1);
    if (m->keys[slot] != key + 1) {
        m->tombs -= m->keys[slot] == TOMB;
        m->keys[slot] = key + 1;
        m->len++;
    }
    m->values[slot] = value;
    return 0;
}

static bool find_key(const struct fc_map *m, uint64_t key, size_t *ret_slot)
{
    if (!m->cap)
        return false;
    *ret_slot = find_slot(m, key + 1);
    return m->keys[*ret_slot] == key + 1;
}

bool fc_map_get(const struct fc_map *m, uint64_t key, uint64_t *ret_value)
{
    size_t slot;

    if (!find_key(m, key, &slot))
        return false;
    if (ret_value)
        *ret_value = m->values[slot];
    return true;
}

bool fc_map_del(struct fc_map *m, uint64_t key)
{
    size_t slot;

    if (!find_key(m, key, &slot))
        return false;
    m->keys[slot] = TOMB;
    m->len--;
    m->tombs++;
    return true;
}

bool fc_map_next(const struct fc_map *m, size_t *at, uint64_t *ret_key, uint64_t *ret_value)
{
    for (; *at < m->cap; (*at)++)
        if (m->keys[*at] != EMPTY && m->keys[*at] != TOMB) {
            *ret_key = m->keys[*at] - 1;
            *ret_value = m->values[(*at)++];
            return true;
        }
    return false;
}

void fc_map_release(struct fc_map *m)
{
    free(m->keys);
    free(m->values);
    *m = (struct fc_map){0};
}
