/* SPDX-License-Identifier: Apache-2.0 */
/* Statements of the store, and what SQLite's errors mean. */
#include "edit/store.h"

#include <errno.h>
#include <string.h>

static const char *const statements[FC_STMT_N] = {
    [FC_STMT_BEGIN] = "BEGIN IMMEDIATE",
    [FC_STMT_COMMIT] = "COMMIT",
    [FC_STMT_ROLLBACK] = "ROLLBACK",
    [FC_STMT_META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [FC_STMT_META_SET] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
    [FC_STMT_META_DEL] = "DELETE FROM meta WHERE key = ?1",
    [FC_STMT_LAYERS] = "SELECT id, position, diffid, locator, name, first_ino, n_inodes FROM layer "
                       "ORDER BY position < 0, position, id",
    [FC_STMT_LAYER_ADD] = "INSERT INTO layer (position, diffid, locator, name, first_ino, n_inodes) "
                          "VALUES (-1, ?1, ?2, ?3, ?4, ?5)",
    [FC_STMT_STACK_CLEAR] = "UPDATE layer SET position = -1 WHERE position >= 0",
    [FC_STMT_STACK_SET] = "UPDATE layer SET position = ?2 WHERE id = ?1",
    [FC_STMT_LAYER_GC] = "DELETE FROM layer WHERE position < 0 "
                         "AND id NOT IN (SELECT source FROM extent WHERE source > 0) "
                         "AND NOT EXISTS (SELECT 1 FROM inode WHERE ino >= first_ino AND ino < first_ino + n_inodes)",
    [FC_STMT_INODES] =
        "SELECT ino, mode, uid, gid, rdev_major, rdev_minor, nlink, size, atime, atime_ns, mtime, mtime_ns, "
        "ctime, ctime_ns, crtime, crtime_ns, lower_content, target FROM inode ORDER BY ino",
    [FC_STMT_XATTRS] = "SELECT ino, name, value FROM xattr ORDER BY ino, name",
    [FC_STMT_EXTENTS] = "SELECT ino, \"offset\", length, source_offset, source FROM extent ORDER BY ino, \"offset\"",
    [FC_STMT_DENTRIES] = "SELECT parent, name, ino FROM dentry ORDER BY parent, name",
    [FC_STMT_USED] = "SELECT source_offset, length, ino FROM extent WHERE source = 0",
    [FC_STMT_INODE_PUT] =
        "INSERT OR REPLACE INTO inode (ino, mode, uid, gid, rdev_major, rdev_minor, nlink, size, atime, "
        "atime_ns, mtime, mtime_ns, ctime, ctime_ns, crtime, crtime_ns, lower_content, target) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    [FC_STMT_INODE_DEL] = "DELETE FROM inode WHERE ino = ?1",
    [FC_STMT_XATTR_PUT] = "INSERT INTO xattr (ino, name, value) VALUES (?1, ?2, ?3)",
    [FC_STMT_XATTR_DEL] = "DELETE FROM xattr WHERE ino = ?1",
    [FC_STMT_EXTENT_PUT] =
        "INSERT INTO extent (ino, \"offset\", length, source_offset, source) VALUES (?1, ?2, ?3, ?4, ?5)",
    [FC_STMT_EXTENT_DEL] = "DELETE FROM extent WHERE ino = ?1",
    [FC_STMT_DENTRY_PUT] = "INSERT OR REPLACE INTO dentry (parent, name, ino) VALUES (?1, ?2, ?3)",
    [FC_STMT_DENTRY_DEL] = "DELETE FROM dentry WHERE parent = ?1 AND name = ?2",
    [FC_STMT_CONFLICTS] = "SELECT path, what FROM conflict ORDER BY path, id",
    [FC_STMT_CONFLICT_ADD] = "INSERT INTO conflict (path, what) VALUES (?1, ?2)",
    [FC_STMT_CONFLICT_DEL] = "DELETE FROM conflict WHERE length(?1) = 0 OR path = ?1 "
                             "OR substr(path, 1, length(?1) + 1) = CAST(?1 || '/' AS BLOB)",
    [FC_STMT_COUNTS] = "SELECT (SELECT count(*) FROM inode), (SELECT count(*) FROM dentry), "
                       "(SELECT count(*) FROM conflict), "
                       "(SELECT coalesce(sum(length), 0) FROM extent WHERE source = 0)",
};

/* A failed read or write: the system knows better than SQLite's own number. */
static int io_errno(int sys)
{
    if (sys == EDQUOT)
        return ENOSPC;
    return sys == ENOSPC || sys == EACCES || sys == EPERM || sys == EROFS || sys == ENOENT ? sys : EIO;
}

static int errno_of(int rc, int sys)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR: /* our statements are right, so the tables are not what they should be */
        return EBADMSG;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_READONLY:
        return EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return EACCES;
    case SQLITE_TOOBIG:
        return EFBIG;
    case SQLITE_INTERRUPT:
        return EINTR;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_MISUSE:
        return EINVAL;
    default:
        return io_errno(sys);
    }
}

int fc_store_fail_db(sqlite3 *db, int rc, struct fc_error *err, const char *what)
{
    /* That is how it calls a disk with no room for the shared memory of the log, which every user needs. */
    bool no_shm = rc == SQLITE_IOERR_SHMSIZE;
    int code = no_shm ? ENOSPC : errno_of(rc, db ? sqlite3_system_errno(db) : 0);
    const char *words = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);

    return fc_fail(err, code, "workspace database: %s: %s%s", what, no_shm ? "the disk is full" : words,
                   code == EBADMSG ? FC_EDIT_NEXT_STEP : "");
}

int fc_store_fail(struct fc_edit *e, struct fc_error *err, const char *what)
{
    int r = fc_store_fail_db(e->db, sqlite3_extended_errcode(e->db), err, what);

    e->was_full |= r == -ENOSPC;
    return err ? fc_wrap(err, "%s", e->dir) : r;
}

sqlite3_stmt *fc_store_stmt(struct fc_edit *e, enum fc_store_stmt id, int *ret_code, struct fc_error *err)
{
    sqlite3_stmt *s = e->stmts[id];

    if (s) {
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
        return s;
    }
    if (sqlite3_prepare_v3(e->db, statements[id], -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) {
        *ret_code = fc_store_fail(e, err, "cannot use its tables");
        return NULL;
    }
    e->stmts[id] = s;
    return s;
}

int fc_store_run(struct fc_edit *e, sqlite3_stmt *s, const char *what, struct fc_error *err)
{
    int r = 0;

    if (sqlite3_step(s) != SQLITE_DONE)
        r = fc_store_fail(e, err, what);
    sqlite3_reset(s);
    return r;
}

int fc_store_run_id(struct fc_edit *e, enum fc_store_stmt id, const char *what, struct fc_error *err)
{
    int code;
    sqlite3_stmt *s = fc_store_stmt(e, id, &code, err);

    return s ? fc_store_run(e, s, what, err) : code;
}

void fc_store_bind_bytes(sqlite3_stmt *s, int i, const void *data, size_t size)
{
    if (size)
        sqlite3_bind_blob64(s, i, data, size, SQLITE_STATIC);
    else
        sqlite3_bind_zeroblob(s, i, 0);
}

int fc_store_need_tx(const struct fc_edit *e, const char *what, struct fc_error *err)
{
    if (e->in_tx)
        return 0;
    return fc_fail(err, e->mode == FC_EDIT_READ ? EROFS : EINVAL, "%s: cannot %s outside a transaction", e->dir, what);
}
