/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about logging in: root's password or key, and keys of the host that every copy would share. */
#include <string.h>
#include <sys/stat.h>

#include "check/internal.h"

/* Root's password field where it counts: of /etc/shadow, else of /etc/passwd; NULL: there is no root. */
static const char *root_field(struct fc_preflight *c)
{
    static const char *const files[] = {"/etc/shadow", "/etc/passwd"};

    for (size_t i = 0; i < FC_LENGTH(files); i++) {
        char *text = preflight_content(c, files[i]), *line;

        while ((line = preflight_line(&text)))
            if (strncmp(line, "root:", 5) == 0) {
                line[5 + strcspn(line + 5, ":")] = '\0';
                return line + 5;
            }
    }
    return NULL;
}

static bool has_key(struct fc_preflight *c)
{
    static const char *const files[] = {"/root/.ssh/authorized_keys", "/etc/ssh/authorized_keys/root"};

    for (size_t i = 0; i < FC_LENGTH(files); i++) {
        char *text = preflight_content(c, files[i]), *line;

        while ((line = preflight_line(&text)))
            if (*line && *line != '#')
                return true;
    }
    return false;
}

static void judge_root(struct fc_preflight *c)
{
    const char *field;

    if (c->init == PREFLIGHT_INIT_OWN || c->init == PREFLIGHT_INIT_OTHER || c->autologin || has_key(c))
        return;
    field = root_field(c);
    if (!field)
        preflight_say(c, FC_PREFLIGHT_ROOT_LOCKED, "/etc/passwd", "there is no root");
    else if (*field && *field != '$' && strlen(field) < 13)
        preflight_say(c, FC_PREFLIGHT_ROOT_LOCKED, "/etc/shadow", "root's password is locked (%s)", field);
}

static void judge_host_keys(struct fc_preflight *c)
{
    uint32_t n;
    const struct fc_snap_dentry *e = preflight_list(c, "/etc/ssh", &n);

    for (uint32_t i = 0; i < n; i++) {
        const char *name = preflight_textf(c, "%.*s", (int)e[i].name_len, e[i].name);
        size_t len = strlen(name);

        if (strncmp(name, "ssh_host_", 9) == 0 && len > 4 && strcmp(name + len - 4, "_key") == 0)
            preflight_say(c, FC_PREFLIGHT_HOST_KEYS, preflight_textf(c, "/etc/ssh/%s", name), "a private key");
    }
}

void preflight_login(struct fc_preflight *c)
{
    judge_root(c);
    judge_host_keys(c);
}
