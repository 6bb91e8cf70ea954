/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The narrow interface in the middle: a stream of file system entries.
 *
 * A tarball, a host directory, a cached layer: each is an fc_entry_iter. Filters wrap one iterator in another.
 */
#ifndef FCCOMPOSE_ENTRY_H
#define FCCOMPOSE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <fccompose/error.h>

/** An extended attribute: full name ("user.x", "security.capability") and raw value as Linux stores it. */
struct fc_xattr {
    const char *name;  /**< NUL-terminated bytes, at most 255 */
    const void *value; /**< @size bytes, may be NULL when @size is 0; ACLs in the kernel's xattr encoding */
    size_t size;
};

/** What an entry does to the tree. */
enum fc_entry_op {
    FC_ENTRY_ADD,      /**< put the object at @path */
    FC_ENTRY_HARDLINK, /**< @path becomes another name of @target (a path in the tree, not a symlink text) */
    FC_ENTRY_WHITEOUT, /**< remove @path from the layers below */
    FC_ENTRY_OPAQUE,   /**< directory @path hides everything that the layers below put into it */
};

/** The longest path, in bytes, that any source may give; longer is EBADMSG. */
#define FC_PATH_MAX 65536u
/** The longest path component, in bytes. */
#define FC_NAME_MAX 255u
/** The longest symlink target, in bytes (one less than the kernel's PATH_MAX). */
#define FC_TARGET_MAX 4095u

/**
 * One entry. All pointers are borrowed from the iterator and valid until its next call.
 *
 * @path is normalised: components joined by single '/', no leading or trailing '/', no "." or ".."; "" is the
 * root of the tree. Names are bytes, in any encoding or none.
 */
struct fc_entry {
    enum fc_entry_op op;
    const char *path;
    uint32_t mode;     /**< type and permission bits as st_mode; 0 for the ops without an object */
    uint32_t uid, gid; /**< numeric, never looked up on the host */
    uint32_t rdev_major, rdev_minor;
    uint64_t size; /**< of a regular file's content, holes included; else 0 */
    struct timespec mtime;
    const char *target;            /**< symlink: its text, byte for byte; hard link: a normalised path; else NULL */
    const struct fc_xattr *xattrs; /**< sorted by name (bytes), no name twice */
    size_t n_xattrs;
    uint64_t offset; /**< where in the source, in bytes, for messages; 0 if unknown */
};

/** A run of file content. @data is borrowed until the iterator's next call. What no block covers is a hole. */
struct fc_block {
    const void *data;
    size_t size;
    uint64_t offset; /**< in the file; blocks come in ascending order and never overlap */
};

/**
 * A stream of entries. An implementation embeds this as its first member. Not thread-safe.
 *
 * Call through fc_entry_next(), fc_entry_read() and fc_entry_iter_free().
 */
struct fc_entry_iter {
    int (*next)(struct fc_entry_iter *it, const struct fc_entry **ret_entry, struct fc_error *err);
    int (*read)(struct fc_entry_iter *it, struct fc_block *ret_block, struct fc_error *err);
    void (*free)(struct fc_entry_iter *it);
    const char *label; /**< names the source in messages of iterators around this one; of the iterator, or NULL */
};

/**
 * Go to the next entry; content of the previous one that was not read is skipped.
 *
 * Returns 1 and sets *ret_entry; 0 at the end; or a negative errno: -EBADMSG for malformed input (err names entry
 * and offset), -EOPNOTSUPP for a form that is valid but not supported. After a failure only free() is allowed.
 */
static inline int fc_entry_next(struct fc_entry_iter *it, const struct fc_entry **ret_entry, struct fc_error *err)
{
    return it->next(it, ret_entry, err);
}

/**
 * Read more of the current regular file's content.
 *
 * Returns 1 and fills *ret_block (size > 0); 0 at the end of the file; or a negative errno. Truncated content is
 * -EBADMSG. Only valid after fc_entry_next() returned an FC_ENTRY_ADD of a regular file.
 */
static inline int fc_entry_read(struct fc_entry_iter *it, struct fc_block *ret_block, struct fc_error *err)
{
    return it->read(it, ret_block, err);
}

/** Free an iterator and what it owns (a filter owns the iterator that it wraps). NULL is allowed. */
static inline void fc_entry_iter_free(struct fc_entry_iter *it)
{
    if (it)
        it->free(it);
}

#endif
