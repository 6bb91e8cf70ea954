/* SPDX-License-Identifier: Apache-2.0 */
/* Number fields, checksums and dialects of tar headers. */
#include "archive/header.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void checksums(const uint8_t *block, long *ret_unsigned, long *ret_signed)
{
    size_t from = offsetof(struct fc_tar_raw, chksum), to = from + 8;

    *ret_unsigned = *ret_signed = 8 * ' ';
    for (size_t i = 0; i < FC_TAR_BLOCK; i++) {
        if (i >= from && i < to)
            continue;
        *ret_unsigned += block[i];
        *ret_signed += (int8_t)block[i];
    }
}

enum fc_tar_block_kind fc_tar_block_kind(const uint8_t block[FC_TAR_BLOCK])
{
    long sum_unsigned, sum_signed;
    int64_t stored;

    if (block[0] == 0 && memcmp(block, block + 1, FC_TAR_BLOCK - 1) == 0)
        return FC_TAR_IS_ZERO;
    if (fc_tar_number((const char *)block + offsetof(struct fc_tar_raw, chksum), 8, &stored) < 0)
        return FC_TAR_IS_OTHER;
    checksums(block, &sum_unsigned, &sum_signed);
    return stored == sum_unsigned || stored == sum_signed ? FC_TAR_IS_HEADER : FC_TAR_IS_OTHER;
}

enum fc_tar_dialect fc_tar_dialect(const struct fc_tar_raw *raw)
{
    if (memcmp(raw->magic, "ustar  ", 8) == 0)
        return FC_TAR_GNU;
    if (memcmp(raw->magic, "ustar", 5) != 0)
        return FC_TAR_V7;
    if (memcmp(raw->pad + 8, "tar", 4) == 0)
        return FC_TAR_STAR;
    return FC_TAR_USTAR;
}

/* Two's complement, most significant byte first, without the mark in the highest bit. */
static int base256(const uint8_t *p, size_t size, int64_t *ret)
{
    bool negative = p[0] & 0x40;
    uint64_t value = negative ? UINT64_MAX : 0;

    for (size_t i = 0; i < size; i++) {
        uint8_t byte = i ? p[i] : (uint8_t)(negative ? p[0] | 0x80 : p[0] & 0x7f);

        if (value >> 55 != 0 && value >> 55 != UINT64_MAX >> 55)
            return -ERANGE;
        value = value << 8 | byte;
    }
    *ret = (int64_t)value;
    return 0;
}

int fc_tar_number(const char *field, size_t size, int64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;

    if ((uint8_t)field[0] & 0x80)
        return base256((const uint8_t *)field, size, ret);
    while (i < size && field[i] == ' ')
        i++;
    /* At most 12 digits of 3 bits: no overflow. */
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(field[i] - '0');
    if (i < size && field[i] != ' ' && field[i] != '\0')
        return -EBADMSG;
    *ret = (int64_t)value;
    return 0;
}

bool fc_tar_put_octal(char *field, size_t size, uint64_t value)
{
    bool fits = value >> (3 * (size - 1)) == 0;

    if (!fits)
        value = 0;
    field[size - 1] = '\0';
    for (size_t i = size - 1; i-- > 0; value >>= 3)
        field[i] = (char)('0' + (value & 7));
    return fits;
}

void fc_tar_put_checksum(struct fc_tar_raw *raw)
{
    long sum, other;

    checksums((const uint8_t *)raw, &sum, &other);
    fc_tar_put_octal(raw->chksum, 7, (uint64_t)sum);
    raw->chksum[7] = ' ';
}
