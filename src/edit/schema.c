/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of workspace.db. */
#include "edit/store.h"

#include <errno.h>

#define STR2(x) #x
#define STR(x) STR2(x)

/*
 * Names, targets and xattr values are bytes, hence blobs. Times are seconds (negative before 1970) and nanoseconds.
 * AUTOINCREMENT keeps a layer's id from ever coming again: extents refer to it.
 */
static const char schema[] = "PRAGMA application_id = " STR(
    FC_STORE_APPLICATION_ID) ";"
                             "PRAGMA user_version = " STR(
                                 FC_STORE_VERSION) ";"
                                                   "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) "
                                                   "WITHOUT ROWID;"
                                                   "CREATE TABLE layer ("
                                                   " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                                   " position INTEGER NOT NULL," /* in the stack, lowest 0; -1: no longer in it, but something refers to it */
                                                   " diffid BLOB NOT NULL,"
                                                   " locator TEXT NOT NULL,"
                                                   " name TEXT NOT NULL,"
                                                   " first_ino INTEGER NOT NULL,"
                                                   " n_inodes INTEGER NOT NULL);"
                                                   "CREATE TABLE inode ("
                                                   " ino INTEGER PRIMARY KEY,"
                                                   " mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,"
                                                   " rdev_major INTEGER NOT NULL, rdev_minor INTEGER NOT NULL,"
                                                   " nlink INTEGER NOT NULL, size INTEGER NOT NULL,"
                                                   " atime INTEGER NOT NULL, atime_ns INTEGER NOT NULL,"
                                                   " mtime INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
                                                   " ctime INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,"
                                                   " crtime INTEGER NOT NULL, crtime_ns INTEGER NOT NULL,"
                                                   " lower_content INTEGER NOT NULL," /* content or symlink text is that of the lower inode of this number */
                                                   " target BLOB);"
                                                   "CREATE TABLE xattr (ino INTEGER NOT NULL, name BLOB NOT NULL, "
                                                   "value BLOB NOT NULL,"
                                                   " PRIMARY KEY (ino, name)) WITHOUT ROWID;"
                                                   "CREATE TABLE extent (ino INTEGER NOT NULL, \"offset\" INTEGER NOT "
                                                   "NULL, length INTEGER NOT NULL,"
                                                   " source_offset INTEGER NOT NULL,"
                                                   " source INTEGER NOT NULL," /* 0: the data file; else layer.id */
                                                   " PRIMARY KEY (ino, \"offset\")) WITHOUT ROWID;"
                                                   "CREATE TABLE dentry (parent INTEGER NOT NULL, name BLOB NOT NULL,"
                                                   " ino INTEGER NOT NULL," /* 0: the lower name was removed */
                                                   " PRIMARY KEY (parent, name)) WITHOUT ROWID;"
                                                   "CREATE TABLE conflict (id INTEGER PRIMARY KEY, path BLOB NOT NULL, "
                                                   "what TEXT NOT NULL);";

int fc_store_schema_create(sqlite3 *db, struct fc_error *err)
{
    int rc = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fc_store_fail_db(db, rc, err, "cannot create it");
}

static int pragma_number(struct fc_edit *e, const char *sql, int *ret, struct fc_error *err)
{
    sqlite3_stmt *s = NULL;
    int r = 0;

    if (sqlite3_prepare_v2(e->db, sql, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
        r = fc_store_fail(e, err, "cannot be read");
    else
        *ret = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return r;
}

int fc_store_schema_check(struct fc_edit *e, struct fc_error *err)
{
    int id, version, r;

    r = pragma_number(e, "PRAGMA application_id", &id, err);
    if (r == 0)
        r = pragma_number(e, "PRAGMA user_version", &version, err);
    if (r < 0)
        return r;
    if (id != FC_STORE_APPLICATION_ID || version < 1)
        return fc_fail(err, EBADMSG, "%s/workspace.db is not a database of fccompose" FC_EDIT_NEXT_STEP, e->dir);
    if (version > FC_STORE_VERSION)
        return fc_fail(err, EOPNOTSUPP,
                       "%s/workspace.db has version %d, which a newer fccompose wrote; this one understands up to %d",
                       e->dir, version, FC_STORE_VERSION);
    return 0;
}
