/* SPDX-License-Identifier: Apache-2.0 */
/* A producer of bytes in a thread of its own, a bounded number of buffers ahead of its reader. */
#ifndef FC_BASE_AHEAD_H
#define FC_BASE_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <fccompose/error.h>

#include "base/cleanup.h"

/** A running producer and the ring of buffers between it and its reader. */
struct fc_ahead;

/**
 * Put up to @size bytes into @buffer. Returns the count, 0 at the end, or -errno with words.
 *
 * Called in the producer's thread, and never again after it returned 0 or less. What it touches belongs to that thread
 * from fc_ahead_new() until the reader has been told of the end, or fc_ahead_free() returned.
 */
typedef ssize_t (*fc_ahead_fill)(void *arg, void *buffer, size_t size, struct fc_error *err);

/** Look at the @size bytes of a filled buffer. Returns 0 or -errno with words. */
typedef int (*fc_ahead_watch)(void *arg, const void *data, size_t size, struct fc_error *err);

/** The ring. All zero is 4 buffers of 256 KiB, which only the reader sees. */
struct fc_ahead_options {
    size_t size; /**< of a buffer */
    unsigned n;  /**< buffers, the one that the reader holds included; at least 2 */
    /**
     * Called for each buffer, in order, in one more thread beside the reader: for digests. The reader is told of the end
     * when the watcher is done, and of its failure at the latest then.
     */
    fc_ahead_watch watch;
    void *watch_arg; /**< borrowed until fc_ahead_free() */
};

/**
 * Start the threads; they take no signals. @arg is borrowed until fc_ahead_free(). @options may be NULL.
 *
 * Returns 0 and sets *ret, or -ENOMEM, or -EAGAIN when there can be no more threads.
 */
int fc_ahead_new(fc_ahead_fill fill, void *arg, const struct fc_ahead_options *options, struct fc_ahead **ret,
                 struct fc_error *err);

/**
 * Borrow the next buffer, in the order in which they were filled, and give the one before back.
 *
 * Waits for the producer. Returns the count of bytes at *ret_data; 0 at the end; the producer's failure with its words,
 * after everything it had filled; or -ECANCELED. The last three for good. For one thread at a time.
 */
ssize_t fc_ahead_next(struct fc_ahead *a, const void **ret_data, struct fc_error *err);

/** Whether fc_ahead_next() would return without waiting for the producer. The reader's thread. */
bool fc_ahead_ready(struct fc_ahead *a);

/** Stop: the producer fills no further buffer, and a reader that waits gets -ECANCELED. Any thread. */
void fc_ahead_cancel(struct fc_ahead *a);

/** Cancel, wait until the threads have come back from the buffers they are at, and free. NULL is allowed. */
void fc_ahead_free(struct fc_ahead *a);

FC_DEFINE_AUTO(struct fc_ahead *, fc_ahead_free)

#endif
