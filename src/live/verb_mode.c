/* SPDX-License-Identifier: Apache-2.0 */
/* Mode texts as chmod(1) understands them: octal, or clauses such as "u+x,go-w". */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "live/verb_internal.h"

enum { ALL = 07777, SET_ID = S_ISUID | S_ISGID };

/* Octal digits at *text; moves it behind them. */
static int parse_octal(const char **text, uint32_t *ret, size_t *ret_digits)
{
    uint32_t value = 0;
    size_t n = strspn(*text, "01234567");

    if (n == 0)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        value = value * 8 + (uint32_t)((*text)[i] - '0');
        if (value > ALL)
            return -EINVAL;
    }
    *text += n;
    *ret = value;
    *ret_digits = n;
    return 0;
}

/* Who is meant: bits that the clause may touch, 0 when nobody is named. */
static uint32_t parse_who(const char **text)
{
    uint32_t affected = 0;

    for (;; (*text)++) {
        switch (**text) {
        case 'u':
            affected |= S_ISUID | S_IRWXU;
            break;
        case 'g':
            affected |= S_ISGID | S_IRWXG;
            break;
        case 'o':
            affected |= S_ISVTX | S_IRWXO;
            break;
        case 'a':
            affected |= ALL;
            break;
        default:
            return affected;
        }
    }
}

/* The three bits of one class, spread over all three. */
static uint32_t spread(uint32_t bits) { return bits * 0111; }

/* What is given or taken: letters, or another class's permissions as they are now. */
static uint32_t parse_permissions(const char **text, uint32_t mode)
{
    uint32_t value = 0;

    if (**text && strchr("ugo", **text)) {
        char c = *(*text)++;

        return spread((c == 'u' ? mode >> 6 : c == 'g' ? mode >> 3 : mode) & 7);
    }
    for (;; (*text)++) {
        switch (**text) {
        case 'r':
            value |= 0444;
            break;
        case 'w':
            value |= 0222;
            break;
        case 'x':
            value |= 0111;
            break;
        case 'X':
            if (S_ISDIR(mode) || (mode & 0111))
                value |= 0111;
            break;
        case 's':
            value |= SET_ID;
            break;
        case 't':
            value |= S_ISVTX;
            break;
        default:
            return value;
        }
    }
}

/* A directory's set-id bits stay unless the text names them. */
static uint32_t change(uint32_t mode, char op, uint32_t affected, uint32_t value, uint32_t named)
{
    uint32_t kept = S_ISDIR(mode) ? SET_ID & ~named : 0;

    if (!affected)
        affected = ALL;
    value &= affected & ~kept;
    switch (op) {
    case '+':
        return mode | value;
    case '-':
        return mode & ~value;
    default:
        return (mode & ~(affected & ~kept)) | value;
    }
}

static int apply_clause(const char **text, uint32_t *mode)
{
    uint32_t affected = parse_who(text), value;
    size_t digits;

    if (!**text || !strchr("+-=", **text))
        return -EINVAL;
    while (**text && strchr("+-=", **text)) {
        char op = *(*text)++;

        if (**text >= '0' && **text <= '7') {
            if (affected || parse_octal(text, &value, &digits) < 0)
                return -EINVAL;
            *mode = change(*mode, op, ALL, value, ALL);
            continue;
        }
        value = parse_permissions(text, *mode);
        *mode = change(*mode, op, affected, value, affected ? affected & value : value);
    }
    return 0;
}

int fc_mode_apply(const char *text, uint32_t mode, uint32_t *ret_mode)
{
    uint32_t value;
    size_t digits;

    if (*text >= '0' && *text <= '7') {
        if (parse_octal(&text, &value, &digits) < 0 || *text)
            return -EINVAL;
        *ret_mode = change(mode, '=', ALL, value, digits > 4 ? ALL : value);
        return 0;
    }
    for (;;) {
        if (apply_clause(&text, &mode) < 0)
            return -EINVAL;
        if (!*text)
            break;
        if (*text++ != ',')
            return -EINVAL;
    }
    *ret_mode = mode;
    return 0;
}
