/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming SHA-256 through OpenSSL's EVP, XXH3 through libxxhash, and digests as text. */
#include "base/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <xxhash.h>

struct fc_hasher {
    EVP_MD_CTX *ctx;    /* SHA-256 or SHA-512, */
    XXH3_state_t *fast; /* or else this */
};

static struct fc_hasher *new_sha(const EVP_MD *kind)
{
    struct fc_hasher *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx && EVP_DigestInit_ex(h->ctx, kind, NULL) == 1)
        return h;
    fc_hasher_free(h);
    return NULL;
}

struct fc_hasher *fc_hasher_new(void) { return new_sha(EVP_sha256()); }

struct fc_hasher *fc_hasher_new_sha512(void) { return new_sha(EVP_sha512()); }

struct fc_hasher *fc_hasher_new_fast(void)
{
    struct fc_hasher *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->fast = XXH3_createState();
    if (h->fast && XXH3_128bits_reset(h->fast) == XXH_OK)
        return h;
    fc_hasher_free(h);
    return NULL;
}

int fc_hasher_add(struct fc_hasher *h, const void *data, size_t size)
{
    if (h->fast)
        return XXH3_128bits_update(h->fast, data, size) == XXH_OK ? 0 : -EIO;
    return EVP_DigestUpdate(h->ctx, data, size) == 1 ? 0 : -EIO;
}

static int finish_fast(struct fc_hasher *h, struct fc_digest *ret)
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(h->fast));
    *ret = (struct fc_digest){{0}};
    memcpy(ret->bytes, canonical.digest, sizeof(canonical.digest));
    return XXH3_128bits_reset(h->fast) == XXH_OK ? 0 : -EIO;
}

int fc_hasher_finish(struct fc_hasher *h, struct fc_digest *ret)
{
    if (h->fast)
        return finish_fast(h, ret);
    if (EVP_MD_CTX_get_size(h->ctx) != sizeof(ret->bytes) || EVP_DigestFinal_ex(h->ctx, ret->bytes, NULL) != 1)
        return -EIO;
    /* The same algorithm again: naming it would have it looked up, which counts where blocks are small. */
    return EVP_DigestInit_ex(h->ctx, NULL, NULL) == 1 ? 0 : -EIO;
}

int fc_hasher_finish_sum(struct fc_hasher *h, struct fc_sum *ret)
{
    struct fc_sum sum = {0};
    unsigned size = 0;

    if (h->fast || EVP_DigestFinal_ex(h->ctx, sum.bytes, &size) != 1)
        return -EIO;
    sum.kind = size == 64 ? FC_SUM_SHA512 : FC_SUM_SHA256;
    *ret = sum;
    return EVP_DigestInit_ex(h->ctx, NULL, NULL) == 1 ? 0 : -EIO;
}

void fc_hasher_free(struct fc_hasher *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    XXH3_freeState(h->fast);
    free(h);
}

void fc_fast_digest(const void *data, size_t size, uint8_t ret[16])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
    memcpy(ret, canonical.digest, sizeof(canonical.digest));
}

int fc_digest_of(const void *data, size_t size, struct fc_digest *ret)
{
    return EVP_Digest(data, size, ret->bytes, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

char *fc_digest_format(const struct fc_digest *d, char text[FC_DIGEST_TEXT])
{
    memcpy(text, "sha256:", 7);
    for (size_t i = 0; i < sizeof(d->bytes); i++)
        snprintf(text + 7 + 2 * i, 3, "%02x", d->bytes[i]);
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int fc_digest_parse(const char *text, struct fc_digest *ret_digest)
{
    struct fc_digest d;

    if (strncmp(text, "sha256:", 7) == 0)
        text += 7;
    if (strlen(text) != 2 * sizeof(d.bytes))
        return -EINVAL;
    for (size_t i = 0; i < sizeof(d.bytes); i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        d.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_digest = d;
    return 0;
}
