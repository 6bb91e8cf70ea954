/* SPDX-License-Identifier: Apache-2.0 */
/* Start a machine and pass its console on until it ends. */
#include "vm/boot.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/terminal.h"
#include "vm/machine.h"
#include "vm/watch.h"

enum { CTRL_A = 1, PANIC_GRACE_MS = 5000, KILL_GRACE_MS = 3000, DRAIN_MS = 200 };

/* A running machine. */
struct session {
    const struct fc_vm_boot *b;
    struct fc_vm_watch watch;
    pid_t pid;
    int master, signals;
    bool keys_open, after_ctrl_a, ended, asked_to_end;
    int wait_status;
    uint64_t deadline, kill_at; /* milliseconds of the monotonic clock; 0: none */
    struct fc_vm_outcome *out;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void end_with(struct session *s, enum fc_vm_end end)
{
    if (s->asked_to_end)
        return;
    s->asked_to_end = true;
    s->out->end = end;
    kill(-s->pid, SIGTERM);
    s->kill_at = now_ms() + KILL_GRACE_MS;
}

/* What the machine says. Returns false at its end. */
static bool take_console(struct session *s)
{
    char data[16384];
    ssize_t n = read(s->master, data, sizeof(data));

    if (n <= 0)
        return n < 0 && errno == EINTR;
    if (s->b->out_fd >= 0)
        fc_write_full(s->b->out_fd, data, (size_t)n);
    fc_vm_watch_feed(&s->watch, data, (size_t)n);
    if (s->watch.expected)
        end_with(s, FC_VM_EXPECTED);
    else if (s->watch.panicked && s->kill_at == 0)
        s->kill_at = now_ms() + PANIC_GRACE_MS;
    return true;
}

/* Keys go to the machine; Ctrl-A x ends it, Ctrl-A Ctrl-A is one Ctrl-A, as with QEMU's -nographic. */
static void take_keys(struct session *s, bool is_terminal)
{
    char data[1024], out[2 * sizeof(data)];
    ssize_t n = read(s->b->in_fd, data, sizeof(data));
    size_t len = 0;

    if (n <= 0) {
        s->keys_open = n < 0 && errno == EINTR;
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (is_terminal && !s->after_ctrl_a && data[i] == CTRL_A) {
            s->after_ctrl_a = true;
            continue;
        }
        if (s->after_ctrl_a && (data[i] == 'x' || data[i] == 'X'))
            end_with(s, FC_VM_STOPPED);
        if (s->after_ctrl_a && data[i] != CTRL_A)
            out[len++] = CTRL_A;
        s->after_ctrl_a = false;
        out[len++] = data[i];
    }
    fc_write_full(s->master, out, len);
}

static void take_signal(struct session *s)
{
    struct signalfd_siginfo info;

    if (fc_read_full(s->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGWINCH) {
        fc_terminal_resize(s->master, s->b->in_fd);
    } else if (info.ssi_signo == SIGCHLD) {
        if (waitpid(s->pid, &s->wait_status, WNOHANG) == s->pid)
            s->ended = true;
    } else {
        s->out->status = 128 + (int)info.ssi_signo;
        end_with(s, FC_VM_STOPPED);
    }
}

static int until_next(const struct session *s)
{
    uint64_t next = s->kill_at && (!s->deadline || s->kill_at < s->deadline) ? s->kill_at : s->deadline, now = now_ms();

    return next == 0 ? -1 : next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}

static void look_at_clock(struct session *s)
{
    uint64_t now = now_ms();

    if (s->deadline && now >= s->deadline) {
        s->deadline = 0;
        end_with(s, FC_VM_TIMED_OUT);
    }
    if (s->kill_at && now >= s->kill_at)
        kill(-s->pid, SIGKILL);
}

/* Until the program has ended and its last words are read. */
static void pass_on(struct session *s)
{
    bool is_terminal = s->b->in_fd >= 0 && isatty(s->b->in_fd), talking = true;

    while (!s->ended) {
        struct pollfd fds[] = {{.fd = s->signals, .events = POLLIN},
                               {.fd = talking ? s->master : -1, .events = POLLIN},
                               {.fd = s->keys_open ? s->b->in_fd : -1, .events = POLLIN}};

        if (poll(fds, 3, until_next(s)) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            talking = take_console(s);
        if (fds[2].revents)
            take_keys(s, is_terminal);
        if (fds[0].revents)
            take_signal(s);
        look_at_clock(s);
    }
    while (talking && poll(&(struct pollfd){.fd = s->master, .events = POLLIN}, 1, DRAIN_MS) > 0)
        talking = take_console(s);
    /* Helpers of the program may still be there: user-mode Linux has some. */
    kill(-s->pid, SIGKILL);
}

static void conclude(struct session *s)
{
    struct fc_vm_outcome *out = s->out;
    int status = WIFSIGNALED(s->wait_status) ? 128 + WTERMSIG(s->wait_status) : WEXITSTATUS(s->wait_status);

    out->guest_status = s->watch.guest_status;
    memcpy(out->words, s->watch.words, sizeof(out->words));
    if (out->end == FC_VM_STOPPED && out->status)
        return;
    out->status = status;
    if (s->asked_to_end)
        return;
    out->end = s->watch.panicked ? FC_VM_PANICKED : status ? FC_VM_FAILED : FC_VM_POWERED_OFF;
}

/* The signals that we take by descriptor while a machine runs. */
static int block_signals(sigset_t *ret_before, struct fc_error *err)
{
    static const int all[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCHLD};
    sigset_t set;
    int fd;

    sigemptyset(&set);
    for (size_t i = 0; i < FC_LENGTH(all); i++)
        sigaddset(&set, all[i]);
    sigprocmask(SIG_BLOCK, &set, ret_before);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    return fd < 0 ? fc_fail_errno(err, errno, "signals") : fd;
}

static int run(struct session *s, const struct fc_vm_machine *m, struct fc_error *err)
{
    struct fc_terminal_raw raw = {0};
    fc_auto(fc_close) int slave = -1;
    int r = fc_terminal_new(s->b->in_fd, &s->master, &slave, err);
    const char *const *argv;

    if (r < 0)
        return r;
    memcpy(&argv, &m->argv, sizeof(argv));
    s->pid = fc_child_start(argv, slave, err);
    if (s->pid < 0)
        return s->pid;
    close(fc_steal_fd(&slave));
    if (s->keys_open)
        fc_terminal_raw(s->b->in_fd, &raw);
    pass_on(s);
    fc_terminal_restore(&raw);
    conclude(s);
    return 0;
}

int fc_vm_boot_run(const struct fc_vm_boot *b, struct fc_vm_outcome *ret, struct fc_error *err)
{
    struct session s = {.b = b, .master = -1, .signals = -1, .keys_open = b->in_fd >= 0, .out = ret};
    struct fc_vm_machine m __attribute__((cleanup(fc_vm_machine_release))) = {0};
    sigset_t before;
    int r;

    *ret = (struct fc_vm_outcome){.guest_status = -1};
    r = fc_vm_watch_init(&s.watch, b->expect, err);
    if (r == 0)
        r = fc_vm_machine_make(b, &m, err);
    if (r == 0)
        s.signals = r = block_signals(&before, err);
    if (r >= 0) {
        if (b->started)
            b->started(b->arg, m.vmm, m.argv[0]);
        if (b->timeout)
            s.deadline = now_ms() + 1000ULL * b->timeout;
        r = run(&s, &m, err);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    if (s.signals >= 0)
        close(s.signals);
    if (s.master >= 0)
        close(s.master);
    fc_vm_watch_release(&s.watch);
    return r < 0 ? r : 0;
}
