/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming SHA-256 and SHA-512 (OpenSSL EVP). */
#ifndef FC_BASE_DIGEST_H
#define FC_BASE_DIGEST_H

#include <stddef.h>

#include <fccompose/layer.h>

/** A running SHA-256. */
struct fc_hasher;

/** Start one. Returns NULL when out of memory. */
struct fc_hasher *fc_hasher_new(void);
/** Feed @size bytes. Returns 0 or -EIO when the library fails. */
int fc_hasher_add(struct fc_hasher *h, const void *data, size_t size);
/** Finish and start over. Returns 0 or -EIO. */
int fc_hasher_finish(struct fc_hasher *h, struct fc_digest *ret);
/** Free. NULL is allowed. */
void fc_hasher_free(struct fc_hasher *h);
/** One-shot. Returns 0 or -EIO. */
int fc_digest_of(const void *data, size_t size, struct fc_digest *ret);

static inline void fc_hasher_free_auto(struct fc_hasher **h) { fc_hasher_free(*h); }

#endif
