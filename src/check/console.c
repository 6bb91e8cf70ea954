/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about the console: who asks for a login there, by the init in use. */
#include <string.h>
#include <sys/stat.h>

#include "check/internal.h"

/* What was found. */
struct gettys {
    struct fc_preflight *c;
    bool here;         /* one on the console */
    const char *other; /* a device that has one, which is not the console */
};

/* Whether @word is a word of @text. */
static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at += n)
        if ((at == text || strchr(" \t/", at[-1])) && strchr(" \t", at[n]))
            return true;
    return false;
}

/* The device of a getty's command line: the word that begins with "tty" or "hvc". */
static const char *device_in(struct fc_preflight *c, const char *text)
{
    while (*(text += strspn(text, " \t"))) {
        size_t n = strcspn(text, " \t");

        if (n > 3 && (memcmp(text, "tty", 3) == 0 || memcmp(text, "hvc", 3) == 0))
            return preflight_textf(c, "%.*s", (int)n, text);
        text += n;
    }
    return NULL;
}

static void judge_program(struct fc_preflight *c, const char *file, const char *process)
{
    const char *path;

    process += strspn(process, "-+@ \t");
    path = preflight_textf(c, "%.*s", (int)strcspn(process, " \t"), process);
    if (*path != '/')
        return;
    if (!preflight_find(c, path).mode)
        preflight_say(c, FC_PREFLIGHT_PROGRAM_MISSING, path, "%s starts it", file);
    preflight_program(c, path);
}

/* A line ID:RUNLEVELS:ACTION:PROCESS. BusyBox takes ID for the terminal; "" is the console. */
static void judge_line(struct gettys *g, char *line, bool busybox)
{
    char *save = NULL, *id, *action, *process;
    bool asks;

    line += strspn(line, " \t");
    if (*line == '#' || !*line)
        return;
    id = strsep(&line, ":");
    save = line;
    if (!save)
        return;
    strsep(&line, ":");
    action = line ? strsep(&line, ":") : NULL;
    process = line;
    if (!action || !process)
        return;
    judge_program(g->c, "/etc/inittab", process);
    asks = strcmp(action, "respawn") == 0 || strcmp(action, "askfirst") == 0;
    if (!asks)
        return;
    if (strstr(process, "autologin") || strstr(process, "-a root") || strstr(process, "login -f") ||
        !strstr(process, "getty"))
        g->c->autologin = true;
    if ((busybox && (!*id || strcmp(id, g->c->console) == 0)) || has_word(process, g->c->console) ||
        has_word(process, "console"))
        g->here = true;
    else if (strstr(process, "getty") || (busybox && *id))
        g->other = device_in(g->c, process) ? device_in(g->c, process) : preflight_textf(g->c, "%s", id);
}

static void judge_inittab(struct gettys *g)
{
    struct preflight_place init = preflight_find(g->c, "/sbin/init");
    bool busybox = strstr(init.path, "busybox") != NULL;
    char *text = preflight_content(g->c, "/etc/inittab"), *line;

    /* BusyBox without a table asks for a key on the console, and starts a shell. */
    if (!text && busybox)
        g->here = g->c->autologin = true;
    while ((line = preflight_line(&text)))
        judge_line(g, line, busybox);
}

/* Names in the folder @path that begin with @start: what follows is a device. */
static void judge_names(struct gettys *g, const char *path, const char *start, const char *end)
{
    uint32_t n;
    const struct fc_snap_dentry *e = preflight_list(g->c, path, &n);
    size_t front = strlen(start), back = strlen(end);

    for (uint32_t i = 0; i < n; i++) {
        size_t len = e[i].name_len;
        const char *device, *name;

        if (len <= front + back || memcmp(e[i].name, start, front) != 0 ||
            memcmp(e[i].name + len - back, end, back) != 0)
            continue;
        name = preflight_textf(g->c, "%.*s", (int)len, e[i].name);
        device = preflight_textf(g->c, "%.*s", (int)(len - front - back), e[i].name + front);
        if (!preflight_find(g->c, preflight_textf(g->c, "%s/%s", path, name)).mode)
            preflight_say(g->c, FC_PREFLIGHT_PROGRAM_MISSING, preflight_textf(g->c, "%s/%s", path, name),
                          "it leads to nothing");
        else if (strcmp(device, g->c->console) == 0)
            g->here = true;
        else
            g->other = device;
    }
}

static void judge_openrc(struct gettys *g)
{
    static const char *const levels[] = {"default", "boot", "sysinit"};
    char *conf = preflight_content(g->c, preflight_textf(g->c, "/etc/conf.d/agetty.%s", g->c->console));

    for (size_t i = 0; i < FC_LENGTH(levels); i++)
        judge_names(g, preflight_textf(g->c, "/etc/runlevels/%s", levels[i]), "agetty.", "");
    if (conf && strstr(conf, "autologin"))
        g->c->autologin = true;
}

static bool has_unit(struct fc_preflight *c, const char *name)
{
    static const char *const folders[] = {"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"};

    for (size_t i = 0; i < FC_LENGTH(folders); i++)
        if (preflight_has(c, preflight_textf(c, "%s/%s", folders[i], name), S_IFREG))
            return true;
    return false;
}

static void find_autologin(struct fc_preflight *c, const char *folder)
{
    uint32_t n;
    const struct fc_snap_dentry *e = preflight_list(c, folder, &n);

    for (uint32_t i = 0; i < n; i++) {
        char *text = preflight_content(c, preflight_textf(c, "%s/%.*s", folder, (int)e[i].name_len, e[i].name));

        if (text && strstr(text, "--autologin"))
            c->autologin = true;
    }
}

/* systemd-getty-generator(8) starts serial-getty@ on what console= says; a unit that is a link to /dev/null is masked. */
static void judge_systemd(struct gettys *g)
{
    static const char *const generators[] = {"/usr/lib/systemd/system-generators/systemd-getty-generator",
                                             "/lib/systemd/system-generators/systemd-getty-generator"};
    struct fc_preflight *c = g->c;
    const char *unit = preflight_textf(c, "serial-getty@%s.service", c->console);
    const char *masked = preflight_link(c, preflight_textf(c, "/etc/systemd/system/%s", unit));
    const char *target = preflight_link(c, "/etc/systemd/system/getty.target"), *said = preflight_word(c, "console");

    judge_names(g, "/etc/systemd/system/getty.target.wants", "serial-getty@", ".service");
    judge_names(g, "/etc/systemd/system/multi-user.target.wants", "serial-getty@", ".service");
    for (size_t i = 0; i < FC_LENGTH(generators); i++)
        if (said && preflight_has(c, generators[i], S_IFREG) && has_unit(c, "serial-getty@.service") &&
            preflight_which(c, "agetty"))
            g->here = true;
    if ((masked && strcmp(masked, "/dev/null") == 0) || (target && strcmp(target, "/dev/null") == 0))
        g->here = false;
    find_autologin(c, preflight_textf(c, "/etc/systemd/system/%s.d", unit));
    find_autologin(c, "/etc/systemd/system/serial-getty@.service.d");
}

/* Root's login is refused on what the file does not have (login(1), pam_securetty(8)). */
static void judge_securetty(struct fc_preflight *c)
{
    char *text = preflight_content(c, "/etc/securetty"), *line;

    if (!text || c->autologin || c->init == PREFLIGHT_INIT_OWN || c->init == PREFLIGHT_INIT_OTHER)
        return;
    while ((line = preflight_line(&text)))
        if (strcmp(line, c->console) == 0)
            return;
    preflight_say(c, FC_PREFLIGHT_CONSOLE_SECURETTY, "/etc/securetty", "it does not have %s", c->console);
}

static const char *console_of(struct fc_preflight *c)
{
    const char *said = preflight_word(c, "console");

    if (!said || !*said)
        return "ttyS0";
    return preflight_textf(c, "%.*s", (int)strcspn(said, ","), said);
}

void preflight_console(struct fc_preflight *c)
{
    struct gettys g = {.c = c};

    c->console = console_of(c);
    if (c->init == PREFLIGHT_INIT_OWN || c->init == PREFLIGHT_INIT_OTHER)
        return;
    if (c->init == PREFLIGHT_INIT_SYSTEMD)
        judge_systemd(&g);
    else
        judge_openrc(&g);
    if (c->init == PREFLIGHT_INIT_TABLE)
        judge_inittab(&g);
    if (!g.here && g.other)
        preflight_say(c, FC_PREFLIGHT_CONSOLE_OTHER, preflight_textf(c, "console=%s", c->console), "the getty is on %s",
                      g.other);
    else if (!g.here)
        preflight_say(c, FC_PREFLIGHT_CONSOLE_GETTY, preflight_textf(c, "console=%s", c->console),
                      "no getty and no shell is started on it");
    if (g.here)
        judge_securetty(c);
}
