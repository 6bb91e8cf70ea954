/* SPDX-License-Identifier: Apache-2.0 */
/* Check the database as a whole: is it ours, do SQLite's own checks pass, has it the tables that it should have. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "edit/check_private.h"

/** So many faults of SQLite's check are told. */
#define INTEGRITY_MAX "100"

static const char rebuild[] = "writes the rows that can be read into a new database";

static const struct fc_finding head = {.error = true, .code = "database", .table = "workspace.db"};

static void damaged(struct fc_check *c, const char *what)
{
    fc_findings_add(c->found, &head, rebuild, "the database is damaged: %s", what);
    c->rebuild = true;
}

/* Call @fn with the first column of each row. */
static int each_text(sqlite3 *db, const char *sql, void (*fn)(struct fc_check *c, const char *text), struct fc_check *c)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW)
            fn(c, sqlite3_column_text(s, 0) ? (const char *)sqlite3_column_text(s, 0) : "");
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? 0 : -EBADMSG;
}

static void take_integrity(struct fc_check *c, const char *text)
{
    if (strcmp(text, "ok") != 0)
        damaged(c, text);
}

/* The text of every object of a schema, one behind the other in order. */
static int schema_text(sqlite3 *db, struct fc_buf *ret)
{
    static const char sql[] = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema "
                              "WHERE name <> 'sqlite_stat1' ORDER BY 1";
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL), r = 0;

    while (r == 0 && (rc == SQLITE_OK || rc == SQLITE_ROW)) {
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW && sqlite3_column_text(s, 0))
            r = fc_buf_addf(ret, "%s\n", (const char *)sqlite3_column_text(s, 0));
    }
    sqlite3_finalize(s);
    return r < 0 ? r : rc == SQLITE_DONE ? 0 : -EBADMSG;
}

/* What the schema of a new store is, by making one. */
static int expected_schema(struct fc_buf *ret, struct fc_error *err)
{
    sqlite3 *db = NULL;
    int r = fc_store_open_db(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, err);

    if (r == 0)
        r = fc_store_schema_create(db, err);
    if (r == 0 && schema_text(db, ret) < 0)
        r = fc_fail(err, ENOMEM, "out of memory");
    sqlite3_close_v2(db);
    return r;
}

static int number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int n = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return n;
}

/* Each line of @expected that @have lacks, and the other way round. */
static void compare_schema(struct fc_check *c, const char *have, const char *expected, const char *what)
{
    char line[400], shown[420];

    for (const char *p = expected, *end; *p; p = end + 1) {
        end = strchr(p, '\n');
        snprintf(line, sizeof(line), "%.*s\n", (int)(end - p < 390 ? end - p : 390), p);
        if (strstr(have, line) || end - p > 390)
            continue;
        snprintf(line, sizeof(line), "%s %.*s", what, (int)strcspn(p, "(\n") < 120 ? (int)strcspn(p, "(\n") : 120, p);
        damaged(c, fc_name_show(shown, sizeof(shown), line, strlen(line)));
    }
}

static int check_shape(struct fc_check *c, struct fc_error *err)
{
    fc_auto(fc_buf_release) struct fc_buf have = {0}, expected = {0};
    int r = expected_schema(&expected, err), version;

    if (r < 0)
        return r;
    fc_buf_adds(&have, "");
    if (schema_text(c->e->db, &have) < 0)
        damaged(c, "its tables cannot be listed");
    else if (!strstr(have.data, "table inode ") && !strstr(have.data, "table dentry ") && !c->rebuild)
        return fc_fail(err, EBADMSG, "%s/workspace.db is not a database of fccompose", c->e->dir);
    else if (strcmp(have.data, expected.data) != 0) {
        compare_schema(c, have.data, expected.data, "it lacks this, or has it in another form:");
        compare_schema(c, expected.data, have.data, "it has what no store has:");
        if (!c->rebuild)
            damaged(c, "its tables are not those of a store");
    }
    version = number(c->e->db, "PRAGMA user_version");
    if (number(c->e->db, "PRAGMA application_id") != FC_STORE_APPLICATION_ID)
        damaged(c, "it is not marked as one of fccompose");
    if (version > FC_STORE_VERSION)
        return fc_fail(err, EOPNOTSUPP,
                       "%s/workspace.db has version %d, which a newer fccompose wrote; this one understands up to %d",
                       c->e->dir, version, FC_STORE_VERSION);
    if (version < 1)
        damaged(c, "it has no version");
    return 0;
}

int check_database(struct fc_check *c, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    struct fc_error why = {0};
    int r;

    if (asprintf(&path, "%s/workspace.db", c->e->dir) < 0) {
        path = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    r = fc_store_open_read(c->e, path, &why);
    if (r == -EBADMSG) {
        damaged(c, why.msg);
        return 0;
    }
    if (r < 0)
        return fc_fail(err, -r, "%s", why.msg);
    if (each_text(c->e->db, "PRAGMA integrity_check(" INTEGRITY_MAX ")", take_integrity, c) < 0)
        damaged(c, sqlite3_errmsg(c->e->db));
    return check_shape(c, err);
}

/* Reading */

static int take_sequence(struct fc_check *c, const struct check_cell *cells)
{
    if (cells[0].i > c->rows.layer_seq)
        c->rows.layer_seq = cells[0].i;
    return 0;
}

static const struct check_table tables[] = {
    {"meta", "SELECT key, value FROM meta", 2, check_take_meta},
    {"sqlite_sequence", "SELECT seq FROM sqlite_sequence WHERE name = 'layer'", 1, take_sequence},
    {"layer", "SELECT id, position, diffid, locator, name, first_ino, n_inodes FROM layer", 7, check_take_layer},
    {"inode",
     "SELECT ino, mode, uid, gid, rdev_major, rdev_minor, nlink, size, atime, atime_ns, mtime, mtime_ns, ctime, "
     "ctime_ns, crtime, crtime_ns, lower_content, target FROM inode",
     CHECK_COLUMNS, check_take_inode},
    {"xattr", "SELECT ino, name, value FROM xattr", 3, check_take_xattr},
    {"extent", "SELECT ino, \"offset\", length, source_offset, source FROM extent", 5, check_take_extent},
    {"dentry", "SELECT parent, name, ino FROM dentry", 3, check_take_dentry},
    {"conflict", "SELECT id, path, what FROM conflict ORDER BY id", 3, check_take_conflict},
};

static void column(sqlite3_stmt *s, int i, struct check_cell *ret)
{
    static const enum check_type types[] = {[SQLITE_INTEGER] = CHECK_INT,
                                            [SQLITE_FLOAT] = CHECK_REAL,
                                            [SQLITE_TEXT] = CHECK_TEXT,
                                            [SQLITE_BLOB] = CHECK_BLOB,
                                            [SQLITE_NULL] = CHECK_NULL};

    *ret = (struct check_cell){.type = types[sqlite3_column_type(s, i)]};
    if (ret->type == CHECK_INT)
        ret->i = sqlite3_column_int64(s, i);
    if (ret->type == CHECK_TEXT || ret->type == CHECK_BLOB) {
        ret->data = sqlite3_column_blob(s, i);
        ret->size = (size_t)sqlite3_column_bytes(s, i);
        ret->data = ret->data ? ret->data : "";
    }
}

static int read_table(struct fc_check *c, const struct check_table *t, struct fc_error *err)
{
    struct check_cell cells[CHECK_COLUMNS];
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->e->db, t->select, -1, &s, NULL), r = 0;

    while (r == 0 && (rc == SQLITE_OK || rc == SQLITE_ROW)) {
        rc = sqlite3_step(s);
        for (int i = 0; i < t->n_columns && rc == SQLITE_ROW; i++)
            column(s, i, &cells[i]);
        if (rc == SQLITE_ROW && t->take(c, cells) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = fc_store_fail(c->e, err, "cannot read its rows");
    sqlite3_finalize(s);
    return r;
}

int check_read(struct fc_check *c, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < FC_LENGTH(tables) && r == 0; i++)
        r = read_table(c, &tables[i], err);
    return r;
}
