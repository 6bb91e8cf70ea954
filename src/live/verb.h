/* SPDX-License-Identifier: Apache-2.0 */
/* Edits by path, as the commands cp, mv, rm, mkdir, ln, mknod, chmod, chown, xattr and write (and recipe steps) make them. */
#ifndef FC_LIVE_VERB_H
#define FC_LIVE_VERB_H

#include "live/live.h"

/** What to do. */
enum fc_verb_kind {
    FC_VERB_CP, /**< copy the host object @fd into the tree at @path */
    FC_VERB_MV, /**< rename @path to @target (both in the tree) */
    FC_VERB_RM,
    FC_VERB_MKDIR,
    FC_VERB_LN,    /**< @path becomes a hard link to @target, or with SYMBOLIC a symlink with that text */
    FC_VERB_MKNOD, /**< @mode has the type; FIFO, socket, devices, regular */
    FC_VERB_CHMOD,
    FC_VERB_CHOWN,
    FC_VERB_XATTR, /**< set (@name, @data) or, with REMOVE, remove */
    FC_VERB_WRITE, /**< replace (or APPEND to) the content of @path by what @fd gives */
};

/** Flags of a verb. */
enum {
    FC_VERB_RECURSIVE = 1 << 0,
    FC_VERB_FORCE = 1 << 1,   /**< rm: missing is fine; ln, mv: replace */
    FC_VERB_PARENTS = 1 << 2, /**< make missing parents */
    FC_VERB_SYMBOLIC = 1 << 3,
    FC_VERB_NO_FOLLOW = 1 << 4, /**< act on a symlink itself */
    FC_VERB_REMOVE = 1 << 5,
    FC_VERB_APPEND = 1 << 6,
    FC_VERB_SET_MODE = 1 << 7,
    FC_VERB_SET_UID = 1 << 8,
    FC_VERB_SET_GID = 1 << 9,
    FC_VERB_KEEP_OWNER = 1 << 10,   /**< cp: numeric owners from the host; else uid:gid (0:0) */
    FC_VERB_NO_CLOBBER = 1 << 11,   /**< cp, mv: leave what is there; xattr: fail if it is set */
    FC_VERB_ONLY_REPLACE = 1 << 12, /**< xattr: fail unless it is set */
};

/** A verb with its arguments. Paths are absolute in the tree; symlinks in them are resolved inside it. All borrowed. */
struct fc_verb {
    enum fc_verb_kind kind;
    unsigned flags;
    const char *path;
    uint64_t at; /**< mknod, chown, xattr: the inode that a relative @path goes from, "" for itself; 0: the root */
    const char *target;
    const char *mode_text; /**< chmod, mkdir, write: octal or symbolic ("u+x,go-w") */
    uint32_t mode, uid, gid, rdev_major, rdev_minor;
    uint32_t umask;   /**< mknod: bits that @mode loses, unless the directory has a default ACL */
    const char *name; /**< xattr */
    const void *data; /**< xattr value */
    size_t size;
    int fd;                  /**< cp, write: source, open; -1 otherwise */
    const char *source_name; /**< cp: last part of the source's path, for "cp SRC DIR/" and for messages */
    const char *const
        *excludes; /**< cp: globs of what is left out (struct fc_dir_options); not over the control socket */
    size_t n_excludes;
};

/**
 * Do it. Returns 0 or a negative errno with words that name the path. What was done before a failure stays done (as with
 * the tools of that name), except that a file written by cp or write appears whole or not at all.
 */
int fc_verb_apply(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err);

/** Flatten for the control socket (the descriptor travels beside it). Returns 0, -ENOMEM, or -EINVAL for excludes. */
int fc_verb_encode(const struct fc_verb *verb, struct fc_buf *ret);
/** The reverse: *ret points into @data, @fd becomes ret->fd. Returns 0 or -EBADMSG. */
int fc_verb_decode(const void *data, size_t size, int fd, struct fc_verb *ret);

/** Find the inode at @path (symlinks resolved inside the tree; the last one only if @follow). No reference is taken. */
int fc_live_resolve(struct fc_live *live, const char *path, bool follow, struct fc_attr *ret, struct fc_error *err);

#endif
