/* SPDX-License-Identifier: Apache-2.0 */
/* Files of lines, such as /etc/passwd: what is not meant stays as it is, byte for byte. */
#include <errno.h>
#include <string.h>

#include "guest/internal.h"

/* The line at @at: its length; *ret_next is where the next begins. */
static size_t line_at(const struct fc_buf *text, size_t at, size_t *ret_next)
{
    const char *end = memchr(text->data + at, '\n', text->len - at);
    size_t len = end ? (size_t)(end - text->data) - at : text->len - at;

    *ret_next = at + len + (end != NULL);
    return len;
}

const char *guest_line(const struct fc_buf *text, const char *start, size_t *ret_len)
{
    size_t n = strlen(start);

    for (size_t at = 0, next; at < text->len; at = next) {
        size_t len = line_at(text, at, &next);

        if (len >= n && memcmp(text->data + at, start, n) == 0) {
            *ret_len = len;
            return text->data + at;
        }
    }
    return NULL;
}

bool guest_has_line(const struct fc_buf *text, const char *line, size_t len)
{
    for (size_t at = 0, next; at < text->len; at = next)
        if (line_at(text, at, &next) == len && memcmp(text->data + at, line, len) == 0)
            return true;
    return false;
}

int guest_add_line(struct fc_buf *text, const char *line)
{
    int r = text->len && text->data[text->len - 1] != '\n' ? fc_buf_add(text, "\n", 1) : 0;

    return r < 0 ? r : fc_buf_addf(text, "%s\n", line);
}

int guest_splice(struct fc_buf *text, size_t at, size_t len, const char *with)
{
    size_t n = strlen(with), rest = text->len - at - len;
    int r = fc_buf_reserve(text, n);

    if (r < 0)
        return r;
    memmove(text->data + at + n, text->data + at + len, rest + 1);
    memcpy(text->data + at, with, n);
    text->len = at + n + rest;
    return 0;
}

const char *guest_field(const char *line, size_t len, unsigned n, size_t *ret_len)
{
    const char *end = line + len, *colon;

    for (; n > 0; n--) {
        colon = memchr(line, ':', (size_t)(end - line));
        if (!colon)
            return NULL;
        line = colon + 1;
    }
    colon = memchr(line, ':', (size_t)(end - line));
    *ret_len = (size_t)((colon ? colon : end) - line);
    return line;
}

int guest_need_line(struct fc_guest_plan *p, const char *path, const char *line, struct fc_error *err, const char *what)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = guest_content(p, path, &text, err);

    if (r < 0 || guest_has_line(&text, line, strlen(line)))
        return r < 0 ? r : 0;
    if (guest_add_line(&text, line) < 0)
        return guest_no_memory(err);
    return guest_put(p, &(struct guest_want){.path = path, .text = text.data, .len = text.len}, err, "%s", what);
}
