/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that root may log in with over ssh, and the server that reads them. */
#include <errno.h>
#include <string.h>

#include "guest/internal.h"

static const char keys_unit[] = "[Unit]\n"
                                "Description=Host keys for ssh that are missing\n"
                                "Before=ssh.service sshd.service ssh.socket sshd.socket\n"
                                "\n"
                                "[Service]\n"
                                "Type=oneshot\n"
                                "ExecStart=%s -A\n"
                                "\n"
                                "[Install]\n"
                                "WantedBy=multi-user.target\n";

/* The home directory of root by /etc/passwd. */
static int root_home(struct fc_guest_plan *p, const char **ret, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *line, *field = NULL;
    size_t len, n = 0;
    int r = guest_content(p, "/etc/passwd", &text, err);

    if (r < 0)
        return r;
    line = guest_line(&text, "root:", &len);
    if (line)
        field = guest_field(line, len, 5, &n);
    *ret = field && n && *field == '/' ? fc_arena_copy(&p->arena, field, n) : "/root";
    return *ret ? 0 : guest_no_memory(err);
}

static int authorize(struct fc_guest_plan *p, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *home, *dir, *path;
    size_t n = 0;
    int r = root_home(p, &home, err);

    if (r < 0)
        return r;
    dir = guest_text(p, "%s/.ssh", home);
    path = guest_text(p, "%s/.ssh/authorized_keys", home);
    if (!dir || !path)
        return guest_no_memory(err);
    r = guest_make_dir(p, dir, 0700, err, "make %s for root alone", dir);
    if (r == 0)
        r = guest_content(p, path, &text, err);
    for (char **key = p->options->ssh_keys; *key && r >= 0; key++) {
        if (guest_has_line(&text, *key, strlen(*key)))
            continue;
        n++;
        r = guest_add_line(&text, *key);
    }
    if (r < 0)
        return r == -ENOMEM ? guest_no_memory(err) : r;
    return guest_put(p, &(struct guest_want){.path = path, .text = text.data, .len = text.len, .mode = 0600}, err,
                     "let root in with %zu ssh key%s", n, n == 1 ? "" : "s");
}

/* Debian makes host keys when its package is installed, and never again: without a unit of ours hygiene would stop sshd. */
static int keys_at_boot(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *keygen = guest_program(p, "ssh-keygen"), *text;
    int r;

    if (!keygen)
        return 0;
    text = guest_text(p, keys_unit, keygen);
    if (!text)
        return guest_no_memory(err);
    r = guest_put(p, &(struct guest_want){.path = "/etc/systemd/system/fccompose-ssh-keys.service", .text = text}, err,
                  "make missing ssh host keys at boot");
    return r < 0 ? r : guest_unit_enable(p, "fccompose-ssh-keys.service", err);
}

static int serve_systemd(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *unit = guest_unit(p, "ssh.service") ? "ssh.service" : "sshd.service";
    int r;

    if (!guest_unit(p, unit))
        return guest_note(p, err, "sshd has no unit of systemd: it is not started");
    r = guest_unit_enable(p, unit, err);
    return r < 0 ? r : keys_at_boot(p, err);
}

static int serve(struct fc_guest_plan *p, struct fc_error *err)
{
    if (p->init == FC_GUEST_SYSTEMD)
        return serve_systemd(p, err);
    if (p->init == FC_GUEST_OPENRC)
        return guest_rc_add(p, "sshd", "default", err);
    return guest_note(p, err, "ssh: nothing starts sshd under this init");
}

/* Whether a server is there that was started before, and whose keys hygiene takes out. */
static bool loses_keys(struct fc_guest_plan *p)
{
    return p->options->hygiene && p->init == FC_GUEST_SYSTEMD &&
           (guest_unit(p, "ssh.service") || guest_unit(p, "sshd.service"));
}

int guest_ssh(struct fc_guest_plan *p, struct fc_error *err)
{
    int r;

    if (!p->options->ssh_keys || !*p->options->ssh_keys)
        return loses_keys(p) ? keys_at_boot(p, err) : 0;
    r = authorize(p, err);
    if (r < 0)
        return r;
    if (!guest_program(p, "sshd"))
        return guest_note(
            p, err,
            "ssh: there is no sshd in the tree; next: fccompose run -- apk add openssh-server, or apt-get "
            "install openssh-server");
    return serve(p, err);
}
