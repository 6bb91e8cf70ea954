/* SPDX-License-Identifier: Apache-2.0 */
/* Run a command in the live tree: a second session of the mount process or, without one, of this process. */
#include "cli/run.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/editor.h"
#include "fuse/fuse.h"
#include "layer/layer.h"
#include "run/run.h"
#include "workspace/workspace.h"

enum { START_TRIES = 100, PAUSE_US = 20 * 1000 };

/** A run. */
struct job {
    struct cli *cli;
    char *dir; /* of the workspace */
    struct cli_editor editor;
    struct fc_cache *cache; /* when we serve ourselves */
    struct fc_workspace *ws;
    struct fc_control *control;
    int fd; /* connection to who serves */
    bool served;
    struct fc_control_session session;
    struct fc_run_options options;
    struct fc_run_bind *binds;
    char **strings; /* of the options: NULL-terminated */
    size_t n_strings, cap_strings;
    const char **env;
};

static void job_release(struct job *j)
{
    fc_close_auto(&j->fd);
    fc_control_free(j->control);
    fc_workspace_free(j->ws);
    fc_cache_free(j->cache);
    free(j->editor.socket);
    free(j->dir);
    for (size_t i = 0; i < j->n_strings; i++)
        free(j->strings[i]);
    free(j->strings);
    free(j->binds);
    free(j->env);
}

/* Keep @text (allocated; NULL: out of memory) until the end. */
static const char *keep(struct job *j, char *text)
{
    if (!text || fc_grow(&j->strings, &j->cap_strings, j->n_strings + 1, sizeof(*j->strings)) < 0) {
        free(text);
        return NULL;
    }
    return j->strings[j->n_strings++] = text;
}

/* SRC:DST[:ro] */
static int take_bind(struct job *j, const char *text, struct fc_run_bind *ret, struct fc_error *err)
{
    const char *colon = strchr(text, ':'), *target = colon ? colon + 1 : "", *more = strchr(target, ':');
    fc_auto(fc_free) char *source = strndup(text, colon ? (size_t)(colon - text) : 0);

    if (!colon || colon == text || *target != '/' || (more && strcmp(more, ":ro") != 0 && strcmp(more, ":rw") != 0))
        return cli_usage(err, "--volume %s: expected SRC:DST or SRC:DST:ro, where DST is an absolute path", text);
    ret->read_only = more && more[1] == 'r' && more[2] == 'o';
    ret->source = keep(j, source ? fc_abspath(source) : NULL);
    ret->target = keep(j, strndup(target, more ? (size_t)(more - target) : strlen(target)));
    return ret->source && ret->target ? 0 : fc_fail_errno(err, ENOMEM, "--volume");
}

/* "K=V", or "K": our own value, if we have one. */
static int take_env(struct job *j, const char *text, size_t *n, struct fc_error *err)
{
    const char *value = strchr(text, '=') ? NULL : getenv(text);
    char *own = NULL;

    if (!*text || *text == '=')
        return cli_usage(err, "--env %s: expected NAME=VALUE", text);
    if (strchr(text, '=')) {
        j->env[(*n)++] = text;
        return 0;
    }
    if (!value)
        return 0;
    if (asprintf(&own, "%s=%s", text, value) < 0)
        own = NULL;
    j->env[*n] = keep(j, own);
    return j->env[(*n)++] ? 0 : fc_fail_errno(err, ENOMEM, "--env");
}

static int take_options(struct job *j, const struct cli_args *args, struct fc_error *err)
{
    const char *net = cli_value(args, OPT_NET), *sync = cli_value(args, OPT_FSYNC);
    size_t n_env = 0;
    int r = 0;

    j->env = calloc(args->n + 1, sizeof(*j->env));
    j->binds = calloc(args->n + 1, sizeof(*j->binds));
    if (!j->env || !j->binds)
        return fc_fail_errno(err, ENOMEM, "options");
    if (net && strcmp(net, "host") != 0 && strcmp(net, "none") != 0)
        return cli_usage(err, "--net=%s: expected host or none", net);
    if (sync && strcmp(sync, "batch") != 0 && strcmp(sync, "strict") != 0)
        return cli_usage(err, "--fsync=%s: expected batch or strict", sync);
    for (size_t i = 0; i < args->n && r == 0; i++) {
        const struct cli_arg *a = &args->args[i];

        if (a->id == 'e')
            r = take_env(j, a->value, &n_env, err);
        else if (a->id == 'v')
            r = take_bind(j, a->value, &j->binds[j->options.n_binds++], err);
    }
    j->session.batch_fsync = !sync || strcmp(sync, "batch") == 0;
    j->options.env = j->env;
    j->options.binds = j->binds;
    j->options.user = cli_value(args, 'u');
    j->options.workdir = cli_value(args, 'w');
    j->options.net = net && strcmp(net, "none") == 0 ? FC_RUN_NET_NONE : FC_RUN_NET_HOST;
    j->options.new_terminal = true;
    return r;
}

/* Without a mount process we are one for a while: other commands find the socket. */
static int serve_ourselves(struct job *j, struct fc_error *err)
{
    struct fc_workspace_options o = {.mode = FC_WORKSPACE_WRITE, .for_mount = true};
    int r = j->cache ? 0 : fc_cache_open(NULL, &j->cache, err);

    if (r == 0)
        r = fc_workspace_open_with(j->dir, j->cache, &o, &j->ws, err);
    if (r < 0)
        return r;
    return fc_control_new(&(struct fc_control_options){.path = j->editor.socket, .live = fc_workspace_live(j->ws)},
                          &j->control, err);
}

static int find_tree(struct job *j, struct fc_error *err)
{
    int r = fc_workspace_find(NULL, &j->dir, err);

    if (r == 0)
        r = fc_workspace_check_owner(j->dir, err);
    if (r < 0)
        return r;
    j->editor.socket = fc_workspace_socket(j->dir);
    return j->editor.socket ? 0 : fc_fail_errno(err, ENOMEM, "%s", j->dir);
}

static int open_tree(struct job *j, struct fc_error *err)
{
    int r = -EBUSY;

    for (int i = 0; i < START_TRIES; i++) {
        j->fd = fc_control_connect(j->editor.socket, NULL);
        if (j->fd >= 0) {
            *err = (struct fc_error){0}; /* of a try before */
            return 0;
        }
        r = serve_ourselves(j, err);
        if (r != -EBUSY || j->ws)
            break;
        usleep(PAUSE_US); /* another command may have the workspace, but not yet its socket */
    }
    if (r < 0)
        return r;
    *err = (struct fc_error){0};
    j->fd = fc_control_connect(j->editor.socket, err);
    return j->fd < 0 ? j->fd : 0;
}

static int serve(void *arg, const struct fc_run_session *session, struct fc_error *err)
{
    struct job *j = arg;
    int r;

    j->session.single_id = session->single_id;
    r = fc_control_serve(j->fd, &j->session, session->fuse_fd, err);
    j->served = r == 0;
    return r;
}

static int place(void *arg, const struct fc_run_place *p, struct fc_error *err)
{
    const struct job *j = arg;

    return fc_control_place(j->fd, p->parent, p->name, p->directory, err);
}

static int edit(void *arg, const struct fc_run_edit *e)
{
    struct job *j = arg;

    return cli_editor_run_edit(&j->editor, e);
}

static void without(void *arg, const char *why)
{
    (void)arg;
    cli_warn("device nodes and trusted.* attributes that the command makes are refused: %s", why);
}

/* The usual case is worth no words. */
static void mapped(void *arg, const char *how)
{
    const struct job *j = arg;

    if (strncmp(how, "only", 4) == 0)
        cli_say(j->cli, "users and groups: %s; who else owns something in the tree is shown as root", how);
    else if (j->cli->verbose)
        cli_say(j->cli, "users and groups: %s", how);
}

/* Commands that came later are served by us, so they end first. */
static int wait_for_others(const struct job *j, struct fc_error *err)
{
    struct fc_control_info info;

    for (bool told = false;; told = true) {
        int r = fc_control_info(j->fd, &info, err), n;

        if (r < 0)
            return r;
        n = info.n_sessions;
        fc_control_info_release(&info);
        if (n == 0)
            return 0;
        if (!told)
            cli_say(j->cli, "waiting for other commands in the tree");
        usleep(PAUSE_US);
    }
}

/* Whatever became of the command: what it did is committed, and durable. */
static int finish(struct job *j, struct fc_error *err)
{
    int r = j->served ? fc_control_served(j->fd, err) : 0;

    if (r == 0 && j->ws)
        r = wait_for_others(j, err);
    if (r == 0 && j->ws)
        r = fc_workspace_sync(j->ws, err);
    return r < 0 ? fc_wrap(err, "the command has ended, but what it changed is not safe") : 0;
}

/* A command that served the tree may end just as we come: then it is asked for anew. */
static int run_in_tree(struct job *j, struct fc_error *err)
{
    for (int i = 0;; i++) {
        int r = open_tree(j, err);

        if (r == 0)
            r = fc_run(&j->options, err);
        if (r != -ECONNRESET || j->served || j->ws || i == START_TRIES)
            return r;
        fc_close_auto(&j->fd);
        j->fd = -1;
        *err = (struct fc_error){0};
    }
}

int cli_run(struct cli *cli, const struct cli_args *args, const char *const *argv, struct fc_error *err)
{
    struct job j __attribute__((cleanup(job_release))) = {.cli = cli, .fd = -1};
    struct fc_error late = {0};
    int r = take_options(&j, args, err), r2;

    if (r == 0)
        r = find_tree(&j, err);
    if (r < 0)
        return r;
    j.options.argv = argv;
    j.options.serve = serve;
    j.options.place = place;
    j.options.edit = edit;
    j.options.without = without;
    j.options.mapped = mapped;
    j.options.arg = &j;
    r = run_in_tree(&j, err);
    r2 = finish(&j, &late);
    if (r >= 0 && err->code) { /* 126 and 127 have words */
        cli_print_error(cli, err);
        *err = (struct fc_error){0};
    }
    if (r >= 0 && r2 < 0) {
        *err = late;
        return r2;
    }
    return r;
}
