/* SPDX-License-Identifier: Apache-2.0 */
/* Put the rows in memory into the database's tables, in one transaction. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "edit/check_private.h"

static int run(struct fc_edit *e, const char *sql, struct fc_error *err)
{
    return sqlite3_exec(e->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fc_store_fail(e, err, "cannot be repaired");
}

static int put_layer(struct fc_edit *e, const struct fc_edit_layer *l, struct fc_error *err)
{
    static const char sql[] = "INSERT INTO layer (id, position, diffid, locator, name, first_ino, n_inodes) "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    sqlite3_stmt *s = NULL;
    int r = 0;

    if (sqlite3_prepare_v2(e->db, sql, -1, &s, NULL) != SQLITE_OK)
        return fc_store_fail(e, err, "cannot be repaired");
    sqlite3_bind_int64(s, 1, l->id);
    sqlite3_bind_int(s, 2, l->position);
    fc_store_bind_bytes(s, 3, l->diffid.bytes, sizeof(l->diffid.bytes));
    sqlite3_bind_text(s, 4, l->locator, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, l->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 6, (int64_t)l->first_ino);
    sqlite3_bind_int64(s, 7, l->n_inodes);
    r = fc_store_run(e, s, "cannot write a layer", err);
    sqlite3_finalize(s);
    return r;
}

static int put_layers(struct fc_edit *e, const struct fc_rows *r, struct fc_error *err)
{
    char sequence[96];
    int rc = 0;

    for (size_t i = 0; i < r->n_layers && rc == 0; i++)
        if (!r->layers[i].drop)
            rc = put_layer(e, &r->layers[i].l, err);
    snprintf(sequence, sizeof(sequence), "UPDATE sqlite_sequence SET seq = %lld WHERE name = 'layer' AND seq < %lld",
             (long long)r->layer_seq, (long long)r->layer_seq);
    return rc == 0 ? run(e, sequence, err) : rc;
}

static int put_inodes(struct fc_edit *e, const struct fc_rows *r, struct fc_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < r->n_inodes && rc == 0; i++)
        if (!r->inodes[i].drop)
            rc = fc_edit_put_inode(e, &r->inodes[i].i, err);
    return rc;
}

static int put_xattrs(struct fc_edit *e, const struct fc_rows *r, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_xattr *list = calloc(r->n_xattrs + 1, sizeof(*list));
    int rc = list ? 0 : fc_fail(err, ENOMEM, "out of memory");

    for (size_t i = 0, n; i < r->n_xattrs && rc == 0;) {
        uint64_t ino = r->xattrs[i].ino;

        for (n = 0; i < r->n_xattrs && r->xattrs[i].ino == ino; i++)
            if (!r->xattrs[i].drop)
                list[n++] = r->xattrs[i].x;
        if (n)
            rc = fc_edit_put_xattrs(e, ino, list, n, err);
    }
    return rc;
}

static int put_extents(struct fc_edit *e, const struct fc_rows *r, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_edit_extent *list = calloc(r->n_extents + 1, sizeof(*list));
    int rc = list ? 0 : fc_fail(err, ENOMEM, "out of memory");

    for (size_t i = 0, n; i < r->n_extents && rc == 0;) {
        uint64_t ino = r->extents[i].ino;

        for (n = 0; i < r->n_extents && r->extents[i].ino == ino; i++)
            if (!r->extents[i].drop)
                list[n++] = r->extents[i].x;
        if (n)
            rc = fc_edit_put_extents(e, ino, list, n, err);
    }
    return rc;
}

static int put_dentries(struct fc_edit *e, const struct fc_rows *r, struct fc_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < r->n_dentries && rc == 0; i++)
        if (!r->dentries[i].drop)
            rc = fc_edit_put_dentry(e, r->dentries[i].parent, r->dentries[i].name, r->dentries[i].len,
                                    r->dentries[i].ino, err);
    return rc;
}

static int put_metas(struct fc_edit *e, const struct fc_rows *r, struct fc_error *err)
{
    char text[24];
    int rc = 0;

    for (size_t i = 0; i < r->n_metas && rc == 0; i++)
        rc = fc_edit_meta_set(e, r->metas[i].key, r->metas[i].value, err);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)r->next_ino);
    return rc == 0 && r->next_ino ? fc_edit_meta_set(e, "next_ino", text, err) : rc;
}

static int put_conflicts(struct fc_edit *e, const struct fc_rows *r, struct fc_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < r->n_conflicts && rc == 0; i++)
        rc = fc_edit_conflict_add(e, r->conflicts[i].path, r->conflicts[i].what, err);
    return rc;
}

int check_put_rows(struct fc_check *c, struct fc_error *err)
{
    static const struct {
        unsigned bit;
        const char *clear;
        int (*put)(struct fc_edit *e, const struct fc_rows *r, struct fc_error *err);
    } tables[] = {
        {FC_ROWS_META, "DELETE FROM meta", put_metas},
        {FC_ROWS_LAYERS, "DELETE FROM layer", put_layers},
        {FC_ROWS_INODES, "DELETE FROM inode", put_inodes},
        {FC_ROWS_XATTRS, "DELETE FROM xattr", put_xattrs},
        {FC_ROWS_EXTENTS, "DELETE FROM extent", put_extents},
        {FC_ROWS_DENTRIES, "DELETE FROM dentry", put_dentries},
        {FC_ROWS_CONFLICTS, "DELETE FROM conflict", put_conflicts},
    };
    struct fc_edit *e = c->e;
    int r = fc_edit_begin(e, err);

    for (size_t i = 0; i < FC_LENGTH(tables) && r == 0; i++) {
        if (!(c->rows.changed & tables[i].bit))
            continue;
        r = run(e, tables[i].clear, err);
        if (r == 0)
            r = tables[i].put(e, &c->rows, err);
    }
    if (r == 0)
        r = fc_edit_commit(e, true, err);
    if (r < 0)
        fc_edit_rollback(e);
    return r;
}
