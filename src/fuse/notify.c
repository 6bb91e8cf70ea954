/* SPDX-License-Identifier: Apache-2.0 */
/* Tell the kernel of changes that it did not ask for itself: a queue, and the thread behind it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "fuse/session.h"

/* A change of many inodes waits here rather than take memory without bound. */
enum { QUEUE_MAX = 65536 };
/* For how long an answer waits until the other sessions know of what it has changed, and if these wait as well, in milliseconds. */
enum { WAIT_MAX = 20, WAIT_MUTUAL = 2 };

/*
 * The session whose request this thread is answering: its kernel side knows what the request changes. With several
 * sessions on one live tree each compares with itself, and tells its kernel what came through the others.
 */
static _Thread_local struct fc_mount *answering;

void fuse_notifier_mark(struct fc_mount *m) { answering = m; }

/* The kernel does not know most of what changes (-ENOENT): nothing to do then. */
static void send_note(struct fc_mount *m, const struct fuse_note *note)
{
    int r;

    if (note->name)
        r = fuse_lowlevel_notify_inval_entry(m->service.se, note->ino, note->name, note->len);
    else /* a negative offset leaves the pages and drops only the attributes */
        r = fuse_lowlevel_notify_inval_inode(m->service.se, note->ino, note->content ? 0 : -1, 0);
    if (r < 0 && r != -ENOENT && !atomic_load(&m->service.ended))
        fc_log(FC_LOG_WARN, "the kernel was not told of a change of inode %llu: %s", (unsigned long long)note->ino,
               strerror(-r));
}

void fuse_notifier_attr(struct fc_mount *m, uint64_t ino) { send_note(m, &(struct fuse_note){.ino = ino}); }

static void *notifier_main(void *arg)
{
    struct fc_mount *m = arg;
    struct fuse_notifier *q = &m->notifier;

    pthread_mutex_lock(&q->lock);
    for (;;) {
        struct fuse_note *batch = q->items;
        size_t n = q->n;

        if (n == 0 && q->stop)
            break;
        if (n == 0) {
            pthread_cond_wait(&q->more, &q->lock);
            continue;
        }
        q->items = NULL;
        q->n = q->cap = 0;
        pthread_mutex_unlock(&q->lock);
        for (size_t i = 0; i < n; i++) {
            if (!atomic_load(&m->service.ended))
                send_note(m, &batch[i]);
            free(batch[i].name);
        }
        free(batch);
        pthread_mutex_lock(&q->lock);
        q->sent += n;
        pthread_cond_broadcast(&q->drained);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* A file is written to piece by piece. With the lock. */
static bool is_queued(const struct fuse_notifier *q, const struct fuse_note *note)
{
    struct fuse_note *last = q->n > 0 ? &q->items[q->n - 1] : NULL;

    if (!last || last->name || note->name || last->ino != note->ino)
        return false;
    last->content |= note->content;
    return true;
}

static void queue_note(struct fc_mount *m, const struct fuse_note *note)
{
    struct fuse_notifier *q = &m->notifier;
    int r;

    pthread_mutex_lock(&q->lock);
    while (!answering && q->n >= QUEUE_MAX)
        pthread_cond_wait(&q->drained, &q->lock);
    if (is_queued(q, note)) {
        pthread_mutex_unlock(&q->lock);
        return;
    }
    r = fc_grow(&q->items, &q->cap, q->n + 1, sizeof(*q->items));
    if (r == 0) {
        q->items[q->n++] = *note;
        q->queued++;
        pthread_cond_signal(&q->more);
    }
    pthread_mutex_unlock(&q->lock);
    if (r == 0)
        return;
    send_note(m, note); /* no memory to be polite with; the listener is called without locks, so this is safe too */
    free(note->name);
}

static void entry_changed(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
    struct fuse_note note = {.ino = parent, .len = len};

    (void)ino;
    if (answering == arg || !fuse_known_has(arg, parent) || fuse_place_is(arg, parent, name, len))
        return;
    note.name = malloc(len + 1);
    if (!note.name) { /* cannot name it: at least what is listed is read anew */
        note.content = true;
    } else {
        memcpy(note.name, name, len);
        note.name[len] = '\0'; /* libfuse sends the byte behind the name, too */
    }
    queue_note(arg, &note);
}

static void inode_changed(void *arg, uint64_t ino, bool content)
{
    if (answering != arg && fuse_known_has(arg, ino))
        queue_note(arg, &(struct fuse_note){.ino = ino, .content = content});
}

/* Wait until @want notifications are sent, or @milliseconds have passed. With the lock. */
static bool wait_sent(struct fuse_notifier *q, uint64_t want, int milliseconds)
{
    struct timespec until;
    int r = 0;

    if (q->sent >= want)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += milliseconds * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (q->sent < want && r == 0)
        r = pthread_cond_clockwait(&q->drained, &q->lock, CLOCK_MONOTONIC, &until);
    return q->sent >= want;
}

/*
 * What a program has changed in one session the next one is to see in another, so the answer waits. But not for ever: the
 * kernel's notification waits for requests of the other session that are under way in the same directory, and those for
 * us if they change something as well.
 */
static void all_told(void *arg)
{
    struct fc_mount *m = arg;
    struct fuse_notifier *q = &m->notifier;
    uint64_t want;

    if (!answering || answering == m)
        return;
    pthread_mutex_lock(&q->lock);
    want = q->queued;
    if (q->sent < want) {
        atomic_fetch_add(&answering->notifier.waiting, 1);
        if (!wait_sent(q, want, WAIT_MUTUAL) && atomic_load(&q->waiting) == 0)
            wait_sent(q, want, WAIT_MAX);
        atomic_fetch_sub(&answering->notifier.waiting, 1);
    }
    pthread_mutex_unlock(&q->lock);
}

int fuse_notifier_start(struct fc_mount *m, struct fc_error *err)
{
    int r = pthread_create(&m->notifier.thread, NULL, notifier_main, m);

    if (r != 0)
        return fc_fail_errno(err, r, "cannot start a thread");
    m->notifier.running = true;
    m->listener = (struct fc_live_listener){.entry = entry_changed, .inode = inode_changed, .told = all_told, .arg = m};
    r = fc_live_listen(m->live, &m->listener);
    return r < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

void fuse_notifier_stop(struct fc_mount *m)
{
    struct fuse_notifier *q = &m->notifier;

    if (!q->running)
        return;
    fc_live_unlisten(m->live, &m->listener);
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    q->running = false;
}

void fuse_notifier_drain(struct fc_mount *m)
{
    struct fuse_notifier *q = &m->notifier;
    uint64_t want;

    if (!q->running)
        return;
    pthread_mutex_lock(&q->lock);
    want = q->queued;
    while (q->sent < want)
        pthread_cond_wait(&q->drained, &q->lock);
    pthread_mutex_unlock(&q->lock);
}
