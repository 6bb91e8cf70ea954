/* SPDX-License-Identifier: Apache-2.0 */
/* Tar streams in and out, decompression by magic. The only door to libarchive, zlib and isa-l. */
#ifndef FC_ARCHIVE_ARCHIVE_H
#define FC_ARCHIVE_ARCHIVE_H

#include <stdint.h>
#include <sys/types.h>

#include <fccompose/entry.h>
#include <fccompose/layer.h>
#include <fccompose/progress.h>

#include "base/cleanup.h"

/** Where bytes come from. */
struct fc_byte_source {
    /**
     * Returns the number of bytes put into @buffer (0 at the end), or -errno with words. Called by a thread of the
     * reader, one at a time.
     */
    ssize_t (*read)(struct fc_byte_source *s, void *buffer, size_t size, struct fc_error *err);
    /** May be NULL: make a read() that waits, and later ones, return soon. Called by any thread, several times. */
    void (*cancel)(struct fc_byte_source *s);
    /** May be NULL. After the end: the SHA-256 of all bytes that were read, which the reader then need not compute. */
    void (*digest)(struct fc_byte_source *s, struct fc_digest *ret);
};

/** How to read a tar. All zero is the default. */
struct fc_tar_options {
    const char *label;  /**< names the layer in messages; copied */
    uint64_t max_bytes; /**< uncompressed cap; 0 is 1 TiB; more is -EFBIG */
    struct fc_progress
        *progress; /**< hears how many bytes of the source are read, in the caller's thread; may be NULL */
};

/**
 * Read a tar stream (ustar, PAX, GNU, v7; plain, gzip, zstd, xz, bzip2, by magic) as entries with raw names: whiteouts
 * are left to fc_filter_whiteouts().
 *
 * @source is borrowed until free, and read by threads of the iterator: its user leaves it alone until fc_tar_finish() or
 * free has returned. Everything survives that fc_entry can hold; what it cannot hold is counted as a
 * note, never dropped in silence.
 */
int fc_tar_iter(struct fc_byte_source *source, const struct fc_tar_options *options, struct fc_entry_iter **ret,
                struct fc_error *err);

/** After the stream's end: what was read. */
struct fc_tar_result {
    struct fc_digest diffid;        /**< of the uncompressed bytes, to the last one */
    uint64_t tar_bytes;             /**< uncompressed length */
    struct fc_digest source_digest; /**< of the source's bytes, to the last one */
    uint64_t source_bytes;
    uint32_t n_notes;
};

/**
 * Read on to the very end of the source (bytes after the two zero blocks count into the diffID) and report.
 * Only after fc_entry_next() returned 0. Returns 0 or a negative errno with words (trailing damage is -EBADMSG).
 */
int fc_tar_finish(struct fc_entry_iter *it, struct fc_tar_result *ret, struct fc_error *err);

/** Writes a tar (PAX where ustar cannot say it), reproducibly. */
struct fc_tar_writer;

/** Where a writer's bytes go: returns 0 or -errno with words. */
typedef int (*fc_tar_sink)(void *arg, const void *data, size_t size, struct fc_error *err);

/** Begin. @sink gets plain tar bytes. */
int fc_tar_writer_new(fc_tar_sink sink, void *arg, struct fc_tar_writer **ret, struct fc_error *err);
/**
 * Write a header: ADD or HARDLINK; WHITEOUT and OPAQUE become ".wh." files. For a regular file give @e->size bytes next;
 * what no block covers is written as zeros.
 */
int fc_tar_writer_entry(struct fc_tar_writer *w, const struct fc_entry *e, struct fc_error *err);

/** A run of data in a sparse file. */
struct fc_tar_extent {
    uint64_t offset, length;
};

/**
 * The same for a regular file whose data is known beforehand to be only in the @n runs @extents (ascending, not
 * overlapping, inside the file; borrowed for the call): if they leave gaps a GNU.sparse 1.0 map is written and the
 * gaps are holes. @n 0 is a file that is one hole. Blocks given next must lie inside the runs.
 */
int fc_tar_writer_sparse_entry(struct fc_tar_writer *w, const struct fc_entry *e, const struct fc_tar_extent *extents,
                               size_t n, struct fc_error *err);
/** Content of the current regular file, in order; what blocks leave out of the data is written as zeros. */
int fc_tar_writer_data(struct fc_tar_writer *w, const struct fc_block *block, struct fc_error *err);
/** Write the end of the archive. */
int fc_tar_writer_finish(struct fc_tar_writer *w, struct fc_error *err);
/** Free. NULL is allowed. */
void fc_tar_writer_free(struct fc_tar_writer *w);
FC_DEFINE_AUTO(struct fc_tar_writer *, fc_tar_writer_free)

/** How bytes are compressed. */
enum fc_compression {
    FC_COMPRESS_NONE,
    FC_COMPRESS_GZIP, /**< without name and time, so that the same bytes give the same bytes */
    FC_COMPRESS_ZSTD,
};

/** A stream that compresses. Not thread-safe. */
struct fc_compressor;

/**
 * Begin. @level is the library's (gzip 1 to 9, zstd 1 to 19); 0 is its default. @sink gets the compressed bytes. Returns 0 and
 * sets *ret, -EOPNOTSUPP when libarchive was built without it, or another negative errno with words.
 */
int fc_compressor_new(enum fc_compression kind, int level, fc_tar_sink sink, void *arg, struct fc_compressor **ret,
                      struct fc_error *err);
/** Compress @size bytes. A fc_tar_sink whose argument is the compressor. Returns 0 or -errno with words. */
int fc_compressor_add(void *compressor, const void *data, size_t size, struct fc_error *err);
/** Write what is left. Returns 0 or -errno with words. */
int fc_compressor_finish(struct fc_compressor *c, struct fc_error *err);
/** Free. NULL is allowed. */
void fc_compressor_free(struct fc_compressor *c);
FC_DEFINE_AUTO(struct fc_compressor *, fc_compressor_free)

#endif
