/* SPDX-License-Identifier: Apache-2.0 */
/* Texts as YAML: double-quoted, with dollar signs doubled, as a recipe wants them. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "compose/as_steps.h"

/* The character at @s; returns its length, 0 if there is none. */
static size_t decode(const unsigned char *s, size_t left, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
    uint32_t c = n == 1 ? s[0] : n ? s[0] & (0x7fu >> n) : 0;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (n > 1 && (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)))
        return 0;
    *ret = c;
    return n;
}

/* What YAML lets stand as it is. */
static bool is_printable(uint32_t c)
{
    return (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && c < 0xd800 && c != 0x2028 && c != 0x2029) ||
           (c >= 0xe000 && c <= 0xfffd && c != 0xfeff) || c >= 0x10000;
}

static int put(struct fc_buf *out, const char *s, size_t n, uint32_t c)
{
    if (c == '"' || c == '\\')
        return fc_buf_addf(out, "\\%c", (char)c);
    if (c == '$')
        return fc_buf_adds(out, "$$");
    if (c == '\n')
        return fc_buf_adds(out, "\\n");
    if (c == '\t')
        return fc_buf_adds(out, "\\t");
    if (is_printable(c))
        return fc_buf_add(out, s, n);
    return fc_buf_addf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
}

int fc_yaml_quote(struct fc_buf *out, const char *text, size_t size)
{
    size_t start = out->len;
    int r = fc_buf_add(out, "\"", 1);

    for (size_t i = 0, n; i < size && r == 0; i += n) {
        uint32_t c;

        n = decode((const unsigned char *)text + i, size - i, &c);
        if (n == 0 || c == 0) {
            out->len = start;
            return -EILSEQ;
        }
        r = put(out, text + i, n, c);
    }
    return r == 0 ? fc_buf_add(out, "\"", 1) : r;
}
