/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of one layer under construction: nodes in archive order, found by (parent, name) in constant time. */
#ifndef FC_LAYER_TRIE_H
#define FC_LAYER_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "layer/format.h"

/** Flag of a node that was dropped: it is not found any more and does not reach the index. */
#define FC_TRIE_DEAD (1u << 15)

/** A node under construction. */
struct fc_trie_node {
    uint32_t parent;
    uint32_t inode; /**< or FC_LAYER_NONE */
    uint32_t name;  /**< offset in the strings */
    uint32_t link;  /**< offset in the strings, or FC_LAYER_NONE */
    uint32_t first_child, next_sibling;
    uint32_t hash;
    uint16_t name_len;
    uint16_t flags; /**< FC_NODE_ and FC_TRIE_DEAD */
    uint32_t block; /**< as in struct fc_layer_node, when it is a link */
};

/** All zero is empty and has no root yet. */
struct fc_trie {
    struct fc_trie_node *nodes;
    size_t n, cap;
    uint32_t *slots; /**< node numbers plus one; a dead node's slot stays until the next growth */
    size_t n_slots, n_used;
};

/** Add node 0. Returns 0 or -ENOMEM. */
int fc_trie_init(struct fc_trie *t);
/** Free the memory; empty again. */
void fc_trie_release(struct fc_trie *t);
/** The child @name of @parent, or FC_LAYER_NONE. @strings holds the names. */
uint32_t fc_trie_child(const struct fc_trie *t, const struct fc_buf *strings, uint32_t parent, const char *name,
                       size_t len);
/** The node at the normalised @path, or FC_LAYER_NONE. Symlinks are not followed. */
uint32_t fc_trie_find(const struct fc_trie *t, const struct fc_buf *strings, const char *path);
/**
 * Add the child @name of @parent, which must not have it; its name goes to @strings.
 *
 * Returns 0 and sets *ret_node (no inode, no link, no flags); -ENOMEM; -EOVERFLOW when 2^32 - 2 nodes or 4 GiB of strings
 * are full.
 */
int fc_trie_add(struct fc_trie *t, struct fc_buf *strings, uint32_t parent, const char *name, size_t len,
                uint32_t *ret_node);
/** Drop everything below @node. */
void fc_trie_drop_children(struct fc_trie *t, uint32_t node);

/** Append @len bytes and a NUL to @strings. Returns 0 and sets *ret_offset; -ENOMEM; -EOVERFLOW past 4 GiB. */
int fc_strings_add(struct fc_buf *strings, const void *data, size_t len, uint32_t *ret_offset);

#endif
