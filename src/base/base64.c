/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 by OpenSSL. */
#include "base/base64.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/evp.h>

int fc_base64_encode(struct fc_buf *out, const void *data, size_t size)
{
    if (size > INT_MAX / 2 || fc_buf_reserve(out, (size + 2) / 3 * 4 + 1) < 0)
        return -ENOMEM;
    out->len += (size_t)EVP_EncodeBlock((unsigned char *)out->data + out->len, data, (int)size);
    return 0;
}

int fc_base64_decode(struct fc_buf *out, const char *text, size_t len)
{
    size_t padding = 0;
    int n;

    /* EVP_DecodeBlock() forgives blanks around the text, and takes the padding for zero bytes. */
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    if (len % 4 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") < len - padding)
        return -EINVAL;
    if (len > INT_MAX || fc_buf_reserve(out, len / 4 * 3 + 1) < 0)
        return -ENOMEM;
    n = len ? EVP_DecodeBlock((unsigned char *)out->data + out->len, (const unsigned char *)text, (int)len) : 0;
    if (n < 0 || (size_t)n < padding)
        return -EINVAL;
    out->len += (size_t)n - padding;
    if (out->data)
        out->data[out->len] = '\0';
    return 0;
}
