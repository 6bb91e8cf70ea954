/* SPDX-License-Identifier: Apache-2.0 */
/* The blobs of the cache's layout as things that take room: size, last use, checking, removing. */
#ifndef FC_FETCH_COLLECT_H
#define FC_FETCH_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include <fccompose/layer.h>

/** A blob as it lies there. */
struct fc_blob_room {
    struct fc_digest digest;
    uint64_t bytes; /**< on the disk */
    int64_t used;   /**< seconds since 1970: when it was fetched or read last, to the hour */
};
/** Call @fn for each blob of the layout @dir; no layout has none. A non-zero return stops and is returned; or -errno. */
int fc_blobs_each(const char *dir, int (*fn)(void *arg, const struct fc_blob_room *blob), void *arg);

/**
 * Keep away all who download. Returns a descriptor that is to be closed soon; -EWOULDBLOCK while somebody does; -ENOENT: no
 * layout; or -errno. While it is open, nobody begins to look for a blob.
 */
int fc_blobs_claim(const char *dir);
/** Remove a blob. Only under the claim. Returns 0 (also when there is none) or -errno. */
int fc_blob_remove(const char *dir, const struct fc_digest *digest);

/**
 * Digest a blob; one whose bytes are others is put into ".damaged". Returns 0, -EBADMSG with words, -ENOENT, or -errno with
 * words.
 */
int fc_blob_verify(const char *dir, const struct fc_digest *digest, struct fc_error *err);

/**
 * Remove what is of no use: downloads that were broken off, damaged blobs, notes without their blob, of @before (seconds since
 * 1970) or earlier. Only under the claim. With @dry_run only say them. @fn gets each path and its bytes. Returns 0 or -errno
 * with words.
 */
int fc_blobs_leftovers(const char *dir, int64_t before, bool dry_run,
                       void (*fn)(void *arg, const char *path, uint64_t bytes), void *arg, struct fc_error *err);

#endif
