/* SPDX-License-Identifier: Apache-2.0 */
/* A digest that says which one it is: as other people publish them. */
#ifndef FC_BASE_SUM_H
#define FC_BASE_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Which digest. */
enum fc_sum_kind { FC_SUM_NONE, FC_SUM_SHA256, FC_SUM_SHA512 };

/** A digest; all zero is none. Of @bytes SHA-256 has 32. */
struct fc_sum {
    enum fc_sum_kind kind;
    uint8_t bytes[64];
};

/** Room for "sha512:", 128 hexadecimal digits and a NUL. */
#define FC_SUM_TEXT 136

/** Write @sum as "sha256:HEX" or "sha512:HEX" ("none" if it is none) into @text and return @text. */
char *fc_sum_format(const struct fc_sum *sum, char text[FC_SUM_TEXT]);
/** Read that, or the digits alone, told by their number. Returns 0, or -EINVAL; *ret is set only on success. */
int fc_sum_parse(const char *text, struct fc_sum *ret);
/** Whether they are the same, and not none. */
bool fc_sum_equal(const struct fc_sum *a, const struct fc_sum *b);

/** The digest of @size bytes. Returns 0, or -EIO when the library fails, -EINVAL for no kind. */
int fc_sum_of(enum fc_sum_kind kind, const void *data, size_t size, struct fc_sum *ret);

#endif
