/* SPDX-License-Identifier: Apache-2.0 */
/* Digests with their kind as text. */
#include "base/sum.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

static const struct {
    const char *prefix;
    size_t size;
} kinds[] = {
    [FC_SUM_NONE] = {"none", 0},
    [FC_SUM_SHA256] = {"sha256:", 32},
    [FC_SUM_SHA512] = {"sha512:", 64},
};

char *fc_sum_format(const struct fc_sum *sum, char text[FC_SUM_TEXT])
{
    int at = snprintf(text, FC_SUM_TEXT, "%s", kinds[sum->kind].prefix);

    for (size_t i = 0; i < kinds[sum->kind].size; i++)
        at += snprintf(text + at, FC_SUM_TEXT - (size_t)at, "%02x", sum->bytes[i]);
    return text;
}

static int hex_value(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

int fc_sum_parse(const char *text, struct fc_sum *ret)
{
    struct fc_sum sum = {0};
    enum fc_sum_kind wanted = FC_SUM_NONE;
    size_t n;

    for (enum fc_sum_kind k = FC_SUM_SHA256; k <= FC_SUM_SHA512; k++) {
        if (strncmp(text, kinds[k].prefix, strlen(kinds[k].prefix)) == 0) {
            wanted = k;
            text += strlen(kinds[k].prefix);
            break;
        }
    }
    n = strlen(text);
    sum.kind = n == 64 ? FC_SUM_SHA256 : n == 128 ? FC_SUM_SHA512 : FC_SUM_NONE;
    if (sum.kind == FC_SUM_NONE || (wanted != FC_SUM_NONE && wanted != sum.kind))
        return -EINVAL;
    for (size_t i = 0; i < n / 2; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        sum.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = sum;
    return 0;
}

bool fc_sum_equal(const struct fc_sum *a, const struct fc_sum *b)
{
    return a->kind != FC_SUM_NONE && a->kind == b->kind && memcmp(a->bytes, b->bytes, kinds[a->kind].size) == 0;
}

int fc_sum_of(enum fc_sum_kind kind, const void *data, size_t size, struct fc_sum *ret)
{
    struct fc_sum sum = {.kind = kind};

    if (kind == FC_SUM_NONE)
        return -EINVAL;
    if (EVP_Digest(data, size, sum.bytes, NULL, kind == FC_SUM_SHA256 ? EVP_sha256() : EVP_sha512(), NULL) != 1)
        return -EIO;
    *ret = sum;
    return 0;
}
