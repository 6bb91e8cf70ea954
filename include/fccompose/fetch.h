/* SPDX-License-Identifier: Apache-2.0 */
/* What all downloads of a program share: where they are kept, how patient they are, mirrors, cancelling. */
#ifndef FCCOMPOSE_FETCH_H
#define FCCOMPOSE_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/error.h>

/** Downloads with the cache, the connections and the settings that they share. Usable from any thread. */
struct fc_fetcher;

/** Somewhere else to ask: a URL that begins with @prefix is also at @to and what follows the prefix. */
struct fc_fetch_rule {
    const char *prefix, *to;
    bool only; /**< never ask the original */
};

/** A download that runs, for a listener. */
struct fc_fetch_item {
    const char *what; /**< a name for a person */
    uint64_t done;    /**< bytes that are here, those of an earlier run included */
    uint64_t total;   /**< 0: not known */
    double rate;      /**< bytes a second, lately */
};

/** A listener to all downloads. */
struct fc_fetch_watch {
    /**
     * Called about ten times a second while downloads run, and with @n 0 when the last is over; never by two threads at
     * once, but by a thread of the fetcher. @items are borrowed for the call.
     */
    void (*update)(struct fc_fetch_watch *w, const struct fc_fetch_item *items, size_t n);
};

/** Settings. All zero is the default. */
struct fc_fetch_options {
    const char *cache;                 /**< folder of the cache; NULL: where fc_cache_open(NULL) finds it */
    bool offline;                      /**< answer from the cache, or say what it lacks */
    const struct fc_fetch_rule *rules; /**< tried in order, the original last; copied */
    size_t n_rules;
    const char *const
        *insecure; /**< "HOST" or "HOST:PORT": certificates are not checked, plain http is right; copied */
    size_t n_insecure;
    unsigned attempts;            /**< to each server before it counts as failed; 0 is 5 */
    unsigned retry_ms;            /**< first pause between them, doubled each time, at most a minute; 0 is 1000 */
    unsigned connect_s;           /**< seconds to get a connection; 0 is 20 */
    unsigned stall_s;             /**< seconds without a byte after which a transfer is broken off; 0 is 60 */
    unsigned max_transfers;       /**< at once; 0 is 6 */
    struct fc_fetch_watch *watch; /**< may be NULL; borrowed until free */
};

/**
 * Make a fetcher. It starts a thread with the first transfer; that takes no signals. @options may be NULL.
 *
 * From the environment come proxies (http_proxy, https_proxy, all_proxy, no_proxy) and certificates (SSL_CERT_FILE,
 * SSL_CERT_DIR). Returns 0 and sets *ret, or a negative errno with words.
 */
FC_PUBLIC int fc_fetcher_new(const struct fc_fetch_options *options, struct fc_fetcher **ret, struct fc_error *err);

/**
 * Break everything off, now and for later: whoever waits gets -ECANCELED. Parts of downloads stay for the next time.
 * Any thread, and signal handlers.
 */
FC_PUBLIC void fc_fetcher_cancel(struct fc_fetcher *f);

/** Cancel, wait for the thread, free. What was started must be freed before. NULL is allowed. */
FC_PUBLIC void fc_fetcher_free(struct fc_fetcher *f);

#endif
