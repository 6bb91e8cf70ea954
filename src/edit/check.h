/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking and repairing a store, whatever state it is in: what is found in words, the rows in memory.
 *
 * A check reads all rows, also from a database that SQLite refuses (then page by page), and says what is wrong with each.
 * A repair changes the rows in memory; fc_check_write() then writes them in one transaction, after a backup. Checks that
 * need the layers too are in workspace/.
 */
#ifndef FC_EDIT_CHECK_H
#define FC_EDIT_CHECK_H

#include "base/arena.h"
#include "edit/edit.h"

/** No workspace comes near this inode number by counting: what has it was damaged. */
#define FC_EDIT_INO_ABSURD (UINT64_C(1) << 48)
/** Largest xattr value. */
#define FC_EDIT_XATTR_MAX 65536u

/** One thing that was found. */
struct fc_finding {
    bool error;        /**< false: a note, no content or name is wrong */
    const char *code;  /**< a word for programs; static */
    const char *table; /**< of the database, or a file of the folder; static; NULL: none */
    uint64_t ino;      /**< the object, or the directory of @name; 0: none */
    char *name;        /**< of an entry in directory @ino, or NULL */
    size_t name_len;
    char *path;   /**< where that is in the tree, normalised, NUL-terminated; NULL: not known. Set by workspace/ */
    char *what;   /**< what is wrong, and what that means */
    char *repair; /**< what a repair does; NULL: none is possible here */
};

/** All that was found, in order. All zero is none. */
struct fc_findings {
    struct fc_finding *items;
    size_t n, cap;
    size_t n_errors, n_repairs; /**< errors; and errors and notes that a repair deals with */
    bool out_of_memory;         /**< some are missing */
};

/** For what cannot be repaired here, and for notes. */
#define FC_NO_REPAIR ((const char *)NULL)
/** Add one: the fields of @head (its name is copied), @repair (may be NULL; copied), and words. */
void fc_findings_add(struct fc_findings *f, const struct fc_finding *head, const char *repair, const char *fmt, ...)
    FC_PRINTF(4, 5);
/** Forget all but the first @n. */
void fc_findings_cut(struct fc_findings *f, size_t n);
/** Free everything. */
void fc_findings_release(struct fc_findings *f);

/* Rows as they are in memory. A row that is to go is marked, not taken out. Text lives in the arena. */

struct fc_row_inode {
    struct fc_edit_inode i;
    bool drop;
};
struct fc_row_xattr {
    uint64_t ino;
    struct fc_xattr x;
    bool drop;
};
struct fc_row_extent {
    uint64_t ino;
    struct fc_edit_extent x;
    bool drop;
};
struct fc_row_dentry {
    uint64_t parent, ino;
    const char *name;
    size_t len;
    bool drop;
};
struct fc_row_layer {
    struct fc_edit_layer l;
    bool drop;
};
struct fc_row_conflict {
    const char *path, *what;
};
struct fc_row_meta {
    const char *key, *value;
};

/** Tables, as bits of fc_rows.changed. */
enum {
    FC_ROWS_META = 1 << 0,
    FC_ROWS_LAYERS = 1 << 1,
    FC_ROWS_INODES = 1 << 2,
    FC_ROWS_XATTRS = 1 << 3,
    FC_ROWS_EXTENTS = 1 << 4,
    FC_ROWS_DENTRIES = 1 << 5,
    FC_ROWS_CONFLICTS = 1 << 6,
};

/** Bytes of the data file that are copied before the rows are written. */
struct fc_row_copy {
    uint64_t from, to, length;
};

/** Everything that the database holds. */
struct fc_rows {
    struct fc_arena arena;
    struct fc_row_inode *inodes;
    struct fc_row_xattr *xattrs;
    struct fc_row_extent *extents;
    struct fc_row_dentry *dentries;
    struct fc_row_layer *layers;
    struct fc_row_conflict *conflicts;
    struct fc_row_meta *metas;
    struct fc_row_copy *copies;
    size_t n_inodes, n_xattrs, n_extents, n_dentries, n_layers, n_conflicts, n_metas, n_copies;
    size_t cap_inodes, cap_xattrs, cap_extents, cap_dentries, cap_layers, cap_conflicts, cap_metas, cap_copies;
    uint64_t next_ino;  /**< the next number to give; in memory alone until it is written; 0: not known */
    int64_t layer_seq;  /**< the highest id that a layer ever had, as far as known */
    bool stack_unknown; /**< rows of layers are lost or damaged: nothing can be said about what edits refer to */
    unsigned changed;   /**< FC_ROWS_ of the tables that a repair changes */
};

/** Add a row (copied; text must be in the arena). Returns it, valid until the next is added, or NULL without memory. */
struct fc_row_inode *fc_rows_add_inode(struct fc_rows *rows, const struct fc_edit_inode *inode);
struct fc_row_extent *fc_rows_add_extent(struct fc_rows *rows, uint64_t ino, const struct fc_edit_extent *x);
struct fc_row_dentry *fc_rows_add_dentry(struct fc_rows *rows, uint64_t parent, const char *name, size_t len,
                                         uint64_t ino);
/** Sort each table by its key, those to be dropped included. */
void fc_rows_sort(struct fc_rows *rows);
/** The first extent, xattr or dentry (of the sorted table) whose inode or directory is @ino or a higher one. */
size_t fc_rows_first_extent(const struct fc_rows *rows, uint64_t ino);
size_t fc_rows_first_xattr(const struct fc_rows *rows, uint64_t ino);
size_t fc_rows_first_dentry(const struct fc_rows *rows, uint64_t parent);

/** A store under check. */
struct fc_check;

/** How to check. */
struct fc_check_options {
    bool repair;    /**< take the lock for writing, and allow fc_check_write() */
    bool have_lock; /**< the caller keeps writers out, or the mount process holds still */
};

/**
 * Begin a check of the store in @dir: lock, read every row. What is wrong with the database, and with each row by itself,
 * is added to @found (borrowed until fc_check_free()).
 *
 * -EBUSY with words, -EOPNOTSUPP for a newer version, -ENOENT, -EBADMSG when there is nothing of ours in the file.
 */
int fc_check_open(const char *dir, const struct fc_check_options *options, struct fc_findings *found,
                  struct fc_check **ret, struct fc_error *err);
/** The rows, sorted. Borrowed, to be changed. */
struct fc_rows *fc_check_rows(struct fc_check *c);
/**
 * Extents against the data file and each other: two that share data, some beyond its end. After everything that adds or
 * drops extents.
 */
int fc_check_data(struct fc_check *c, struct fc_error *err);
/** The numbers that were given: raise rows->next_ino above every number in the rows, and say so if it was not. */
void fc_check_numbers(struct fc_check *c);
/** A number for a new object. After fc_check_numbers(). */
uint64_t fc_check_new_ino(struct fc_check *c);
/**
 * Types and sizes that could not be read, and symlinks without a text: what they are is found from the rows. After what
 * knows more (the layers) has had its say: it clears mode's type 0 and the size UINT64_MAX.
 */
void fc_check_shapes(struct fc_check *c);
/** Whether fc_check_write() has something to do. */
bool fc_check_needs_write(const struct fc_check *c);
/**
 * Write the changed rows: a backup of the database first, whose name is set in *ret_backup (caller frees); then one
 * transaction, or, when the database itself is damaged, a new one in its place. On failure the database is as it was.
 */
int fc_check_write(struct fc_check *c, char **ret_backup, struct fc_error *err);
/** Instead, when no row changes: fold the log of a program that was killed back into the database. */
int fc_check_fold_log(struct fc_check *c, struct fc_error *err);
/** Unlock and free. NULL is allowed. */
void fc_check_free(struct fc_check *c);
FC_DEFINE_AUTO(struct fc_check *, fc_check_free)

#endif
