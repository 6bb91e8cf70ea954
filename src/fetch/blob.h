/* SPDX-License-Identifier: Apache-2.0 */
/* A blob on its way into the cache: one transfer, one partial file, any number of readers. Private to fetch/. */
#ifndef FC_FETCH_BLOB_H
#define FC_FETCH_BLOB_H

#include "fetch/layout.h"

/** The partial file. Fields belong to who prepares the blob, then to the fetcher's thread. */
struct fc_part {
    char *path;
    int fd; /* locked as long as it may grow; readers read it also when it is a blob */
    char key[FC_KEY_TEXT];
    struct fc_note from; /* whose beginning it is: URL and validators */
    struct fc_hasher *sha256, *sha512;
};

/** One blob. Fields marked "lock" are guarded by the fetcher's. */
struct fc_blob {
    struct fc_blob *next; /* lock */
    unsigned refs;        /* lock */
    struct fc_fetcher *f;
    char key[FC_KEY_TEXT];
    struct fc_fetch_want want; /* copied, but for what its starter alone uses */
    char *url, *label;
    char *authorization; /* lock */
    char **headers;
    struct fc_transfer transfer;
    struct fc_part part;
    struct fc_note known;                  /* what the cache has for the URL, when the bytes are not given */
    bool conditional, restarted, no_range; /* the thread's */
    bool resumed;

    bool busy;    /* lock: one of the readers prepares, checks or renews */
    bool running; /* lock: the transfer was submitted */
    bool here;    /* lock: in the cache, under @digest */
    bool cached, checked, stale, answered;
    int r; /* of preparing: negative for good */
    struct fc_error err;
    struct fc_digest digest;
    uint64_t received, total; /* lock */
    unsigned generation;      /* lock: how often the part began anew */
    unsigned renewals;
    uint64_t renewed_at; /* @received at the last of them */
    struct fc_buf challenge;
    bool may_renew; /* it was the server asked that said so */
    char *modified;
    int status;
    double measured_at, rate; /* the thread's */
    uint64_t measured, began; /* the latter: what an attempt began with */
    char *gathered;           /* the thread's: bytes that came and are not in the part yet */
    size_t n_gathered;
};

/** What a user holds of one. */
struct fc_fetch {
    struct fc_blob *b;
    int (*renew)(void *arg, const char *challenge, char **ret_authorization, struct fc_error *err);
    void *arg;
    bool canceled; /* lock */
    uint64_t at;
    unsigned generation;
};

/** Have it transferred. For the one for whom the blob is busy. Returns 0, or -errno with words. */
int fc_blob_launch(struct fc_blob *b, bool conditional, struct fc_error *err);
/** Hand its transfer, set up anew, to the fetcher's thread. Returns 0, or -errno with words. */
int fc_blob_submit(struct fc_blob *b, struct fc_error *err);
/** Say whether a transfer was submitted. Takes the lock. */
void fc_blob_set_running(struct fc_blob *b, bool running);
/** It is busy no more; with a negative @r it failed for good, as @why says. Takes the lock. */
void fc_blob_not_busy(struct fc_blob *b, int r, const struct fc_error *why);

/** Open and lock the part of @key; what it has is digested when it may be gone on with. */
int fc_part_open(struct fc_blob *b, struct fc_error *err);
/** Empty it: the next byte is the first. Takes the lock. Returns 0 or -errno. */
int fc_part_rewind(struct fc_blob *b);
/** Add bytes. Takes the lock. Returns 0 or -errno with words. */
int fc_part_add(struct fc_blob *b, const void *data, size_t size, struct fc_error *err);
/** Remember whose beginning it is, from the answer's headers. */
void fc_part_note(struct fc_blob *b, const struct fc_buf *headers, const char *url);
/** Check it, and put it into the cache. Returns 0 and sets *ret_digest; -EBADMSG with words when the bytes are wrong. */
int fc_part_finish(struct fc_blob *b, struct fc_digest *ret_digest, struct fc_error *err);
/** Remove the files. */
void fc_part_remove(struct fc_blob *b);
/** Close; files that are worth it stay. */
void fc_part_close(struct fc_blob *b);

/** What the transfer of a blob does. */
extern const struct fc_transfer_ops fc_blob_ops;

/** Tell the listener how far downloads are, at most ten times a second, or that they are over. The thread's. */
void fc_blobs_watch(struct fc_fetcher *f, bool over);

#endif
