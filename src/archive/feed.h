/* SPDX-License-Identifier: Apache-2.0 */
/* The source's raw bytes, read and digested in a thread of their own. Private to archive/. */
#ifndef FC_ARCHIVE_FEED_H
#define FC_ARCHIVE_FEED_H

#include <stdbool.h>

#include "archive/archive.h"

/** A source with a thread that reads it ahead. */
struct fc_feed;

/** Read the first bytes, then go on in the thread. @source is borrowed. Returns 0 or -errno with words. */
int fc_feed_new(struct fc_byte_source *source, struct fc_feed **ret, struct fc_error *err);
/** The first bytes: at least 6 of them unless the source is shorter. Borrowed until the feed's end; they come from fc_feed_next() too. */
const uint8_t *fc_feed_head(const struct fc_feed *f, size_t *ret_size);
/** Borrow the next piece, until the next call. Returns its size, 0 at the end, or -errno with words. One thread at a time. */
ssize_t fc_feed_next(struct fc_feed *f, const void **ret_data, struct fc_error *err);
/** Whether fc_feed_next() would return without waiting for the source. Its thread. */
bool fc_feed_ready(struct fc_feed *f);
/** Bytes read so far. Any thread. */
uint64_t fc_feed_done(const struct fc_feed *f);
/** After fc_feed_next() returned 0: the digest of all bytes. Once. Returns 0 or -EIO with words. */
int fc_feed_digest(struct fc_feed *f, struct fc_digest *ret, struct fc_error *err);
/** Wake whoever waits in fc_feed_next(), with -ECANCELED, and read no more. Any thread. */
void fc_feed_cancel(struct fc_feed *f);
/** Cancel and free. NULL is allowed. */
void fc_feed_free(struct fc_feed *f);

#endif
