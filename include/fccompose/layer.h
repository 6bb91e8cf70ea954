/* SPDX-License-Identifier: Apache-2.0 */
/* Layers: immutable, content-addressed, opened from the cache by one read. */
#ifndef FCCOMPOSE_LAYER_H
#define FCCOMPOSE_LAYER_H

#include <stdint.h>

#include <fccompose/entry.h>
#include <fccompose/error.h>
#include <fccompose/progress.h>

/** The cache of layers (and later of blobs and kernels), shared by all workspaces of a user. */
struct fc_cache;
/** An open layer. Immutable; any number of threads may read it. */
struct fc_layer;

/** A sha256 digest, raw. */
struct fc_digest {
    uint8_t bytes[32];
};

/** Room for "sha256:" + 64 hex digits + NUL. */
#define FC_DIGEST_TEXT 72

/** Write @d as "sha256:HEX" into @text and return @text. */
FC_PUBLIC char *fc_digest_format(const struct fc_digest *d, char text[FC_DIGEST_TEXT]);

/** Read "sha256:HEX" or plain 64 hex digits. Returns 0, or -EINVAL; *ret_digest is set only on success. */
FC_PUBLIC int fc_digest_parse(const char *text, struct fc_digest *ret_digest);

/**
 * Open the cache at @path; NULL means $FCCOMPOSE_CACHE, else $XDG_CACHE_HOME/fccompose, else ~/.cache/fccompose.
 *
 * Creates the folders that are missing. Returns 0 and sets *ret_cache, or a negative errno with words.
 */
FC_PUBLIC int fc_cache_open(const char *path, struct fc_cache **ret_cache, struct fc_error *err);

/** Close the cache. Layers opened from it stay valid. NULL is allowed. */
FC_PUBLIC void fc_cache_free(struct fc_cache *cache);

/**
 * Open the layer @diffid from the cache: reads its index into memory, opens its pack.
 *
 * Returns 0 and sets *ret_layer (release it with fc_layer_unref()); -ENOENT if the cache lacks it; -EBADMSG if
 * index or pack are damaged (err names the file). The cheap structural checks are done here, so that a damaged
 * index cannot lead a reader out of bounds. As long as the layer is open no garbage collection removes it, in whatever
 * process (flock on the pack).
 */
FC_PUBLIC int fc_layer_open(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_layer **ret_layer,
                            struct fc_error *err);

/** Take another reference to @layer and return it. Thread-safe. */
FC_PUBLIC struct fc_layer *fc_layer_ref(struct fc_layer *layer);

/** Drop a reference; the last one frees and closes. NULL is allowed. Thread-safe. */
FC_PUBLIC void fc_layer_unref(struct fc_layer *layer);

/** The digest of the uncompressed tar, which is the layer's name. Borrowed from @layer. */
FC_PUBLIC const struct fc_digest *fc_layer_diffid(const struct fc_layer *layer);

/** Counts and sizes of a layer. */
struct fc_layer_stats {
    uint64_t n_entries;   /**< paths that the layer names, made-up parents not counted, whiteouts counted */
    uint64_t n_whiteouts; /**< whiteouts and opaque marks */
    uint64_t tar_bytes;   /**< length of the uncompressed tar */
    uint64_t data_bytes;  /**< sum of regular file sizes without holes */
    uint64_t pack_bytes;  /**< length of the pack file */
    uint64_t index_bytes; /**< length of the index file */
};

/** Fill *ret_stats from the layer's header. */
FC_PUBLIC void fc_layer_stats(const struct fc_layer *layer, struct fc_layer_stats *ret_stats);

/**
 * Read the layer as an entry stream: parents before children, hard links after their first name.
 *
 * The iterator keeps a reference to @layer. Returns 0 and sets *ret_iter, or -ENOMEM.
 */
FC_PUBLIC int fc_layer_iter(struct fc_layer *layer, struct fc_entry_iter **ret_iter, struct fc_error *err);

/**
 * Check everything: index structure, pack length, and the digest of index and pack recorded at build time.
 *
 * Reads the whole layer. Returns 0, -EBADMSG with the first fault in words, or -EIO.
 */
FC_PUBLIC int fc_layer_verify(struct fc_layer *layer, struct fc_progress *progress, struct fc_error *err);

#endif
