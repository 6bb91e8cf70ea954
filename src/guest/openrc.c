/* SPDX-License-Identifier: Apache-2.0 */
/* OpenRC: what Firecracker's guide does by hand, with links as rc-update(8) makes them. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/internal.h"

int guest_rc_add(struct fc_guest_plan *p, const char *service, const char *runlevel, struct fc_error *err)
{
    const char *script = guest_text(p, "/etc/init.d/%s", service);
    const char *link = guest_text(p, "/etc/runlevels/%s/%s", runlevel, service);

    if (!script || !link)
        return guest_no_memory(err);
    if (!guest_has(p, script, S_IFREG))
        return guest_note(p, err, "OpenRC has no service %s here: it is not started", service);
    return guest_link(p, link, script, err, "start %s in runlevel %s", service, runlevel);
}

/* agetty logs root in by itself. */
static int autologin(struct fc_guest_plan *p, struct fc_error *err)
{
    static const char line[] = "agetty_options=\"--autologin root --noclear\"";
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *path = guest_text(p, "/etc/conf.d/agetty.%s", p->console), *old;
    size_t len;
    int r = path ? guest_content(p, path, &text, err) : guest_no_memory(err);

    if (r < 0 || guest_has_line(&text, line, strlen(line)))
        return r < 0 ? r : 0;
    old = guest_line(&text, "agetty_options=", &len);
    r = old ? guest_splice(&text, (size_t)(old - text.data), len, line) : guest_add_line(&text, line);
    if (r < 0)
        return guest_no_memory(err);
    return guest_put(p, &(struct guest_want){.path = path, .text = text.data, .len = text.len}, err,
                     "log root in on %s without a password", p->console);
}

/* The guide's way: a link to the service agetty, for the terminal that its name tells. */
static int with_agetty(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *service = guest_text(p, "agetty.%s", p->console);
    const char *link = service ? guest_text(p, "/etc/init.d/%s", service) : NULL;
    int r;

    if (!link)
        return guest_no_memory(err);
    r = guest_link(p, link, "agetty", err, "make the service %s", service);
    if (r == 0 && p->options->autologin)
        r = autologin(p, err);
    return r < 0 ? r : guest_rc_add(p, service, "default", err);
}

static int console(struct fc_guest_plan *p, struct fc_error *err)
{
    int r;

    if (!p->console)
        return 0;
    if (guest_program(p, "agetty") && guest_has(p, "/etc/init.d/agetty", S_IFREG))
        r = with_agetty(p, err);
    else if (guest_program(p, "getty") && guest_is_busybox(p, "/sbin/init"))
        r = guest_inittab_getty(p, err);
    else
        return fc_fail(err, EOPNOTSUPP,
                       "console: the tree has no agetty (and no BusyBox whose init could start its getty); "
                       "next: fccompose run -- apk add agetty, or --console none");
    if (r == 0)
        r = guest_need_line(p, "/etc/securetty", p->console, err, "let root log in on the console (/etc/securetty)");
    return r;
}

int guest_openrc(struct fc_guest_plan *p, struct fc_error *err)
{
    static const char *const services[] = {"devfs", "procfs", "sysfs"};
    int r;

    if (p->init != FC_GUEST_OPENRC)
        return 0;
    if (!guest_has(p, "/sbin/init", S_IFREG)) {
        const char *init = guest_program(p, "openrc-init");

        r = init ? guest_link(p, "/sbin/init", init, err, "make OpenRC's init the first process")
                 : guest_note(p, err, "there is no /sbin/init: OpenRC needs one, such as BusyBox's or openrc-init");
        if (r < 0)
            return r;
    }
    r = console(p, err);
    for (size_t i = 0; i < FC_LENGTH(services) && r == 0; i++)
        r = guest_rc_add(p, services[i], "boot", err);
    return r < 0 || !guest_is_busybox(p, "/sbin/init") ? r : guest_inittab_no_vt(p, err);
}
