/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP and what comes through it: exchanges whose answer fits into memory, and downloads that end in the cache and can be
 * read while they arrive. The only door to libcurl.
 *
 * Three ways, from small to large: fc_http_exchange() for anything with an answer of bounded size (tokens, manifests, pushes);
 * fc_fetch_document() for an index file that the cache keeps and asks anew for each time; fc_fetch_start() for a blob.
 * Credentials go to the origin (scheme, host and port) of the URL that was asked for and to no other, whatever redirects
 * and mirrors say, and into no message.
 */
#ifndef FC_FETCH_FETCH_H
#define FC_FETCH_FETCH_H

#include <sys/types.h>

#include <fccompose/fetch.h>
#include <fccompose/layer.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sum.h"

/** The body of a request when it is too large for memory, or made on the way. */
struct fc_http_source {
    /**
     * Put up to @size bytes of the body, beginning at @offset, into @buffer. Returns the count, or -errno with words. Called by
     * the fetcher's thread: must not exchange. After a failure that is tried again it begins at 0 once more.
     */
    ssize_t (*read)(void *arg, uint64_t offset, void *buffer, size_t size, struct fc_error *err);
    void *arg;
    uint64_t size; /**< of the body */
};

/** A request. All zero but @url is a GET. Everything is borrowed: until the exchange is over, or the download was freed. */
struct fc_http_request {
    const char *url;            /**< http, https or file; "user:password@" in it is Basic authorization */
    const char *method;         /**< NULL is GET */
    const char *const *headers; /**< "Name: value"; sent to every server that the request goes to */
    size_t n_headers;
    const char *authorization; /**< value of an Authorization header, for the origin of @url alone; NULL: none */
    const void *body;          /**< of @body_size bytes, or */
    size_t body_size;
    const struct fc_http_source *source; /**< this; both NULL: no body */
    bool repeat;        /**< send it again after a broken connection although its method is not GET, HEAD or PUT */
    bool no_redirects;  /**< a 3xx is the answer, with its Location */
    bool no_rules;      /**< no mirrors */
    unsigned attempts;  /**< at most so many to a server; 0: as many as the fetcher makes */
    uint64_t max_bytes; /**< cap on the answer; more is -EFBIG. 0: 16 MiB for an exchange, 1 TiB for a download */
};

/** An answer. Release with fc_http_response_release(). */
struct fc_http_response {
    int status;            /**< 200, 404... also of file: */
    struct fc_buf headers; /**< "Name: value" lines, each ended by "\n"; of the last answer after redirects */
    struct fc_buf body;
    char *url; /**< whom the answer is from, without credentials */
};

/** Free what is in it. All zero is allowed. */
void fc_http_response_release(struct fc_http_response *r);
static inline void fc_http_response_release_auto(struct fc_http_response *r) { fc_http_response_release(r); }

/**
 * The value of the @nth (from 0) header called @name in any case, appended to @ret (cleared before). Returns 1, or 0: none;
 * or -ENOMEM.
 */
int fc_http_header(const struct fc_http_response *r, const char *name, size_t nth, struct fc_buf *ret);

/**
 * Ask and wait for the whole answer.
 *
 * Any status is an answer: 0 is returned for 404 and 401 just as well. Tried again, as the fetcher's options say: broken
 * connections and time-outs, 408, 425, 429, 500, 502, 503, 504 (of methods that are not to be repeated only 429 and 503); Retry-After is obeyed up to a minute, longer ones are the
 * answer. Redirects are followed, at most ten, from https never to http. Returns 0 and fills *ret; -ECANCELED; -ENETDOWN
 * offline; -EFBIG; -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH (no such host), -EPROTO, -EKEYREJECTED (certificate) or another
 * errno with words. Any thread but the fetcher's own.
 */
int fc_http_exchange(struct fc_fetcher *f, const struct fc_http_request *request, struct fc_http_response *ret,
                     struct fc_error *err);

/**
 * Ask @n questions at once. Returns 0 with an answer for each in @ret (@n of them); one that failed has status 0. Or
 * -ECANCELED, -ENETDOWN, -ENOMEM with words, and then none.
 */
int fc_http_exchange_many(struct fc_fetcher *f, const struct fc_http_request *requests, size_t n,
                          struct fc_http_response *ret, struct fc_error *err);

/** What to download. All zero but @request.url is: whatever is there, as often as it changes. */
struct fc_fetch_want {
    struct fc_http_request request; /**< a GET */
    const char *label;              /**< names it in messages and bars; NULL: the URL without its secrets */
    struct fc_sum sum; /**< what its bytes must be; none: whatever the server has, asked for anew each time */
    bool have_size;
    uint64_t size; /**< what its length must be */
    bool stale_ok; /**< for a @sum of none: when no server can be reached, what the cache has will do, with a warning */
    /**
     * May be NULL. The server said 401 with @challenge (its WWW-Authenticate headers, one a line): make another
     * authorization. Called at most twice for no byte in between, by a thread that waits in fc_fetch_read() or fc_fetch_wait(), so it may exchange.
     * Returns 0 and sets *ret_authorization (malloc, taken over), or -errno with words.
     */
    int (*renew)(void *arg, const char *challenge, char **ret_authorization, struct fc_error *err);
    void *arg;
};

/** A download: what reads the bytes of one blob. For one thread at a time. */
struct fc_fetch;

/**
 * Begin to download, or find in the cache; the transfer then runs by itself.
 *
 * With a @sum the cache answers when it has a blob of that digest (its bytes are checked first; a damaged one is set aside
 * with a warning). Else it runs into a partial file in the cache, which goes on where an earlier run was cut: with a Range
 * and If-Range, the beginning digested again. Several downloads of one blob, also by several processes, are one transfer.
 * Returns 0 and sets *ret; -ENOENT offline when the cache lacks it (err says what); or a negative errno with words.
 */
int fc_fetch_start(struct fc_fetcher *f, const struct fc_fetch_want *want, struct fc_fetch **ret, struct fc_error *err);

/**
 * Read the next bytes, waiting for them. Returns the count; 0 at the end, when length and digest were found right; or what
 * fc_fetch_wait() returns. -ESTALE when bytes that were read turned out to be those of an earlier version: wait for the whole
 * and read that with fc_fetch_open().
 */
ssize_t fc_fetch_read(struct fc_fetch *t, void *buffer, size_t size, struct fc_error *err);

/** Make a fc_fetch_read() that waits, and later ones, return -ECANCELED. The transfer goes on. Any thread. */
void fc_fetch_cancel_read(struct fc_fetch *t);

/**
 * Wait until the whole is in the cache, under its digest.
 *
 * Returns 0; -EBADMSG when length or digest are wrong (both are named; the part is gone); -ENOENT (404, 410), -EACCES (401,
 * 403), -EPROTO (another status), -ETIMEDOUT and the like, after all attempts and mirrors; -EFBIG; -ECANCELED; each with
 * words.
 */
int fc_fetch_wait(struct fc_fetch *t, struct fc_error *err);

/**
 * Wait until it is clear whether bytes come. Returns 1: it is over, and in the cache; 0: they come; or what fc_fetch_wait()
 * returns.
 */
int fc_fetch_answered(struct fc_fetch *t, struct fc_error *err);

/** What is known about a download. */
struct fc_fetch_info {
    bool cached;    /**< no byte of it came over the network */
    bool stale;     /**< no server was asked whether it is still the same: offline, or @stale_ok was made use of */
    bool summed;    /**< its digest was given beforehand */
    bool restarted; /**< it began anew at least once, with other bytes perhaps */
    struct fc_digest digest; /**< SHA-256; after the end only */
    uint64_t size;           /**< bytes here; after the end: its length */
    uint64_t total;          /**< its length as far as it is known, else 0 */
    int status;              /**< of the last answer; 0: none yet */
    const char *modified;    /**< Last-Modified as the server wrote it, or NULL. Borrowed until free */
};
/** Fill *ret with what is known now. */
void fc_fetch_info(struct fc_fetch *t, struct fc_fetch_info *ret);

/** Wait, then open the finished blob for reading. Returns the descriptor, or what fc_fetch_wait() returns. */
int fc_fetch_open(struct fc_fetch *t, struct fc_error *err);

/** Done with it: a transfer that nobody else wants is broken off, its part stays. NULL is allowed. */
void fc_fetch_free(struct fc_fetch *t);

/** Start, wait, and put the bytes (at most @max; more is -EFBIG) into @ret (cleared before). @ret_info may be NULL; its
 *  @modified is not filled. */
int fc_fetch_document(struct fc_fetcher *f, const struct fc_fetch_want *want, size_t max, struct fc_buf *ret,
                      struct fc_fetch_info *ret_info, struct fc_error *err);

/** What makes downloads, with its version, for `doctor`; NULL: it is not installed. */
const char *fc_fetch_library(void);
/** Whether the fetcher is offline. */
bool fc_fetcher_offline(const struct fc_fetcher *f);
/** Whether fc_fetcher_cancel() was called. */
bool fc_fetcher_canceled(const struct fc_fetcher *f);
/** The folder "oci" of the cache: an OCI image layout whose blobs are what was fetched. Borrowed. */
const char *fc_fetcher_layout(const struct fc_fetcher *f);
/** The path that the blob @digest has or would have there; NULL when out of memory. Caller frees. */
char *fc_fetch_blob_path(const struct fc_fetcher *f, const struct fc_digest *digest);
/** Whether @url's host is in the list of insecure ones, or of this machine ("localhost", 127.*, [::1]). */
bool fc_fetcher_trusts_plain(const struct fc_fetcher *f, const char *url);

/**
 * Put the @size bytes @data under their SHA-256 into the layout (a manifest, a config). Durable when it returns. Returns 0 and
 * sets *ret_digest, or a negative errno with words.
 */
int fc_fetch_store(struct fc_fetcher *f, const void *data, size_t size, struct fc_digest *ret_digest,
                   struct fc_error *err);

/** @url without user and password, as it may be recorded. Caller frees; NULL when out of memory or for what is no URL. */
char *fc_url_bare(const char *url);
/** The path that a file: URL means. Caller frees; NULL for any other URL. */
char *fc_url_path(const char *url);
/** Where @location, which may be relative, leads from @base. NULL when it leads nowhere or out of memory. Caller frees. */
char *fc_http_resolve(const char *base, const char *location);

/** Whether two URLs have one scheme, host and port. False for what is no URL, and out of memory. */
bool fc_url_same_origin(const char *a, const char *b);

/** @url without user, password and query, and made printable, into @out, which is returned. For messages. */
char *fc_url_show(char *out, size_t size, const char *url);

FC_DEFINE_AUTO(struct fc_fetcher *, fc_fetcher_free)
FC_DEFINE_AUTO(struct fc_fetch *, fc_fetch_free)

#endif
