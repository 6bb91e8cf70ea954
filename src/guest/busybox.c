/* SPDX-License-Identifier: Apache-2.0 */
/* BusyBox: inittab and the script that mounts what a system needs. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/internal.h"

#define INITTAB "/etc/inittab"
#define SCRIPT "/etc/init.d/rcS"

static const char script[] = "#!/bin/sh\n"
                             "# Written by fccompose guest enable: what BusyBox's init runs first.\n"
                             "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
                             "put() { # TYPE PLACE OPTIONS: mount it unless something is mounted there\n"
                             "    grep -q \" $2 \" /proc/mounts 2>/dev/null && return\n"
                             "    [ -d \"$2\" ] || mkdir -p \"$2\"\n"
                             "    mount -t \"$1\" -o \"$3\" \"$1\" \"$2\"\n"
                             "}\n"
                             "put proc /proc nosuid,nodev,noexec\n"
                             "put sysfs /sys nosuid,nodev,noexec\n"
                             "put devtmpfs /dev nosuid,mode=0755\n"
                             "mount -o remount,rw / 2>/dev/null\n"
                             "put devpts /dev/pts nosuid,noexec,gid=5,mode=620,ptmxmode=666\n"
                             "put tmpfs /dev/shm nosuid,nodev,mode=1777\n"
                             "put tmpfs /run nosuid,nodev,mode=0755\n"
                             "put tmpfs /tmp nosuid,nodev,mode=1777\n"
                             "[ ! -s /etc/fstab ] || mount -a\n"
                             "[ ! -s /etc/hostname ] || hostname -F /etc/hostname\n"
                             "ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null\n"
                             "for s in /etc/init.d/S[0-9]*; do\n"
                             "    [ ! -x \"$s\" ] || \"$s\" start\n"
                             "done\n";

/* Comment out what starts programs that are not there: Alpine's inittab without OpenRC. */
static int without_openrc(struct fc_guest_plan *p, struct fc_buf *text)
{
    size_t len;
    const char *line;
    int r = 0;

    if (guest_program(p, "openrc"))
        return 0;
    for (size_t at = 0; at < text->len && r == 0;) {
        line = text->data + at;
        len = strcspn(line, "\n");
        if (*line != '#' && memmem(line, len, "/sbin/openrc ", 13)) {
            r = guest_splice(text, at, 0, "#");
            len++;
        }
        at += len + 1;
    }
    return r;
}

/* Lines for what every machine needs, where the table has none of that kind. */
static int table(struct fc_guest_plan *p, struct fc_error *err)
{
    static const char *const lines[] = {"::sysinit:" SCRIPT, "::ctrlaltdel:/sbin/reboot",
                                        "::shutdown:/bin/umount -a -r"};
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = guest_content(p, INITTAB, &text, err);

    if (r < 0)
        return r;
    r = without_openrc(p, &text);
    for (size_t i = 0; i < FC_LENGTH(lines) && r == 0; i++) {
        char kind[32] = {0};
        size_t ignored;

        memcpy(kind, lines[i], (size_t)(strchr(lines[i] + 2, ':') + 1 - lines[i]));
        if (!guest_line(&text, kind, &ignored))
            r = guest_add_line(&text, lines[i]);
    }
    if (r < 0)
        return guest_no_memory(err);
    return guest_put(p, &(struct guest_want){.path = INITTAB, .text = text.data, .len = text.len}, err,
                     "start " SCRIPT " at boot (" INITTAB ")");
}

static int init_link(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *busybox = guest_program(p, "busybox");

    if (guest_is_busybox(p, "/sbin/init"))
        return 0;
    return guest_link(p, "/sbin/init", busybox, err, "make BusyBox the first process");
}

int guest_busybox(struct fc_guest_plan *p, struct fc_error *err)
{
    int r;

    if (p->init != FC_GUEST_BUSYBOX)
        return 0;
    if (p->console && !guest_program(p, "getty"))
        return fc_fail(err, EOPNOTSUPP,
                       "console: the tree has no getty; next: fccompose run -- busybox --install -s, or "
                       "--console none");
    r = init_link(p, err);
    /* A script of somebody else's knows better. */
    if (r == 0 && !guest_has(p, SCRIPT, S_IFREG))
        r = guest_put(p, &(struct guest_want){.path = SCRIPT, .text = script, .mode = 0755}, err,
                      "mount what a system needs (" SCRIPT ")");
    if (r == 0)
        r = table(p, err);
    if (r == 0)
        r = guest_inittab_no_vt(p, err);
    if (r == 0 && p->console)
        r = guest_inittab_getty(p, err);
    if (r == 0 && p->console && guest_has(p, "/etc/securetty", S_IFREG))
        r = guest_need_line(p, "/etc/securetty", p->console, err, "let root log in on the console (/etc/securetty)");
    return r;
}
