/* SPDX-License-Identifier: Apache-2.0 */
/* Stage one of reading: decompressed, counted and digested bytes, made ahead by other threads. Private to archive/. */
#ifndef FC_ARCHIVE_STREAM_H
#define FC_ARCHIVE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "archive/feed.h"

/** A tar record. */
#define FC_TAR_BLOCK 512u

/** A stream of uncompressed bytes. */
struct fc_stream;

/** Begin. @source is borrowed; its first bytes decide the decompression. Of @options, which may be NULL, all but the label counts. */
int fc_stream_new(struct fc_byte_source *source, const struct fc_tar_options *options, struct fc_stream **ret,
                  struct fc_error *err);
/** Borrow the bytes at hand, at least one. Returns 1, 0 at the end, or -errno with words. */
int fc_stream_peek(struct fc_stream *s, const void **ret_data, size_t *ret_size, struct fc_error *err);
/** Take @size of the bytes that fc_stream_peek() showed. */
void fc_stream_take(struct fc_stream *s, size_t size);
/** Read @size bytes. Returns the number (short only at the end) or -errno with words. */
ssize_t fc_stream_read(struct fc_stream *s, void *buffer, size_t size, struct fc_error *err);
/** Skip @size bytes. Returns 1, 0 if the stream ended before, or -errno with words. */
int fc_stream_skip(struct fc_stream *s, uint64_t size, struct fc_error *err);
/** Copy the next block into @block without taking it. Returns 1, 0 if there is no whole block, or -errno. */
int fc_stream_look(struct fc_stream *s, uint8_t block[FC_TAR_BLOCK], struct fc_error *err);
/** Bytes taken so far. */
uint64_t fc_stream_offset(const struct fc_stream *s);

/** What a stream was, to its last byte. */
struct fc_stream_result {
    struct fc_digest digest;        /**< of the uncompressed bytes */
    struct fc_digest source_digest; /**< of the source's */
    uint64_t source_bytes;
    bool nonzero; /**< some bytes behind the last one taken were not zero */
};

/** Read to the end of the stream and of the source. Returns 0 or -errno with words. */
int fc_stream_finish(struct fc_stream *s, struct fc_stream_result *ret, struct fc_error *err);
/** Free. NULL is allowed. */
void fc_stream_free(struct fc_stream *s);

/** A producer of uncompressed bytes. */
struct fc_unpack {
    /** Put at most @size bytes into @buffer. Returns the count, 0 at the end, or -errno with words. */
    ssize_t (*read)(struct fc_unpack *u, void *buffer, size_t size, struct fc_error *err);
    void (*free)(struct fc_unpack *u);
};

/** Choose by the first bytes of @feed, borrowed: gzip, zstd, xz, bzip2; *ret is NULL for none (bytes as they are). */
int fc_unpack_new(struct fc_feed *feed, struct fc_unpack **ret, struct fc_error *err);

/** The one for gzip. */
int fc_gunzip_new(struct fc_feed *feed, struct fc_unpack **ret, struct fc_error *err);

#endif
