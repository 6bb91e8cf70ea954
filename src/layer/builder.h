/* SPDX-License-Identifier: Apache-2.0 */
/* A layer under construction: shared by the parts of the builder. */
#ifndef FC_LAYER_BUILDER_H
#define FC_LAYER_BUILDER_H

#include "base/buf.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/trie.h"

struct fc_layer_builder {
    struct fc_cache *cache; /**< borrowed */
    const char *label;      /**< borrowed */
    char *temp;             /**< absolute path of the temporary folder; NULL once it has its final name */
    int pack_fd;            /**< holds the flock that tells others that the builder lives */
    struct fc_trie trie;
    struct fc_buf strings;
    struct fc_pack pack;
    struct fc_layer_inode *inodes;
    size_t n_inodes, cap_inodes;
    struct fc_layer_xattr *xattrs;
    size_t n_xattrs, cap_xattrs;
    uint32_t last_xattrs, last_xattrs_n; /**< the slice that was stored last */
};

/**
 * Write the index to the empty file @fd: what was built, without the nodes that were dropped and the inodes that no
 * node names.
 *
 * Returns 0 or a negative errno with words.
 */
int fc_layer_write_index(const struct fc_layer_builder *b, const struct fc_digest *diffid, uint64_t tar_size, int fd,
                         struct fc_error *err);

/** Give links whose target came later in the archive that target's inode as fallback. */
void fc_layer_resolve_links(struct fc_layer_builder *b);

#endif
