/* SPDX-License-Identifier: Apache-2.0 */
/* The fetcher: its settings, mirrors and rewritten prefixes among them. */
#include <errno.h>
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
