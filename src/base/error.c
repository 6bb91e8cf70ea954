/* SPDX-License-Identifier: Apache-2.0 */
/* Record what went wrong, in words, where it went wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <fccompose/error.h>

static void set_message(struct fc_error *err, int code, const char *fmt, va_list ap)
{
    char text[sizeof(err->msg)];

    /* Through a buffer: an argument may point into err->msg itself. */
    vsnprintf(text, sizeof(text), fmt, ap);
    memcpy(err->msg, text, sizeof(text));
    err->code = code;
}

int fc_fail(struct fc_error *err, int code, const char *fmt, ...)
{
    va_list ap;

    if (err) {
        va_start(ap, fmt);
        set_message(err, code, fmt, ap);
        va_end(ap);
    }
    return -code;
}

int fc_fail_errno(struct fc_error *err, int code, const char *fmt, ...)
{
    va_list ap;
    size_t len;

    if (err) {
        va_start(ap, fmt);
        set_message(err, code, fmt, ap);
        va_end(ap);
        len = strlen(err->msg);
        snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", strerror(code));
    }
    return -code;
}

int fc_wrap(struct fc_error *err, const char *fmt, ...)
{
    char text[sizeof(err->msg)];
    va_list ap;
    size_t len;

    if (!err)
        return -EIO;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    len = strlen(text);
    /* By hand: that a long message is cut at the end is meant. */
    for (const char *p = ": "; *p && len < sizeof(text) - 1; p++)
        text[len++] = *p;
    for (const char *p = err->msg; *p && len < sizeof(text) - 1; p++)
        text[len++] = *p;
    text[len] = '\0';
    memcpy(err->msg, text, sizeof(text));
    return -err->code;
}
