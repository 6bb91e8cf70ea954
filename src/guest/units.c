/* SPDX-License-Identifier: Apache-2.0 */
/* Enable and disable units of systemd by the links that systemctl(1) makes and removes. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/internal.h"

#define LOCAL "/etc/systemd/system"
/* Units may name others with Also=, in a ring too. */
enum { MAX_ALSO = 8 };

static int find_old_prefix(struct fc_guest_plan *p, void *arg, const char *path, const struct fc_snap_inode *inode,
                           struct fc_error *err)
{
    if (S_ISLNK(inode->mode) && strncmp(inode->target, "/lib/systemd/system/", 20) == 0)
        *(bool *)arg = true;
    return S_ISDIR(inode->mode) && strstr(path, ".wants") ? guest_each(p, path, find_old_prefix, arg, err) : 0;
}

const char *guest_unit_dir(struct fc_guest_plan *p)
{
    bool old = false;

    guest_each(p, LOCAL, find_old_prefix, &old, NULL);
    return old || !guest_has(p, "/usr/lib/systemd/system", S_IFDIR) ? "/lib/systemd/system" : "/usr/lib/systemd/system";
}

/* "a@b.service" is an instance of "a@.service". */
static const char *template_of(struct fc_guest_plan *p, const char *name)
{
    const char *at = strchr(name, '@'), *dot = strrchr(name, '.');

    return at && dot && dot > at + 1 ? guest_text(p, "%.*s%s", (int)(at + 1 - name), name, dot) : name;
}

const char *guest_unit(struct fc_guest_plan *p, const char *name)
{
    const char *folders[] = {LOCAL, guest_unit_dir(p), "/lib/systemd/system", "/usr/lib/systemd/system"};
    const char *file = template_of(p, name);

    for (size_t i = 0; i < FC_LENGTH(folders) && file; i++) {
        const char *path = guest_text(p, "%s/%s", folders[i], file);

        /* A link there is an alias, or the mask to /dev/null: neither is the unit's own file. */
        if (path && guest_has(p, path, S_IFREG) && (i || !guest_link_text(p, path)))
            return path;
    }
    return NULL;
}

/* One link of [Install]. */
static int install(struct fc_guest_plan *p, const char *name, const char *file, const char *key, const char *value,
                   struct fc_error *err)
{
    const char *path = NULL;

    if (strcmp(key, "WantedBy") == 0)
        path = guest_text(p, LOCAL "/%s.wants/%s", value, name);
    else if (strcmp(key, "RequiredBy") == 0)
        path = guest_text(p, LOCAL "/%s.requires/%s", value, name);
    else if (strcmp(key, "UpheldBy") == 0)
        path = guest_text(p, LOCAL "/%s.upholds/%s", value, name);
    else if (strcmp(key, "Alias") == 0 && strcmp(value, name) != 0)
        path = guest_text(p, LOCAL "/%s", value);
    else
        return 0;
    if (!path)
        return guest_no_memory(err);
    /* Of a name that is a path nobody could say where the link would go. */
    if (strchr(value, '/'))
        return fc_fail(err, EBADMSG, "unit %s: \"%s=%s\" is no unit", name, key, value);
    return guest_link(p, path, file, err, strcmp(key, "Alias") == 0 ? "call unit %s also %s" : "start unit %s (%s)",
                      name, value);
}

static int enable(struct fc_guest_plan *p, const char *name, int depth, struct fc_error *err);

static int install_line(struct fc_guest_plan *p, const char *name, const char *file, char *line, int depth,
                        struct fc_error *err)
{
    char *equals = strchr(line, '='), *state = NULL;
    int r = 0;

    if (!equals || *line == '#' || *line == ';')
        return 0;
    *equals = '\0';
    line[strcspn(line, " \t")] = '\0';
    for (char *w = strtok_r(equals + 1, " \t", &state); w && r == 0; w = strtok_r(NULL, " \t", &state)) {
        if (strcmp(line, "Also") != 0)
            r = install(p, name, file, line, w, err);
        else if (depth < MAX_ALSO && guest_unit(p, w))
            r = enable(p, w, depth + 1, err);
    }
    return r;
}

static int enable(struct fc_guest_plan *p, const char *name, int depth, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *file = guest_unit(p, name);
    bool inside = false;
    char *state = NULL;
    int r;

    if (!file)
        return fc_fail(err, EOPNOTSUPP, "the tree has no unit %s", name);
    r = guest_content(p, file, &text, err);
    if (r <= 0 || !text.data)
        return r;
    for (char *line = strtok_r(text.data, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        if (*line == '[')
            inside = strncmp(line, "[Install]", 9) == 0;
        else if (inside)
            r = install_line(p, name, file, line, depth, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int guest_unit_enable(struct fc_guest_plan *p, const char *name, struct fc_error *err)
{
    const char *local = guest_text(p, LOCAL "/%s", name), *mask = local ? guest_link_text(p, local) : NULL;

    if (mask && strcmp(mask, "/dev/null") == 0)
        return guest_note(p, err, "unit %s is masked: it is not started", name);
    return enable(p, name, 0, err);
}

/* Links to the unit, or to another name of it: by what they are called or lead to. */
static int disable_link(struct fc_guest_plan *p, void *arg, const char *path, const struct fc_snap_inode *inode,
                        struct fc_error *err)
{
    const char *unit = arg, *name = strrchr(path, '/') + 1, *slash;

    if (S_ISDIR(inode->mode))
        return strstr(name, ".wants") || strstr(name, ".requires") || strstr(name, ".upholds")
                   ? guest_each(p, path, disable_link, arg, err)
                   : 0;
    if (!S_ISLNK(inode->mode) || strcmp(inode->target, "/dev/null") == 0)
        return 0;
    slash = strrchr(inode->target, '/');
    if (strcmp(name, unit) != 0 && strcmp(slash ? slash + 1 : inode->target, unit) != 0)
        return 0;
    return guest_drop(p, path, err, "do not start unit %s (%s)", unit, path);
}

int guest_unit_disable(struct fc_guest_plan *p, const char *name, struct fc_error *err)
{
    return guest_each(p, LOCAL, disable_link, (void *)(uintptr_t)name, err);
}
