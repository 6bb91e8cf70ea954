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
 *
 * One thread leads: it alone reads requests, and answers by itself what takes no time. Before it does what may wait (for
 * a disk, or long) it gives the lead to another. If all of them read, the kernel would hand the requests round among
 * them, and wake a thread that has slept for each: on two processors that takes twice the time.
 */
enum { KICK = SIGUSR1, STOP_SIGNALS = 3 };
/* Time for others to lead, and for memory to come back. */
enum { NO_MEMORY_US = 10000 };
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

/** What was there before fuse_service_wait(). */
struct old_signals {
    struct sigaction stop[STOP_SIGNALS];
};

static void signals_install(struct old_signals *ret_old, int fd)
{
    struct sigaction stop = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};

    atomic_store(&signal_fd, fd);
    for (int i = 0; i < STOP_SIGNALS; i++)
        sigaction(stop_signals[i], &stop, &ret_old->stop[i]);
}

static void signals_restore(const struct old_signals *old)
{
    for (int i = 0; i < STOP_SIGNALS; i++)
        sigaction(stop_signals[i], &old->stop[i], NULL);
    atomic_store(&signal_fd, -1);
}

void fuse_service_end(struct fuse_service *s)
{
    uint64_t one = 1;

    atomic_store(&s->ended, true);
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->began);
    pthread_mutex_unlock(&s->lock);
    if (write(s->stop_fd, &one, sizeof(one)) < 0)
        fc_log(FC_LOG_WARN, "cannot end: %s", strerror(errno));
}

static const char *name_of(const struct fuse_service *s) { return s->mountpoint ? s->mountpoint : "the command"; }

struct fuse_worker {
    struct fuse_service *s;
    pthread_t thread;
    bool first, started;
};

/* The first thread answers INIT, which decides how large requests are; the others come after that. */
static void wait_for_init(struct fuse_service *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->inited && !atomic_load(&s->ended))
        pthread_cond_wait(&s->began, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static bool goes_on(struct fuse_service *s) { return !atomic_load(&s->ended) && !fuse_session_exited(s->se); }

static void answer(struct fuse_service *s, struct fuse_buf *buf)
{
    if (!s->raw || !s->raw(s->userdata, buf, fuse_session_fd(s->se)))
        fuse_session_process_buf(s->se, buf);
}

/* How leading ended. */
enum led { LED_END, LED_SLOW_REQUEST, LED_NO_MEMORY };

/* Read and answer requests until one came that may wait, which the caller answers when it has given up the lead. */
static enum led lead(struct fuse_service *s, struct fuse_buf *buf)
{
    while (goes_on(s)) {
        int r = fuse_session_receive_buf(s->se, buf);

        if (r == -EINTR || r == -EAGAIN)
            continue;
        if (r == -ENOMEM) /* for this thread's buffer, when it leads for the first time; no request was read */
            return LED_NO_MEMORY;
        if (r < 0)
            fc_log(FC_LOG_WARN, "cannot read requests: %s", strerror(-r));
        if (r <= 0) /* 0: unmounted */
            break;
        fuse_request_peek(buf);
        if (s->slow || fuse_request_may_wait())
            return LED_SLOW_REQUEST;
        answer(s, buf);
    }
    return LED_END;
}

static void *worker_main(void *arg)
{
    const struct fuse_worker *w = arg;
    struct fuse_service *s = w->s;
    struct fuse_buf buf = {0};
    enum led led = LED_SLOW_REQUEST;

    fuse_notifier_mark(s->mark);
    if (!w->first)
        wait_for_init(s);
    while (led != LED_END) {
        pthread_mutex_lock(&s->leading);
        led = lead(s, &buf);
        pthread_mutex_unlock(&s->leading);
        if (led == LED_SLOW_REQUEST)
            answer(s, &buf);
        else if (led == LED_NO_MEMORY)
            usleep(NO_MEMORY_US);
    }
    fuse_service_end(s); /* when one sees the end, all do */
    fuse_notifier_mark(NULL);
    free(buf.mem);
    return NULL;
}

/* Only the leader reads, and the others wait for it: whoever is to end, all are kicked. */
static void kick_all(const struct fuse_service *s)
{
    for (int i = 0; i < s->n_threads; i++)
        if (s->workers[i].started)
            pthread_kill(s->workers[i].thread, KICK);
}

/* A kick that comes just before read(2) is lost, so kick until the thread is gone. */
static void join_worker(struct fuse_service *s, struct fuse_worker *w)
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
            break;
        kick_all(s);
    }
    w->started = false;
}

int fuse_service_start(struct fuse_service *s, struct fc_error *err)
{
    struct sigaction kick = {.sa_handler = on_kick}; /* without SA_RESTART: read(2) must return */
    int r = 0;

    s->workers = calloc((size_t)s->n_threads, sizeof(*s->workers));
    if (!s->workers)
        return fc_fail(err, ENOMEM, "cannot serve %s: out of memory", name_of(s));
    sigaction(KICK, &kick, NULL); /* stays: it does nothing, and several sessions want it */
    for (int i = 0; i < s->n_threads && r == 0; i++) {
        s->workers[i] = (struct fuse_worker){.s = s, .first = i == 0};
        r = pthread_create(&s->workers[i].thread, NULL, worker_main, &s->workers[i]);
        s->workers[i].started = r == 0;
    }
    if (s->workers[0].started) /* fewer threads than asked for will do */
        return 0;
    return fc_fail_errno(err, r, "cannot start a thread");
}

void fuse_service_join(struct fuse_service *s)
{
    for (int i = 0; s->workers && i < s->n_threads; i++)
        if (s->workers[i].started)
            join_worker(s, &s->workers[i]);
    free(s->workers);
    s->workers = NULL;
}

void fuse_service_wait_end(struct fuse_service *s)
{
    struct pollfd p = {.fd = s->stop_fd, .events = POLLIN};

    while (!atomic_load(&s->ended) && (poll(&p, 1, -1) < 0 || !p.revents))
        continue;
    fuse_service_join(s);
}

static void supervise(struct fuse_service *s, int fd, void (*on_signal)(void *arg), void *arg)
{
    struct pollfd p[2] = {{.fd = s->stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    while (!atomic_load(&s->ended)) {
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[0].revents)
            return;
        if (p[1].revents) {
            on_signal(arg);
            p[1].fd = -1; /* once; then wait for the threads to see the end */
        }
    }
}

int fuse_service_wait(struct fuse_service *s, void (*on_signal)(void *arg), void *arg, struct fc_error *err)
{
    fc_auto(fc_close) int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct old_signals old;
    int r;

    if (fd < 0) {
        r = fc_fail_errno(err, errno, "cannot serve %s", name_of(s));
        fuse_service_end(s);
        fuse_service_join(s);
        return r;
    }
    signals_install(&old, fd); /* first, so that a signal that comes early is not lost on us */
    r = s->workers ? 0 : fuse_service_start(s, err);
    if (r == 0)
        supervise(s, fd, on_signal, arg);
    fuse_service_join(s);
    signals_restore(&old);
    return r;
}
