/* SPDX-License-Identifier: Apache-2.0 */
/* The console's text, line by line: the expected expression, the kernel's panic, the init's last word. */
#include "vm/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line that never ends is looked at in pieces of this size. */
enum { LINE_MAX_BYTES = 16384 };

/* Where in an escape sequence (ECMA-48) the console is. */
enum { OUTSIDE, AFTER_ESC, IN_CSI, IN_OSC };

int fc_vm_watch_init(struct fc_vm_watch *w, const char *expect, struct fc_error *err)
{
    char why[128];
    int r;

    *w = (struct fc_vm_watch){.guest_status = -1};
    if (!expect)
        return 0;
    r = regcomp(&w->expect, expect, REG_EXTENDED | REG_NOSUB);
    if (r != 0) {
        regerror(r, &w->expect, why, sizeof(why));
        return fc_fail(err, EINVAL, "'%s' is no regular expression: %s", expect, why);
    }
    w->has_expect = true;
    return 0;
}

/* Whether @c belongs to the text, and not to an escape sequence. */
static bool is_text(struct fc_vm_watch *w, unsigned char c)
{
    switch (w->escape) {
    case OUTSIDE:
        if (c == 033)
            w->escape = AFTER_ESC;
        return c != 033 && c != '\0' && c != '\r';
    case AFTER_ESC:
        w->escape = c == '[' ? IN_CSI : c == ']' ? IN_OSC : OUTSIDE;
        return false;
    case IN_CSI:
        if (c >= 0x40 && c <= 0x7e)
            w->escape = OUTSIDE;
        return false;
    default:
        if (c == '\a' || c == 033)
            w->escape = c == 033 ? AFTER_ESC : OUTSIDE;
        return false;
    }
}

static void look_at(struct fc_vm_watch *w, const char *line)
{
    static const char panic[] = "Kernel panic - not syncing", status[] = "fccompose-init: exit status ";
    const char *found;

    if (w->has_expect && !w->expected && regexec(&w->expect, line, 0, NULL, 0) == 0) {
        w->expected = true;
        snprintf(w->words, sizeof(w->words), "%s", line);
    }
    if (!w->panicked && (found = strstr(line, panic))) {
        w->panicked = true;
        if (!w->expected)
            snprintf(w->words, sizeof(w->words), "%s", found);
    }
    if ((found = strstr(line, status)))
        w->guest_status = atoi(found + strlen(status));
}

/* The expression may be for a prompt, which ends with no newline. */
static void look_at_unfinished(struct fc_vm_watch *w)
{
    if (w->has_expect && !w->expected && w->text.len && regexec(&w->expect, w->text.data, 0, NULL, 0) == 0) {
        w->expected = true;
        snprintf(w->words, sizeof(w->words), "%s", w->text.data);
    }
}

int fc_vm_watch_feed(struct fc_vm_watch *w, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != '\n' && is_text(w, (unsigned char)data[i]) && fc_buf_add(&w->text, &data[i], 1) < 0)
            return -ENOMEM;
        if (data[i] != '\n' && w->text.len < LINE_MAX_BYTES)
            continue;
        look_at(w, w->text.data ? w->text.data : "");
        fc_buf_clear(&w->text);
        w->escape = OUTSIDE;
    }
    look_at_unfinished(w);
    return 0;
}

void fc_vm_watch_release(struct fc_vm_watch *w)
{
    if (w->has_expect)
        regfree(&w->expect);
    fc_buf_release(&w->text);
    w->has_expect = false;
}
