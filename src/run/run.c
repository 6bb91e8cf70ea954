/* SPDX-License-Identifier: Apache-2.0 */
/* Run a command in a live tree: the part of the caller's process. */
#include "run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/internal.h"

/* run_once() returns it when the user's ranges cannot be used after all; no errno has this number. */
enum { TRY_SINGLE = 100001 };

/* Signals that the command gets in our place. SIGUSR1 is not among them: threads that serve the tree use it. */
static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR2, SIGWINCH};
/** What was there before. */
struct old_signals {
    struct sigaction actions[FC_LENGTH(forwarded)];
};

/* Handlers have no argument, so this one word must be global: the pipe to write to, or -1. */
static atomic_int signal_pipe = -1;

static void on_signal(int sig)
{
    int code = errno, fd = atomic_load(&signal_pipe);
    unsigned char byte = (unsigned char)sig;

    if (fd >= 0 && write(fd, &byte, 1) < 0) {
        /* the pipe is full of signals */
    }
    errno = code;
}

/* What the caller ignores stays ignored. */
static void signals_install(struct old_signals *ret, int fd)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    atomic_store(&signal_pipe, fd);
    for (size_t i = 0; i < FC_LENGTH(forwarded); i++) {
        sigaction(forwarded[i], NULL, &ret->actions[i]);
        if (ret->actions[i].sa_handler != SIG_IGN)
            sigaction(forwarded[i], &action, NULL);
    }
}

static void signals_restore(const struct old_signals *old)
{
    for (size_t i = 0; i < FC_LENGTH(forwarded); i++)
        sigaction(forwarded[i], &old->actions[i], NULL);
    atomic_store(&signal_pipe, -1);
}

static int answer(struct run *r, int code, const struct fc_error *err)
{
    struct run_msg m = {.kind = RUN_GO, .code = code < 0 ? -code : 0};

    if (code < 0)
        memcpy(m.text, err->msg, sizeof(m.text));
    return run_send(r->parent_fd, &m, -1);
}

static int map_ids(struct run *r, struct fc_error *err)
{
    int e = run_ids_apply(&r->ids, r->stage, err);

    if (e < 0 && !r->ids.single && !r->ids.as_root)
        return -TRY_SINGLE; /* err says why */
    if (e == 0 && r->o->mapped)
        r->o->mapped(r->o->arg, r->ids.how);
    return answer(r, e, err);
}

static void serve(struct run *r, int fd)
{
    const struct fc_run_session s = {.fuse_fd = fd, .single_id = r->ids.single};
    struct fc_error err = {0};

    answer(r, r->o->serve(r->o->arg, &s, &err), &err);
}

static void place(struct run *r, const struct run_msg *m)
{
    const struct fc_run_place p = {.parent = m->number, .name = m->text, .directory = m->flag};
    struct fc_error err = {0};

    answer(r, r->o->place(r->o->arg, &p, &err), &err);
}

/*
 * Whether the message has its time. Once the command exists, it may be the one who speaks: what is in its namespaces it may
 * come to control, and it must not have us kill another process, or serve and relay what it likes.
 */
static bool is_expected(const struct run *r, const struct run_terminal *t, enum run_kind kind)
{
    if (r->started)
        return kind == RUN_WORDS || kind == RUN_EXIT;
    return (kind != RUN_CHILD || r->init == 0) && (kind != RUN_TERMINAL || (r->terminal && !t->on));
}

/* Returns 0, or a failure for which the run ends. */
static int handle(struct run *r, const struct run_msg *m, int *fd, struct run_terminal *t, struct fc_error *err)
{
    if (!is_expected(r, t, (enum run_kind)m->kind))
        return 0;
    switch ((enum run_kind)m->kind) {
    case RUN_UNSHARED:
        return map_ids(r, err);
    case RUN_CHILD:
        r->init = m->code;
        break;
    case RUN_FUSE:
        serve(r, *fd);
        break;
    case RUN_PLACE:
        place(r, m);
        break;
    case RUN_TERMINAL:
        return run_terminal_begin(t, fc_steal_fd(fd), err);
    case RUN_STARTED:
        r->started = true;
        break;
    case RUN_WORDS:
        fc_fail(&r->words, m->code, "%s", m->text);
        break;
    case RUN_EXIT:
        r->status = m->code;
        break;
    case RUN_FAIL:
        return fc_fail(err, m->code, "%s", m->text);
    default:
        break;
    }
    return 0;
}

static int take_message(struct run *r, struct run_terminal *t, bool *end, struct fc_error *err)
{
    fc_auto(fc_close) int fd = -1;
    struct run_msg m;
    int e = run_receive(r->parent_fd, &m, &fd);

    if (e <= 0) {
        *end = true;
        return e < 0 ? fc_fail_errno(err, -e, "cannot hear the command") : 0;
    }
    return handle(r, &m, &fd, t, err);
}

/* Before there is a command a signal ends the run. */
static int take_signal(struct run *r, const struct run_terminal *t, struct fc_error *err)
{
    struct run_msg m = {.kind = RUN_SIGNAL};
    unsigned char sig;

    if (read(r->signal_fd, &sig, 1) != 1)
        return 0;
    m.code = sig;
    if (sig == SIGWINCH) {
        run_terminal_resize(t);
    } else if (r->started) {
        run_send(r->parent_fd, &m, -1);
    } else {
        r->status = 128 + sig;
        return fc_fail(err, ECANCELED, "interrupted before the command started");
    }
    return 0;
}

/* Until everything in the namespaces is gone. */
static int relay(struct run *r, struct run_terminal *t, struct fc_error *err)
{
    bool end = false;
    int e = 0;

    while (!end && e == 0) {
        struct pollfd p[4] = {{.fd = r->parent_fd, .events = POLLIN},
                              {.fd = r->signal_fd, .events = POLLIN},
                              {.fd = t->on && !t->input_ended ? 0 : -1, .events = POLLIN},
                              {.fd = t->on ? t->master : -1, .events = POLLIN}};

        if (poll(p, 4, -1) < 0)
            continue;
        if (p[1].revents)
            e = take_signal(r, t, err);
        if (t->on && (p[2].revents || p[3].revents))
            run_terminal_move(t, p[2].revents, p[3].revents & POLLIN);
        if (e == 0 && p[0].revents)
            e = take_message(r, t, &end, err);
    }
    return e;
}

static void reap(struct run *r, bool by_force)
{
    const pid_t pids[] = {r->stage, r->init};

    for (size_t i = 0; i < FC_LENGTH(pids); i++) {
        if (pids[i] <= 0)
            continue;
        if (by_force)
            kill(pids[i], SIGKILL);
        while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
            continue;
    }
}

static int supervise(struct run *r, struct fc_error *err)
{
    const struct fc_supervise_options o = {.edit = r->o->edit, .without = r->o->without, .arg = r->o->arg};

    return r->o->edit ? fc_supervise_open(&o, &r->supervise, err) : 0;
}

/* The descriptors that the child keeps; all others are the caller's: locks, a database, connections. */
static void close_others(const struct run *r)
{
    int keep[12] = {0, 1, 2, r->child_fd, r->o->out_fd, r->o->err_fd}, n = 6;
    int last = -1;

    if (r->supervise)
        n += fc_supervise_descriptors(r->supervise, keep + n);
    for (;;) {
        int next = INT32_MAX;

        for (int i = 0; i < n; i++)
            if (keep[i] > last && keep[i] < next)
                next = keep[i];
        if (next - last > 1)
            close_range((unsigned)last + 1, next == INT32_MAX ? ~0u : (unsigned)next - 1, 0);
        if (next == INT32_MAX)
            return;
        last = next;
    }
}

static int start(struct run *r, struct fc_error *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return fc_fail_errno(err, errno, "cannot make a socket");
    r->parent_fd = pair[0];
    r->child_fd = pair[1];
    r->stage = fork();
    if (r->stage == 0) {
        close(r->parent_fd);
        close_others(r);
        run_stage(r);
    }
    if (r->stage < 0)
        return fc_fail_errno(err, errno, "cannot start a process");
    close(fc_steal_fd(&r->child_fd));
    return r->supervise ? fc_supervise_start(r->supervise, err) : 0;
}

static int run_once(struct run *r, struct fc_error *err)
{
    struct run_terminal t = {0};
    int e = supervise(r, err);

    r->parent_fd = r->child_fd = -1;
    if (e == 0)
        e = start(r, err);
    if (e == 0)
        e = relay(r, &t, err);
    reap(r, e < 0);
    run_terminal_end(&t);
    fc_supervise_free(fc_steal(&r->supervise));
    fc_close_auto(&r->parent_fd);
    fc_close_auto(&r->child_fd);
    r->stage = r->init = 0;
    return e;
}

static int conclude(struct run *r, int e, struct fc_error *err)
{
    if (e < 0 && r->status >= 0) /* interrupted */
        return r->status;
    if (e < 0)
        return e;
    if (r->status < 0)
        return fc_fail(err, EIO, "the command's processes were killed from outside");
    if (r->words.code)
        *err = r->words;
    return r->status;
}

int fc_run(const struct fc_run_options *options, struct fc_error *err)
{
    struct run r = {.o = options, .status = -1, .root_fd = -1, .proc_fd = -1, .slave_fd = -1, .signal_fd = -1};
    struct fc_error own = {0};
    struct old_signals old;
    int e = run_ids_plan(&r.ids, &own), ends[2] = {-1, -1};

    if (e == 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        e = fc_fail_errno(&own, errno, "cannot make a pipe");
    if (e == 0) {
        r.terminal = options->new_terminal && run_terminal_wanted();
        r.signal_fd = ends[0];
        signals_install(&old, ends[1]);
        e = run_once(&r, &own);
        if (e == -TRY_SINGLE) {
            run_ids_single(&r.ids, own.msg);
            e = run_once(&r, &own);
        }
        signals_restore(&old);
    }
    e = conclude(&r, e, &own);
    if (err && own.code && (e < 0 || r.words.code))
        *err = own;
    fc_close_auto(&ends[0]);
    fc_close_auto(&ends[1]);
    run_ids_release(&r.ids);
    return e;
}
