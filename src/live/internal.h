/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of live/ share: the inode and directory tables, the lock and its rules.
 *
 * Three mutexes, taken in this order:
 *
 *   commit  one transaction at a time; held while a group is written to the store
 *   lock    every table of this file; never held while file content is read or written, but for single blocks
 *   store   each call into edit/ (which wants its calls serialised) but those that edit.h calls thread-safe
 *
 * An inode is "pristine" while only the lower tree knows it; a struct live_inode is made at its first change. The same
 * for directories and struct live_dir. Whoever changes content marks the inode busy, so that the file operations of one
 * inode happen one after the other while their I/O is done without the lock.
 *
 * Unless it says otherwise a function here wants `lock` held and returns 0 or a negative errno.
 */
#ifndef FC_LIVE_INTERNAL_H
#define FC_LIVE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/map.h"
#include "layer/layer.h"
#include "live/live.h"

/** Names of one file that is not a directory. */
#define LIVE_LINK_MAX 65000u
/** Largest file: what ext4 holds with blocks of 4 KiB. */
#define LIVE_FILE_MAX FC_EDIT_FILE_MAX
/** Largest xattr value, and largest sum of names that listxattr(2) can return. */
#define LIVE_XATTR_MAX 65536u
/** Largest reservation for a file that grows. */
#define LIVE_WINDOW_MAX (UINT64_C(8) << 20)

#define LIVE_ACL_ACCESS "system.posix_acl_access"
#define LIVE_ACL_DEFAULT "system.posix_acl_default"
#define LIVE_CAPABILITY "security.capability"

static inline uint64_t live_round_down(uint64_t x) { return x & ~(uint64_t)(FC_EDIT_BLOCK - 1); }
static inline uint64_t live_round_up(uint64_t x) { return live_round_down(x + FC_EDIT_BLOCK - 1); }

/* What an inode has to write: flags of live_dirty(). */
enum { LIVE_DIRTY_ATTR = 1 << 0, LIVE_DIRTY_XATTRS = 1 << 1, LIVE_DIRTY_CONTENT = 1 << 2, LIVE_DIRTY_ALL = 7 };

/** A range of the data file. */
struct live_range {
    uint64_t offset, length;
};
/** A growing list of ranges. All zero is empty. */
struct live_ranges {
    struct live_range *items;
    size_t n, cap;
};

/** Part of a file in whole blocks. What no extent covers is a hole. */
struct live_extent {
    uint64_t offset, length, source_offset;
    uint32_t source; /* FC_EDIT_DATA or a layer id */
    uint32_t epoch;  /* of pins, when it was allocated */
};
/** Content of a file: sorted by offset, without overlap. */
struct live_extents {
    struct live_extent *items;
    size_t n, cap;
    uint64_t bytes; /* sum of lengths */
};

/** Attributes by name: sorted; each item's name points at one block that holds name, NUL, value. */
struct live_xattrs {
    struct fc_xattr *items;
    size_t n, cap;
};

/** A name of a changed directory. Dead when @ino is 0. */
struct live_slot {
    uint64_t cookie; /* ascending; lower entries keep index + 3 */
    uint64_t ino;
    const char *name;
    uint16_t len;
    bool owned; /* the name was allocated, else it is the tree's */
};
/** The table of a changed directory. */
struct live_dir {
    struct live_slot *slots;
    size_t n, cap, n_live;
    uint32_t *hash; /* slot index + 1, 0 empty; dead slots stay until the table is rebuilt */
    size_t hash_cap;
    uint64_t next_cookie;
};

/** An inode that is new or changed. */
struct live_inode {
    struct fc_attr attr; /* blocks is not kept: see live_attr() */
    uint32_t lower;      /* index in the tree, FC_TREE_NONE: new */
    bool lower_content;  /* content or symlink text is the lower inode's */
    bool busy;           /* somebody changes the content */
    bool stored;         /* the store may have a row */
    bool linkable;       /* made by O_TMPFILE: may be linked though it has no name */
    bool lost;           /* a sync failed that should have written content: to be told by the next fsync */
    uint8_t dirty;       /* LIVE_DIRTY_ */
    char *target;        /* symlink, unless lower_content */
    struct live_xattrs xattrs;
    struct live_extents content; /* regular file, unless lower_content */
    struct live_dir *dir;        /* directory: NULL while its names are the lower ones */
    uint64_t parent;             /* directory */
    struct live_inode *dirty_prev, *dirty_next;
    struct live_range window;          /* allocated behind the last extent, for what will be appended */
    uint64_t window_tick, written_seq; /* content was last changed then */
    struct live_inode *window_prev, *window_next;
};

/** An inode as found: changed, or pristine at index @lower. */
struct live_node {
    struct live_inode *own; /* NULL: pristine */
    uint32_t lower;         /* FC_TREE_NONE: new */
    uint64_t ino;
};

/** Where lower content is read: the packs by stack position, then those of layers that left the stack. */
struct live_source {
    uint32_t id;       /* edit's layer id */
    uint32_t position; /* in the stack, or FC_TREE_NONE */
    int fd;
    struct fc_layer *layer; /* referenced */
};

/** A name whose row may be out of date. */
struct live_name {
    uint64_t parent;
    size_t name; /* offset in the buffer beside the list */
    size_t len;
};
/** A list of such names. */
struct live_names {
    struct live_name *items;
    size_t n, cap;
    struct fc_buf text;
    size_t spare_n, spare_text; /* room kept for a group that may have to come back */
};

/** Numbers of inodes. */
struct live_inos {
    uint64_t *items;
    size_t n, cap;
};

/** How often each inode is referenced. All zero: references are not counted, but for those that live_ref_always() takes. */
struct live_refs {
    uint64_t *lower;     /* by index in the tree; NULL: not counted. Pages that nobody touched take no memory. */
    struct fc_map other; /* of new inodes: ino to count */
};

/** What to tell the listeners when the lock is free again. Names are borrowed from the caller, or owned if @owned. */
struct live_note {
    uint64_t ino, parent;
    const char *name; /* NULL: an inode changed */
    size_t len;
    bool content;
    char *owned;
};
struct live_notes {
    struct live_note fixed[8];
    size_t n_fixed;
    struct live_note *more; /* for reset, which changes much */
    size_t n_more, cap_more;
};

struct fc_live {
    const struct fc_tree *tree;
    const struct fc_tree_inode *lower;
    const struct fc_tree_dentry *lower_dentries;
    uint32_t n_lower;
    struct live_source *sources;
    uint32_t n_sources, n_layers;
    struct fc_map source_by_id;
    struct fc_edit *edit;
    int data_fd;
    bool read_only;
    bool full; /* the disk is: nothing new until a commit has made room */

    pthread_rwlock_t listening; /* guards the listeners, and is held while they are called; taken alone */
    const struct fc_live_listener **listeners;
    size_t n_listeners, cap_listeners;

    pthread_mutex_t commit, lock, store;
    pthread_mutex_t syncing; /* one sync of the data file at a time; taken alone */
    pthread_cond_t changed;  /* for the writer thread: something is dirty, or stop */
    pthread_cond_t quiet;    /* content operations ended, a pin was taken, commits go on */

    struct fc_map inodes; /* ino to struct live_inode */
    struct live_refs refs;
    struct fc_map gone; /* lower inodes that have no name any more */
    uint64_t n_new;     /* inodes that are not in the lower tree */
    uint64_t data_bytes;
    uint64_t n_lost; /* rows that no name led to when they were loaded */

    uint32_t epoch, n_pins, pins_waiting, n_writers;
    uint32_t holds;              /* commits are held while non-zero */
    struct live_ranges freed[2]; /* space whose users are gone, by generation of readers */
    uint64_t readers[2];
    unsigned generation;                       /* 0 or 1 */
    struct live_inode *windows, *windows_last; /* oldest first */
    uint32_t n_windows;
    uint64_t tick;

    struct live_inode *dirty; /* list of dirty inodes */
    struct live_names dirty_names;
    struct live_inos dead_rows;               /* inodes whose rows must go */
    uint64_t seq, committed_seq, durable_seq; /* counts changes */
    uint64_t synced_seq;                      /* up to which contents are on the disk */
    struct timespec dirty_since;              /* monotonic */
    unsigned pace_ms;                         /* how long the next group waits at least, 0: the usual time */

    pthread_t writer;
    bool have_writer, stop, warned;
    atomic_uint_least64_t told; /* what could not be read last, and when that was logged */
};

/* live.c */

void live_lock(struct fc_live *live);
/** Unlock, then tell the listeners. @notes may be NULL. */
void live_unlock(struct fc_live *live, struct live_notes *notes);
void live_note_entry(struct live_notes *notes, uint64_t parent, const char *name, size_t len, uint64_t ino);
void live_note_inode(struct live_notes *notes, uint64_t ino, bool content);
/** The same with a copy of the name, any number of times. Dropped when out of memory. */
void live_note_entry_copy(struct live_notes *notes, uint64_t parent, const char *name, size_t len, uint64_t ino);
void live_note_inode_more(struct live_notes *notes, uint64_t ino, bool content);
struct timespec live_now(void);

/* refs.c */

/** Count references from now on; called once, while there are none. -ENOMEM. */
int live_refs_count(struct fc_live *live);
void live_refs_release(struct fc_live *live);
/** Take a reference if references are counted. -ENOMEM. */
int live_ref(struct fc_live *live, uint64_t ino);
/** The same for a new inode where they are not counted, too. -ENOMEM. */
int live_ref_always(struct fc_live *live, uint64_t ino);
/** Give one reference back that was taken; does not reap. */
void live_unref_one(struct fc_live *live, uint64_t ino);
bool live_is_referenced(const struct fc_live *live, uint64_t ino);

/* inode.c */

/** Find an inode. -ESTALE. */
int live_node(struct fc_live *live, uint64_t ino, struct live_node *ret);
/** The same, but -ENOTDIR unless it is a directory. */
int live_node_dir(struct fc_live *live, uint64_t ino, struct live_node *ret);
uint32_t live_mode(const struct fc_live *live, const struct live_node *node);
uint32_t live_nlink(const struct fc_live *live, const struct live_node *node);
void live_attr(const struct fc_live *live, const struct live_node *node, struct fc_attr *ret);
/** The inode's own struct, made if need be; not yet dirty. -EROFS, -ENOMEM. */
int live_own(struct fc_live *live, struct live_node *node);
/** An inode that is in no table yet. */
struct live_inode *live_inode_new(uint64_t ino);
int live_inode_insert(struct fc_live *live, struct live_inode *inode);
/** Remember that it must be written. */
void live_dirty(struct fc_live *live, struct live_inode *inode, unsigned what);
/** Count a change, so that the writer and fsync see it. */
void live_changed(struct fc_live *live);
/** Let go of an inode that nobody can reach any more: no name, no reference, not busy. Else do nothing. */
void live_inode_reap(struct fc_live *live, struct live_inode *inode);
/** Take it out of every table and free it. Its space is freed, a row removed later. */
void live_inode_drop(struct fc_live *live, struct live_inode *inode);
/** Free the memory alone. NULL is allowed. */
void live_inode_free(struct live_inode *inode);
FC_DEFINE_AUTO(struct live_inode *, live_inode_free)
/** Undirty, without writing. */
void live_clean(struct fc_live *live, struct live_inode *inode);
/** Have the row of @ino removed. */
void live_dead_row(struct fc_live *live, uint64_t ino);
/** Set mtime and ctime (of a directory whose names changed) and mark it dirty. */
void live_touch_dir(struct fc_live *live, struct live_inode *dir);

/* dir.c */

/** -ENAMETOOLONG, -EINVAL. */
int live_name_check(const char *name, size_t len);
/** The inode number of a name of a directory, or 0. */
uint64_t live_dir_find(const struct fc_live *live, const struct live_node *dir, const char *name, size_t len);
/** The inode number that the lower tree has there, or 0. */
uint64_t live_dir_find_lower(const struct fc_live *live, uint32_t lower, const char *name, size_t len);
uint64_t live_dir_count(const struct fc_live *live, const struct live_node *dir);
/** Give the directory a table of its own. */
int live_dir_own(struct fc_live *live, struct live_inode *dir);
/**
 * Make sure that the name can be removed or given another inode without failing: own table, record of the changed name.
 * Counts nothing by itself: a record without a change is harmless.
 */
int live_dir_prepare(struct fc_live *live, struct live_inode *dir, const char *name, size_t len);
/** Room for one more name in a directory's own table. */
int live_dir_reserve(struct live_inode *dir);
/** Add a name or let it point elsewhere, after live_dir_prepare(). Fails (-ENOMEM) only when the name is new. */
int live_dir_set(struct fc_live *live, struct live_inode *dir, const char *name, size_t len, uint64_t ino);
/** Remove a name, after live_dir_prepare(). */
void live_dir_remove(struct live_inode *dir, const char *name, size_t len);
void live_dir_free(struct live_dir *dir);
/** Whether a name can be made in @dir. -EEXIST, -ENOENT for a removed directory, or as live_name_check(). (create.c) */
int live_name_new(struct fc_live *live, const struct live_node *dir, const char *name, size_t len);
/**
 * Let @name of @dir, which is prepared, stand for a new character device 0:0. The caller tells of it. -ENOMEM, -ENOSPC, -EIO:
 * nothing is changed. (create.c)
 */
int live_whiteout(struct fc_live *live, struct live_node *dir, const char *name, size_t len, struct live_inode **ret);
/** An empty directory loses its last name: nlink 0, rows of its names to be removed. */
int live_dir_bury(struct fc_live *live, struct live_inode *dir);
/** Remove all names from a directory's table, which it gets if it has none, without any bookkeeping. */
int live_dir_empty(struct live_inode *dir);
/** Remember that the row of a name may be out of date. */
int live_names_add(struct live_names *names, uint64_t parent, const char *name, size_t len);
/** One entry of a directory for live_dir_each(). */
typedef int (*live_dir_fn)(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino);
/** Call @fn for each name behind @cookie in cookie order; non-zero stops and is returned. The directory must not change. */
int live_dir_each(const struct fc_live *live, const struct live_node *dir, uint64_t cookie, live_dir_fn fn, void *arg);
/** The parent's inode number. */
uint64_t live_parent(const struct fc_live *live, const struct live_node *dir);

/* xattr.c */

const struct fc_xattr *live_xattr_find(const struct live_xattrs *x, const char *name);
/** Set or replace. */
int live_xattr_put(struct live_xattrs *x, const char *name, const void *value, size_t size);
bool live_xattr_remove(struct live_xattrs *x, const char *name);
void live_xattrs_free(struct live_xattrs *x);
/** An attribute of any inode. Returns 1 and fills *ret (borrowed), or 0. */
int live_node_xattr(const struct fc_live *live, const struct live_node *node, const char *name, struct fc_xattr *ret);
/** Clear set-id bits (if @set_id) and capabilities of all but a directory, as Linux does when it is written to or given away. */
void live_kill_priv(struct fc_live *live, struct live_inode *inode, bool set_id);

/* attr.c */

/** Let the access ACL, if there is one, follow the mode. Returns 1 if there was one, 0, or -ENOMEM. */
int live_chmod_acl(struct live_inode *inode, uint32_t mode);

/* extents.c */

/** A run of content: data at @fd/@source_offset, or a hole (@fd -1). */
struct live_piece {
    uint64_t offset, length, source_offset;
    uint32_t source;
    int fd;
    struct fc_layer *packed; /* whose pack @fd is; NULL: the data file. Valid as long as the live tree */
};
/** Content of an inode, pristine or own, to look into. Valid while the lock is held or the inode is busy by the caller. */
struct live_content {
    const struct fc_live *live;
    const struct live_extents *own;
    const struct fc_layer_extent *lower;
    uint32_t n_lower, lower_source;
    uint64_t size;
};

struct live_content live_content(const struct fc_live *live, const struct live_node *node);
/** The piece at @offset (below the size): as long as one extent or hole goes, cut at the end of the file. */
void live_content_piece(const struct live_content *c, uint64_t offset, struct live_piece *ret);
/** Bytes that the content has on disk, in whole blocks. */
uint64_t live_content_bytes(const struct live_content *c);
/** First extent that ends behind @offset. */
size_t live_extents_find(const struct live_extents *x, uint64_t offset);
int live_extents_reserve(struct live_extents *x, size_t extra);
/** Remove a range of whole blocks; own space goes to the freed list. Needs room for one more (reserve). */
void live_extents_cut(struct fc_live *live, struct live_extents *x, uint64_t from, uint64_t to);
/** Put an extent where a hole is. Needs room for one more (reserve). */
void live_extents_put(struct fc_live *live, struct live_extents *x, const struct live_extent *e);
/** Turn lower content into extents that refer to its layer. */
int live_own_content(struct fc_live *live, struct live_inode *inode);
/** Index of the source with that layer id, or FC_TREE_NONE. */
uint32_t live_source_find(const struct fc_live *live, uint32_t id);

/* space.c */

/** Space for @length bytes that will be file offset @offset of @inode. */
int live_space_alloc(struct fc_live *live, struct live_inode *inode, uint64_t offset, uint64_t length,
                     uint64_t *ret_offset);
/** Give space back: reused when no transaction and no reader can refer to it any more. */
void live_space_free(struct fc_live *live, uint64_t offset, uint64_t length);
/** Give back what was reserved behind the file's end. */
void live_window_release(struct fc_live *live, struct live_inode *inode);
/** Give back reservations that were not used since the last tick. */
void live_windows_tick(struct fc_live *live);
/** Space that can be handed to edit/ with the transaction that is being prepared. Moves it into *ret (empty before). */
void live_space_take_freed(struct fc_live *live, struct live_ranges *ret);

/* read.c */

/**
 * The first @size bytes of a piece, which may be a hole. With or without the lock. -EIO for a pack that is damaged; a
 * failure is told to the log, with the name of the file.
 */
int live_read_piece(struct fc_live *live, const struct live_piece *p, void *buffer, size_t size);

/* write.c */

/** Wait for other content operations and pins, own the inode and its content, and mark it busy. */
int live_content_begin(struct fc_live *live, uint64_t ino, struct live_inode **ret);
/** The reverse; the inode may be gone afterwards. */
void live_content_end(struct fc_live *live, struct live_inode *inode);
/** Whether an extent may be overwritten where it is. */
bool live_in_place(const struct fc_live *live, const struct live_extent *e);
/** Write zeros into bytes [@from, @to) of one block, if it has data. Does its I/O with the lock held. */
int live_zero_in_block(struct fc_live *live, struct live_inode *inode, uint64_t from, uint64_t to);

/* truncate.c */

/** Change the size of a busy inode. */
int live_truncate(struct fc_live *live, struct live_inode *inode, uint64_t size);

/* load.c */

/** Read the store into the tables. */
int live_load(struct fc_live *live, const struct fc_live_options *options, struct fc_error *err);

/* settle.c */

/** Count links, find parents, mark lower inodes that have no name any more, hide own ones. -EBADMSG, -ENOMEM with words. */
int live_settle(struct fc_live *live, struct fc_error *err);

/* commit.c. All without the lock. */

/** Commit until change number @want is covered. @force: commit even an empty group. */
int live_commit(struct fc_live *live, bool durable, uint64_t want, bool force, struct fc_error *err);
/**
 * An operation failed with @r: whether to try it again, once. That is so when there was no room and what was removed
 * since the last durable commit has been given back to the host now. @tried is false at first.
 */
bool live_make_room(struct fc_live *live, int r, bool *tried);
/** Take a pin, commit what was then, and hold further commits. */
int live_pin_commit(struct fc_live *live, struct fc_error *err);
int live_writer_start(struct fc_live *live, struct fc_error *err);
void live_writer_stop(struct fc_live *live);

/* pin.c */

/** Wait until no content operation is under way; none can begin while the lock is then held. */
void live_quiesce(struct fc_live *live);
/** Take or give back a pin (waits for writes in flight). With the lock held, which it may drop while it waits. */
void live_pin(struct fc_live *live);
void live_unpin(struct fc_live *live);

#endif
