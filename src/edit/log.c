/* SPDX-License-Identifier: Apache-2.0 */
/* The database's log: sync it, fold it back, and what a failed sync means. */
#include "edit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"

/** Fold back a log of so many pages (16 MiB). */
#define FOLD_PAGES 4000

/*
 * When fsync(2) fails, Linux takes what it could not write for written: the next fsync succeeds, and of the log a piece
 * is missing on the disk, behind which recovery reads nothing. A commit after that would be durable in name only; and to
 * fold such a log back would overwrite the database with a half. So the log is suspect from then on: before the next sync
 * all of it is written again, from memory where the kernel still has it, and until that sync succeeds it is not folded.
 *
 * SQLite's own folding would not tell of a failure, and so is turned off; fc_store_log_fold() comes in its place.
 */

static int rewrite_log(struct fc_edit *e)
{
    enum { CHUNK = 1 << 16 };
    fc_auto(fc_free) char *path = NULL, *buffer = malloc(CHUNK);
    fc_auto(fc_close) int fd = -1;
    uint64_t at = 0;
    ssize_t n;
    int r = 0;

    if (!buffer || asprintf(&path, "%s/workspace.db-wal", e->dir) < 0)
        return -ENOMEM;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    while (r == 0 && (n = fc_pread_full(fd, buffer, CHUNK, at)) != 0) {
        r = n < 0 ? (int)n : fc_pwrite_full(fd, buffer, (size_t)n, at);
        at += n > 0 ? (uint64_t)n : 0;
    }
    return r;
}

int fc_store_log_sync(struct fc_edit *e, struct fc_error *err)
{
    sqlite3_file *log = NULL;
    int rc = sqlite3_file_control(e->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&log), r;

    if (rc != SQLITE_OK || !log || !log->pMethods)
        return fc_fail(err, EIO, "%s: the database has no log to sync", e->dir);
    r = e->log_suspect ? rewrite_log(e) : 0;
    if (r < 0)
        return fc_fail_errno(err, -r, "%s: cannot write the log of the database again", e->dir);
    rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    e->log_suspect = rc != SQLITE_OK;
    return rc == SQLITE_OK ? 0 : fc_fail(err, EIO, "%s: cannot sync the database: %s", e->dir, sqlite3_errstr(rc));
}

/* Returns whether the log is safe to fold back. */
static bool trusted(struct fc_edit *e) { return !e->log_suspect || fc_store_log_sync(e, NULL) == 0; }

/* A busy database (a reader has an older state) is folded as far as that goes. */
static void fold(struct fc_edit *e, int how)
{
    int rc = sqlite3_wal_checkpoint_v2(e->db, NULL, how, NULL, NULL);

    if ((rc & 0xff) != SQLITE_IOERR)
        return;
    e->log_suspect = true;
    fc_log(FC_LOG_WARN,
           "%s/workspace.db: cannot write to it what its log has: %s; nothing is lost, and it is tried again", e->dir,
           sqlite3_errmsg(e->db));
}

void fc_store_log_fold(struct fc_edit *e)
{
    if (e->log_pages < FOLD_PAGES || !trusted(e))
        return;
    e->log_pages = 0; /* the next commit tells how long it is then */
    fold(e, SQLITE_CHECKPOINT_PASSIVE);
}

void fc_store_log_cut(struct fc_edit *e)
{
    if (trusted(e))
        fold(e, SQLITE_CHECKPOINT_TRUNCATE);
}

static int note_pages(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct fc_edit *e = arg;

    (void)db;
    (void)name;
    e->log_pages = pages;
    return SQLITE_OK;
}

void fc_store_log_open(struct fc_edit *e) { sqlite3_wal_hook(e->db, note_pages, e); }

void fc_store_log_close(struct fc_edit *e)
{
    if (e->db && e->log_suspect && !trusted(e))
        sqlite3_db_config(e->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}
