/* SPDX-License-Identifier: Apache-2.0 */
/* Layers for the other modules: the raw tables, building, the cache's bookkeeping. */
#ifndef FC_LAYER_LAYER_H
#define FC_LAYER_LAYER_H

#include <stdbool.h>
#include <sys/types.h>

#include <fccompose/layer.h>

#include "base/cleanup.h"
#include "layer/format.h"

/**
 * The tables of an open layer, in memory. fc_layer_open() has checked every index, offset and string end, so readers need
 * not. The host must be little-endian (a static assertion in layer/open.c).
 */
struct fc_layer_view {
    const struct fc_layer_header *header;
    const struct fc_layer_node *nodes;
    const struct fc_layer_inode *inodes;
    const struct fc_layer_extent *extents;
    const struct fc_layer_xattr *xattrs;
    const struct fc_layer_sum *sums; /**< NULL in layers before version 3 */
    const char *strings;
    int pack_fd; /**< open for reading as long as the layer is; -1 never */
};

/** The tables. Borrowed from @layer. */
const struct fc_layer_view *fc_layer_view(const struct fc_layer *layer);

/**
 * Read @size bytes of the pack at @offset. Bytes that this process has not read before are checked by the layer's sums; of a
 * layer that has them wrong that is noted in the cache.
 *
 * Returns the number of bytes, smaller only where the pack was cut short; -EBADMSG if they are not those that were written;
 * -ENOMEM; or -errno of reading. Any thread.
 */
ssize_t fc_layer_read_pack(struct fc_layer *layer, void *buffer, size_t size, uint64_t offset);

/** Builds one layer in a temporary place of the cache. Not thread-safe. */
struct fc_layer_builder;

/** Begin. @label names the layer in messages (borrowed until free). Returns 0 or a negative errno with words. */
int fc_layer_builder_new(struct fc_cache *cache, const char *label, struct fc_layer_builder **ret,
                         struct fc_error *err);

/**
 * Take every entry of @it (whiteouts already turned into ops), with content. Returns 0, or -EBADMSG / -errno with words
 * that name layer, entry and offset; the builder can then only be freed.
 */
int fc_layer_builder_add_all(struct fc_layer_builder *b, struct fc_entry_iter *it, struct fc_error *err);

/**
 * Finish as layer @diffid (the tar was @tar_size bytes long), rename it into the cache, and open it. If another builder
 * was first, theirs is opened and ours removed.
 */
int fc_layer_builder_finish(struct fc_layer_builder *b, const struct fc_digest *diffid, uint64_t tar_size,
                            struct fc_layer **ret_layer, struct fc_error *err);

/** Drop an unfinished build and its files; or free a finished one. NULL is allowed. */
void fc_layer_builder_free(struct fc_layer_builder *b);

/** The cache's folder. Borrowed. */
const char *fc_cache_dir(const struct fc_cache *cache);

/** Remember that the compressed bytes @blob (digest and length) hold the layer @diffid. Returns 0 or -errno. */
int fc_cache_remember(struct fc_cache *cache, const struct fc_digest *blob, const struct fc_digest *diffid);

/** The diffID remembered for @blob. Returns 0, or -ENOENT. Does not say that the layer is still there. */
int fc_cache_recall(struct fc_cache *cache, const struct fc_digest *blob, struct fc_digest *ret_diffid);

/** Call @fn for each layer in the cache, in order of diffID. Stops when it returns non-zero and returns that. */
int fc_cache_each(struct fc_cache *cache, int (*fn)(void *arg, const struct fc_digest *diffid), void *arg);

/** fc_layer_open() for a look that is no use: the time of the layer's last use stays as it is. The same contract. */
int fc_layer_peek(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_layer **ret_layer,
                  struct fc_error *err);

/**
 * fc_layer_open() for who can make the layer again: -EBADMSG also when bytes of its pack were found to be damaged. The same
 * contract.
 */
int fc_layer_open_whole(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_layer **ret_layer,
                        struct fc_error *err);
/** Whether bytes of its pack were found to be damaged, by whatever process. */
bool fc_layer_is_damaged(const struct fc_layer *layer);

FC_DEFINE_AUTO(struct fc_layer *, fc_layer_unref)
FC_DEFINE_AUTO(struct fc_cache *, fc_cache_free)
FC_DEFINE_AUTO(struct fc_layer_builder *, fc_layer_builder_free)

#endif
