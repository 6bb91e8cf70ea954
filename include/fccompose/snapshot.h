/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consistent, read-only view of the merged, edited tree. Every consumer (freeze, export, diff, report) uses this
 * and nothing else.
 */
#ifndef FCCOMPOSE_SNAPSHOT_H
#define FCCOMPOSE_SNAPSHOT_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <fccompose/entry.h>
#include <fccompose/error.h>
#include <fccompose/tree.h>

/** A snapshot. Immutable; readable from any thread. */
struct fc_snapshot;

/** Inode of a snapshot; the table is sorted by @ino and index 0 is the root (ino 1). */
struct fc_snap_inode {
    uint64_t ino;
    uint32_t mode, uid, gid;
    uint32_t rdev_major, rdev_minor;
    uint32_t nlink; /**< names; a directory: 2 + subdirectories */
    struct timespec atime, mtime, ctime, crtime;
    uint64_t size;                     /**< regular: bytes; symlink: text length; else 0 */
    const char *target;                /**< symlink: its text, NUL-terminated; else NULL */
    uint32_t first_xattr, n_xattrs;    /**< slice of the xattr table, sorted by name */
    uint32_t first_extent, n_extents;  /**< slice of the extent table, sorted by offset; gaps are holes */
    uint32_t first_dentry, n_dentries; /**< directory: slice of the dentry table, sorted by name bytes */
    uint32_t parent;                   /**< directory: index of its parent; else FC_TREE_NONE */
    uint32_t layer; /**< origin: stack position whose layer gave the content, or FC_TREE_NONE (edits) */
};

/** Name in a directory of a snapshot. */
struct fc_snap_dentry {
    const char *name; /**< not NUL-terminated */
    uint32_t name_len;
    uint32_t inode; /**< index into the inode table */
};

/**
 * Content of a file: bytes [offset, offset + length) are at [source_offset, ...) of the file descriptor of @source.
 * Both offsets are multiples of 4096; only the last extent's length may not be. Bytes of the source after the last
 * extent up to the next multiple of 4096 are zero.
 */
struct fc_snap_extent {
    uint64_t offset, length;
    uint64_t source_offset;
    uint32_t source; /**< index for fc_snapshot_source() */
};

/** Where extents live. */
struct fc_snap_source {
    int fd;         /**< open for reading until the snapshot is freed; do not move its file offset */
    uint32_t layer; /**< stack position of the layer whose pack this is; FC_TREE_NONE: edits, or an image */
    struct fc_digest
        pack; /**< names the bytes of the pack, which never change; all zero for edits and images, which do */
    struct fc_layer *packed; /**< the layer whose pack this is; NULL for edits and images. Borrowed from the snapshot */
};

/**
 * Read @size bytes of a source at @offset: from @fd, but those of a pack are checked for damage when they are read for the
 * first time, which reading @fd does not do.
 *
 * Returns the number of bytes, smaller where the file ends; -EIO when they are damaged; or another -errno. Any thread.
 */
FC_PUBLIC ssize_t fc_snap_source_read(const struct fc_snap_source *source, void *buffer, size_t size, uint64_t offset);

/**
 * Make a snapshot of an unedited @tree. The snapshot borrows @tree, which must outlive it.
 *
 * Returns 0 and sets *ret_snapshot, or -ENOMEM. Release with fc_snapshot_free(). (A workspace's: fc_workspace_snapshot().)
 */
FC_PUBLIC int fc_snapshot_of_tree(const struct fc_tree *tree, struct fc_snapshot **ret_snapshot, struct fc_error *err);

/**
 * The tree of @snapshot's stack as it is without the user's edits.
 *
 * Returns 0 and sets *ret_unedited to a snapshot of its own, to be freed before @snapshot, or to NULL when there are no
 * edits (or no stack: a snapshot that was read from an image); -ENOMEM.
 */
FC_PUBLIC int fc_snapshot_unedited(const struct fc_snapshot *snapshot, struct fc_snapshot **ret_unedited,
                                   struct fc_error *err);

/** Release a snapshot and the extents that it pins. NULL is allowed. */
FC_PUBLIC void fc_snapshot_free(struct fc_snapshot *snapshot);

/** The inode table and, in *ret_n, its length. Here and in the next four @ret_n may be NULL. */
FC_PUBLIC const struct fc_snap_inode *fc_snapshot_inodes(const struct fc_snapshot *s, uint32_t *ret_n);

/** The dentry table and its length. */
FC_PUBLIC const struct fc_snap_dentry *fc_snapshot_dentries(const struct fc_snapshot *s, uint32_t *ret_n);

/** The extent table and its length. */
FC_PUBLIC const struct fc_snap_extent *fc_snapshot_extents(const struct fc_snapshot *s, uint32_t *ret_n);

/** The xattr table and its length. */
FC_PUBLIC const struct fc_xattr *fc_snapshot_xattrs(const struct fc_snapshot *s, uint32_t *ret_n);

/** The source table and its length. */
FC_PUBLIC const struct fc_snap_source *fc_snapshot_sources(const struct fc_snapshot *s, uint32_t *ret_n);

/**
 * What images derive UUID and hash seed from: the diffID of the bottom layer; all zero for an empty stack; a digest of the
 * UUID for an image that was read.
 */
FC_PUBLIC const struct fc_digest *fc_snapshot_seed(const struct fc_snapshot *s);

/** Index of the inode at the normalised @path ("" is the root; symlinks are not followed), or FC_TREE_NONE. */
FC_PUBLIC uint32_t fc_snapshot_find(const struct fc_snapshot *s, const char *path);

#endif
