/* SPDX-License-Identifier: Apache-2.0 */
/* Create, lock, open and close a store. */
#include "edit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

/** Readers and the checkpoint exclude each other for moments only; longer means that something is wrong. */
#define BUSY_MS 10000

/*
 * synchronous NORMAL: a commit does not wait for the disk, a durable one syncs the log itself (log.c), which also folds it
 * back. What a long reader made it grow beyond 64 MiB is given back.
 */
static const char setup_write[] = "PRAGMA synchronous = NORMAL;"
                                  "PRAGMA journal_size_limit = 67108864; PRAGMA foreign_keys = OFF;"
                                  "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192";

int fc_store_open_db(const char *file, int flags, sqlite3 **ret, struct fc_error *err)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(file, &db, flags | SQLITE_OPEN_NOMUTEX, NULL), r = 0;

    if (rc != SQLITE_OK) {
        r = fc_store_fail_db(db, rc, err, "cannot be opened");
        sqlite3_close_v2(db);
        return r;
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    *ret = db;
    return 0;
}

/* Make the database under another name and give it its own when it is whole. */
static int create_db(const char *dir, struct fc_error *err)
{
    fc_auto(fc_free) char *temp = NULL, *path = NULL;
    sqlite3 *db = NULL;
    int r;

    if (asprintf(&temp, "%s/workspace.db.new", dir) < 0 || asprintf(&path, "%s/workspace.db", dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    fc_remove_all(AT_FDCWD, temp);
    r = fc_store_open_db(temp, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, err);
    if (r == 0)
        r = fc_store_schema_create(db, err);
    if (db && sqlite3_close(db) != SQLITE_OK && r == 0)
        r = fc_fail(err, EIO, "cannot close %s", temp);
    if (r == 0 && renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) < 0 &&
        (errno != EINVAL || rename(temp, path) < 0))
        r = fc_fail_errno(err, errno, "cannot create %s", path);
    if (r < 0)
        unlink(temp);
    return r;
}

static int create_data(const char *dir, struct fc_error *err)
{
    fc_auto(fc_free) char *folder = NULL, *file = NULL;
    fc_auto(fc_close) int fd = -1;
    int r;

    if (asprintf(&folder, "%s/data", dir) < 0 || asprintf(&file, "%s/data/0", dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_mkdir_all(folder, err);
    if (r < 0)
        return r;
    fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    return fd < 0 ? fc_fail_errno(err, errno, "cannot create %s", file) : 0;
}

int fc_edit_create(const char *dir, struct fc_error *err)
{
    fc_auto(fc_free) char *lock = NULL, *path = NULL;
    fc_auto(fc_close) int fd = -1;
    int r = fc_mkdir_all(dir, err);

    if (r < 0)
        return r;
    /* It holds what the tree holds: the guest's shadow file and keys too. */
    if (chmod(dir, 0700) < 0)
        return fc_fail_errno(err, errno, "cannot set the mode of %s", dir);
    if (asprintf(&lock, "%s/lock", dir) < 0 || asprintf(&path, "%s/workspace.db", dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    fd = fc_lock_file(lock, true, true);
    if (fd < 0)
        return fc_fail_errno(err, -fd, "cannot lock %s", lock);
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return fc_fail(err, EEXIST, "%s exists already", path);
    r = create_data(dir, err);
    if (r == 0) {
        fc_store_write_in_place(dir);
        r = create_db(dir, err);
    }
    if (r == 0)
        fc_sync_dir(dir);
    return r;
}

/* The living process that says in the lock file that it has the lock; 0 if none does. */
static long lock_holder(const char *path)
{
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[24] = "";
    long pid;

    if (fd < 0 || fc_pread_full(fd, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    pid = strtol(text, NULL, 10);
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

static int lock_busy(const char *dir, const char *path, struct fc_error *err)
{
    long pid = lock_holder(path);

    if (pid)
        return fc_fail(err, EBUSY, "%s is in use by process %ld", dir, pid);
    return fc_fail(err, EBUSY, "%s is being read by another program", dir);
}

int fc_edit_lock_shared(const char *dir, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    int fd;

    if (asprintf(&path, "%s/lock", dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    fd = fc_lock_file(path, false, false);
    if (fd == -EWOULDBLOCK)
        return lock_busy(dir, path, err);
    if (fd == -EROFS) /* nobody can write here, so there is nobody to keep out */
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fc_fail_errno(err, -fd, "cannot lock %s", path);
    /* While we have it no writer does: what the file says is of one that was killed. Failing to wipe it is harmless. */
    if (ftruncate(fd, 0) < 0)
        return fd;
    return fd;
}

int fc_store_lock(struct fc_edit *e, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    char text[24];
    int n;

    if (asprintf(&path, "%s/lock", e->dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    e->lock_fd = fc_lock_file(path, true, false);
    if (e->lock_fd == -EWOULDBLOCK)
        return lock_busy(e->dir, path, err);
    if (e->lock_fd < 0)
        return fc_fail_errno(err, -e->lock_fd, "cannot lock %s", path);
    /* The number only helps messages; on a full disk we go on without. */
    n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(e->lock_fd, 0) < 0 || fc_pwrite_full(e->lock_fd, text, (size_t)n, 0) < 0)
        return 0;
    return 0;
}

/* file: URI of the database with everything escaped that a URI could misunderstand. */
static char *immutable_uri(const char *dir)
{
    struct fc_buf uri = {0};
    int r = fc_buf_adds(&uri, "file:");

    for (const char *p = dir; *p && r == 0; p++)
        r = strchr("?#%", *p) ? fc_buf_addf(&uri, "%%%02X", (unsigned char)*p) : fc_buf_add(&uri, p, 1);
    if (r == 0)
        r = fc_buf_adds(&uri, "/workspace.db?immutable=1");
    if (r == 0)
        return uri.data;
    fc_buf_release(&uri);
    return NULL;
}

static int begin_reading(struct fc_edit *e, struct fc_error *err)
{
    if (sqlite3_exec(e->db, "BEGIN; SELECT count(*) FROM meta", NULL, NULL, NULL) != SQLITE_OK)
        return fc_store_fail(e, err, "cannot be read");
    return 0;
}

/*
 * Where nobody can write (a read-only file system, another user's workspace) SQLite cannot make the shared memory of
 * the log. Without a log the file by itself is whole, and nobody can change it under us who does not also hold the lock.
 */
static int open_immutable(struct fc_edit *e, struct fc_error *err)
{
    fc_auto(fc_free) char *wal = NULL, *uri = immutable_uri(e->dir);
    struct stat st;
    int r;

    if (!uri || asprintf(&wal, "%s/workspace.db-wal", e->dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    if (stat(wal, &st) == 0 && st.st_size > 0)
        return fc_fail(err, EACCES, "%s cannot be read without write access: it was not closed in good order", e->dir);
    sqlite3_close_v2(e->db);
    e->db = NULL;
    r = fc_store_open_db(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &e->db, err);
    return r == 0 ? begin_reading(e, err) : r;
}

int fc_store_open_read(struct fc_edit *e, const char *path, struct fc_error *err)
{
    struct fc_error first = {0};
    int r = fc_store_open_db(path, SQLITE_OPEN_READONLY, &e->db, err);

    if (r < 0)
        return r;
    r = begin_reading(e, &first);
    if (r == -EROFS || r == -EACCES || r == -EIO || r == -EPERM || r == -ENOENT) {
        int rc = sqlite3_errcode(e->db);

        if (rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY)
            return open_immutable(e, err);
    }
    if (r < 0 && err)
        *err = first;
    return r;
}

int fc_store_open_write(struct fc_edit *e, const char *path, struct fc_error *err)
{
    int r;

    fc_store_write_in_place(e->dir); /* of a workspace that was made elsewhere */
    r = fc_store_open_db(path, SQLITE_OPEN_READWRITE, &e->db, err);
    /* Reading something also recovers the log that a killed writer left. */
    if (r == 0 && (sqlite3_exec(e->db, setup_write, NULL, NULL, NULL) != SQLITE_OK ||
                   sqlite3_exec(e->db, "SELECT count(*) FROM meta", NULL, NULL, NULL) != SQLITE_OK))
        r = fc_store_fail(e, err, "cannot be read");
    if (r == 0)
        fc_store_log_open(e);
    return r;
}

static int open_store(struct fc_edit *e, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    int r = 0;

    if (asprintf(&path, "%s/workspace.db", e->dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    if (access(path, F_OK) < 0)
        return fc_fail_errno(err, errno, "cannot open %s", path);
    if (e->mode == FC_EDIT_WRITE)
        r = fc_store_lock(e, err);
    if (r == 0)
        r = e->mode == FC_EDIT_WRITE ? fc_store_open_write(e, path, err) : fc_store_open_read(e, path, err);
    if (r == 0)
        r = fc_store_schema_check(e, err);
    if (r == 0)
        r = fc_store_layers_load(e, err);
    if (r == 0)
        r = fc_store_ino_open(e, err);
    if (r == 0)
        r = fc_store_data_open(e, err);
    if (r == 0 && e->mode == FC_EDIT_WRITE)
        fc_store_reserve_open(e);
    return r;
}

int fc_edit_open(const char *dir, enum fc_edit_mode mode, struct fc_edit **ret, struct fc_error *err)
{
    fc_auto(fc_edit_free) struct fc_edit *e = calloc(1, sizeof(*e));
    int r;

    if (!e)
        return fc_fail(err, ENOMEM, "out of memory");
    e->mode = mode;
    e->lock_fd = e->data_fd = e->ino_fd = e->reserve_fd = -1;
    pthread_mutex_init(&e->ino_lock, NULL);
    e->dir = fc_abspath(dir);
    if (!e->dir)
        return fc_fail(err, ENOMEM, "out of memory");
    r = open_store(e, err);
    if (r == 0)
        *ret = fc_steal(&e);
    return r;
}

void fc_edit_free(struct fc_edit *e)
{
    if (!e)
        return;
    fc_edit_rollback(e);
    /* Before the database: closing it writes the log into it, for which there may be no other room. */
    fc_store_reserve_close(e);
    fc_store_log_close(e);
    for (size_t i = 0; i < FC_STMT_N; i++)
        sqlite3_finalize(e->stmts[i]);
    sqlite3_close_v2(e->db);
    fc_store_ino_close(e);
    fc_store_data_close(e);
    fc_store_layers_release(e);
    if (e->lock_fd >= 0) {
        /* No longer ours to claim; a stale number would only spoil a message, and the holder checks that it lives. */
        (void)!ftruncate(e->lock_fd, 0);
        close(e->lock_fd);
    }
    pthread_mutex_destroy(&e->ino_lock);
    free(e->dir);
    free(e);
}
