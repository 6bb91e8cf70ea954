/* SPDX-License-Identifier: Apache-2.0 */
/* What no two machines may share and no image needs: identities, keys, seeds, logs, caches, histories. */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/internal.h"

/* What goes from a folder. */
struct sweep {
    const char *folder;
    const char *pattern; /* of names, as fnmatch(3) */
    const char *what;    /* "remove WHAT PATH" */
};

static const struct sweep sweeps[] = {
    {"/etc/ssh", "ssh_host_*key", "the ssh host key"},
    {"/etc/ssh", "ssh_host_*key.pub", "the ssh host key"},
    {"/etc/dropbear", "dropbear_*_host_key", "the ssh host key"},
    {"/var/lib/systemd", "random-seed", "the random seed"},
    {"/var/lib/systemd", "credential.secret", "the machine's secret"},
    {"/var/lib/urandom", "random-seed", "the random seed"},
    {"/var/lib/misc", "random-seed", "the random seed"},
    {"/var/lib", "random-seed", "the random seed"},
    {"/var/lib/seedrng", "seed.*", "the random seed"},
    {"/var/cache/apk", "*", "the package cache"},
    {"/etc/apk/cache", "*", "the package cache"},
    {"/var/lib/apt/lists", "*_*", "the package list"},
    {"/var/lib/apt/lists/partial", "*", "the package list"},
    {"/var/cache/apt", "*.bin", "the package cache"},
    {"/var/cache/apt/archives", "*.deb", "the package"},
    {"/var/cache/apt/archives/partial", "*", "the package"},
    {"/var/cache/dnf", "*", "the package cache"},
    {"/var/cache/yum", "*", "the package cache"},
    {"/var/cache/debconf", "*-old", "the old copy"},
    {"/", ".dockerenv", "the mark of a container"},
};

static const char *const histories[] = {".ash_history", ".bash_history",   ".sh_history",     ".zsh_history",
                                        ".lesshst",     ".python_history", ".sqlite_history", ".mysql_history",
                                        ".viminfo",     ".wget-hsts"};

static int sweep_one(struct fc_guest_plan *p, void *arg, const char *path, const struct fc_snap_inode *inode,
                     struct fc_error *err)
{
    const struct sweep *s = arg;

    (void)inode;
    if (fnmatch(s->pattern, strrchr(path, '/') + 1, 0) != 0)
        return 0;
    return guest_drop(p, path, err, "remove %s %s", s->what, path);
}

static int drop_histories(struct fc_guest_plan *p, const char *home, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < FC_LENGTH(histories) && r == 0; i++) {
        const char *path = guest_text(p, "%s/%s", home, histories[i]);

        r = path ? guest_drop(p, path, err, "remove the history %s", path) : guest_no_memory(err);
    }
    return r;
}

static int drop_histories_of(struct fc_guest_plan *p, void *arg, const char *path, const struct fc_snap_inode *inode,
                             struct fc_error *err)
{
    (void)arg;
    return S_ISDIR(inode->mode) ? drop_histories(p, path, err) : 0;
}

/* Whether a log is an old one that only its keeper's next rotation would miss. */
static bool is_rotated(const char *path)
{
    const char *name = strrchr(path, '/') + 1, *dot = strrchr(name, '.');

    return strstr(path, "/log/journal/") || fnmatch("*.[0-9]", name, 0) == 0 || fnmatch("*.[0-9][0-9]", name, 0) == 0 ||
           (dot && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".xz") == 0 || strcmp(dot, ".old") == 0));
}

/* Logs become empty, with their owners and modes, which programs that write to them need; what was rotated goes. */
static int clear_log(struct fc_guest_plan *p, void *arg, const char *path, const struct fc_snap_inode *inode,
                     struct fc_error *err)
{
    if (S_ISDIR(inode->mode))
        return guest_each(p, path, clear_log, arg, err);
    if (!S_ISREG(inode->mode))
        return 0;
    if (is_rotated(path))
        return guest_drop(p, path, err, "remove the old log %s", path);
    return inode->size == 0
               ? 0
               : guest_put(p, &(struct guest_want){.path = path, .text = ""}, err, "empty the log %s", path);
}

/* An empty file: systemd makes an identity at boot and can keep it even on a read-only root. */
static int machine_id(struct fc_guest_plan *p, struct fc_error *err)
{
    struct guest_place place;
    int r = guest_find(p, "/etc/machine-id", true, &place, err);

    if (r == 0 && (p->init == FC_GUEST_SYSTEMD || S_ISREG(place.mode)))
        r = guest_put(p, &(struct guest_want){.path = "/etc/machine-id", .text = ""}, err,
                      "%s /etc/machine-id: every machine gets its own", place.mode ? "empty" : "have an empty");
    if (r < 0 || guest_find(p, "/var/lib/dbus/machine-id", false, &place, err) < 0 || !S_ISREG(place.mode))
        return r;
    if (guest_has(p, "/etc/machine-id", S_IFREG))
        return guest_link(p, "/var/lib/dbus/machine-id", "/etc/machine-id", err,
                          "make D-Bus use the machine's identity");
    return guest_drop(p, "/var/lib/dbus/machine-id", err, "remove D-Bus's machine identity");
}

/* The one that came with the lowest layer tells of the network where that was made; one from a later layer is meant. */
static int resolver(struct fc_guest_plan *p, struct fc_error *err)
{
    struct guest_place place;
    const struct fc_snap_inode *o;
    int r = guest_find(p, "/etc/resolv.conf", false, &place, err);

    if (r < 0 || !S_ISREG(place.mode) || place.change || place.inode == FC_TREE_NONE)
        return r;
    o = &fc_snapshot_inodes(p->s, NULL)[place.inode];
    if (o->layer != 0 || o->size == 0)
        return 0;
    return guest_put(p, &(struct guest_want){.path = "/etc/resolv.conf", .text = ""}, err,
                     "empty /etc/resolv.conf, which tells of the network where the lowest layer was made");
}

int guest_hygiene(struct fc_guest_plan *p, struct fc_error *err)
{
    int r;

    if (!p->options->hygiene)
        return 0;
    r = machine_id(p, err);
    for (size_t i = 0; i < FC_LENGTH(sweeps) && r == 0; i++)
        r = guest_each(p, sweeps[i].folder, sweep_one, (void *)(uintptr_t)&sweeps[i], err);
    if (r == 0)
        r = guest_each(p, "/var/log", clear_log, NULL, err);
    if (r == 0)
        r = drop_histories(p, "/root", err);
    if (r == 0)
        r = guest_each(p, "/home", drop_histories_of, NULL, err);
    return r < 0 ? r : resolver(p, err);
}
