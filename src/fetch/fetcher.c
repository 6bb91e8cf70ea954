/* SPDX-License-Identifier: Apache-2.0 */
/* The fetcher: its settings, and the thread that runs all transfers through one multi handle of libcurl. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/dirs.h"
#include "fetch/blob.h"
#include "fetch/layout.h"

double fc_fetch_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned or_else(unsigned value, unsigned otherwise) { return value ? value : otherwise; }

static char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? strdup(value) : NULL;
}

static int copy_lists(struct fc_fetcher *f, const struct fc_fetch_options *o)
{
    f->rules = calloc(o->n_rules + 1, sizeof(*f->rules));
    f->insecure = calloc(o->n_insecure + 1, sizeof(*f->insecure));
    if (!f->rules || !f->insecure)
        return -ENOMEM;
    for (; f->n_rules < o->n_rules; f->n_rules++) {
        struct fc_fetch_rule *to = &f->rules[f->n_rules];

        *to = (struct fc_fetch_rule){strdup(o->rules[f->n_rules].prefix), strdup(o->rules[f->n_rules].to),
                                     o->rules[f->n_rules].only};
        if (!to->prefix || !to->to) {
            f->n_rules++;
            return -ENOMEM;
        }
    }
    for (; f->n_insecure < o->n_insecure; f->n_insecure++) {
        f->insecure[f->n_insecure] = strdup(o->insecure[f->n_insecure]);
        if (!f->insecure[f->n_insecure])
            return -ENOMEM;
    }
    return 0;
}

static int fill(struct fc_fetcher *f, const struct fc_fetch_options *o, struct fc_error *err)
{
    int r = 0;

    f->offline = o->offline;
    f->attempts = or_else(o->attempts, 5);
    f->retry_ms = or_else(o->retry_ms, 1000);
    f->connect_s = or_else(o->connect_s, 20);
    f->stall_s = or_else(o->stall_s, 60);
    f->max_transfers = or_else(o->max_transfers, 6);
    f->watch = o->watch;
    f->ca_file = variable("SSL_CERT_FILE");
    f->ca_dir = variable("SSL_CERT_DIR");
    if (o->cache)
        f->cache = strdup(o->cache);
    else
        r = fc_dir_cache(&f->cache, err);
    if (r < 0)
        return r;
    if (!f->cache || asprintf(&f->layout, "%s/oci", f->cache) < 0 || copy_lists(f, o) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    f->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->event < 0)
        return fc_fail_errno(err, errno, "cannot begin to download");
    return 0;
}

int fc_fetcher_new(const struct fc_fetch_options *options, struct fc_fetcher **ret, struct fc_error *err)
{
    static const struct fc_fetch_options defaults;
    struct fc_fetcher *f = calloc(1, sizeof(*f));
    pthread_condattr_t clock;
    int r;

    if (!f)
        return fc_fail(err, ENOMEM, "out of memory");
    f->event = f->layout_lock = -1;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &clock);
    pthread_condattr_destroy(&clock);
    r = fill(f, options ? options : &defaults, err);
    if (r == 0 && !fc_curl())
        r = fc_fail(err, ENOENT,
                    "libcurl, which downloads need, is not installed (Debian and Ubuntu: apt-get install libcurl4)");
    if (r == 0 && (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(f->multi = curl_multi_init())))
        r = fc_fail(err, ENOMEM, "cannot start libcurl");
    if (r < 0) {
        fc_fetcher_free(f);
        return r;
    }
    fc_layout_hold(f);
    curl_multi_setopt(f->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)f->max_transfers);
    *ret = f;
    return 0;
}

const char *fc_fetch_library(void) { return fc_curl() ? curl_version() : NULL; }

void fc_fetcher_wake(struct fc_fetcher *f) { (void)eventfd_write(f->event, 1); }

void fc_fetcher_cancel(struct fc_fetcher *f)
{
    atomic_store(&f->canceled, true);
    fc_fetcher_wake(f);
}

bool fc_fetcher_canceled(const struct fc_fetcher *f) { return atomic_load(&f->canceled); }
bool fc_fetcher_offline(const struct fc_fetcher *f) { return f->offline; }
const char *fc_fetcher_layout(const struct fc_fetcher *f) { return f->layout; }

void fc_fetcher_free(struct fc_fetcher *f)
{
    if (!f)
        return;
    if (f->started) {
        atomic_store(&f->canceled, true);
        pthread_mutex_lock(&f->lock);
        f->stop = true;
        pthread_mutex_unlock(&f->lock);
        fc_fetcher_wake(f);
        pthread_join(f->thread, NULL);
    }
    if (f->multi)
        curl_multi_cleanup(f->multi);
    if (f->event >= 0)
        close(f->event);
    if (f->layout_lock >= 0)
        close(f->layout_lock);
    for (size_t i = 0; i < f->n_rules; i++) {
        free((void *)(uintptr_t)f->rules[i].prefix);
        free((void *)(uintptr_t)f->rules[i].to);
    }
    for (size_t i = 0; i < f->n_insecure; i++)
        free(f->insecure[i]);
    free(f->rules);
    free(f->insecure);
    free(f->cache);
    free(f->layout);
    free(f->ca_file);
    free(f->ca_dir);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int fc_rules_apply(const struct fc_fetcher *f, const char *url, bool no_rules, char ***ret_urls, size_t *ret_n)
{
    char **urls = calloc(f->n_rules + 2, sizeof(*urls));
    bool only = false;
    size_t n = 0;

    if (!urls)
        return -ENOMEM;
    for (size_t i = 0; i < f->n_rules && !no_rules; i++) {
        const struct fc_fetch_rule *rule = &f->rules[i];

        if (strncmp(url, rule->prefix, strlen(rule->prefix)) != 0)
            continue;
        if (asprintf(&urls[n], "%s%s", rule->to, url + strlen(rule->prefix)) < 0)
            goto failed;
        n++;
        only = only || rule->only;
    }
    if (!only) {
        urls[n] = strdup(url);
        if (!urls[n++])
            goto failed;
    }
    *ret_urls = urls;
    *ret_n = n;
    return 0;
failed:
    for (size_t i = 0; i < n; i++)
        free(urls[i]);
    free(urls);
    return -ENOMEM;
}

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
    curl_multi_remove_handle(f->multi, t->easy);
    f->running--;
    fc_transfer_ended(t, CURLE_OPERATION_TIMEDOUT);
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
