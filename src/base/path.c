/* SPDX-License-Identifier: Apache-2.0 */
/* Show names, which are bytes, to a person. */
#include "base/path.h"

#include <stdio.h>
#include <string.h>

/* Length of the valid, printable UTF-8 sequence at @p, or 0. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : (p[0] & 0xf0) == 0xe0       ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;

    if (n == 0 || n > left)
        return 0;
    if (n == 1)
        return p[0] >= 0x20 && p[0] != 0x7f;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) /* C1 controls */
        return 0;
    if (n == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0)))
        return 0;
    if (n == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90)))
        return 0;
    return n;
}

int fc_name_quote(struct fc_buf *out, const char *name, size_t len)
{
    const unsigned char *p = (const unsigned char *)name;
    int r = 0;

    while (len > 0 && r == 0) {
        size_t n = utf8_length(p, len);

        if (n == 0) {
            r = fc_buf_addf(out, "\\x%02x", p[0]);
            n = 1;
        } else if (p[0] == '\\') {
            r = fc_buf_adds(out, "\\\\");
        } else {
            r = fc_buf_add(out, p, n);
        }
        p += n;
        len -= n;
    }
    return r;
}

char *fc_name_show(char *out, size_t size, const char *name, size_t len)
{
    struct fc_buf b = {0};

    if (fc_name_quote(&b, name, len) < 0 || !b.data)
        snprintf(out, size, "%s", len ? "?" : "");
    else if (b.len < size)
        memcpy(out, b.data, b.len + 1);
    else
        snprintf(out, size, "%.*s...", (int)(size > 4 ? size - 4 : 0), b.data);
    fc_buf_release(&b);
    return out;
}
