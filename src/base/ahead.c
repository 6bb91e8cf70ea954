/* SPDX-License-Identifier: Apache-2.0 */
/* Run a producer, and one who watches, in threads of their own and hand the buffers over in order. */
#include "base/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define DEFAULT_SIZE (256u * 1024)
#define DEFAULT_N 4u
/* A page: what pieces of it are handed to system calls. */
#define ALIGNMENT 4096u

struct fc_ahead {
    fc_ahead_fill fill;
    void *arg;
    struct fc_ahead_options options;
    char *buffers;  /* options.n of options.size bytes */
    size_t *counts; /* what is in each; written before @made says so */
    pthread_t producer, watcher;
    bool produces, watches; /* the threads were started */
    bool held;              /* the reader has buffer @taken; the reader's own */
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t filled, emptied;
    uint64_t made, taken, seen; /* buffers filled; given back by the reader, by the watcher */
    bool end, cancelled;
    ssize_t result; /* 0 or -errno, once @end is set */
    struct fc_error why;
};

static char *buffer_of(const struct fc_ahead *a, uint64_t i)
{
    return a->buffers + (size_t)(i % a->options.n) * a->options.size;
}

/* The first failure ends it; what was filled before stays good. */
static void finish(struct fc_ahead *a, ssize_t result, const struct fc_error *why)
{
    if (!a->end || (result < 0 && a->result == 0)) {
        a->result = result;
        a->why = *why;
    }
    a->end = true;
}

/* Wait for an empty buffer. Returns false when nobody wants it. */
static bool wait_empty(struct fc_ahead *a)
{
    bool wanted;

    pthread_mutex_lock(&a->lock);
    while (!a->cancelled && !a->end && a->made - (a->taken < a->seen ? a->taken : a->seen) == a->options.n)
        pthread_cond_wait(&a->emptied, &a->lock);
    wanted = !a->cancelled && !a->end;
    pthread_mutex_unlock(&a->lock);
    return wanted;
}

static void *produce(void *arg)
{
    struct fc_ahead *a = arg;
    ssize_t n = 1;

    /* Only this thread counts @made up: it may read it without the lock. */
    while (n > 0 && wait_empty(a)) {
        struct fc_error why = {0};

        n = a->fill(a->arg, buffer_of(a, a->made), a->options.size, &why);
        pthread_mutex_lock(&a->lock);
        if (n > 0) {
            a->counts[a->made % a->options.n] = (size_t)n;
            a->made++;
            if (!a->watches)
                a->seen++;
        } else {
            finish(a, n, &why);
        }
        pthread_cond_broadcast(&a->filled);
        pthread_mutex_unlock(&a->lock);
    }
    return NULL;
}

/* Wait for a buffer that was not watched yet. Returns false when there are no more. */
static bool wait_unseen(struct fc_ahead *a)
{
    bool any;

    pthread_mutex_lock(&a->lock);
    while (!a->cancelled && !a->end && a->made == a->seen)
        pthread_cond_wait(&a->filled, &a->lock);
    any = !a->cancelled && a->made > a->seen && a->result == 0;
    pthread_mutex_unlock(&a->lock);
    return any;
}

static void *watch(void *arg)
{
    struct fc_ahead *a = arg;
    int r = 0;

    while (r == 0 && wait_unseen(a)) {
        struct fc_error why = {0};

        r = a->options.watch(a->options.watch_arg, buffer_of(a, a->seen), a->counts[a->seen % a->options.n], &why);
        pthread_mutex_lock(&a->lock);
        a->seen++;
        if (r < 0)
            finish(a, r, &why);
        pthread_cond_broadcast(&a->emptied);
        pthread_cond_broadcast(&a->filled); /* the reader may wait for the end of this */
        pthread_mutex_unlock(&a->lock);
    }
    return NULL;
}

/* The threads take no signals: those are for whoever waits for them. */
static int start(struct fc_ahead *a, struct fc_error *err)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    a->watches = a->options.watch != NULL;
    r = a->watches ? pthread_create(&a->watcher, NULL, watch, a) : 0;
    a->watches = a->watches && r == 0;
    if (r == 0) {
        r = pthread_create(&a->producer, NULL, produce, a);
        a->produces = r == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r ? fc_fail_errno(err, r, "cannot start a thread") : 0;
}

static void take_options(struct fc_ahead *a, const struct fc_ahead_options *options)
{
    if (options)
        a->options = *options;
    if (a->options.size == 0)
        a->options.size = DEFAULT_SIZE;
    a->options.size = (a->options.size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (a->options.n == 0)
        a->options.n = DEFAULT_N;
    if (a->options.n < 2)
        a->options.n = 2;
}

int fc_ahead_new(fc_ahead_fill fill, void *arg, const struct fc_ahead_options *options, struct fc_ahead **ret,
                 struct fc_error *err)
{
    fc_auto(fc_ahead_free) struct fc_ahead *a = calloc(1, sizeof(*a));
    int r;

    if (!a)
        return fc_fail(err, ENOMEM, "out of memory");
    a->fill = fill;
    a->arg = arg;
    take_options(a, options);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->filled, NULL);
    pthread_cond_init(&a->emptied, NULL);
    a->buffers = aligned_alloc(ALIGNMENT, a->options.size * a->options.n);
    a->counts = calloc(a->options.n, sizeof(*a->counts));
    if (!a->buffers || !a->counts)
        return fc_fail(err, ENOMEM, "out of memory");
    r = start(a, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&a);
    return 0;
}

/* Nothing more will come, and nobody looks at what came. */
static bool all_over(const struct fc_ahead *a) { return a->end && (a->result < 0 || a->seen == a->made); }

ssize_t fc_ahead_next(struct fc_ahead *a, const void **ret_data, struct fc_error *err)
{
    ssize_t r;

    pthread_mutex_lock(&a->lock);
    if (a->held) {
        a->held = false;
        a->taken++;
        pthread_cond_broadcast(&a->emptied);
    }
    while (!a->cancelled && a->made == a->taken && !all_over(a))
        pthread_cond_wait(&a->filled, &a->lock);
    if (a->cancelled) {
        r = fc_fail(err, ECANCELED, "cancelled");
    } else if (a->made > a->taken) {
        *ret_data = buffer_of(a, a->taken);
        r = (ssize_t)a->counts[a->taken % a->options.n];
        a->held = true;
    } else {
        r = a->result;
        if (r < 0 && err)
            *err = a->why;
    }
    pthread_mutex_unlock(&a->lock);
    return r;
}

bool fc_ahead_ready(struct fc_ahead *a)
{
    bool ready;

    pthread_mutex_lock(&a->lock);
    ready = a->cancelled || a->made > a->taken + a->held || all_over(a);
    pthread_mutex_unlock(&a->lock);
    return ready;
}

void fc_ahead_cancel(struct fc_ahead *a)
{
    pthread_mutex_lock(&a->lock);
    a->cancelled = true;
    pthread_cond_broadcast(&a->filled);
    pthread_cond_broadcast(&a->emptied);
    pthread_mutex_unlock(&a->lock);
}

void fc_ahead_free(struct fc_ahead *a)
{
    if (!a)
        return;
    fc_ahead_cancel(a);
    if (a->produces)
        pthread_join(a->producer, NULL);
    if (a->watches)
        pthread_join(a->watcher, NULL);
    pthread_cond_destroy(&a->emptied);
    pthread_cond_destroy(&a->filled);
    pthread_mutex_destroy(&a->lock);
    free(a->counts);
    free(a->buffers);
    free(a);
}
