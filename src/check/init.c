/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about init: which one the kernel starts, whether it can run, and what it starts first. */
#include <string.h>
#include <sys/stat.h>

#include "check/internal.h"

/* What the kernel tries without init= (init/main.c). */
static const char *const tried[] = {"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"};

const char *preflight_word(struct fc_preflight *c, const char *name)
{
    const char *found = NULL, *at = c->in->cmdline ? c->in->cmdline : "";
    size_t n = strlen(name);

    while (*(at += strspn(at, " \t\n"))) {
        size_t len = strcspn(at, " \t\n");

        /* What stands behind "--" is init's. */
        if (len == 2 && memcmp(at, "--", 2) == 0)
            break;
        if (len == n && memcmp(at, name, n) == 0)
            found = "";
        else if (len > n && memcmp(at, name, n) == 0 && at[n] == '=')
            found = preflight_textf(c, "%.*s", (int)(len - n - 1), at + n + 1);
        at += len;
    }
    return found;
}

/* By the file @path that @called leads to: a shell is none, though it may be BusyBox, too. */
static enum preflight_init kind_of(struct fc_preflight *c, const char *called, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    size_t len = strlen(called);

    if (len >= 2 && strcmp(called + len - 2, "sh") == 0)
        return PREFLIGHT_INIT_OTHER;
    if (strcmp(name, "systemd") == 0)
        return PREFLIGHT_INIT_SYSTEMD;
    if (strcmp(name, "openrc-init") == 0)
        return PREFLIGHT_INIT_OPENRC;
    if (strcmp(name, "fccompose-init") == 0)
        return PREFLIGHT_INIT_OWN;
    if (strncmp(name, "busybox", 7) == 0 || preflight_has(c, "/etc/inittab", S_IFREG))
        return PREFLIGHT_INIT_TABLE;
    return PREFLIGHT_INIT_OTHER;
}

/* The program that the kernel starts, or NULL when there is none. */
static const char *choose(struct fc_preflight *c)
{
    const char *wanted = preflight_word(c, "init");

    if (wanted && *wanted) {
        struct preflight_place at = preflight_find(c, wanted);

        if (at.mode)
            return wanted;
        preflight_say(c, FC_PREFLIGHT_INIT_MISSING, wanted, "init=%s of the command line is not in the tree%s%s",
                      wanted, strcmp(at.path, wanted) ? ": it leads to " : "", strcmp(at.path, wanted) ? at.path : "");
        return NULL;
    }
    for (size_t i = 0; i < FC_LENGTH(tried); i++)
        if (preflight_find(c, tried[i]).mode)
            return tried[i];
    for (size_t i = 0; i < FC_LENGTH(tried); i++)
        if (preflight_link(c, tried[i])) {
            preflight_say(c, FC_PREFLIGHT_INIT_MISSING, tried[i], "a symlink that leads to %s, which is not there",
                          preflight_find(c, tried[i]).path);
            return NULL;
        }
    preflight_say(c, FC_PREFLIGHT_INIT_MISSING, "/sbin/init",
                  "none of /sbin/init, /etc/init, /bin/init and /bin/sh is there");
    return NULL;
}

/* What every init but ours starts soon: the shell, and who asks for a password. */
static void judge_first(struct fc_preflight *c)
{
    static const char *const programs[] = {"agetty", "login", "udevd"};

    if (c->init == PREFLIGHT_INIT_TABLE || c->init == PREFLIGHT_INIT_OPENRC || c->init == PREFLIGHT_INIT_SYSTEMD) {
        if (c->init != PREFLIGHT_INIT_SYSTEMD && !preflight_has(c, "/bin/sh", S_IFREG))
            preflight_say(c, FC_PREFLIGHT_PROGRAM_MISSING, "/bin/sh", "there is no shell for init's scripts");
        preflight_program(c, "/bin/sh");
    }
    for (size_t i = 0; i < FC_LENGTH(programs); i++) {
        const char *path = preflight_which(c, programs[i]);

        if (path && c->init != PREFLIGHT_INIT_OWN)
            preflight_program(c, path);
    }
}

void preflight_init(struct fc_preflight *c)
{
    const char *path = choose(c);
    struct preflight_place at;

    if (!path)
        return;
    at = preflight_find(c, path);
    if (!S_ISREG(at.mode)) {
        preflight_say(c, FC_PREFLIGHT_INIT_DIRECTORY, path, "it is %s, no file",
                      S_ISDIR(at.mode) ? "a directory" : "something else");
        return;
    }
    preflight_program(c, path);
    if (strcmp(path, "/bin/sh") == 0 && !preflight_word(c, "init"))
        preflight_say(c, FC_PREFLIGHT_INIT_SHELL, path, "none of /sbin/init, /etc/init and /bin/init is there");
    /* It joins two drives, and then starts the usual one. */
    if (strcmp(at.path, "/sbin/overlay-init") == 0 || strcmp(at.path, "/usr/sbin/overlay-init") == 0) {
        at = preflight_find(c, "/sbin/init");
        if (!at.mode)
            preflight_say(c, FC_PREFLIGHT_INIT_MISSING, "/sbin/init", "%s starts it, and it is not there", path);
        preflight_program(c, "/sbin/init");
    }
    c->init = kind_of(c, path, at.path);
    judge_first(c);
}
