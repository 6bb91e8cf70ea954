/* SPDX-License-Identifier: Apache-2.0 */
/* The plan as others see it: checks of the options, which init, the parts in their order. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/internal.h"

static const char *const names[] = {
    [FC_GUEST_AUTO] = "auto",       [FC_GUEST_OPENRC] = "openrc", [FC_GUEST_SYSTEMD] = "systemd",
    [FC_GUEST_BUSYBOX] = "busybox", [FC_GUEST_OCI] = "oci",       [FC_GUEST_NONE] = "none",
};

const char *fc_guest_init_name(enum fc_guest_init init) { return names[init]; }

/* A device's name goes into file names and configurations as it is. */
static bool is_device(const char *s)
{
    if (!isalpha((unsigned char)*s) || strlen(s) > 32)
        return false;
    while (isalnum((unsigned char)*s))
        s++;
    return !*s;
}

/* RFC 1123, and what sethostname(2) takes. */
static bool is_host_name(const char *s)
{
    size_t label = 0;

    if (!*s || strlen(s) > 64)
        return false;
    for (; *s; s++) {
        if (*s == '.' && (!label || s[-1] == '-'))
            return false;
        if (*s != '.' && !isalnum((unsigned char)*s) && (*s != '-' || !label))
            return false;
        label = *s == '.' ? 0 : label + 1;
    }
    return label && s[-1] != '-';
}

static int check(const struct fc_guest_options *o, struct fc_error *err)
{
    if (o->console && strcmp(o->console, "none") != 0 && !is_device(o->console))
        return fc_fail(err, EINVAL, "console \"%s\": the name of a device in /dev, such as ttyS0, or none", o->console);
    if (o->hostname && !is_host_name(o->hostname))
        return fc_fail(err, EINVAL, "host name \"%s\": letters, digits, hyphens and dots, at most 64", o->hostname);
    for (char **key = o->ssh_keys; key && *key; key++)
        if (!**key || strpbrk(*key, "\n\r"))
            return fc_fail(err, EINVAL, "ssh key: one line of authorized_keys each");
    if (o->password && (strchr(o->password, '\n') || (*o->password == '$' && strpbrk(o->password, ":\n"))))
        return fc_fail(err, EINVAL, "password: a line of text, or a hash without colons");
    if (o->autologin && o->console && strcmp(o->console, "none") == 0)
        return fc_fail(err, EINVAL, "autologin: there is no console to log in on");
    return 0;
}

/* What the chosen init cannot do. */
static int check_init(const struct fc_guest_plan *p, struct fc_error *err)
{
    const struct fc_guest_options *o = p->options;

    if (o->autologin && p->init == FC_GUEST_OCI)
        return fc_fail(err, EINVAL, "autologin: the oci init runs the image's program and has no login");
    if (o->autologin && p->init == FC_GUEST_NONE)
        return fc_fail(err, EINVAL, "autologin needs an init: none is to be set up");
    if (p->init == FC_GUEST_NONE && (o->net == FC_GUEST_NET_DHCP || o->net == FC_GUEST_NET_MAC))
        return fc_fail(err, EINVAL, "net: without an init nobody sets the address; \"kernel\" needs none");
    return 0;
}

bool guest_is_busybox(struct fc_guest_plan *p, const char *path)
{
    struct guest_place place;
    const char *name;

    if (guest_find(p, path, true, &place, NULL) < 0 || !S_ISREG(place.mode))
        return false;
    name = strrchr(place.path, '/');
    return strncmp(name ? name + 1 : place.path, "busybox", 7) == 0;
}

/* Whether /sbin/init leads to a file whose path ends in @end. */
static bool init_is(struct fc_guest_plan *p, const char *end)
{
    struct guest_place place;
    size_t n, len = strlen(end);

    if (guest_find(p, "/sbin/init", true, &place, NULL) < 0 || !S_ISREG(place.mode))
        return false;
    n = strlen(place.path);
    return n >= len && strcmp(place.path + n - len, end) == 0;
}

static bool has_init(struct fc_guest_plan *p)
{
    return guest_has(p, "/sbin/init", S_IFREG) || guest_has(p, "/etc/init", S_IFREG) ||
           guest_has(p, "/bin/init", S_IFREG);
}

static bool has_systemd(struct fc_guest_plan *p)
{
    return guest_has(p, "/lib/systemd/systemd", S_IFREG) || guest_has(p, "/usr/lib/systemd/systemd", S_IFREG);
}

/* By what the tree has. */
static int choose_auto(struct fc_guest_plan *p, struct fc_error *err)
{
    bool init = has_init(p), entrypoint = guest_has_entrypoint(p->options->config);

    if (init_is(p, "/systemd") || (!init && has_systemd(p)))
        p->init = FC_GUEST_SYSTEMD;
    else if (init_is(p, "/openrc-init") || guest_program(p, "openrc"))
        p->init = FC_GUEST_OPENRC;
    else if (init && guest_is_busybox(p, "/sbin/init"))
        p->init = FC_GUEST_BUSYBOX;
    else if (init)
        p->init = FC_GUEST_NONE;
    else if (entrypoint)
        p->init = FC_GUEST_OCI;
    else if (guest_program(p, "busybox"))
        p->init = FC_GUEST_BUSYBOX;
    else
        return fc_fail(
            err, EOPNOTSUPP,
            "the tree has no init (neither systemd, OpenRC nor BusyBox, and no image says what to run); next: "
            "fccompose run -- apt-get install systemd-sysv udev, or apk add openrc, or --init none");
    if (p->init == FC_GUEST_NONE)
        return guest_note(p, err, "/sbin/init is none that fccompose knows: it is left alone; --init chooses another");
    if (entrypoint && p->init != FC_GUEST_OCI)
        return guest_note(p, err, "the image's own program is not started by %s; --init oci runs it", names[p->init]);
    return 0;
}

int guest_choose(struct fc_guest_plan *p, struct fc_error *err)
{
    p->init = p->options->init;
    switch (p->init) {
    case FC_GUEST_AUTO:
        return choose_auto(p, err);
    case FC_GUEST_SYSTEMD:
        return has_systemd(p)
                   ? 0
                   : fc_fail(err, EOPNOTSUPP,
                             "the tree has no systemd; next: fccompose run -- apt-get install systemd-sysv udev");
    case FC_GUEST_OPENRC:
        return guest_program(p, "openrc")
                   ? 0
                   : fc_fail(err, EOPNOTSUPP, "the tree has no OpenRC; next: fccompose run -- apk add openrc");
    case FC_GUEST_BUSYBOX:
        return guest_program(p, "busybox")
                   ? 0
                   : fc_fail(err, EOPNOTSUPP,
                             "the tree has no BusyBox; next: fccompose run -- apk add busybox, or "
                             "apt-get install busybox-static");
    default:
        return 0;
    }
}

/* The parts, in their order. */
static int fill(struct fc_guest_plan *p, struct fc_error *err)
{
    static int (*const parts[])(struct fc_guest_plan * p, struct fc_error * err) = {
        guest_openrc, guest_systemd, guest_busybox, guest_host_name, guest_password,
        guest_ssh,    guest_net,     guest_oci,     guest_hygiene,
    };
    int r = check(p->options, err);

    p->console = p->options->console ? p->options->console : "ttyS0";
    if (strcmp(p->console, "none") == 0)
        p->console = NULL;
    if (r == 0)
        r = guest_choose(p, err);
    if (r == 0)
        r = check_init(p, err);
    for (size_t i = 0; i < FC_LENGTH(parts) && r == 0; i++)
        r = parts[i](p, err);
    if (r == 0 && p->console && p->init != FC_GUEST_OCI && p->init != FC_GUEST_NONE && !p->options->autologin &&
        !guest_root_open(p))
        r = guest_note(p, err,
                       "root is locked: nobody can log in on %s; --password, --autologin or --ssh-key lets root in",
                       p->console);
    return r;
}

int fc_guest_plan(const struct fc_snapshot *s, const struct fc_guest_options *options, struct fc_guest_plan **ret_plan,
                  struct fc_error *err)
{
    fc_auto(fc_guest_plan_free) struct fc_guest_plan *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return guest_no_memory(err);
    p->s = s;
    p->options = options;
    r = fill(p, err);
    if (r < 0)
        return r;
    *ret_plan = fc_steal(&p);
    return 0;
}

enum fc_guest_init fc_guest_plan_init(const struct fc_guest_plan *p) { return p->init; }

const struct fc_guest_action *fc_guest_plan_action(const struct fc_guest_plan *p, size_t i)
{
    return i < p->n_actions ? &p->actions[i] : NULL;
}

const char *fc_guest_plan_note(const struct fc_guest_plan *p, size_t i) { return i < p->n_notes ? p->notes[i] : NULL; }

void fc_guest_plan_free(struct fc_guest_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_actions; i++)
        if (p->actions[i].verb.fd >= 0)
            close(p->actions[i].verb.fd);
    free(p->actions);
    free(p->notes);
    free(p->changes);
    fc_arena_release(&p->arena);
    free(p);
}

void fc_guest_options_release(struct fc_guest_options *o)
{
    free(o->console);
    free(o->hostname);
    free(o->password);
    for (char **key = o->ssh_keys; key && *key; key++)
        free(*key);
    free(o->ssh_keys);
    memset(o, 0, sizeof(*o));
}
