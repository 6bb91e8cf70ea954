/* SPDX-License-Identifier: Apache-2.0 */
/* The merged tree of a stack of layers: immutable after the fold, safe to read from any thread. */
#ifndef FCCOMPOSE_TREE_H
#define FCCOMPOSE_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <fccompose/layer.h>

/** A folded tree. */
struct fc_tree;

/** "No such inode", "no layer". */
#define FC_TREE_NONE UINT32_MAX

/** One layer of a stack, lowest first. */
struct fc_tree_layer {
    struct fc_layer *layer;
    uint64_t
        first_ino; /**< inode numbers first_ino .. first_ino + (the layer's inode count) - 1 are its own; 0: chosen */
};

/** How to fold. All zero is the default. */
struct fc_tree_options {
    bool keep_dirlinks;   /**< a directory entry over a lower symlink to a directory keeps the symlink */
    int64_t default_time; /**< mtime, in seconds, of directories that no layer describes (SOURCE_DATE_EPOCH) */
};

/** An inode of the tree; index 0 is the root. */
struct fc_tree_inode {
    uint64_t ino;  /**< number shown to users; 1 is the root; unique in the tree */
    uint32_t mode; /**< type and permissions */
    uint32_t uid, gid;
    uint32_t rdev_major, rdev_minor;
    uint32_t nlink; /**< names in the tree; a directory: 2 + its subdirectories */
    struct timespec mtime;
    uint64_t size;        /**< regular file: bytes; symlink: length of its text; else 0 */
    uint32_t layer;       /**< origin: position in the stack of the layer that describes it; FC_TREE_NONE: made up */
    uint32_t layer_inode; /**< its index in that layer (content, xattrs, symlink text live there) */
    uint32_t parent;      /**< directory: index of its parent (the root's is itself); else FC_TREE_NONE */
    uint32_t first_dentry, n_dentries; /**< directory: its slice of the dentry table, sorted by name bytes */
};

/** A name in a directory. */
struct fc_tree_dentry {
    const char *name; /**< not NUL-terminated: @name_len bytes, owned by the tree */
    uint32_t name_len;
    uint32_t inode; /**< index */
};

/**
 * Fold @n layers, lowest first, into one tree by the OCI rules (image-spec layer.md, "Applying Changesets").
 *
 * Layers are referenced, not copied: the tree keeps a reference to each until fc_tree_free(). @n may be 0: an empty
 * root. Directories merge and keep the number that they had first. Returns 0 and sets *ret_tree, -ENOMEM, -EBADMSG if
 * a layer's index is damaged or a hard link has no target (err names layer and entry). On failure *ret_tree is
 * untouched. Not thread-safe; the result may be read by any thread. @options may be NULL.
 */
FC_PUBLIC int fc_tree_fold(const struct fc_tree_layer *layers, uint32_t n, const struct fc_tree_options *options,
                           struct fc_tree **ret_tree, struct fc_error *err);

/** Free a tree and drop its references. NULL is allowed. */
FC_PUBLIC void fc_tree_free(struct fc_tree *tree);

/**
 * Set *ret to a digest of all that @tree was made of: layers, their places and numbers, options. Trees that have the same are
 * the same. Returns 0, -ENOMEM or -EIO.
 */
FC_PUBLIC int fc_tree_identity(const struct fc_tree *tree, struct fc_digest *ret);

/** The inode table and, in *ret_n, its length. @ret_n may be NULL. Entries are in fold order. */
FC_PUBLIC const struct fc_tree_inode *fc_tree_inodes(const struct fc_tree *tree, uint32_t *ret_n);

/** The dentry table; use a directory's first_dentry and n_dentries. *ret_n (may be NULL) is its length. */
FC_PUBLIC const struct fc_tree_dentry *fc_tree_dentries(const struct fc_tree *tree, uint32_t *ret_n);

/** Index of the inode numbered @ino, or FC_TREE_NONE. Constant time. */
FC_PUBLIC uint32_t fc_tree_by_ino(const struct fc_tree *tree, uint64_t ino);

/** Find @name (@len bytes) in directory @dir. Returns the dentry, or NULL. Logarithmic time. */
FC_PUBLIC const struct fc_tree_dentry *fc_tree_lookup(const struct fc_tree *tree, uint32_t dir, const char *name,
                                                      size_t len);

/** Text of the symlink @inode, NUL-terminated and borrowed from its layer; NULL if it is no symlink. */
FC_PUBLIC const char *fc_tree_target(const struct fc_tree *tree, uint32_t inode);

/** The layer at stack position @position, borrowed. */
FC_PUBLIC struct fc_layer *fc_tree_layer(const struct fc_tree *tree, uint32_t position);

/** Number of layers in the stack. */
FC_PUBLIC uint32_t fc_tree_n_layers(const struct fc_tree *tree);

/**
 * The @i-th xattr (sorted by name) of @inode. Returns 1 and fills *ret_xattr with borrowed pointers, or 0 past the
 * last.
 */
FC_PUBLIC int fc_tree_xattr(const struct fc_tree *tree, uint32_t inode, uint32_t i, struct fc_xattr *ret_xattr);

#endif
