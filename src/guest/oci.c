/* SPDX-License-Identifier: Apache-2.0 */
/* The image's own program as the guest's work: our init, and its configuration made of the image's. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/init/config.h"
#include "guest/internal.h"
#include "guest/oci.h"

#define INIT_PATH "/sbin/fccompose-init"

static void json_free_auto(json_t **j) { json_decref(*j); }

static json_t *settings_of(const json_t *config) { return json_object_get(config, "config"); }

static size_t list_size(const json_t *settings, const char *key)
{
    return json_array_size(json_object_get(settings, key));
}

bool guest_has_entrypoint(const char *config)
{
    json_t *root __attribute__((cleanup(json_free_auto))) =
        config ? json_loads(config, JSON_REJECT_DUPLICATES, NULL) : NULL;

    return list_size(settings_of(root), "Entrypoint") || list_size(settings_of(root), "Cmd");
}

/* Append the strings of @from to @to. */
static int add_strings(json_t *to, const json_t *from, const char *key, size_t max, struct fc_error *err)
{
    const json_t *s;
    size_t i;

    json_array_foreach(from, i, s)
    {
        if (!json_is_string(s) || strlen(json_string_value(s)) != json_string_length(s))
            return fc_fail(err, EBADMSG, "image configuration: %s[%zu] is no text", key, i);
        if (json_array_size(to) == max)
            return fc_fail(err, E2BIG, "image configuration: more than %zu of %s", max, key);
        if (json_array_append(to, (json_t *)(uintptr_t)s) < 0)
            return guest_no_memory(err);
    }
    return 0;
}

/* Entrypoint and Cmd, one after the other (image-spec, config.md). */
static int add_args(json_t *to, const json_t *settings, struct fc_error *err)
{
    int r = add_strings(to, json_object_get(settings, "Entrypoint"), "Entrypoint", CONFIG_ARGS, err);

    if (r == 0)
        r = add_strings(to, json_object_get(settings, "Cmd"), "Cmd", CONFIG_ARGS, err);
    if (r == 0 && !json_array_size(to))
        return fc_fail(err, EINVAL,
                       "oci: the image's configuration has neither Entrypoint nor Cmd: nothing says what to run");
    return r;
}

static bool has_variable(const json_t *env, const char *name)
{
    const json_t *s;
    size_t i, n = strlen(name);

    json_array_foreach(env, i, s)
    {
        if (strncmp(json_string_value(s), name, n) == 0)
            return true;
    }
    return false;
}

/* What container tools add when the image does not say it. */
static int add_env(json_t *to, const json_t *settings, const struct guest_user *user, struct fc_error *err)
{
    int r = add_strings(to, json_object_get(settings, "Env"), "Env", CONFIG_ENV - 2, err);

    if (r < 0)
        return r;
    if (!has_variable(to, "PATH="))
        r = json_array_append_new(to, json_string("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    if (r == 0 && !has_variable(to, "HOME="))
        r = json_array_append_new(to, json_sprintf("HOME=%s", user->home));
    return r < 0 ? guest_no_memory(err) : 0;
}

/* "SIGQUIT", "QUIT", "3", "SIGRTMIN+3". Returns 0 when it is none. */
static unsigned signal_of(const char *text)
{
    const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
    char *end;
    unsigned long n = strtoul(name, &end, 10);

    if (*name >= '0' && *name <= '9')
        return !*end && n <= 64 ? (unsigned)n : 0;
    if (strncmp(name, "RTMIN", 5) == 0) {
        n = name[5] == '+' ? strtoul(name + 6, &end, 10) : 0;
        return (name[5] == '\0' || (name[5] == '+' && name[6] && !*end)) && n <= 30 ? 34 + (unsigned)n : 0;
    }
    for (int i = 1; i < 32; i++)
        if (sigabbrev_np(i) && strcmp(sigabbrev_np(i), name) == 0)
            return (unsigned)i;
    return 0;
}

static int add_stop_signal(json_t *to, const json_t *settings, struct fc_error *err)
{
    const char *text = json_string_value(json_object_get(settings, "StopSignal"));
    unsigned n = text && *text ? signal_of(text) : 15;

    if (!n)
        return fc_fail(err, EBADMSG, "image configuration: StopSignal \"%s\" is no signal", text);
    return json_object_set_new(to, "stop_signal", json_integer(n)) < 0 ? guest_no_memory(err) : 0;
}

static int add_user(json_t *to, const struct guest_user *user, struct fc_error *err)
{
    json_t *groups = json_array();
    int r = groups ? 0 : -1;

    for (size_t i = 0; i < user->n_groups && r == 0; i++)
        r = json_array_append_new(groups, json_integer(user->groups[i]));
    if (r == 0)
        r = json_object_set_new(to, "uid", json_integer(user->uid));
    if (r == 0)
        r = json_object_set_new(to, "gid", json_integer(user->gid));
    if (json_object_set_new(to, "groups", groups) < 0)
        r = -1;
    return r < 0 ? guest_no_memory(err) : 0;
}

/* The directory that the program starts in, and those that are to be there for it. */
static int make_dirs(struct fc_guest_plan *p, const json_t *settings, struct fc_error *err)
{
    const char *dir = json_string_value(json_object_get(settings, "WorkingDir")), *volume;
    json_t *ignored;
    int r = dir && *dir ? guest_make_dir(p, dir, 0, err, "make the working directory %s", dir) : 0;

    json_object_foreach((json_t *)(uintptr_t)json_object_get(settings, "Volumes"), volume, ignored)
    {
        if (r == 0 && *volume)
            r = guest_make_dir(p, volume, 0, err, "make the volume's directory %s", volume);
    }
    return r;
}

static int fill(struct fc_guest_plan *p, const json_t *settings, json_t *to, struct fc_error *err)
{
    const char *dir = json_string_value(json_object_get(settings, "WorkingDir"));
    json_t *args = json_array(), *env = json_array();
    struct guest_user user;
    int r =
        json_object_set_new(to, "args", args) < 0 || json_object_set_new(to, "env", env) < 0 ? guest_no_memory(err) : 0;

    if (r == 0)
        r = guest_user_find(p, json_string_value(json_object_get(settings, "User")), &user, err);
    if (r == 0)
        r = add_args(args, settings, err);
    if (r == 0)
        r = add_env(env, settings, &user, err);
    if (r == 0 && json_object_set_new(to, "dir", json_string(dir && *dir ? dir : "/")) < 0)
        r = guest_no_memory(err);
    if (r == 0)
        r = add_user(to, &user, err);
    if (r == 0)
        r = add_stop_signal(to, settings, err);
    if (r == 0 && p->options->console &&
        json_object_set_new(to, "console", json_string(p->console ? p->console : "none")) < 0)
        r = guest_no_memory(err);
    if (r == 0 && p->options->net == FC_GUEST_NET_MAC && json_object_set_new(to, "net", json_string("mac")) < 0)
        r = guest_no_memory(err);
    return r;
}

static int put_config(struct fc_guest_plan *p, const json_t *settings, struct fc_error *err)
{
    json_t *to __attribute__((cleanup(json_free_auto))) = json_object();
    fc_auto(fc_free) char *text = NULL;
    const char *line;
    int r = to ? fill(p, settings, to, err) : guest_no_memory(err);

    if (r < 0)
        return r;
    text = json_dumps(to, JSON_INDENT(2));
    line = text ? guest_text(p, "%s\n", text) : NULL;
    if (!line)
        return guest_no_memory(err);
    if (strlen(line) >= CONFIG_BYTES)
        return fc_fail(err, E2BIG, "oci: the image's configuration is too long for our init");
    return guest_put(p, &(struct guest_want){.path = CONFIG_PATH, .text = line}, err,
                     "tell it what to run (" CONFIG_PATH ")");
}

static int put_init(struct fc_guest_plan *p, const char *arch, struct fc_error *err)
{
    size_t size;
    const void *program = guest_init_program(arch, &size);
    const char *target, *text;
    int r;

    if (!program)
        return fc_fail(
            err, EOPNOTSUPP,
            "oci: this build of fccompose has no init for %s; next: build it with %s-linux-gnu-gcc installed", arch,
            arch);
    r = guest_put(p, &(struct guest_want){.path = INIT_PATH, .text = program, .len = size, .mode = 0755}, err,
                  "have fccompose's init (" INIT_PATH ")");
    if (r < 0)
        return r;
    target = strrchr(INIT_PATH, '/') + 1;
    text = guest_link_text(p, "/sbin/init");
    return guest_link(p, "/sbin/init", target, err, "make it the first process (/sbin/init%s%s)",
                      text ? ", which was " : "", text ? text : "");
}

int guest_oci(struct fc_guest_plan *p, struct fc_error *err)
{
    json_t *root __attribute__((cleanup(json_free_auto))) = NULL;
    json_error_t why;
    const char *arch;
    int r;

    if (p->init != FC_GUEST_OCI)
        return 0;
    if (!p->options->config)
        return fc_fail(err, EINVAL,
                       "oci: no image's configuration says what to run: it comes with an image (docker:, oci:), or "
                       "from fccompose config");
    root = json_loads(p->options->config, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        return fc_fail(err, EBADMSG, "image configuration: %s", why.text);
    arch =
        p->options->arch ? p->options->arch : guest_arch(p, json_string_value(json_object_get(root, "architecture")));
    r = put_init(p, arch, err);
    if (r == 0)
        r = put_config(p, settings_of(root), err);
    return r < 0 ? r : make_dirs(p, settings_of(root), err);
}
