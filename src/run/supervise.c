/* SPDX-License-Identifier: Apache-2.0 */
/* Start and end the supervision of a command: its filter, its watcher, and the thread that answers. */
#include "run/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "run/calls.h"
#include "run/watch.h"
#include "run/wire.h"

/* Since Linux 5.19: once a call was heard only a deadly signal ends the wait, so that none is made twice. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct fc_supervise {
    struct fc_supervise_options options;
    int edits[2];    /* the parent's end, the watcher's */
    int listener[2]; /* the command's end, the watcher's */
    uint32_t n_ids;
    bool watched, running;
    pthread_t thread;
};

static void close_end(int *fd)
{
    fc_close_auto(fd);
    *fd = -1;
}

int fc_supervise_open(const struct fc_supervise_options *options, struct fc_supervise **ret, struct fc_error *err)
{
    fc_auto(fc_supervise_free) struct fc_supervise *s = calloc(1, sizeof(*s));

    if (!s)
        return fc_fail_errno(err, ENOMEM, "cannot supervise the command");
    *s = (struct fc_supervise){.options = *options, .edits = {-1, -1}, .listener = {-1, -1}};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->edits) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->listener) < 0)
        return fc_fail_errno(err, errno, "cannot supervise the command");
    *ret = fc_steal(&s);
    return 0;
}

int fc_supervise_descriptors(const struct fc_supervise *s, int ret[4])
{
    memcpy(ret, s->edits, sizeof(s->edits));
    memcpy(ret + 2, s->listener, sizeof(s->listener));
    return 4;
}

/* How many ids from 0 on the namespace has (all, if nobody knows): lines of first id inside, first id outside, count. */
static uint32_t count_ids(int proc_fd, const char *map)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    uint64_t next = 0;

    if (fc_read_file(proc_fd, map, 1 << 20, &text) < 0 || !text.data)
        return UINT32_MAX;
    for (const char *line = text.data; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        unsigned inside, outside, count;

        if (sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && inside == next)
            next += count;
    }
    return next == 0 || next > UINT32_MAX ? UINT32_MAX : (uint32_t)next;
}

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* Somebody may wait for the end of what a descriptor leads to. */
static void close_others(const struct fc_watch *w)
{
    int keep[] = {-1, w->proc_fd, w->edits, w->listener};

    qsort(keep, FC_LENGTH(keep), sizeof(keep[0]), by_number);
    for (size_t i = 0; i < FC_LENGTH(keep); i++) {
        unsigned first = (unsigned)keep[i] + 1, last = i + 1 < FC_LENGTH(keep) ? (unsigned)keep[i + 1] - 1 : ~0u;

        if (keep[i] != (int)last && first <= last)
            close_range(first, last, 0);
    }
}

/* Signals of the terminal are the command's, and our memory is the host's. */
static void detach(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* A container that masks its /proc lets us have no other: there the numbers of processes are not those that we hear. */
static bool is_our_proc(int proc_fd)
{
    char text[32], ours[32];
    ssize_t n = readlinkat(proc_fd, "self", text, sizeof(text) - 1);

    if (n < 0)
        return false;
    text[n] = '\0';
    snprintf(ours, sizeof(ours), "%d", (int)getpid());
    return strcmp(text, ours) == 0;
}

int fc_supervise_watch(struct fc_supervise *s, int tree_fd, int proc_fd, struct fc_error *err)
{
    struct fc_watch w = {.proc_fd = proc_fd, .edits = s->edits[1], .listener = s->listener[1]};
    uint32_t uids = count_ids(proc_fd, "self/uid_map"), gids = count_ids(proc_fd, "self/gid_map");
    struct stat st;
    pid_t pid;

    close_end(&s->edits[0]);
    s->n_ids = uids < gids ? uids : gids;
    if (!is_our_proc(proc_fd))
        return fc_wire_send(s->edits[1], NULL, ESRCH);
    if (fstat(tree_fd, &st) < 0)
        return fc_fail_errno(err, errno, "cannot supervise the command");
    w.dev = st.st_dev;
    pid = fork();
    if (pid < 0)
        return fc_fail_errno(err, errno, "cannot supervise the command");
    if (pid == 0) {
        detach();
        close_others(&w);
        fc_watch_run(&w);
        _exit(0);
    }
    close_end(&s->edits[1]);
    close_end(&s->listener[1]);
    s->watched = true;
    return 0;
}

static int set_filter(const struct fc_call_filter *f, unsigned long flags)
{
    static struct sock_filter code[FC_CALL_FILTER_MAX];
    struct sock_fprog program = {(unsigned short)fc_call_filter(f, code), code};

    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int fc_supervise_try(void)
{
    const struct fc_call_filter f = {.notify = true, .n_ids = UINT32_MAX};
    int fd = set_filter(&f, SECCOMP_FILTER_FLAG_NEW_LISTENER);

    return fd < 0 ? -errno : close(fd);
}

/* With a listener, which the watcher gets. Returns 0 or an errno. */
static int supervise(struct fc_supervise *s)
{
    const struct fc_call_filter f = {.notify = true, .n_ids = s->n_ids};
    int code = 0, ignored;
    fc_auto(fc_close) int fd =
        set_filter(&f, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

    if (fd < 0 && errno == EINVAL)
        fd = set_filter(&f, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (fd < 0)
        code = errno;
    /* Nothing comes: it ends when the parent has been told, so that this is said before the command says something. */
    if (fc_wire_send_code(s->listener[0], code, fd) == 0 && code)
        fc_wire_receive_code(s->listener[0], &ignored, NULL);
    return code;
}

void fc_supervise_filter(struct fc_supervise *s)
{
    const struct fc_call_filter alone = {.n_ids = s->n_ids};

    if ((!s->watched || supervise(s) != 0) && s->n_ids == 1)
        set_filter(&alone, 0);
    close_end(&s->listener[0]);
}

const char *fc_supervise_explain(int code, char *buffer, size_t size)
{
    switch (code) {
    case ENOSYS:
    case EINVAL:
        return "the kernel has no seccomp user notification (it came with Linux 5.0)";
    case EBUSY:
        return "this container is supervised itself, by another seccomp listener";
    case ESRCH:
        return "the container masks /proc, so that there is none for the command's processes";
    default:
        snprintf(buffer, size, "a seccomp filter is refused here: %s", strerror(code));
        return buffer;
    }
}

static void say_without(const struct fc_supervise *s, int code)
{
    char words[160];

    if (s->options.without)
        s->options.without(s->options.arg, fc_supervise_explain(code, words, sizeof(words)));
}

static void *answer(void *arg)
{
    struct fc_supervise *s = arg;
    fc_auto(fc_free) struct fc_wire *m = malloc(sizeof(*m));
    int r = m ? 1 : 0;

    while (r == 1) {
        r = fc_wire_receive(s->edits[0], m);
        if (r == 1 && m->without) {
            say_without(s, m->without);
        } else if (r == 1) {
            r = s->options.edit(s->options.arg, &m->edit);
            r = fc_wire_send_code(s->edits[0], r, -1) == 0;
        }
    }
    return NULL;
}

int fc_supervise_start(struct fc_supervise *s, struct fc_error *err)
{
    sigset_t all, before;
    int r;

    close_end(&s->edits[1]);
    close_end(&s->listener[0]);
    close_end(&s->listener[1]);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&s->thread, NULL, answer, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return fc_fail_errno(err, r, "cannot start a thread");
    s->running = true;
    return 0;
}

void fc_supervise_free(struct fc_supervise *s)
{
    if (!s)
        return;
    if (s->running) {
        shutdown(s->edits[0], SHUT_RDWR);
        pthread_join(s->thread, NULL);
    }
    for (int i = 0; i < 2; i++) {
        close_end(&s->edits[i]);
        close_end(&s->listener[i]);
    }
    free(s);
}
