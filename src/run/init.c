/* SPDX-License-Identifier: Apache-2.0 */
/* The first process of a run's pid namespace: starts the command, passes signals on, reaps, tells how it ended. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/internal.h"

void run_default_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL}, old;
    sigset_t none;

    for (int i = 1; i <= SIGRTMAX; i++)
        if (sigaction(i, NULL, &old) == 0 && (old.sa_handler != SIG_IGN || i == SIGPIPE))
            sigaction(i, &plain, NULL); /* SIGPIPE is ignored by this program, not by who started it */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Of the new instance in /dev/pts. The parent has the master, and relays. */
static int open_terminal(struct run *r, struct fc_error *err)
{
    struct run_msg m = {.kind = RUN_TERMINAL};
    fc_auto(fc_close) int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int off = 0;

    if (master < 0 || ioctl(master, TIOCSPTLCK, &off) < 0)
        return fc_fail_errno(err, errno, "cannot open a pseudo-terminal");
    r->slave_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (r->slave_fd < 0)
        return fc_fail_errno(err, errno, "cannot open a pseudo-terminal");
    return run_send(r->child_fd, &m, master) < 0 ? fc_fail(err, EPIPE, "the caller is gone") : 0;
}

static void __attribute__((noreturn)) finish(const struct run *r, int status)
{
    struct run_msg m = {.kind = RUN_EXIT, .code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)};

    kill(-1, SIGKILL); /* what it leaves ends with us in any case; this way it lets go of files first */
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    run_send(r->child_fd, &m, -1);
    _exit(0);
}

static void reap(const struct run *r, pid_t command)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == command)
            finish(r, status);
}

/* To all of its process group, as a terminal does it. */
static void pass_on(pid_t command, int sig)
{
    if (sig > 0 && kill(-command, sig) < 0)
        kill(command, sig);
}

static void __attribute__((noreturn)) wait_for(const struct run *r, pid_t command, int signals)
{
    struct pollfd p[2] = {{.fd = signals, .events = POLLIN}, {.fd = r->child_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    struct run_msg m;

    for (;;) {
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[0].revents && read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            reap(r, command);
        if (!p[1].revents)
            continue;
        if (run_receive(r->child_fd, &m, NULL) <= 0) /* the parent is gone: so is everything here, with us */
            _exit(RUN_FAILED);
        if (m.kind == RUN_SIGNAL)
            pass_on(command, m.code);
    }
}

void run_block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

static int hear_of_children(void)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

void run_init(struct run *r)
{
    struct run_msg m = {.kind = RUN_STARTED};
    struct fc_error err = {0};
    int signals = hear_of_children();
    pid_t command;

    if (signals < 0 || (r->terminal && open_terminal(r, &err) < 0)) {
        if (!err.code)
            fc_fail_errno(&err, errno, "cannot wait for signals");
        run_die(r, &err);
    }
    /* Of our memory, environment and program, which are the host's, the command sees nothing. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    command = fork();
    if (command == 0)
        run_command(r);
    if (command < 0) {
        fc_fail_errno(&err, errno, "cannot start a process");
        run_die(r, &err);
    }
    fc_supervise_free(r->supervise);
    /* r->slave_fd stays open: without it the parent's end would be hung up as soon as the command lets go of its own. */
    close(r->root_fd);
    close(r->proc_fd);
    run_send(r->child_fd, &m, -1);
    wait_for(r, command, signals);
}
