/* SPDX-License-Identifier: Apache-2.0 */
/* A planned disk image: a sorted list of segments, and the sinks that consume it. */
#ifndef FCCOMPOSE_IMAGE_H
#define FCCOMPOSE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fccompose/error.h>
#include <fccompose/layer.h>
#include <fccompose/progress.h>

/** A planned image. Immutable once planned; readable from any thread. */
struct fc_image;

/** What a segment's bytes are. */
enum fc_segment_kind {
    FC_SEGMENT_MEMORY, /**< bytes in memory, owned by the image */
    FC_SEGMENT_FILE,   /**< a range of an open file, borrowed */
    FC_SEGMENT_ZERO,   /**< zeros that must read as zeros (never written where the output is fresh) */
};

/** A run of bytes of the image. Segments are sorted, do not overlap, and cover the image without gaps. */
struct fc_segment {
    uint64_t offset, length;
    enum fc_segment_kind kind;
    union {
        const void *memory;
        struct {
            int fd;
            uint64_t offset;
        } file;
    };
};

/** Bytes of the pieces whose digests a chunks file lists. */
#define FC_IMAGE_CHUNK 65536u

/** A dm-verity hash tree as veritysetup(8) writes it: format 1, SHA-256, blocks of 4096 bytes. All zero is none. */
struct fc_image_verity_options {
    bool append;      /**< superblock and tree follow the image, at its size; or: */
    const char *path; /**< they are a file of their own; NULL: they are not */
    uint8_t salt[32];
    uint8_t uuid[16]; /**< of the hash area */
};

/** An image that was written before; see image/previous.h. */
struct fc_image_previous;

/** How to write. All zero is the default. Texts are borrowed for the call. */
struct fc_image_write_options {
    bool no_sync;       /**< do not fsync at the end */
    bool no_clone;      /**< do not try to share blocks with the sources */
    bool sha256;        /**< digest all that is written, an appended hash tree included */
    const char *chunks; /**< file for the digests of pieces of FC_IMAGE_CHUNK bytes; NULL: none */
    struct fc_image_verity_options verity;
    /**
     * Folder (made when missing) that remembers what was written where. When the file that is replaced is the one that was
     * written last, and unchanged, what the image has in common with it is told, and kept where the host shares blocks.
     * NULL: none.
     */
    const char *records;
    bool fresh; /**< do not look at the file that is replaced */
    /** For planners of this library: the image that this one was planned over, and what the next is to know of this. */
    const struct fc_image_previous *previous;
    const void *note;
    size_t n_note;
    struct fc_progress *progress;
};

/** The hash tree that was made; data_blocks 0: none. */
struct fc_image_verity_result {
    struct fc_digest root;
    uint64_t data_blocks;
    uint64_t offset; /**< of its superblock, in the image or in its own file; the tree follows 4096 bytes later */
    uint64_t bytes;  /**< superblock and tree */
};

/** What a write did. */
struct fc_image_write_result {
    uint64_t cloned, copied, zero, memory; /**< bytes by how they came to be there */
    bool compared;                         /**< with the image that was replaced, */
    uint64_t kept;           /**< which has so many bytes, at least, that are the same at the same place */
    struct fc_digest sha256; /**< when it was asked for */
    struct fc_image_verity_result verity;
};

/** Length of the image in bytes. */
FC_PUBLIC uint64_t fc_image_size(const struct fc_image *image);

/** The segments and their number. */
FC_PUBLIC const struct fc_segment *fc_image_segments(const struct fc_image *image, size_t *ret_n);

/**
 * Write the image to @path so that it appears complete under that name or not at all.
 *
 * A regular file is written without a name (where the host cannot do that: as .NAME.PID-N beside it) and put in its
 * place when it is complete; a symlink is followed and stays. A block device is written in place (-ENOSPC before the
 * first byte if it is too small), a character device or FIFO in order. Zeros become holes. On failure an existing file
 * at @path is as it was and nothing is left beside it; what a killed process may leave as .NAME.PID-N goes with the next
 * write of the same NAME. Files that @options ask for beside the image (chunks, verity) are each complete or not there,
 * and come after the image. @options and @ret_result may be NULL. Returns 0 or a negative errno with words.
 */
FC_PUBLIC int fc_image_write(const struct fc_image *image, const char *path,
                             const struct fc_image_write_options *options, struct fc_image_write_result *ret_result,
                             struct fc_error *err);

/**
 * Write the image in order to @fd, which need not be seekable (a pipe).
 *
 * @options and @ret_result may be NULL. Returns 0, -EPIPE, or another errno with words.
 */
FC_PUBLIC int fc_image_stream(const struct fc_image *image, int fd, const struct fc_image_write_options *options,
                              struct fc_image_write_result *ret_result, struct fc_error *err);

/**
 * Read up to @size bytes at @offset into @buffer. Returns the number of bytes (short only at the end), or a negative
 * errno. Thread-safe.
 */
FC_PUBLIC ssize_t fc_image_read(const struct fc_image *image, void *buffer, size_t size, uint64_t offset,
                                struct fc_error *err);

/** Free an image and the memory of its segments. NULL is allowed. */
FC_PUBLIC void fc_image_free(struct fc_image *image);

#endif
