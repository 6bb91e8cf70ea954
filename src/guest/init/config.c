/* SPDX-License-Identifier: Apache-2.0 */
/* Read what the guest's init is to run. */
#include "config.h"

#include "json.h"
#include "sys.h"

static char bytes[CONFIG_BYTES];

/* An array of strings. */
static void read_list(struct json *j, char **to, size_t room, size_t *ret_n)
{
    bool first = true;
    size_t n = 0;

    json_enter(j, '[');
    while (json_more(j, ']', &first)) {
        if (n == room)
            j->bad = true;
        else
            to[n++] = json_string(j);
    }
    to[n] = NULL;
    *ret_n = n;
}

static void read_groups(struct json *j, struct config *c)
{
    bool first = true;

    json_enter(j, '[');
    c->n_groups = 0;
    while (json_more(j, ']', &first)) {
        if (c->n_groups == CONFIG_GROUPS)
            j->bad = true;
        else
            c->groups[c->n_groups++] = json_number(j, UINT32_MAX - 1);
    }
}

static void read_member(struct json *j, const char *key, struct config *c)
{
    if (text_same(key, "args"))
        read_list(j, c->args, CONFIG_ARGS, &c->n_args);
    else if (text_same(key, "env"))
        read_list(j, c->env, CONFIG_ENV, &c->n_env);
    else if (text_same(key, "dir"))
        c->dir = json_string(j);
    else if (text_same(key, "console"))
        c->console = json_string(j);
    else if (text_same(key, "uid"))
        c->uid = json_number(j, UINT32_MAX - 1);
    else if (text_same(key, "gid"))
        c->gid = json_number(j, UINT32_MAX - 1);
    else if (text_same(key, "groups"))
        read_groups(j, c);
    else if (text_same(key, "stop_signal"))
        c->stop_signal = json_number(j, 64);
    else if (text_same(key, "stop_seconds"))
        c->stop_seconds = json_number(j, 86400);
    else if (text_same(key, "net"))
        c->address_from_mac = text_same(json_string(j), "mac");
    else
        j->bad = true;
}

bool config_read(const char *path, struct config *c)
{
    struct json j = {.at = bytes};
    bool first = true;
    long n = read_text(path, bytes, sizeof(bytes));

    c->dir = c->console = "";
    c->stop_signal = SIG_TERM;
    c->stop_seconds = 10;
    if (n < 0) {
        say("cannot read ", path, n);
        return false;
    }
    json_enter(&j, '{');
    while (json_more(&j, '}', &first)) {
        const char *key = json_key(&j);

        if (!j.bad)
            read_member(&j, key, c);
    }
    /* A NUL in the file would hide what follows it. */
    if (!json_ended(&j) || j.at != bytes + n) {
        char where[96] = " cannot be understood at byte ";

        text_add_number(where, sizeof(where), (long)(j.at - bytes));
        say(path, where, 0);
        return false;
    }
    if (!c->n_args || !c->args[0][0] || !c->stop_signal) {
        say(path, " names no program to run, or no signal that stops it", 0);
        return false;
    }
    return true;
}
