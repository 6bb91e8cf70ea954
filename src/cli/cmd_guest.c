/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose guest: make the tree boot as a microVM. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/editor.h"
#include "cli/json.h"
#include "cli/view.h"
#include "guest/guest.h"
#include "workspace/workspace.h"

enum {
    OPT_INIT = CLI_LONG_ONLY,
    OPT_CONSOLE,
    OPT_AUTOLOGIN,
    OPT_HOSTNAME,
    OPT_SSH_KEY,
    OPT_NET,
    OPT_PASSWORD,
    OPT_PASSWORD_FILE,
    OPT_PASSWORD_HASH,
    OPT_HYGIENE,
};
/* Keys and passwords are short. */
enum { FILE_MAX = 1 << 20 };

static const struct cli_option options[] = {
    {OPT_INIT, 0, "init", "auto|openrc|systemd|busybox|oci|none",
     "the first process (default auto: by what the tree has)", 0},
    {OPT_CONSOLE, 0, "console", "DEVICE", "where root logs in (default ttyS0); none: nowhere", 0},
    {OPT_AUTOLOGIN, 0, "autologin", NULL, "log root in on the console without asking", 0},
    {OPT_HOSTNAME, 0, "hostname", "NAME", "what the machine is called", 0},
    {OPT_SSH_KEY, 0, "ssh-key", "FILE", "let root in with these public keys, and start sshd; may be repeated",
     CLI_WORD_FILE},
    {OPT_NET, 0, "net", "kernel|dhcp|mac|none", "how the machine gets its address (default: as the tree has it)", 0},
    {OPT_PASSWORD, 0, "password", "TEXT", "root's password; an empty one lets root in without", 0},
    {OPT_PASSWORD_FILE, 0, "password-file", "FILE", "the same, from the first line of a file (- is standard input)",
     CLI_WORD_FILE},
    {OPT_PASSWORD_HASH, 0, "password-hash", "HASH", "the same, as crypt(5) has it", 0},
    {OPT_HYGIENE, 0, "hygiene", NULL, "take out what no two machines may share", 0},
    {'n', 'n', "dry-run", NULL, "list what would be done", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static const char *const inits[] = {"auto", "openrc", "systemd", "busybox", "oci", "none"};
static const char *const nets[] = {"", "none", "kernel", "dhcp", "mac"};

/* The place of option @id among @n @words; 0 when it was not given. */
static int choice(const struct cli_args *args, int id, const char *what, const char *const *words, size_t n, int *ret,
                  struct fc_error *err)
{
    const char *text = cli_value(args, id), *close;

    *ret = 0;
    for (size_t i = 0; text && i < n; i++) {
        if (*words[i] && strcmp(words[i], text) == 0) {
            *ret = (int)i;
            return 0;
        }
    }
    if (!text)
        return 0;
    close = cli_closest(text, words, n);
    return cli_usage(err, "%s: \"%s\" is none of its choices%s%s%s", what, text, close ? "; did you mean " : "",
                     close ? close : "", close ? "?" : "");
}

/* A file, or standard input. */
static int read_input(const char *what, const char *path, struct fc_buf *ret, struct fc_error *err)
{
    int r = fc_read_file(AT_FDCWD, strcmp(path, "-") == 0 ? "/dev/stdin" : path, FILE_MAX, ret);

    return r < 0 ? fc_fail_errno(err, -r, "%s: cannot read %s", what, path) : 0;
}

static int add_key(struct fc_guest_options *o, const char *line, size_t len, size_t *n)
{
    char **list = realloc(o->ssh_keys, (*n + 2) * sizeof(*list));

    if (!list)
        return -ENOMEM;
    o->ssh_keys = list;
    list[*n + 1] = NULL;
    list[*n] = strndup(line, len);
    return list[(*n)++] ? 0 : -ENOMEM;
}

/* The lines of a file of keys that are keys. */
static int add_keys(struct fc_guest_options *o, const char *path, size_t *n, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    size_t before = *n;
    int r = read_input("--ssh-key", path, &text, err);

    if (r < 0)
        return r;
    for (const char *line = text.data; line && *line && r == 0;) {
        size_t len = strcspn(line, "\r\n");

        if (len && *line != '#')
            r = add_key(o, line, len, n);
        line += len + strspn(line + len, "\r\n");
    }
    if (r < 0)
        return fc_fail_errno(err, -r, "--ssh-key");
    if (text.data && strstr(text.data, "PRIVATE KEY"))
        return fc_fail(err, EINVAL,
                       "--ssh-key: %s is a private key: it is the one that ends in .pub that a machine may have", path);
    return *n == before ? fc_fail(err, EINVAL, "--ssh-key: %s has no keys", path) : 0;
}

static int take_keys(const struct cli_args *args, struct fc_guest_options *o, struct fc_error *err)
{
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; i < args->n && r == 0; i++)
        if (args->args[i].id == OPT_SSH_KEY)
            r = add_keys(o, args->args[i].value, &n, err);
    return r;
}

static int take_password(const struct cli_args *args, struct fc_guest_options *o, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *plain = cli_value(args, OPT_PASSWORD), *file = cli_value(args, OPT_PASSWORD_FILE);
    const char *hash = cli_value(args, OPT_PASSWORD_HASH);
    int r = 0;

    if ((plain != NULL) + (file != NULL) + (hash != NULL) > 1)
        return cli_usage(err, "guest enable: one of --password, --password-file and --password-hash");
    if (file) {
        r = read_input("--password-file", file, &text, err);
        if (r < 0 || fc_buf_adds(&text, "") < 0)
            return r < 0 ? r : fc_fail(err, ENOMEM, "--password-file");
        text.data[strcspn(text.data, "\r\n")] = '\0';
        plain = text.data;
    }
    if (plain && *plain == '$')
        return fc_fail(err, EINVAL,
                       "a password that begins with \"$\" would be taken for a hash: give its hash with "
                       "--password-hash (openssl passwd -6 makes one)");
    if (hash && *hash != '$')
        return fc_fail(err, EINVAL, "--password-hash: hashes begin with \"$\" (openssl passwd -6 makes one)");
    if (!plain && !hash)
        return 0;
    o->password = strdup(plain ? plain : hash);
    return o->password ? 0 : fc_fail(err, ENOMEM, "password");
}

/* The command line as options of the plan. */
static int take_options(const struct cli_args *args, struct fc_guest_options *o, struct fc_error *err)
{
    const char *console = cli_value(args, OPT_CONSOLE), *hostname = cli_value(args, OPT_HOSTNAME);
    int init, net, r = choice(args, OPT_INIT, "--init", inits, FC_LENGTH(inits), &init, err);

    if (r == 0)
        r = choice(args, OPT_NET, "--net", nets, FC_LENGTH(nets), &net, err);
    if (r < 0)
        return r;
    o->init = (enum fc_guest_init)init;
    o->net = (enum fc_guest_net)net;
    o->autologin = cli_has(args, OPT_AUTOLOGIN);
    o->hygiene = cli_has(args, OPT_HYGIENE);
    o->console = console ? strdup(console) : NULL;
    o->hostname = hostname ? strdup(hostname) : NULL;
    if ((console && !o->console) || (hostname && !o->hostname))
        return fc_fail(err, ENOMEM, "options");
    r = take_keys(args, o, err);
    return r < 0 ? r : take_password(args, o, err);
}

/* What was, or would be, done. */
static int list(const struct cli *cli, const struct fc_guest_plan *plan, bool dry, struct fc_error *err)
{
    json_t *actions = json_array(), *notes = json_array();
    const struct fc_guest_action *a;
    const char *note;

    for (size_t i = 0; (a = fc_guest_plan_action(plan, i)); i++) {
        json_t *o = json_object();

        cli_json_name(o, "what", a->what, strlen(a->what));
        cli_json_name(o, "path", a->verb.path, strlen(a->verb.path));
        json_array_append_new(actions, o);
        if (cli->json)
            continue;
        cli_put_name(a->what, strlen(a->what), false);
        putchar('\n');
    }
    for (size_t i = 0; (note = fc_guest_plan_note(plan, i)); i++) {
        json_array_append_new(notes, json_string(note));
        if (!cli->json)
            cli_warn("%s", note);
    }
    if (cli->json)
        return cli_json_print(json_pack("{s:s, s:b, s:o, s:o}", "init", fc_guest_init_name(fc_guest_plan_init(plan)),
                                        "dry_run", dry, "actions", actions, "notes", notes),
                              err);
    if (!json_array_size(actions))
        cli_say(cli, "nothing to do: the tree is so already (init: %s)", fc_guest_init_name(fc_guest_plan_init(plan)));
    json_decref(actions);
    json_decref(notes);
    return cli_flush(err);
}

static int apply(struct cli *cli, const struct fc_guest_plan *plan, struct fc_error *err)
{
    struct cli_editor e __attribute__((cleanup(cli_editor_release_auto))) = {0};
    const struct fc_guest_action *a;
    struct fc_error late = {0};
    int r = fc_guest_plan_action(plan, 0) ? cli_editor_open(cli, &e, err) : 0, r2;

    for (size_t i = 0; r == 0 && (a = fc_guest_plan_action(plan, i)); i++) {
        r = cli_editor_apply(&e, &a->verb, err);
        if (r < 0)
            fc_wrap(err, "%s", a->what);
    }
    r2 = cli_editor_finish(&e, &late);
    if (r == 0 && r2 < 0)
        *err = late;
    return r < 0 ? r : r2;
}

/* The plan for the tree as it is. */
static int make_plan(struct cli *cli, struct fc_guest_options *o, char **ret_config, struct fc_guest_plan **ret,
                     struct fc_error *err)
{
    struct cli_view v = {0};
    int r = cli_view_open(cli, NULL, 0, &v, err);

    if (r == 0)
        r = fc_workspace_config(v.ws, ret_config, err);
    o->config = *ret_config;
    if (r == 0)
        r = fc_guest_plan(v.snapshot, o, ret, err);
    cli_view_release(&v);
    return r;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_guest_plan_free) struct fc_guest_plan *plan = NULL;
    fc_auto(fc_free) char *config = NULL;
    struct fc_guest_options o = {0};
    bool dry = cli_has(args, 'n');
    int r = take_options(args, &o, err);

    if (r == 0)
        r = make_plan(cli, &o, &config, &plan, err);
    if (r == 0 && !dry)
        r = apply(cli, plan, err);
    if (r == 0)
        r = list(cli, plan, dry, err);
    fc_guest_options_release(&o);
    return r;
}

static const struct cli_example enable_examples[] = {
    {"A login on the serial console, as Firecracker's guide does it", "fccompose guest enable --password ''"},
    {"A root shell without a login, and what would be done for it", "fccompose guest enable --autologin --dry-run"},
    {"Reached over ssh, with an address in its MAC address",
     "fccompose guest enable --ssh-key ~/.ssh/id_ed25519.pub --net mac --hygiene"},
    {"The program of an image as all that the machine runs", "fccompose guest enable --init oci --net kernel"},
    {0},
};

static const struct cli_command cmd_guest_enable = {
    .name = "guest enable",
    .group = CLI_GROUP_RECIPE,
    .summary = "Make the tree boot as a microVM",
    .usage = "[OPTIONS]",
    .options = options,
    .about =
        "Edits the tree, mounted or not, and prints a line for each edit; what is so already is left alone, so that a "
        "second call prints nothing and changes nothing. `fccompose reset` undoes it.\n\n"
        "openrc: the services agetty.ttyS0, devfs, procfs and sysfs as Firecracker's guide starts them, and "
        "/etc/securetty. systemd: a getty on the console, multi-user.target, /tmp in memory, the names eth0, eth1, and "
        "neither resolved nor timesyncd, as Firecracker's Ubuntu images have it. busybox: /etc/inittab, and "
        "/etc/init.d/rcS unless there is one. oci: a small init of ours in the place of /sbin/init, which mounts what "
        "a "
        "system needs (tmpfs on /run and /tmp only while these are empty), runs the image's Entrypoint and Cmd with "
        "its "
        "Env, User, WorkingDir and StopSignal as /etc/fccompose-init.json has them, prints "
        "\"fccompose-init: exit status N\" on the console when it ends, and powers off (a reset where the kernel's "
        "command line has reboot=k, as Firecracker's has). auto takes the first of these that the tree has, and oci "
        "where "
        "an image says what to run and there is no init.\n\n"
        "--net kernel: boot with ip=...; /etc/resolv.conf is then the kernel's list. dhcp: the init's own client. mac: "
        "an "
        "interface with the MAC address 06:00:AA:BB:CC:DD gets AA.BB.CC.DD/30, and the first one the default route "
        "through the other address of it. none: takes out what the others put in.\n\n"
        "--password: SHA-512 of crypt(5), which every libc reads. Its salt comes from the tree's lowest layer, so that "
        "the "
        "same input gives the same image; trees of one layer with the same password have the same hash. With "
        "--password-hash it is yours.\n\n"
        "--hygiene: an empty /etc/machine-id; no ssh host keys (new ones are made at boot), random seeds, package "
        "caches, "
        "shell histories; files in /var/log are emptied, and removed when they are rotated ones or journals; "
        "/etc/resolv.conf is emptied when it came with the lowest layer.",
    .examples = enable_examples,
    .max_operands = 0,
    .run = run,
};

static const struct cli_command *const subs[] = {&cmd_guest_enable, NULL};

const struct cli_command cmd_guest = {
    .name = "guest",
    .group = CLI_GROUP_RECIPE,
    .summary = "Make the tree boot as a microVM",
    .usage = "enable ...",
    .subs = subs,
};
