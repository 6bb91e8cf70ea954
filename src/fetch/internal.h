/* SPDX-License-Identifier: Apache-2.0 */
/* The fetcher, its transfers and its blobs, for the files of this module. */
#ifndef FC_FETCH_INTERNAL_H
#define FC_FETCH_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/digest.h"
#include "fetch/curl.h"
#include "fetch/fetch.h"

struct fc_blob;
struct fc_transfer;

/** What a transfer does with what comes. Called by the fetcher's thread, without its lock. */
struct fc_transfer_ops {
    /** An attempt begins: may set up t->easy further and add headers. Returns 0 or -errno with words in t->err. */
    int (*begin)(struct fc_transfer *t);
    /** The answer with t->status is not going to be followed or tried again. Returns 0, or -errno with words in t->err
     *  (EAGAIN: ask again at once). */
    int (*answer)(struct fc_transfer *t);
    /** Body bytes of such an answer. Returns 0 or -errno with words in t->err. */
    int (*data)(struct fc_transfer *t, const void *data, size_t size);
    /** Nothing more comes for now: pass on what was gathered. The same returns. May be NULL. */
    int (*settle)(struct fc_transfer *t);
    /** Such an answer is complete. Returns 0: done; -errno with words in t->err; -EAGAIN: ask again at once. */
    int (*finish)(struct fc_transfer *t);
    /** Whether another server, if there is one, may do better than what t->r and t->status say. */
    bool (*move_on)(const struct fc_transfer *t);
};

/** Where a transfer stands. */
enum fc_transfer_state { FC_TRANSFER_IDLE, FC_TRANSFER_WAITING, FC_TRANSFER_RUNNING, FC_TRANSFER_DONE };

/** One request with its attempts, redirects and mirrors. Fields belong to the fetcher's thread unless marked. */
struct fc_transfer {
    struct fc_transfer *next;              /* lock */
    struct fc_fetcher *f;                  /* never changes, nor do the next three */
    const struct fc_http_request *request; /* borrowed */
    const struct fc_transfer_ops *ops;
    void *owner;
    enum fc_transfer_state state; /* lock */
    bool abort;                   /* lock: nobody wants it any more */
    int r;                        /* lock: the result, when done */
    struct fc_error err;          /* the same */

    char **urls; /* mirrors, then the original */
    size_t n_urls, at_url;
    char *url;                 /* asked now: one of them, or where it redirected to */
    const char *authorization; /* borrowed */
    CURL *easy;
    struct curl_slist *list;
    char words[CURL_ERROR_SIZE];
    unsigned attempt, redirects;
    bool as_get, judged, wanted; /* after 303; whether the answer was looked at; whether its body is for ops->data */
    bool hasty;                  /* one attempt is enough when nobody answers */
    double not_before;
    int status;
    struct fc_buf headers;
    uint64_t sent; /* of the body */
    curl_off_t moved;
    double moved_at;
};

struct fc_fetcher {
    char *cache, *layout;
    bool offline;
    struct fc_fetch_rule *rules;
    size_t n_rules;
    char **insecure;
    size_t n_insecure;
    unsigned attempts, retry_ms, connect_s, stall_s, max_transfers;
    struct fc_fetch_watch *watch;
    char *ca_file, *ca_dir;

    atomic_bool canceled;
    int event; /* wakes the thread */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* anything under the lock did */
    int layout_lock;        /* shared, on the layout: what is in it stays (fetch/collect.h); -1: none yet */
    bool started, stop, laid_out;
    pthread_t thread;
    CURLM *multi;
    struct fc_transfer *transfers;
    unsigned running; /* the thread's */
    double watched_at;
    bool watching;
    struct fc_blob *blobs;
};

/** Seconds of a clock that only goes forward. */
double fc_fetch_now(void);
/** Wake the fetcher's thread. */
void fc_fetcher_wake(struct fc_fetcher *f);
/** Hand @t (state IDLE, filled in) to the thread, which is started if need be. Takes the lock. */
int fc_transfer_submit(struct fc_transfer *t, struct fc_error *err);
/** Take @t out: when this returns the thread knows it no more. Takes the lock. */
void fc_transfer_withdraw(struct fc_transfer *t);
/** Free what the attempts of @t left. */
void fc_transfer_release(struct fc_transfer *t);
/** The thread: begin an attempt; on failure t->r and t->err are set. */
int fc_transfer_begin(struct fc_transfer *t);
/** The thread: an attempt ended with @code. Sets the state to WAITING or DONE, and frees the handle. */
void fc_transfer_ended(struct fc_transfer *t, CURLcode code);
/** The thread: whether the running attempt has moved no byte for too long; t->words then say so. */
bool fc_transfer_stalls(struct fc_transfer *t);
/** Look at the answer, once its headers are complete; later calls do nothing. Returns 0 or -errno with words in t->err. */
int fc_transfer_judge(struct fc_transfer *t);
/** Free the handle of an attempt. */
void fc_transfer_close(struct fc_transfer *t);
/** Whether the answer that @t has now is a redirect to follow. */
bool fc_transfer_is_redirect(const struct fc_transfer *t);
/** Whether the answer that @t has now says to try again, and there is an attempt left. *ret_after: seconds, 0 if not said. */
bool fc_transfer_wants_again(const struct fc_transfer *t, curl_off_t *ret_after);
/** The URLs to ask for @url: mirrors by the rules, then itself unless a rule forbids. Returns 0 or -ENOMEM. */
int fc_rules_apply(const struct fc_fetcher *f, const char *url, bool no_rules, char ***ret_urls, size_t *ret_n);

/** Words and errno for what libcurl says. Returns -errno. */
int fc_fetch_explain(const struct fc_transfer *t, CURLcode code, struct fc_error *err);
/** Words and errno for a status that is no success. Returns -errno. */
int fc_fetch_explain_status(const struct fc_transfer *t, struct fc_error *err);
/** Whether another attempt may help after @code, and how many attempts in all that is worth. */
unsigned fc_fetch_attempts_for(const struct fc_transfer *t, CURLcode code);

/** @url without user, password and fragment; *ret_user and *ret_password (caller frees; NULL: none) decoded. Returns 0, -EINVAL, -ENOMEM. */
int fc_url_split(const char *url, char **ret_url, char **ret_user, char **ret_password);
/** Whether @url is of @scheme. */
bool fc_url_is(const char *url, const char *scheme);
/** Whether the host of @url, with or without its port, is in the list of insecure ones. */
bool fc_url_insecure(const struct fc_fetcher *f, const char *url);

/** The value of header @name among "Name: value\n" lines; same contract as fc_http_header(). */
int fc_headers_find(const struct fc_buf *headers, const char *name, size_t nth, struct fc_buf *ret);

#endif
