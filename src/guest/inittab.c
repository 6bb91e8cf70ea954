/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/inittab as BusyBox's init reads it: ID:RUNLEVELS:ACTION:PROCESS, the ID being a terminal. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/internal.h"

#define INITTAB "/etc/inittab"

/* login(1) as a program without arguments, which getty -n needs. */
static const char autologin[] =
    "#!/bin/sh\n"
    "# Written by fccompose guest enable --autologin: what getty starts instead of asking for a name.\n"
    "exec %s -f root\n";

static int write_autologin(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *login = guest_program(p, "login"), *text;

    if (!login)
        return fc_fail(err, EOPNOTSUPP,
                       "autologin: the tree has no login; next: fccompose run -- apk add busybox, or "
                       "apt-get install login");
    text = guest_text(p, autologin, login);
    if (!text)
        return guest_no_memory(err);
    return guest_put(p, &(struct guest_want){.path = "/usr/sbin/fccompose-autologin", .text = text, .mode = 0755}, err,
                     "log root in on %s without a password", p->console);
}

/* Put @line in the place of the one that has the terminal's name in front, else at the end. */
static int set_line(struct fc_guest_plan *p, const char *line, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *start = guest_text(p, "%s:", p->console), *old;
    size_t len;
    int r = guest_content(p, INITTAB, &text, err);

    if (r < 0 || !start)
        return r < 0 ? r : guest_no_memory(err);
    if (guest_has_line(&text, line, strlen(line)))
        return 0;
    old = guest_line(&text, start, &len);
    r = old ? guest_splice(&text, (size_t)(old - text.data), len, line) : guest_add_line(&text, line);
    if (r < 0)
        return guest_no_memory(err);
    return guest_put(p, &(struct guest_want){.path = INITTAB, .text = text.data, .len = text.len}, err,
                     "start a getty on %s (" INITTAB ")", p->console);
}

int guest_inittab_getty(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *getty = guest_program(p, "getty"), *line;
    bool automatic = p->options->autologin;
    int r = automatic ? write_autologin(p, err) : 0;

    if (r < 0)
        return r;
    line = guest_text(p, "%s::respawn:%s %s-L 115200 %s vt100", p->console, getty,
                      automatic ? "-n -l /usr/sbin/fccompose-autologin " : "", p->console);
    return line ? set_line(p, line, err) : guest_no_memory(err);
}

/* Whether a line starts something on a virtual terminal other than the console that was chosen. */
static bool is_vt(const struct fc_guest_plan *p, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);

    if (!colon || len < 4 || memcmp(line, "tty", 3) != 0 || !isdigit((unsigned char)line[3]))
        return false;
    return !p->console || strlen(p->console) != (size_t)(colon - line) ||
           memcmp(line, p->console, (size_t)(colon - line)) != 0;
}

int guest_inittab_no_vt(struct fc_guest_plan *p, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_buf out __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = guest_content(p, INITTAB, &text, err);

    if (r <= 0)
        return r;
    for (size_t at = 0; at < text.len && r >= 0;) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.len - at);
        size_t len = end ? (size_t)(end - line) : text.len - at;

        r = is_vt(p, line, len) ? fc_buf_add(&out, "#", 1) : 0;
        if (r == 0)
            r = fc_buf_add(&out, line, len + (end != NULL));
        at += len + (end != NULL);
    }
    if (r < 0)
        return guest_no_memory(err);
    if (out.len == text.len)
        return 0;
    return guest_put(p, &(struct guest_want){.path = INITTAB, .text = out.data, .len = out.len}, err,
                     "no gettys on virtual terminals, which a microVM does not have (" INITTAB ")");
}
