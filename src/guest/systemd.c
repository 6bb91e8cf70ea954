/* SPDX-License-Identifier: Apache-2.0 */
/* systemd: what Firecracker's Ubuntu preset does. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/internal.h"

#define LOCAL "/etc/systemd/system"

/* systemd asks for an empty line before another command. */
/* -f: login(1) asks for no password; where agetty is told how to call it, it does not add that itself. */
static const char autologin[] =
    "[Service]\n"
    "ExecStart=\n"
    "ExecStart=-%s --autologin root -o '-p -f -- \\\\u' --keep-baud 115200,38400,9600 %%I dumb\n";

static int console(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *agetty = guest_program(p, "agetty"), *unit, *drop_in, *text;
    int r;

    if (!p->console)
        return 0;
    unit = guest_text(p, "serial-getty@%s.service", p->console);
    if (!unit)
        return guest_no_memory(err);
    if (!agetty || !guest_unit(p, unit))
        return fc_fail(err, EOPNOTSUPP,
                       "console: the tree has no %s; next: fccompose run -- apt-get install util-linux, or "
                       "--console none",
                       agetty ? unit : "agetty");
    r = guest_unit_enable(p, unit, err);
    if (r < 0 || !p->options->autologin)
        return r;
    drop_in = guest_text(p, LOCAL "/%s.d/autologin.conf", unit);
    text = guest_text(p, autologin, agetty);
    if (!drop_in || !text)
        return guest_no_memory(err);
    return guest_put(p, &(struct guest_want){.path = drop_in, .text = text}, err,
                     "log root in on %s without a password", p->console);
}

/* /tmp in memory. Debian keeps the unit among its examples, and there it must be linked first. */
static int tmp_mount(struct fc_guest_plan *p, struct fc_error *err)
{
    static const char example[] = "/usr/share/systemd/tmp.mount";
    int r;

    if (guest_unit(p, "tmp.mount"))
        return guest_unit_enable(p, "tmp.mount", err);
    if (!guest_has(p, example, S_IFREG))
        return 0;
    r = guest_link(p, LOCAL "/tmp.mount", example, err, "have the unit tmp.mount");
    if (r == 0)
        r = guest_link(p, LOCAL "/local-fs.target.wants/tmp.mount", example, err, "keep /tmp in memory");
    return r;
}

/* Where nobody resolves, the link to the one who did leads nowhere; who puts name servers there needs a file. */
static int without_resolved(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *now = guest_link_text(p, "/etc/resolv.conf");
    int r = guest_unit_disable(p, "systemd-resolved.service", err);

    if (r < 0 || !now || !strstr(now, "run/systemd/resolve/") || p->options->net == FC_GUEST_NET_KERNEL)
        return r;
    return guest_put(p, &(struct guest_want){.path = "/etc/resolv.conf", .text = "", .replace = true}, err,
                     "have an empty /etc/resolv.conf, not a link to systemd-resolved's");
}

static int init_link(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *path =
        guest_has(p, "/lib/systemd/systemd", S_IFREG) ? "/lib/systemd/systemd" : "/usr/lib/systemd/systemd";
    struct guest_place place;
    int r = guest_find(p, "/sbin/init", true, &place, err);

    if (r < 0 || (S_ISREG(place.mode) && strstr(place.path, "systemd")))
        return r;
    return guest_link(p, "/sbin/init", path, err, "make systemd the first process");
}

int guest_systemd(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *target;
    int r;

    if (p->init != FC_GUEST_SYSTEMD)
        return 0;
    target = guest_text(p, "%s/multi-user.target", guest_unit_dir(p));
    if (!target)
        return guest_no_memory(err);
    r = init_link(p, err);
    if (r == 0)
        r = console(p, err);
    if (r == 0)
        r = guest_link(p, LOCAL "/default.target", target, err, "boot to multi-user.target");
    if (r == 0)
        r = guest_link(p, "/etc/systemd/network/99-default.link", "/dev/null", err, "keep the names eth0, eth1, ...");
    if (r == 0 && p->options->net != FC_GUEST_NET_DHCP)
        r = without_resolved(p, err);
    if (r == 0)
        r = guest_unit_disable(p, "systemd-timesyncd.service", err);
    if (r == 0)
        r = tmp_mount(p, err);
    if (r == 0 && !guest_program(p, "udevadm"))
        r = guest_note(p, err,
                       "there is no udev: systemd waits 90 s for the console's device; next: fccompose run -- apt-get "
                       "install udev");
    return r;
}
