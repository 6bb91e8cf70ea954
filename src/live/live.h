/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live tree: the lower tree and the user's edits as one, readable and writable. Sole owner of the lock.
 *
 * Objects are named by inode numbers (1 is the root). Functions return 0 (or a count) or a negative errno, with the
 * meaning that the system call of that name has on a local Linux file system; words are for path-level verbs. All are
 * thread-safe. Names are @len bytes, not NUL-terminated.
 *
 * A directory is "pristine" while it is as the lower tree has it, else it has a table of its own; an inode likewise.
 * Memory is proportional to what was changed. Changes are written behind to the store in groups, at most 50 ms late,
 * at once by fc_live_fsync() and fc_live_sync().
 */
#ifndef FC_LIVE_LIVE_H
#define FC_LIVE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <fccompose/entry.h>
#include <fccompose/snapshot.h>
#include <fccompose/tree.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "edit/edit.h"

struct fc_live;

/** How to open. */
struct fc_live_options {
    const struct fc_tree *tree; /**< borrowed until fc_live_free() */
    const uint32_t
        *layer_ids;       /**< edit's layer id of each stack position of @tree; copied; may be NULL without @edit */
    struct fc_edit *edit; /**< borrowed; NULL: no edits, read-only */
    /** Opens a layer by edit's layer id that left the stack but is still referred to; may be NULL. */
    struct fc_layer *(*open_layer)(void *arg, const struct fc_edit_layer *layer, struct fc_error *err);
    void *open_layer_arg;
    bool read_only;  /**< mutations fail with EROFS */
    bool count_refs; /**< for FUSE: what lookup and the creators return is referenced; see fc_live_forget() */
    bool no_writer;  /**< no background thread: commits happen in fc_live_sync() and fc_live_free() */
};

/** Open: loads the edits. Returns 0; -EBADMSG when edits and tree do not fit together (err says which inode); or -errno. */
int fc_live_open(const struct fc_live_options *options, struct fc_live **ret, struct fc_error *err);
/** Commit what is pending (durably, unless no_writer; a failure is logged) and free. NULL is allowed. */
void fc_live_free(struct fc_live *live);
FC_DEFINE_AUTO(struct fc_live *, fc_live_free)

/** Attributes. */
struct fc_attr {
    uint64_t ino;
    uint32_t mode, uid, gid, rdev_major, rdev_minor, nlink;
    uint64_t size;
    uint64_t blocks; /**< of 512 bytes, holes not counted */
    struct timespec atime, mtime, ctime, crtime;
};

/** Who asks: owner of what is created, and for the clearing of set-id bits. */
struct fc_cred {
    uint32_t uid, gid;
    const uint32_t *groups; /**< further ones; borrowed for the call */
    uint32_t n_groups;
};
/** Whether @cred is in group @gid. */
bool fc_cred_in_group(const struct fc_cred *cred, uint32_t gid);

/** Listener for changes, called without the lock, in the thread that made the change, after it is visible. */
struct fc_live_listener {
    void (*entry)(void *arg, uint64_t parent, const char *name, size_t len,
                  uint64_t ino);                          /**< a name appeared, went, or points elsewhere */
    void (*inode)(void *arg, uint64_t ino, bool content); /**< attributes, xattrs or (content) data changed */
    void (*told)(void *arg); /**< the operation has told all; it returns when this does. May be NULL */
    void *arg;
};
/** Install one more. The struct is borrowed until fc_live_unlisten(). Any thread. Returns 0 or -ENOMEM. */
int fc_live_listen(struct fc_live *live, const struct fc_live_listener *listener);
/** Remove it, if it was installed; it is not called any more. Not from a listener. */
void fc_live_unlisten(struct fc_live *live, const struct fc_live_listener *listener);

/* Names */

/**
 * Find @name in @parent (".." too). "." is @parent itself, whatever its type; -ESTALE when there is no such inode (any
 * more), or one without names. Takes a reference if count_refs.
 */
int fc_live_lookup(struct fc_live *live, uint64_t parent, const char *name, size_t len, struct fc_attr *ret);
/** Drop @n references; an inode without names goes when the last one does. */
void fc_live_forget(struct fc_live *live, uint64_t ino, uint64_t n);
/**
 * Create a file of any type but symlink (S_IFDIR too; @mode has the type, umask NOT yet applied: @umask is, unless the
 * parent has a default ACL, which is inherited as acl(5) says). Set-group-id directories are inherited from.
 * Takes a reference if count_refs.
 */
int fc_live_mknod(struct fc_live *live, uint64_t parent, const char *name, size_t len, uint32_t mode, uint32_t umask,
                  uint32_t rdev_major, uint32_t rdev_minor, const struct fc_cred *cred, struct fc_attr *ret);
int fc_live_symlink(struct fc_live *live, uint64_t parent, const char *name, size_t len, const char *target,
                    const struct fc_cred *cred, struct fc_attr *ret);
/** A regular file without a name (O_TMPFILE), to be linked or forgotten. */
int fc_live_tmpfile(struct fc_live *live, uint64_t parent, uint32_t mode, uint32_t umask, const struct fc_cred *cred,
                    struct fc_attr *ret);
int fc_live_link(struct fc_live *live, uint64_t ino, uint64_t parent, const char *name, size_t len,
                 struct fc_attr *ret);
int fc_live_unlink(struct fc_live *live, uint64_t parent, const char *name, size_t len);
int fc_live_rmdir(struct fc_live *live, uint64_t parent, const char *name, size_t len);
/**
 * @flags: 0, RENAME_EXCHANGE, or any of RENAME_NOREPLACE and RENAME_WHITEOUT (which leaves a character device 0:0 of mode 0
 * and of root's under the old name). Anything may be renamed, lower directories too; never EXDEV.
 */
int fc_live_rename(struct fc_live *live, uint64_t parent, const char *name, size_t len, uint64_t new_parent,
                   const char *new_name, size_t new_len, unsigned flags);

/* Attributes */

/** Which of fc_attr's fields fc_live_setattr() takes. */
enum {
    FC_SET_MODE = 1 << 0,
    FC_SET_UID = 1 << 1,
    FC_SET_GID = 1 << 2,
    FC_SET_SIZE = 1 << 3,
    FC_SET_ATIME = 1 << 4,
    FC_SET_MTIME = 1 << 5,
    FC_SET_CTIME = 1 << 6,
    FC_SET_ATIME_NOW = 1 << 7,
    FC_SET_MTIME_NOW = 1 << 8,
    FC_SET_KILL_PRIV = 1 << 9, /**< clear set-id bits and security.capability, as a write by others does */
};
int fc_live_getattr(struct fc_live *live, uint64_t ino, struct fc_attr *ret);
/** Changing the owner clears set-id bits and security.capability of all but directories, as Linux does. @ret may be NULL. */
int fc_live_setattr(struct fc_live *live, uint64_t ino, const struct fc_attr *attr, unsigned which,
                    struct fc_attr *ret);
/** Append the symlink's text to @ret. */
int fc_live_readlink(struct fc_live *live, uint64_t ino, struct fc_buf *ret);
/** getxattr(2): @size 0 asks for the length. Returns the length, -ERANGE, or -ENODATA. */
ssize_t fc_live_getxattr(struct fc_live *live, uint64_t ino, const char *name, void *buffer, size_t size);
ssize_t fc_live_listxattr(struct fc_live *live, uint64_t ino, char *buffer, size_t size);
/** For fc_live_setxattr(): an access ACL clears the set-group-id bit, as it does when set by who is not in the group. */
#define FC_XATTR_KILL_SGID 0x100
/**
 * @flags: XATTR_CREATE, XATTR_REPLACE, FC_XATTR_KILL_SGID. system.posix_acl_access also sets the mode's permission bits, as
 * acl(5) says. -EOPNOTSUPP for names that are not in a namespace of Linux.
 */
int fc_live_setxattr(struct fc_live *live, uint64_t ino, const char *name, const void *value, size_t size, int flags);
int fc_live_removexattr(struct fc_live *live, uint64_t ino, const char *name);

/* Directories */

/** One entry; @next is the cookie to continue behind it. Non-zero stops (the entry is then not counted as taken). */
typedef int (*fc_readdir_fn)(void *arg, const char *name, size_t len, uint64_t next, const struct fc_attr *attr);
/**
 * List directory @ino from @cookie (0: the beginning, with "." and ".."). Cookies stay valid while the directory
 * changes: what was there all the time is seen once. Attributes are whole when @plus, else only ino and type (mode).
 * With @plus and count_refs each taken entry but "." and ".." is referenced. @fn is called with the lock held.
 */
int fc_live_readdir(struct fc_live *live, uint64_t ino, uint64_t cookie, bool plus, fc_readdir_fn fn, void *arg);
/** The parent of directory @ino, or 0. */
uint64_t fc_live_parent(struct fc_live *live, uint64_t ino);

/* Content */

/** Returns the number of bytes (short only at the end of the file) or -errno. I/O happens without the lock. */
ssize_t fc_live_read(struct fc_live *live, uint64_t ino, void *buffer, size_t size, uint64_t offset);
/** Flags of fc_live_write(). */
enum {
    FC_WRITE_KILL_PRIV = 1 << 0, /**< as FC_SET_KILL_PRIV; without it security.capability alone is cleared */
    FC_WRITE_MAPPED = 1 << 1,    /**< what was stored through a mapping: that clears nothing on Linux */
};
/** Writes all or fails. @flags: FC_WRITE_. Only touched blocks are copied from below. */
ssize_t fc_live_write(struct fc_live *live, uint64_t ino, const void *buffer, size_t size, uint64_t offset,
                      unsigned flags);
/** fallocate(2): mode 0, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE; others -EOPNOTSUPP. */
int fc_live_fallocate(struct fc_live *live, uint64_t ino, int mode, uint64_t offset, uint64_t length);
/** SEEK_DATA, SEEK_HOLE. Returns the offset or -ENXIO. */
int64_t fc_live_lseek(struct fc_live *live, uint64_t ino, uint64_t offset, int whence);
/** copy_file_range(2) between files of the tree. */
ssize_t fc_live_copy(struct fc_live *live, uint64_t ino, uint64_t offset, uint64_t out_ino, uint64_t out_offset,
                     size_t size);
/** Data of @ino and all metadata so far, durable. */
int fc_live_fsync(struct fc_live *live, uint64_t ino);
/** Everything durable (@durable) or at least committed. err has words. */
int fc_live_sync(struct fc_live *live, bool durable, struct fc_error *err);

/** Numbers for statfs(2). */
struct fc_live_stat {
    uint64_t n_inodes;   /**< in the merged tree, about */
    uint64_t data_bytes; /**< of the edits */
};
void fc_live_stat(struct fc_live *live, struct fc_live_stat *ret);
/** How many changed objects the store has that no name leads to: damage, which fccompose fsck repairs. They are not shown. */
uint64_t fc_live_lost(const struct fc_live *live);

/* Snapshots */

/** A number that grows with every change: while it stays the same, so does what a snapshot shows. */
uint64_t fc_live_version(struct fc_live *live);
/** A consistent view of now. Until it is freed no extent that it shows is overwritten or reused. */
int fc_live_snapshot(struct fc_live *live, struct fc_snapshot **ret, struct fc_error *err);

/**
 * Let another process read the store: commits everything, stops commits, and pins all extents. Then, when the reader
 * has begun its read transaction, fc_live_resume() lets commits go on; the pin lasts until fc_live_unpin().
 */
int fc_live_pin(struct fc_live *live, struct fc_error *err);
void fc_live_resume(struct fc_live *live);
void fc_live_unpin(struct fc_live *live);

/**
 * Forget all edits below and at the @n normalised paths (n 0: all), so that the lower tree shows again. A folder above
 * that has all its lower names again, and no other edit, has its lower times again. -EROFS, -ENOENT, -ENOMEM with words.
 */
int fc_live_reset(struct fc_live *live, const char *const *paths, size_t n, struct fc_error *err);

#endif
