/* SPDX-License-Identifier: Apache-2.0 */
/* Read JSON in place (RFC 8259): no memory is asked for, a string never grows when it is decoded. */
#include "json.h"

#include <stddef.h>

static char empty[1];

static void skip_space(struct json *j)
{
    while (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r')
        j->at++;
}

static bool take(struct json *j, char c)
{
    skip_space(j);
    if (j->bad || *j->at != c)
        return false;
    j->at++;
    return true;
}

void json_enter(struct json *j, char open)
{
    if (!take(j, open))
        j->bad = true;
}

bool json_more(struct json *j, char close, bool *first)
{
    bool comma;

    if (j->bad)
        return false;
    if (*first && take(j, close))
        return false;
    comma = !*first && take(j, ',');
    if (!*first && !comma) {
        if (!take(j, close))
            j->bad = true;
        return false;
    }
    *first = false;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits at @from; -1 when they are not. Stops at the text's end. */
static int32_t four_digits(const char *from)
{
    int32_t n = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex(from[i]);

        if (digit < 0)
            return -1;
        n = n * 16 + digit;
    }
    return n;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* What follows "\u": one unit of UTF-16, or two. Returns 0 when it is neither, or NUL. */
static uint32_t unicode(struct json *j)
{
    int32_t high = four_digits(j->at), low;

    if (high < 0)
        return 0;
    j->at += 4;
    if (high < 0xd800 || high > 0xdfff)
        return (uint32_t)high;
    if (high > 0xdbff || j->at[0] != '\\' || j->at[1] != 'u')
        return 0;
    low = four_digits(j->at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    j->at += 6;
    return 0x10000u + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

/* What follows a backslash. Returns 0 when it is nothing that JSON has. */
static uint32_t escaped(struct json *j)
{
    char c = *j->at;

    if (!c)
        return 0;
    j->at++;
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return (uint32_t)c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        return unicode(j);
    default:
        return 0;
    }
}

char *json_string(struct json *j)
{
    char *start, *to;

    if (!take(j, '"')) {
        j->bad = true;
        return empty;
    }
    start = to = j->at;
    while (*j->at != '"') {
        if ((unsigned char)*j->at < 0x20)
            j->bad = true;
        if (j->bad)
            return empty;
        if (*j->at != '\\') {
            *to++ = *j->at++;
            continue;
        }
        j->at++;
        uint32_t c = escaped(j);
        if (!c)
            j->bad = true;
        else
            to = put_utf8(to, c);
    }
    j->at++;
    *to = '\0';
    return start;
}

char *json_key(struct json *j)
{
    char *key = json_string(j);

    if (!take(j, ':'))
        j->bad = true;
    return key;
}

uint32_t json_number(struct json *j, uint32_t max)
{
    uint64_t n = 0;
    size_t digits = 0;

    skip_space(j);
    for (; *j->at >= '0' && *j->at <= '9'; j->at++, digits++) {
        n = n * 10 + (uint64_t)(*j->at - '0');
        if (n > max)
            j->bad = true;
        if (j->bad)
            return 0;
    }
    if (!digits || (digits > 1 && j->at[-(ptrdiff_t)digits] == '0'))
        j->bad = true;
    return (uint32_t)n;
}

bool json_ended(struct json *j)
{
    skip_space(j);
    return !j->bad && !*j->at;
}
