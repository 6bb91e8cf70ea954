/* SPDX-License-Identifier: Apache-2.0 */
/* Answer requests with a fixed number of threads, until the mount is gone or a signal asks to end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "fuse/session.h"

/*
 * libfuse's own loop is not used: it makes and cancels threads as it likes, and a signal does not end it while all of
 * them wait. Here each thread reads requests until the session ends; a thread that waits in read(2) is woken by KICK.
 */
enum { KICK = SIGUSR1, STOP_SIGNALS = 3 };
static const int stop_signals[STOP_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

/* Handlers have no argument, so this one word must be global: the eventfd to write to, or -1. */
static atomic_int signal_fd = -1;

static void on_stop_signal(int sig)
{
    int code = errno, fd = atomic_load(&signal_fd);
    uint64_t one = 1;

    (void)sig;
    if (fd >= 0 && write(fd, &one, sizeof(one)) < 0) {
        /* the counter is full: it has been noticed */
    }
    errno = code;
}

static void on_kick(int sig) { (void)sig; }

/** What was there before fc_mount_serve(). */
struct old_signals {
    struct sigaction stop[STOP_SIGNALS], kick;
};

static void signals_install(struct old_signals *ret_old, int fd)
{
    struct sigaction stop = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART}, kick = {.sa_handler = on_kick};

    atomic_store(&signal_fd, fd);
    for (int i = 0; i < STOP_SIGNALS; i++)
        sigaction(stop_signals[i], &stop, &ret_old->stop[i]);
    sigaction(KICK, &kick, &ret_old->kick); /* without SA_RESTART: read(2) must return */
}

static void signals_restore(const struct old_signals *old)
{
    for (int i = 0; i < STOP_SIGNALS; i++)
        sigaction(stop_signals[i], &old->stop[i], NULL);
    sigaction(KICK, &old->kick, NULL);
    atomic_store(&signal_fd, -1);
}

void fuse_end(struct fc_mount *m)
{
    uint64_t one = 1;

    atomic_store(&m->ended, true);
    pthread_mutex_lock(&m->lock);
    pthread_cond_broadcast(&m->began);
    pthread_mutex_unlock(&m->lock);
    if (write(m->stop_fd, &one, sizeof(one)) < 0)
        fc_log(FC_LOG_WARN, "cannot end: %s", strerror(errno));
}

/** A thread that answers requests. */
struct worker {
    struct fc_mount *m;
    pthread_t thread;
    bool first, started;
};

/* The first thread answers INIT, which decides how large requests are; the others come after that. */
static void wait_for_init(struct fc_mount *m)
{
    pthread_mutex_lock(&m->lock);
    while (!m->inited && !atomic_load(&m->ended))
        pthread_cond_wait(&m->began, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

static void *worker_main(void *arg)
{
    const struct worker *w = arg;
    struct fc_mount *m = w->m;
    struct fuse_buf buf = {0};

    fuse_notifier_mark(m);
    if (!w->first)
        wait_for_init(m);
    while (!atomic_load(&m->ended) && !fuse_session_exited(m->se)) {
        int r = fuse_session_receive_buf(m->se, &buf);

        if (r == -EINTR || r == -EAGAIN)
            continue;
        if (r <= 0) { /* 0: unmounted */
            if (r < 0)
                fc_log(FC_LOG_WARN, "cannot read requests: %s", strerror(-r));
            break;
        }
        fuse_session_process_buf(m->se, &buf);
    }
    fuse_end(m); /* when one sees the end, all do */
    fuse_notifier_mark(NULL);
    free(buf.mem);
    return NULL;
}

/* A kick that comes just before read(2) is lost, so kick until the thread is gone. */
static void join_worker(struct worker *w)
{
    struct timespec until;

    for (;;) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20 * 1000 * 1000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        if (pthread_timedjoin_np(w->thread, NULL, &until) == 0)
            return;
        pthread_kill(w->thread, KICK);
    }
}

/* A signal came: unmount while the threads still answer, by force of detaching if somebody is inside. */
static void end_by_signal(struct fc_mount *m)
{
    struct fc_error err = {0};

    if (fc_mount_flush(m, &err) < 0)
        fc_log(FC_LOG_WARN, "%s", err.msg);
    if (fc_mount_undo(m->mountpoint, false, &err) == 0)
        return;
    fc_log(FC_LOG_WARN, "%s; detaching it", err.msg);
    if (fc_mount_undo(m->mountpoint, true, &err) < 0)
        fc_log(FC_LOG_WARN, "%s", err.msg);
    fuse_end(m);
}

static void supervise(struct fc_mount *m, int fd)
{
    struct pollfd p[2] = {{.fd = m->stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    while (!atomic_load(&m->ended)) {
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[0].revents)
            return;
        if (p[1].revents) {
            end_by_signal(m);
            p[1].fd = -1; /* once; then wait for the threads to see the end */
        }
    }
}

int fc_mount_serve(struct fc_mount *m, struct fc_error *err)
{
    fc_auto(fc_close) int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct worker *workers = calloc((size_t)m->n_threads, sizeof(*workers));
    struct old_signals old;
    int r = 0;

    if (fd < 0 || !workers) {
        free(workers);
        return fc_fail_errno(err, fd < 0 ? errno : ENOMEM, "cannot serve %s", m->mountpoint);
    }
    signals_install(&old, fd);
    for (int i = 0; i < m->n_threads && r == 0; i++) {
        workers[i] = (struct worker){.m = m, .first = i == 0};
        r = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        workers[i].started = r == 0;
    }
    if (workers[0].started) { /* fewer threads than asked for will do */
        r = 0;
        supervise(m, fd);
    }
    for (int i = 0; i < m->n_threads; i++)
        if (workers[i].started)
            join_worker(&workers[i]);
    signals_restore(&old);
    free(workers);
    return r == 0 ? 0 : fc_fail_errno(err, r, "cannot start a thread");
}
