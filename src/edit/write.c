/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of the store and the rows that they change. */
#include "edit/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int fc_edit_begin(struct fc_edit *e, struct fc_error *err)
{
    int r;

    if (e->mode == FC_EDIT_READ)
        return fc_fail(err, EROFS, "%s: opened for reading only", e->dir);
    if (e->in_tx)
        return fc_fail(err, EINVAL, "%s: a transaction is open already", e->dir);
    /* A rollback that failed (it takes memory, too) is made up for. */
    r = sqlite3_get_autocommit(e->db) ? 0 : fc_store_run_id(e, FC_STMT_ROLLBACK, "cannot roll back", err);
    if (r < 0)
        return r;
    r = fc_store_run_id(e, FC_STMT_BEGIN, "cannot begin a transaction", err);
    if (r == 0)
        e->in_tx = true;
    return r;
}

static void end_tx(struct fc_edit *e, bool committed)
{
    e->in_tx = false;
    fc_store_data_end(e, committed);
    if (!committed) {
        e->ino_stored = 0; /* unknown: the next commit writes it again */
        if (e->layers_changed)
            fc_store_layers_load(e, NULL);
    }
    e->layers_changed = false;
}

int fc_edit_commit(struct fc_edit *e, bool durable, struct fc_error *err)
{
    int r = fc_store_need_tx(e, "commit", err);

    if (r == 0)
        r = fc_store_ino_save(e, err);
    if (r == 0)
        r = fc_store_data_settle(e, err);
    if (r == 0)
        r = fc_store_run_id(e, FC_STMT_COMMIT, "cannot commit", err);
    if (r < 0)
        return r;
    end_tx(e, true);
    r = durable ? fc_store_log_sync(e, err) : 0;
    fc_store_log_fold(e);
    if (r == 0 && durable)
        fc_store_data_durable(e);
    return r;
}

void fc_edit_rollback(struct fc_edit *e)
{
    if (!e->in_tx)
        return;
    /* After some failures SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(e->db))
        fc_store_run_id(e, FC_STMT_ROLLBACK, "cannot roll back", NULL);
    end_tx(e, false);
    /* On a full disk the log gives its room back, so that what frees space can be committed. */
    if (e->was_full) {
        fc_store_reserve_release(e);
        fc_store_log_cut(e);
    }
    e->was_full = false;
}

static int bind_time(sqlite3_stmt *s, int i, struct timespec t)
{
    sqlite3_bind_int64(s, i, t.tv_sec);
    sqlite3_bind_int64(s, i + 1, t.tv_nsec);
    return 0;
}

int fc_edit_put_inode(struct fc_edit *e, const struct fc_edit_inode *inode, struct fc_error *err)
{
    sqlite3_stmt *s;
    int r = fc_store_need_tx(e, "write", err);

    if (r < 0)
        return r;
    if (!inode->ino || inode->ino > INT64_MAX || inode->size > INT64_MAX)
        return fc_fail(err, EINVAL, "inode %llu cannot be stored", (unsigned long long)inode->ino);
    s = fc_store_stmt(e, FC_STMT_INODE_PUT, &r, err);
    if (!s)
        return r;
    sqlite3_bind_int64(s, 1, (int64_t)inode->ino);
    sqlite3_bind_int64(s, 2, inode->mode);
    sqlite3_bind_int64(s, 3, inode->uid);
    sqlite3_bind_int64(s, 4, inode->gid);
    sqlite3_bind_int64(s, 5, inode->rdev_major);
    sqlite3_bind_int64(s, 6, inode->rdev_minor);
    sqlite3_bind_int64(s, 7, inode->nlink);
    sqlite3_bind_int64(s, 8, (int64_t)inode->size);
    bind_time(s, 9, inode->atime);
    bind_time(s, 11, inode->mtime);
    bind_time(s, 13, inode->ctime);
    bind_time(s, 15, inode->crtime);
    sqlite3_bind_int(s, 17, inode->lower_content);
    if (inode->target && !inode->lower_content)
        fc_store_bind_bytes(s, 18, inode->target, strlen(inode->target));
    return fc_store_run(e, s, "cannot write an inode", err);
}

/* Run a statement whose only parameter is an inode number. */
static int run_ino(struct fc_edit *e, enum fc_store_stmt id, uint64_t ino, const char *what, struct fc_error *err)
{
    int r = 0;
    sqlite3_stmt *s = fc_store_stmt(e, id, &r, err);

    if (!s)
        return r;
    sqlite3_bind_int64(s, 1, (int64_t)ino);
    return fc_store_run(e, s, what, err);
}

int fc_edit_put_xattrs(struct fc_edit *e, uint64_t ino, const struct fc_xattr *xattrs, size_t n, struct fc_error *err)
{
    int r = fc_store_need_tx(e, "write", err);

    if (r == 0)
        r = run_ino(e, FC_STMT_XATTR_DEL, ino, "cannot remove xattrs", err);
    for (size_t i = 0; i < n && r == 0; i++) {
        sqlite3_stmt *s = fc_store_stmt(e, FC_STMT_XATTR_PUT, &r, err);

        if (!s)
            return r;
        sqlite3_bind_int64(s, 1, (int64_t)ino);
        fc_store_bind_bytes(s, 2, xattrs[i].name, strlen(xattrs[i].name));
        fc_store_bind_bytes(s, 3, xattrs[i].value, xattrs[i].size);
        r = fc_store_run(e, s, "cannot write an xattr", err);
    }
    return r;
}

int fc_edit_put_extents(struct fc_edit *e, uint64_t ino, const struct fc_edit_extent *extents, size_t n,
                        struct fc_error *err)
{
    int r = fc_store_need_tx(e, "write", err);

    if (r == 0)
        r = run_ino(e, FC_STMT_EXTENT_DEL, ino, "cannot remove extents", err);
    for (size_t i = 0; i < n && r == 0; i++) {
        sqlite3_stmt *s = fc_store_stmt(e, FC_STMT_EXTENT_PUT, &r, err);

        if (!s)
            return r;
        sqlite3_bind_int64(s, 1, (int64_t)ino);
        sqlite3_bind_int64(s, 2, (int64_t)extents[i].offset);
        sqlite3_bind_int64(s, 3, (int64_t)extents[i].length);
        sqlite3_bind_int64(s, 4, (int64_t)extents[i].source_offset);
        sqlite3_bind_int64(s, 5, extents[i].source);
        r = fc_store_run(e, s, "cannot write an extent", err);
    }
    return r;
}

int fc_edit_del_inode(struct fc_edit *e, uint64_t ino, struct fc_error *err)
{
    int r = fc_store_need_tx(e, "write", err);

    if (r == 0)
        r = run_ino(e, FC_STMT_INODE_DEL, ino, "cannot remove an inode", err);
    if (r == 0)
        r = run_ino(e, FC_STMT_XATTR_DEL, ino, "cannot remove xattrs", err);
    if (r == 0)
        r = run_ino(e, FC_STMT_EXTENT_DEL, ino, "cannot remove extents", err);
    return r;
}

static int run_dentry(struct fc_edit *e, enum fc_store_stmt id, uint64_t parent, const char *name, size_t name_len,
                      uint64_t ino, struct fc_error *err)
{
    sqlite3_stmt *s;
    int r = fc_store_need_tx(e, "write", err);

    if (r < 0)
        return r;
    s = fc_store_stmt(e, id, &r, err);
    if (!s)
        return r;
    sqlite3_bind_int64(s, 1, (int64_t)parent);
    fc_store_bind_bytes(s, 2, name, name_len);
    if (id == FC_STMT_DENTRY_PUT)
        sqlite3_bind_int64(s, 3, (int64_t)ino);
    return fc_store_run(e, s, "cannot write a name", err);
}

int fc_edit_put_dentry(struct fc_edit *e, uint64_t parent, const char *name, size_t name_len, uint64_t ino,
                       struct fc_error *err)
{
    return run_dentry(e, FC_STMT_DENTRY_PUT, parent, name, name_len, ino, err);
}

int fc_edit_del_dentry(struct fc_edit *e, uint64_t parent, const char *name, size_t name_len, struct fc_error *err)
{
    return run_dentry(e, FC_STMT_DENTRY_DEL, parent, name, name_len, 0, err);
}

int fc_edit_clear(struct fc_edit *e, struct fc_error *err)
{
    int r = fc_store_need_tx(e, "clear the edits", err);

    if (r == 0)
        r = fc_store_data_clear(e, err);
    if (r == 0 && sqlite3_exec(e->db, "DELETE FROM inode; DELETE FROM xattr; DELETE FROM extent; DELETE FROM dentry",
                               NULL, NULL, NULL) != SQLITE_OK)
        r = fc_store_fail(e, err, "cannot clear the edits");
    return r;
}
