/* SPDX-License-Identifier: Apache-2.0 */
/* A byte hash under a secret of this process: who chooses the bytes cannot choose which of them collide. */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

#include "base/map.h"

/* Written once, before main() and so before there are threads; only read afterwards. */
static uint64_t secret[2];

static void __attribute__((constructor)) choose_secret(void)
{
    ssize_t n;

    do
        n = getrandom(secret, sizeof(secret), GRND_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(secret)) {
        /* Too early in a boot, or filtered: the kernel has put 16 random bytes into every process, too. */
        unsigned long at = getauxval(AT_RANDOM);

        if (at)
            memcpy(secret, (const void *)at, sizeof(secret)); /* NOLINT(performance-no-int-to-ptr) */
    }
}

static uint64_t rotate(uint64_t x, unsigned by) { return x << by | x >> (64 - by); }

static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline __attribute__((always_inline)) void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-1-3 (Aumasson, Bernstein, 2012) of @seed as eight bytes and then the data. */
uint64_t fc_hash_keyed(const uint64_t key[2], uint64_t seed, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    uint64_t word, last = (uint64_t)(len + 8) << 56;

    take_word(v, seed);
    for (; len >= 8; len -= 8, p += 8) {
        memcpy(&word, p, 8);
        take_word(v, word);
    }
    for (size_t i = 0; i < len; i++)
        last |= (uint64_t)p[i] << (8 * i);
    take_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t fc_hash(uint64_t seed, const void *data, size_t len) { return fc_hash_keyed(secret, seed, data, len); }
