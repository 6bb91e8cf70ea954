/* SPDX-License-Identifier: Apache-2.0 */
/* The forms that indexes share: checksum files, listings of folders, version numbers. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "catalogue/distro.h"

/* One line: "HEX  NAME", "HEX *NAME" or "SHA256 (NAME) = HEX". */
static bool sum_line(const char *line, size_t len, struct fc_sum *ret_sum, char ret_name[256])
{
    char text[512], hex[130] = "", name[256] = "";

    if (len >= sizeof(text))
        return false;
    memcpy(text, line, len);
    text[len] = '\0';
    if (sscanf(text, "SHA256 (%255[^)]) = %129s", name, hex) != 2 &&
        sscanf(text, "SHA512 (%255[^)]) = %129s", name, hex) != 2 &&
        sscanf(text, "%129[0-9a-fA-F]%*1[ ]%*1[ *]%255[^\r]", hex, name) != 2)
        return false;
    if (fc_sum_parse(hex, ret_sum) < 0)
        return false;
    strcpy(ret_name, strncmp(name, "./", 2) == 0 ? name + 2 : name);
    return *ret_name != '\0';
}

bool fc_sums_next(const char **at, struct fc_sum *ret_sum, char ret_name[256])
{
    while (**at) {
        const char *line = *at;
        size_t len = strcspn(line, "\n");

        *at = line + len + (line[len] == '\n');
        if (sum_line(line, len, ret_sum, ret_name))
            return true;
    }
    return false;
}

static int hex_value(char c) { return isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10; }

/* The name in a link's target of @len bytes, %XX decoded. False for what leads elsewhere. */
static bool link_name(const char *link, size_t len, char ret_name[256])
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = link[i];

        if (c == '?' || c == '#' || n >= 255 || (c == '/' && i + 1 < len))
            return false;
        if (c == '%' && i + 2 < len && isxdigit((unsigned char)link[i + 1]) && isxdigit((unsigned char)link[i + 2])) {
            c = (char)(hex_value(link[i + 1]) << 4 | hex_value(link[i + 2]));
            i += 2;
            if (c == '/' || c == '\0')
                return false;
        }
        ret_name[n++] = c;
    }
    ret_name[n] = '\0';
    return n > 0 && ret_name[0] != '.' && ret_name[0] != '/';
}

bool fc_listing_next(const char **at, char ret_name[256])
{
    const char *p = *at;

    while ((p = strcasestr(p, "href=")) != NULL) {
        char quote = p[5];
        const char *link = p + 6;
        size_t len;

        p += 5;
        if (quote != '"' && quote != '\'')
            continue;
        len = strcspn(link, quote == '"' ? "\"" : "'");
        p = link + len;
        if (strncmp(link, "./", 2) == 0)
            link += 2, len -= 2;
        if (link_name(link, len, ret_name)) {
            *at = p;
            return true;
        }
    }
    *at += strlen(*at);
    return false;
}

bool fc_is_version(const char *text, unsigned dots)
{
    if (!isdigit((unsigned char)*text))
        return false;
    for (const char *p = text; *p; p++) {
        if (*p == '.' && isdigit((unsigned char)p[1]) && dots)
            dots--;
        else if (!isdigit((unsigned char)*p))
            return false;
    }
    return dots == 0;
}
