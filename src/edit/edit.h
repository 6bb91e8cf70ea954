/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The durable store of a workspace: SQLite for the stack and for the user's changes, one sparse data file for contents.
 *
 * edit/ stores and gives back; it knows nothing of merging. The schema is in edit/schema.c. Rows are the difference to
 * the lower tree: an inode row is a new inode or a lower one whose attributes, xattrs or content changed (it then holds
 * all of them); a dentry row is a name that was added to or removed from a directory. Only one program at a time has a
 * store open for writing (flock on .fccompose/lock); readers use a WAL snapshot.
 */
#ifndef FC_EDIT_EDIT_H
#define FC_EDIT_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <fccompose/entry.h>
#include <fccompose/error.h>
#include <fccompose/layer.h>

#include "base/cleanup.h"

/** The end of words about damage: the next step. */
#define FC_EDIT_NEXT_STEP ": check it with: fccompose fsck"

/** An open store. Calls must be serialised by the caller (live/ holds its lock), but for fc_edit_data_fd(). */
struct fc_edit;

/** Extent source: the data file. Other values are layer ids (struct fc_edit_layer). */
#define FC_EDIT_DATA 0u
/** Alignment of everything in the data file. */
#define FC_EDIT_BLOCK 4096u
/** Largest file: what ext4 holds with blocks of 4 KiB. */
#define FC_EDIT_FILE_MAX (UINT64_C(0xffffffff) * FC_EDIT_BLOCK)

/** An inode row. */
struct fc_edit_inode {
    uint64_t ino;
    uint32_t mode, uid, gid, rdev_major, rdev_minor, nlink;
    uint64_t size;
    struct timespec atime, mtime, ctime, crtime;
    bool lower_content; /**< content (or symlink text) is still that of the lower inode with this number */
    const char *target; /**< symlink text, NUL-terminated, when not lower_content; else NULL */
};

/** Part of a file's content; what no extent covers is a hole. offset and source_offset are multiples of 4096. */
struct fc_edit_extent {
    uint64_t offset, length; /**< length: multiple of 4096 except possibly where the file ends */
    uint64_t source_offset;
    uint32_t source; /**< FC_EDIT_DATA or a layer id */
};

/** A layer row. Rows stay while an extent or an inode number refers to them, also when the layer left the stack. */
struct fc_edit_layer {
    uint32_t id;  /**< > 0, never reused */
    int position; /**< in the stack, lowest 0; -1: no longer in it */
    struct fc_digest diffid;
    const char *locator, *name;
    uint64_t first_ino;
    uint32_t n_inodes;
};

/** How to open. */
enum fc_edit_mode { FC_EDIT_READ, FC_EDIT_WRITE };

/** Make an empty store in the folder @dir (".../.fccompose", created). -EEXIST if there is one. */
int fc_edit_create(const char *dir, struct fc_error *err);

/**
 * Open the store in @dir. FC_EDIT_WRITE takes the lock (-EBUSY with words if another has it); FC_EDIT_READ begins a read
 * transaction, so that everything later read is one moment. -EBADMSG for a damaged database, -EOPNOTSUPP for a newer
 * schema version.
 */
int fc_edit_open(const char *dir, enum fc_edit_mode mode, struct fc_edit **ret, struct fc_error *err);
/**
 * For a FC_EDIT_READ open without the help of the writing process: keep writers out as long as the returned descriptor
 * is open, because one would give back data that the reader still refers to. -EBUSY with words if a writer is there.
 */
int fc_edit_lock_shared(const char *dir, struct fc_error *err);
/** Close; an open transaction is rolled back. NULL is allowed. */
void fc_edit_free(struct fc_edit *e);
FC_DEFINE_AUTO(struct fc_edit *, fc_edit_free)

/* The stack. */

/** All layer rows, those in the stack first and by position. Borrowed until the stack changes. */
const struct fc_edit_layer *fc_edit_layers(const struct fc_edit *e, size_t *ret_n);
/** Add a layer row (inside a transaction) at the end of the table, position -1; numbers for @n_inodes are reserved. Sets *ret_id. */
int fc_edit_layer_add(struct fc_edit *e, const struct fc_digest *diffid, const char *locator, const char *name,
                      uint32_t n_inodes, uint32_t *ret_id, struct fc_error *err);
/** Make the stack exactly the @n layer ids of @ids, lowest first (inside a transaction). */
int fc_edit_stack_set(struct fc_edit *e, const uint32_t *ids, size_t n, struct fc_error *err);
/** Drop layer rows that are in no stack and that no extent or inode row refers to (inside a transaction). */
int fc_edit_layer_gc(struct fc_edit *e, struct fc_error *err);

/* Conflicts: edits that no longer fit after a change of the stack. */

/** Note one (inside a transaction): @path is normalised, @what is a sentence for a person. */
int fc_edit_conflict_add(struct fc_edit *e, const char *path, const char *what, struct fc_error *err);
/** Forget the conflicts at and below @path, "" being all (inside a transaction). */
int fc_edit_conflict_del(struct fc_edit *e, const char *path, struct fc_error *err);
/** Call @fn for each, by path; a non-zero return stops and is returned. */
int fc_edit_conflicts(struct fc_edit *e, int (*fn)(void *arg, const char *path, const char *what), void *arg,
                      struct fc_error *err);

/** How much the store holds. */
struct fc_edit_counts {
    uint64_t inodes, dentries, conflicts; /**< rows */
    uint64_t data_bytes;                  /**< of contents in the data file */
};
/** Count. Takes time in proportion to the rows. */
int fc_edit_counts(struct fc_edit *e, struct fc_edit_counts *ret, struct fc_error *err);

/* Small settings: key to text. */

/** Value of @key (caller frees) in *ret, NULL if unset. */
int fc_edit_meta_get(struct fc_edit *e, const char *key, char **ret, struct fc_error *err);
/** Set (value NULL: remove), inside a transaction. */
int fc_edit_meta_set(struct fc_edit *e, const char *key, const char *value, struct fc_error *err);

/* Loading, once after opening: each calls back per row, ordered by key; a callback's non-zero stops and is returned.
 * Pointers are borrowed for the call. */

struct fc_edit_loader {
    int (*inode)(void *arg, const struct fc_edit_inode *inode);
    int (*xattr)(void *arg, uint64_t ino, const struct fc_xattr *xattr);
    int (*extent)(void *arg, uint64_t ino, const struct fc_edit_extent *extent);
    /** @ino 0: the lower name was removed. */
    int (*dentry)(void *arg, uint64_t parent, const char *name, size_t name_len, uint64_t ino);
};
/** Read all rows: inodes, then xattrs, extents, dentries. */
int fc_edit_load(struct fc_edit *e, const struct fc_edit_loader *loader, void *arg, struct fc_error *err);

/* Writing: begin, any number of puts, commit. All fail with -errno and words; -ENOSPC and -EIO leave the transaction
 * open for rollback. */

int fc_edit_begin(struct fc_edit *e, struct fc_error *err);
int fc_edit_put_inode(struct fc_edit *e, const struct fc_edit_inode *inode, struct fc_error *err);
/** Replace all xattrs of @ino. */
int fc_edit_put_xattrs(struct fc_edit *e, uint64_t ino, const struct fc_xattr *xattrs, size_t n, struct fc_error *err);
/** Replace all extents of @ino. */
int fc_edit_put_extents(struct fc_edit *e, uint64_t ino, const struct fc_edit_extent *extents, size_t n,
                        struct fc_error *err);
/** Forget the inode with its xattrs and extents (its data ranges are freed by the caller with fc_edit_space_free()). */
int fc_edit_del_inode(struct fc_edit *e, uint64_t ino, struct fc_error *err);
/** Add, change, or (ino 0) mark as removed. */
int fc_edit_put_dentry(struct fc_edit *e, uint64_t parent, const char *name, size_t name_len, uint64_t ino,
                       struct fc_error *err);
/** Forget a dentry row: the lower tree shows through again. */
int fc_edit_del_dentry(struct fc_edit *e, uint64_t parent, const char *name, size_t name_len, struct fc_error *err);
/**
 * Forget all edits: inodes, xattrs, extents, dentries. With the commit, space that the extents referred to is freed (as by
 * fc_edit_space_free()), but for what extents put later in the same transaction refer to again. Space that no extent row
 * referred to yet stays the caller's.
 */
int fc_edit_clear(struct fc_edit *e, struct fc_error *err);
/**
 * Commit. @durable: survives power loss when this returns (full sync; the data file is NOT synced by this: call
 * fc_edit_data_sync() first). Freed space becomes reusable after the next durable commit.
 */
int fc_edit_commit(struct fc_edit *e, bool durable, struct fc_error *err);
void fc_edit_rollback(struct fc_edit *e);

/** A new inode number: never given before, not even after a crash. Thread-safe. 0 on failure to reserve more. */
uint64_t fc_edit_new_ino(struct fc_edit *e, struct fc_error *err);

/**
 * Whether the disk is full: the space that is set aside for what frees space is in use, or could not be set aside. It is
 * set aside again by durable commits and unpinning when there is room. Until then nothing should be added.
 */
bool fc_edit_is_full(const struct fc_edit *e);

/* The data file: .fccompose/data/0, sparse, allocated in blocks; free is what no extent refers to. */

/** Its descriptor, valid until fc_edit_free(); read-only in FC_EDIT_READ mode. */
int fc_edit_data_fd(const struct fc_edit *e);
/** fdatasync it. Returns 0 or -errno. Thread-safe. */
int fc_edit_data_sync(struct fc_edit *e);
/**
 * Allocate @length bytes (multiple of 4096) of address space, contiguous, if possible starting exactly at @near (0: anywhere).
 * The range reads as zeros. Addresses cost nothing until written. Sets *ret_offset. -ENOSPC never for lack of disk.
 */
int fc_edit_space_alloc(struct fc_edit *e, uint64_t length, uint64_t near, uint64_t *ret_offset, struct fc_error *err);
/** Try to grow a range in place: true if [offset, offset + length) was free and is now allocated. */
bool fc_edit_space_extend(struct fc_edit *e, uint64_t offset, uint64_t length);
/**
 * Give a range back. It is punched and reused only after the next durable commit and while no pin is held. So the rows
 * that no longer refer to it must be in that commit: call this inside its transaction, or before it begins.
 */
void fc_edit_space_free(struct fc_edit *e, uint64_t offset, uint64_t length);
/** Hold back the reuse of freed ranges (a snapshot reads them). Counted. */
void fc_edit_space_pin(struct fc_edit *e);
void fc_edit_space_unpin(struct fc_edit *e);
/** Bytes freed since the last durable commit, not given back to the host yet: live/ makes one when this grows large. */
uint64_t fc_edit_space_pending(const struct fc_edit *e);

#endif
