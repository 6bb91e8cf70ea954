/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming digests: SHA-256 (OpenSSL EVP) for names, XXH3 (libxxhash) against damage. */
#ifndef FC_BASE_DIGEST_H
#define FC_BASE_DIGEST_H

#include <stddef.h>

#include <fccompose/layer.h>

#include "base/sum.h"

/** A running digest. */
struct fc_hasher;

/** Start a SHA-256. Returns NULL when out of memory. */
struct fc_hasher *fc_hasher_new(void);
/**
 * Start an XXH3-128 (seed 0): finds any damage that chance does, at the speed of memory, and keeps nobody from making bytes
 * that fit. Its digest is the canonical form, 16 bytes, and 16 zeros. Returns NULL when out of memory.
 */
struct fc_hasher *fc_hasher_new_fast(void);
/** Start a SHA-512, which fc_hasher_finish_sum() finishes. Returns NULL when out of memory. */
struct fc_hasher *fc_hasher_new_sha512(void);
/** Feed @size bytes. Returns 0 or -EIO when the library fails. */
int fc_hasher_add(struct fc_hasher *h, const void *data, size_t size);
/** Finish and start over. Not for a SHA-512. Returns 0 or -EIO. */
int fc_hasher_finish(struct fc_hasher *h, struct fc_digest *ret);
/** The same for a SHA-256 or SHA-512, as what it is. */
int fc_hasher_finish_sum(struct fc_hasher *h, struct fc_sum *ret);
/** Free. NULL is allowed. */
void fc_hasher_free(struct fc_hasher *h);
/** XXH3-128 of @size bytes in one go, canonical form. */
void fc_fast_digest(const void *data, size_t size, uint8_t ret[16]);
/** One-shot. Returns 0 or -EIO. */
int fc_digest_of(const void *data, size_t size, struct fc_digest *ret);

static inline void fc_hasher_free_auto(struct fc_hasher **h) { fc_hasher_free(*h); }

#endif
