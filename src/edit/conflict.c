/* SPDX-License-Identifier: Apache-2.0 */
/* Conflicts noted when the stack changed under edits, and how much the store holds. */
#include "edit/store.h"

#include <errno.h>
#include <string.h>

int fc_edit_conflict_add(struct fc_edit *e, const char *path, const char *what, struct fc_error *err)
{
    sqlite3_stmt *s;
    int r = fc_store_need_tx(e, "note a conflict", err);

    if (r < 0)
        return r;
    s = fc_store_stmt(e, FC_STMT_CONFLICT_ADD, &r, err);
    if (!s)
        return r;
    fc_store_bind_bytes(s, 1, path, strlen(path));
    sqlite3_bind_text(s, 2, what, -1, SQLITE_STATIC);
    return fc_store_run(e, s, "cannot note a conflict", err);
}

int fc_edit_conflict_del(struct fc_edit *e, const char *path, struct fc_error *err)
{
    sqlite3_stmt *s;
    int r = fc_store_need_tx(e, "forget a conflict", err);

    if (r < 0)
        return r;
    s = fc_store_stmt(e, FC_STMT_CONFLICT_DEL, &r, err);
    if (!s)
        return r;
    fc_store_bind_bytes(s, 1, path, strlen(path));
    return fc_store_run(e, s, "cannot forget a conflict", err);
}

int fc_edit_conflicts(struct fc_edit *e, int (*fn)(void *arg, const char *path, const char *what), void *arg,
                      struct fc_error *err)
{
    int r = 0, rc = SQLITE_DONE;
    sqlite3_stmt *s = fc_store_stmt(e, FC_STMT_CONFLICTS, &r, err);

    if (!s)
        return r;
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        /* As text the bytes come with a NUL behind them; nothing is re-encoded in a UTF-8 database. */
        const char *what = (const char *)sqlite3_column_text(s, 1);
        const char *path = (const char *)sqlite3_column_text(s, 0);

        r = fn(arg, path ? path : "", what ? what : "");
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = fc_store_fail(e, err, "cannot read the conflicts");
    sqlite3_reset(s);
    return r;
}

int fc_edit_counts(struct fc_edit *e, struct fc_edit_counts *ret, struct fc_error *err)
{
    int r = 0;
    sqlite3_stmt *s = fc_store_stmt(e, FC_STMT_COUNTS, &r, err);

    if (!s)
        return r;
    if (sqlite3_step(s) != SQLITE_ROW) {
        r = fc_store_fail(e, err, "cannot count the edits");
    } else {
        ret->inodes = (uint64_t)sqlite3_column_int64(s, 0);
        ret->dentries = (uint64_t)sqlite3_column_int64(s, 1);
        ret->conflicts = (uint64_t)sqlite3_column_int64(s, 2);
        ret->data_bytes = (uint64_t)sqlite3_column_int64(s, 3);
    }
    sqlite3_reset(s);
    return r;
}
