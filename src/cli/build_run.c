/* SPDX-License-Identifier: Apache-2.0 */
/* Run a step's command: a FUSE session of ours over the step's tree; its output goes to a file, whose end a failure shows. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "cli/build.h"
#include "cli/editor.h"
#include "fuse/fuse.h"
#include "run/run.h"

enum { SHOWN = 8192, SHOWN_LINES = 20 };

/* A command under way. */
struct session {
    struct build_run *run;
    const struct fc_recipe_build_command *command;
    struct fc_mount *mount;
};

static int serve(void *arg, const struct fc_run_session *session, struct fc_error *err)
{
    struct session *s = arg;
    const struct fc_session_options o = {
        .live = s->command->live,
        .fuse_fd = session->fuse_fd,
        .dir = s->command->dir,
        .single_id = session->single_id,
        .batch_fsync = true, /* nothing of it lasts but the layer, which is synced */
    };

    return fc_session_new(&o, &s->mount, err);
}

static int place(void *arg, const struct fc_run_place *p, struct fc_error *err)
{
    const struct session *s = arg;

    return fc_session_place(s->mount, p->parent, p->name, p->directory, err);
}

static int edit(void *arg, const struct fc_run_edit *e)
{
    const struct session *s = arg;
    struct fc_verb verb;

    return cli_run_edit_verb(e, &verb) ? fc_verb_apply(s->command->live, &verb, NULL) : -EOPNOTSUPP;
}

static void without(void *arg, const char *why)
{
    const struct session *s = arg;

    if (!s->run->said)
        cli_warn("device nodes and trusted.* attributes that a command makes are refused: %s", why);
}

static void mapped(void *arg, const char *how)
{
    const struct session *s = arg;

    if (!s->run->said && strncmp(how, "only", 4) == 0)
        cli_say(s->run->cli, "users and groups: %s; who else owns something in the tree is shown as root", how);
    s->run->said = true;
}

/* The last lines of the output, to stderr. */
static void show_end(int fd)
{
    char text[SHOWN + 1];
    off_t size = lseek(fd, 0, SEEK_END), from = size > SHOWN ? size - SHOWN : 0;
    ssize_t n = size > 0 ? fc_pread_full(fd, text, SHOWN, (uint64_t)from) : 0;
    const char *start = text;
    unsigned lines = 0;

    if (n <= 0)
        return;
    text[n] = '\0';
    for (const char *p = text + n - 1; p > text && lines <= SHOWN_LINES; p--) {
        lines += p[-1] == '\n';
        if (lines == SHOWN_LINES)
            start = p;
    }
    cli_progress_hide();
    fwrite(start, 1, (size_t)(text + n - start), stderr);
    if (text[n - 1] != '\n')
        fputc('\n', stderr);
}

static struct fc_run_bind *make_binds(const struct fc_recipe_build_command *c)
{
    struct fc_run_bind *binds = calloc(c->n_binds + 1, sizeof(*binds));

    for (size_t i = 0; binds && i < c->n_binds; i++)
        binds[i] = (struct fc_run_bind){c->binds[i].source, c->binds[i].target, c->binds[i].read_only};
    return binds;
}

static int open_log(const struct fc_recipe_build_command *c, bool verbose, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    int fd;

    if (verbose)
        return 2;
    if (asprintf(&path, "%s/output", c->dir) < 0) {
        path = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    return fd < 0 ? fc_fail_errno(err, errno, "%s", path) : fd;
}

int build_run(void *arg, const struct fc_recipe_build_command *command, struct fc_error *err)
{
    struct session s = {arg, command, NULL};
    fc_auto(fc_free) struct fc_run_bind *binds = make_binds(command);
    int log = open_log(command, s.run->cli->verbose, err), r;
    const struct fc_run_options o = {
        .argv = command->argv,
        .env = (const char *const *)command->step->env.items,
        .user = command->step->user,
        .workdir = command->step->workdir,
        .net = command->step->net == FC_RECIPE_NET_HOST ? FC_RUN_NET_HOST : FC_RUN_NET_NONE,
        .binds = binds,
        .n_binds = command->n_binds,
        .out_fd = log,
        .err_fd = log,
        .serve = serve,
        .place = place,
        .edit = edit,
        .arg = &s,
        .without = without,
        .mapped = mapped,
    };

    if (log < 0 || !binds)
        return log < 0 ? log : fc_fail(err, ENOMEM, "out of memory");
    r = fc_run(&o, err);
    if (s.mount) {
        fc_session_wait(s.mount);
        fc_mount_free(s.mount);
    }
    if (log != 2) {
        if (r != 0)
            show_end(log);
        close(log);
    }
    return r;
}
