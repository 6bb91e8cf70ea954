/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private, writable overlay over a planned image: what is written goes to a file of its own.
 *
 * The file, numbers in little-endian order:
 *
 *   0      8 bytes   "fcoverl1"
 *   8      4         size of a block: 4096
 *   12     4         0
 *   16     8         size of the image
 *   24     16        UUID of the image's file system
 *   40     32        digest of the plan
 *   4096   M         the map: bit i % 8 of byte i / 8 says that block i was written; M is a multiple of 4096
 *   4096+M ...       block i at 4096 + M + 4096 * i; sparse
 *
 * A sync puts the blocks on the disk first, and only then the map that names them. So, as with a disk that has a write
 * cache, a block that was written after the last sync has its old or its new content when everything has died, and
 * one that was not written has its old.
 */
#ifndef FC_IMAGE_OVERLAY_H
#define FC_IMAGE_OVERLAY_H

#include <stdbool.h>

#include <fccompose/layer.h>

#include "image/image.h"

/** An open overlay. */
struct fc_overlay;

/** What an overlay belongs to. */
struct fc_overlay_id {
    uint8_t uuid[16];
    struct fc_digest plan; /**< differs whenever a byte of the image could */
};

/**
 * Open the overlay @path over @base, which is borrowed, and lock it; a missing or empty file becomes a new one.
 *
 * Returns 0; -EBUSY when another process has it; -ESTALE with words when it belongs to another image; -EBADMSG when it
 * is no overlay (nothing of it was touched); or another negative errno with words.
 */
int fc_overlay_open(const struct fc_image *base, const char *path, const struct fc_overlay_id *id,
                    struct fc_overlay **ret, struct fc_error *err);
/** Sync (a failure is logged), unlock and close. NULL is allowed. */
void fc_overlay_free(struct fc_overlay *o);
FC_DEFINE_AUTO(struct fc_overlay *, fc_overlay_free)

/** Length of the image in bytes. */
uint64_t fc_overlay_size(const struct fc_overlay *o);
/** Bytes that were written, in whole blocks. */
uint64_t fc_overlay_written(struct fc_overlay *o);
/** As fc_image_read(), of what was written and, where nothing was, of the image. Any thread, as all that follow. */
ssize_t fc_overlay_read(struct fc_overlay *o, void *buffer, size_t size, uint64_t offset, struct fc_error *err);
/** Write all, which must lie inside the image. Returns 0 or a negative errno with words (-ENOSPC: the host is full). */
int fc_overlay_write(struct fc_overlay *o, const void *data, size_t size, uint64_t offset, struct fc_error *err);
/** Make a range zeros and give its space back to the host. Returns 0 or a negative errno with words. */
int fc_overlay_zero(struct fc_overlay *o, uint64_t offset, uint64_t length, struct fc_error *err);
/** Everything written so far is on the disk when this returns 0. When the host could not write, it fails for good. */
int fc_overlay_sync(struct fc_overlay *o, struct fc_error *err);
/** As fc_image_seek(). */
uint64_t fc_overlay_seek(struct fc_overlay *o, uint64_t offset, bool hole);

#endif
