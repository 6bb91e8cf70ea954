/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of lists of values that cannot run together. Private to compose/. */
#ifndef FC_COMPOSE_HASH_H
#define FC_COMPOSE_HASH_H

#include <errno.h>
#include <string.h>

#include "base/digest.h"

/** Add a length and @size bytes. Returns 0 or -EIO. */
static inline int fc_hash_bytes(struct fc_hasher *h, const void *data, size_t size)
{
    uint64_t n = size;
    int r = fc_hasher_add(h, &n, sizeof(n));

    return r < 0 || size == 0 ? r : fc_hasher_add(h, data, size);
}

/** Add a text; NULL is another than "". Returns 0 or -EIO. */
static inline int fc_hash_text(struct fc_hasher *h, const char *text)
{
    return text ? fc_hash_bytes(h, text, strlen(text) + 1) : fc_hash_bytes(h, NULL, 0);
}

#endif
