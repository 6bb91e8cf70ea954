/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that runs all transfers through one multi handle of libcurl. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "fetch/blob.h"

/* Under the lock: set a transfer down as over. */
static void set_done(struct fc_transfer *t, int code)
{
    if (code == ECANCELED)
        fc_fail(&t->err, code, "canceled");
    t->r = -code;
    t->state = FC_TRANSFER_DONE;
}

/* The next transfer that can begin now; or the next for which one must wait, in *ret_wait seconds. Under the lock. */
static struct fc_transfer *due(struct fc_fetcher *f, double *ret_wait)
{
    double now = fc_fetch_now();

    *ret_wait = 1;
    for (struct fc_transfer *t = f->transfers; t && f->running < f->max_transfers; t = t->next) {
        if (t->state != FC_TRANSFER_WAITING || t->abort)
            continue;
        if (t->not_before <= now)
            return t;
        if (t->not_before - now < *ret_wait)
            *ret_wait = t->not_before - now;
    }
    return NULL;
}

/* Begin what can be begun. Returns for how long there is nothing else to do. */
static double begin_due(struct fc_fetcher *f)
{
    struct fc_transfer *t;
    double wait;

    pthread_mutex_lock(&f->lock);
    while ((t = due(f, &wait)) != NULL) {
        t->state = FC_TRANSFER_RUNNING;
        t->attempt++;
        pthread_mutex_unlock(&f->lock);
        if (fc_transfer_begin(t) < 0) {
            fc_transfer_ended(t, CURLE_OK);
        } else {
            curl_multi_add_handle(f->multi, t->easy);
            f->running++;
        }
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return wait;
}

/* Break off what nobody wants, or everything. */
static void drop(struct fc_fetcher *f)
{
    pthread_mutex_lock(&f->lock);
    for (struct fc_transfer *t = f->transfers; t; t = t->next) {
        if (t->state == FC_TRANSFER_DONE || !(t->abort || atomic_load(&f->canceled)))
            continue;
        if (t->state == FC_TRANSFER_RUNNING) {
            curl_multi_remove_handle(f->multi, t->easy);
            f->running--;
        }
        set_done(t, ECANCELED);
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Returns whether any transfer ended. */
static bool collect(struct fc_fetcher *f)
{
    bool any = false;
    struct CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(f->multi, &left)) != NULL) {
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result;
        struct fc_transfer *t = NULL;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
        curl_multi_remove_handle(f->multi, easy);
        f->running--;
        fc_transfer_ended(t, code);
        any = true;
    }
    return any;
}

static void end(struct fc_fetcher *f, struct fc_transfer *t, CURLcode code)
{
    curl_multi_remove_handle(f->multi, t->easy);
    f->running--;
    fc_transfer_ended(t, code);
}

/* The next running transfer behind @after, or the first. */
static struct fc_transfer *next_running(struct fc_fetcher *f, const struct fc_transfer *after)
{
    struct fc_transfer *t;

    pthread_mutex_lock(&f->lock);
    for (t = after ? after->next : f->transfers; t && t->state != FC_TRANSFER_RUNNING; t = t->next)
        ;
    pthread_mutex_unlock(&f->lock);
    return t;
}

/* libcurl hands over 16 KiB at most; to write, digest and announce so little each time would take longer than to receive it. */
static void settle(struct fc_fetcher *f)
{
    struct fc_transfer *next;

    for (struct fc_transfer *t = next_running(f, NULL); t; t = next) {
        next = next_running(f, t);
        if (t->ops->settle && t->ops->settle(t) < 0)
            end(f, t, CURLE_WRITE_ERROR);
    }
}

/* End one attempt that has stalled. Returns whether there was one. */
static bool end_stalled(struct fc_fetcher *f)
{
    struct fc_transfer *t;

    pthread_mutex_lock(&f->lock);
    for (t = f->transfers; t; t = t->next)
        if (t->state == FC_TRANSFER_RUNNING && fc_transfer_stalls(t))
            break;
    pthread_mutex_unlock(&f->lock);
    if (!t)
        return false;
    end(f, t, CURLE_OPERATION_TIMEDOUT);
    return true;
}

static void *run(void *arg)
{
    struct fc_fetcher *f = arg;
    struct curl_waitfd event = {.fd = f->event, .events = CURL_WAIT_POLLIN};
    eventfd_t count;
    bool stop = false;
    int running;

    while (!stop) {
        double wait;

        drop(f);
        wait = begin_due(f);
        curl_multi_perform(f->multi, &running);
        settle(f);
        if (collect(f) || end_stalled(f))
            wait = 0;
        fc_blobs_watch(f, false);
        wait = f->watch && f->running && wait > 0.1 ? 0.1 : wait;
        curl_multi_poll(f->multi, &event, 1, (int)(wait * 1000) + 1, NULL);
        (void)eventfd_read(f->event, &count);
        pthread_mutex_lock(&f->lock);
        stop = f->stop;
        pthread_mutex_unlock(&f->lock);
    }
    drop(f);
    fc_blobs_watch(f, true);
    return NULL;
}

static int start_thread(struct fc_fetcher *f)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&f->thread, NULL, run, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    f->started = r == 0;
    return -r;
}

int fc_transfer_submit(struct fc_transfer *t, struct fc_error *err)
{
    struct fc_transfer **at;
    struct fc_fetcher *f = t->f;
    int r = fc_rules_apply(f, t->request->url, t->request->no_rules, &t->urls, &t->n_urls);

    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    pthread_mutex_lock(&f->lock);
    if (!f->started)
        r = start_thread(f);
    if (r == 0) {
        t->state = FC_TRANSFER_WAITING;
        t->abort = false;
        for (at = &f->transfers; *at; at = &(*at)->next)
            ;
        *at = t;
        t->next = NULL;
    }
    pthread_mutex_unlock(&f->lock);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot begin to download");
    fc_fetcher_wake(f);
    return 0;
}

void fc_transfer_withdraw(struct fc_transfer *t)
{
    struct fc_fetcher *f = t->f;

    pthread_mutex_lock(&f->lock);
    t->abort = true;
    fc_fetcher_wake(f);
    while (t->state != FC_TRANSFER_DONE && t->state != FC_TRANSFER_IDLE)
        pthread_cond_wait(&f->changed, &f->lock);
    for (struct fc_transfer **p = &f->transfers; *p; p = &(*p)->next) {
        if (*p == t) {
            *p = t->next;
            break;
        }
    }
    pthread_mutex_unlock(&f->lock);
}
