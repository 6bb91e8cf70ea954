/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of edit/ share: the open store and its statements. The only header that includes sqlite3.h. */
#ifndef FC_EDIT_STORE_H
#define FC_EDIT_STORE_H

#include <pthread.h>
#include <sqlite3.h>

#include "edit/edit.h"
#include "edit/space.h"

/** "FCmp": marks the database as ours (PRAGMA application_id). */
#define FC_STORE_APPLICATION_ID 0x46436d70
/** Version of the schema (PRAGMA user_version). */
#define FC_STORE_VERSION 1

/** Prepared statements; their text is in sql.c. */
enum fc_store_stmt {
    FC_STMT_BEGIN,
    FC_STMT_COMMIT,
    FC_STMT_ROLLBACK,
    FC_STMT_META_GET,
    FC_STMT_META_SET,
    FC_STMT_META_DEL,
    FC_STMT_LAYERS,
    FC_STMT_LAYER_ADD,
    FC_STMT_STACK_CLEAR,
    FC_STMT_STACK_SET,
    FC_STMT_LAYER_GC,
    FC_STMT_INODES,
    FC_STMT_XATTRS,
    FC_STMT_EXTENTS,
    FC_STMT_DENTRIES,
    FC_STMT_USED,
    FC_STMT_INODE_PUT,
    FC_STMT_INODE_DEL,
    FC_STMT_XATTR_PUT,
    FC_STMT_XATTR_DEL,
    FC_STMT_EXTENT_PUT,
    FC_STMT_EXTENT_DEL,
    FC_STMT_DENTRY_PUT,
    FC_STMT_DENTRY_DEL,
    FC_STMT_CONFLICTS,
    FC_STMT_CONFLICT_ADD,
    FC_STMT_CONFLICT_DEL,
    FC_STMT_COUNTS,
    FC_STMT_N
};

struct fc_edit {
    char *dir;
    enum fc_edit_mode mode;
    int lock_fd;
    sqlite3 *db;
    sqlite3_stmt *stmts[FC_STMT_N];
    bool in_tx;
    bool was_full;       /* a call failed for lack of disk space */
    bool log_suspect;    /* a sync of the log failed: see log.c */
    int log_pages;       /* in the log after the last commit */
    bool layers_changed; /* in this transaction: reload them on rollback */

    struct fc_edit_layer *layers; /* locator and name are one allocation each */
    size_t n_layers;

    pthread_mutex_t ino_lock;
    int ino_fd;          /* holds ino_limit, so that not even a kill makes a number come again */
    uint64_t ino_next;   /* the next one to give */
    uint64_t ino_limit;  /* numbers below it are reserved in the file */
    uint64_t ino_stored; /* what the database says; only the committing thread uses it */

    int reserve_fd;
    bool reserve_out; /* the reserve is empty */

    int data_fd;
    uint64_t data_size; /* length of the data file */
    struct fc_space space;
    unsigned pins;
    bool no_punch;           /* the host's file system cannot */
    bool cleared;            /* fc_edit_clear() was called in this transaction */
    struct fc_range *doomed; /* and extents referred to these ranges then */
    size_t n_doomed;
};

/* sql.c */

/** Record SQLite's last error on @e as "@what: words". Returns the negative errno that it means. */
int fc_store_fail(struct fc_edit *e, struct fc_error *err, const char *what);
/** The same for a connection that no store owns yet. */
int fc_store_fail_db(sqlite3 *db, int rc, struct fc_error *err, const char *what);
/** The statement @id, reset and without bindings; NULL with words when it cannot be prepared (code in *ret_code). */
sqlite3_stmt *fc_store_stmt(struct fc_edit *e, enum fc_store_stmt id, int *ret_code, struct fc_error *err);
/** Step @s, which returns no rows, and reset it. */
int fc_store_run(struct fc_edit *e, sqlite3_stmt *s, const char *what, struct fc_error *err);
/** Prepare and run the statement @id, which takes no parameters. */
int fc_store_run_id(struct fc_edit *e, enum fc_store_stmt id, const char *what, struct fc_error *err);
/** Bind bytes: never NULL in the database, also when @size is 0. Borrowed until the statement is reset. */
void fc_store_bind_bytes(sqlite3_stmt *s, int i, const void *data, size_t size);
/** Fails unless in a transaction for writing. */
int fc_store_need_tx(const struct fc_edit *e, const char *what, struct fc_error *err);

/* open.c */

/** Open the file @path (or URI) as a database, without looking into it. */
int fc_store_open_db(const char *path, int flags, sqlite3 **ret, struct fc_error *err);
/** Take the lock of @e->dir for writing. -EBUSY with words. */
int fc_store_lock(struct fc_edit *e, struct fc_error *err);
/** Open the database @path for @e and begin a read transaction. */
int fc_store_open_read(struct fc_edit *e, const char *path, struct fc_error *err);
/** Open the database @path for @e for writing, which recovers what a killed writer left. */
int fc_store_open_write(struct fc_edit *e, const char *path, struct fc_error *err);

/* log.c */

/** Force the log to the disk. */
int fc_store_log_sync(struct fc_edit *e, struct fc_error *err);
/** After a commit: fold a long log back into the database. What fails is told, and tried again after a later commit. */
void fc_store_log_fold(struct fc_edit *e);
/** On a full disk: fold the log back and cut it. */
void fc_store_log_cut(struct fc_edit *e);
/** Have the length of the log noted, and nothing else done by itself. */
void fc_store_log_open(struct fc_edit *e);
/** Before the database is closed, which folds the log back unless that is not safe. */
void fc_store_log_close(struct fc_edit *e);

/* schema.c */

/** Create the tables in an empty database. */
int fc_store_schema_create(sqlite3 *db, struct fc_error *err);
/** Check that the database is ours and of a version that we understand. */
int fc_store_schema_check(struct fc_edit *e, struct fc_error *err);

/* stack.c */

/** Read the layer rows anew. */
int fc_store_layers_load(struct fc_edit *e, struct fc_error *err);
void fc_store_layers_release(struct fc_edit *e);

/* ino.c */

/** Find out where numbers go on. */
int fc_store_ino_open(struct fc_edit *e, struct fc_error *err);
/** Give reserved numbers back that were not used, and close. */
void fc_store_ino_close(struct fc_edit *e);
/** In a transaction: record the next number in the database, if it moved. */
int fc_store_ino_save(struct fc_edit *e, struct fc_error *err);
/** Take @n numbers in a row. Returns the first, or 0 with words. */
uint64_t fc_store_ino_take(struct fc_edit *e, uint64_t n, struct fc_error *err);

/* reserve.c */

/** Set space aside; that there is none is no failure. */
void fc_store_reserve_open(struct fc_edit *e);
/** Give it to whoever needs it now: a transaction did not fit on the disk. */
void fc_store_reserve_release(struct fc_edit *e);
/** Set it aside again, if there is room now. */
void fc_store_reserve_fill(struct fc_edit *e);
/** Give it back for good. */
void fc_store_reserve_close(struct fc_edit *e);
/** Have new files in the folder @dir, but not in folders that it has, written in place, where that is not the rule. Best effort. */
void fc_store_write_in_place(const char *dir);

/* data.c */

/** Open the data file; for writing, find out what is free. */
int fc_store_data_open(struct fc_edit *e, struct fc_error *err);
void fc_store_data_close(struct fc_edit *e);
/** A durable commit happened. */
void fc_store_data_durable(struct fc_edit *e);
/** fc_edit_clear() was called: remember what the extents refer to. */
int fc_store_data_clear(struct fc_edit *e, struct fc_error *err);
/** The transaction with the clear is about to end: find out what of it no row refers to. */
int fc_store_data_settle(struct fc_edit *e, struct fc_error *err);
/** It ended: free that (@committed) or forget about it. */
void fc_store_data_end(struct fc_edit *e, bool committed);

#endif
