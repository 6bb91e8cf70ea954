/* SPDX-License-Identifier: Apache-2.0 */
/* Write repaired rows: a backup first, then one transaction, or a whole new database in place of a damaged one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "edit/check_private.h"

static int no_memory(struct fc_error *err) { return fc_fail(err, ENOMEM, "out of memory"); }

/* Copy a file to a new one that only its owner reads. Returns 1 if there is none, or it is empty. */
static int copy_file(const char *from, const char *to, struct fc_error *err)
{
    fc_auto(fc_close) int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1;
    struct stat st;
    int r;

    if (in < 0 && errno == ENOENT)
        return 1;
    if (in < 0 || fstat(in, &st) < 0)
        return fc_fail_errno(err, errno, "cannot read %s", from);
    if (st.st_size == 0)
        return 1;
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return fc_fail_errno(err, errno, "cannot make the backup %s", to);
    r = fc_copy_range(in, 0, out, 0, (uint64_t)st.st_size);
    if (r == 0 && fsync(out) < 0)
        r = -errno;
    if (r == 0)
        return 0;
    unlink(to);
    return fc_fail_errno(err, -r, "cannot make the backup %s", to);
}

/* A name that no file has yet. */
static char *backup_name(const char *path)
{
    char stamp[32], *name = NULL;
    time_t now = time(NULL);
    struct tm tm;

    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
    for (unsigned i = 1; i < 1000; i++) {
        if (i == 1 ? asprintf(&name, "%s.before-fsck-%s", path, stamp) < 0
                   : asprintf(&name, "%s.before-fsck-%s-%u", path, stamp, i) < 0)
            return NULL;
        if (faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            return name;
        free(name);
    }
    return NULL;
}

/* The database and, under the name that SQLite looks for beside it, its log. */
static int back_up(const char *path, char **ret, struct fc_error *err)
{
    fc_auto(fc_free) char *name = backup_name(path), *log = NULL, *log_name = NULL;
    int r;

    if (!name || asprintf(&log, "%s-wal", path) < 0 || asprintf(&log_name, "%s-wal", name) < 0)
        return no_memory(err);
    r = copy_file(path, name, err);
    if (r >= 0)
        r = copy_file(log, log_name, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&name);
    return 0;
}

/* Nothing was changed after all. */
static void remove_backup(const char *name)
{
    fc_auto(fc_free) char *log_name = NULL;

    unlink(name);
    if (asprintf(&log_name, "%s-wal", name) < 0)
        log_name = NULL;
    else
        unlink(log_name);
}

static int copy_data(struct fc_check *c, struct fc_error *err)
{
    const struct fc_rows *r = &c->rows;
    fc_auto(fc_free) char *path = NULL, *folder = NULL;
    fc_auto(fc_close) int fd = -1;
    int rc = 0;

    if (!r->n_copies && !c->no_data)
        return 0;
    if (asprintf(&path, "%s/data/0", c->e->dir) < 0 || asprintf(&folder, "%s/data", c->e->dir) < 0)
        return no_memory(err);
    rc = fc_mkdir_all(folder, err);
    if (rc < 0)
        return rc;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return fc_fail_errno(err, errno, "cannot open %s", path);
    /* Behind the end of what any row refers to: if we go no further this is debris, cut off when it is next opened. */
    for (size_t i = 0; i < r->n_copies && rc == 0; i++) {
        if (ftruncate(fd, (off_t)(r->copies[i].to + r->copies[i].length)) < 0)
            rc = -errno;
        if (rc == 0)
            rc = fc_copy_range(fd, r->copies[i].from, fd, r->copies[i].to, r->copies[i].length);
    }
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    return rc < 0 ? fc_fail_errno(err, -rc, "cannot copy within %s", path) : 0;
}

static int close_db(struct fc_edit *e, struct fc_error *err)
{
    int rc;

    for (size_t i = 0; i < FC_STMT_N; i++) {
        sqlite3_finalize(e->stmts[i]);
        e->stmts[i] = NULL;
    }
    rc = sqlite3_close(e->db);
    e->db = NULL;
    return rc == SQLITE_OK ? 0 : fc_fail(err, EIO, "cannot close %s/workspace.db: %s", e->dir, sqlite3_errstr(rc));
}

static int sync_file(const char *path, struct fc_error *err)
{
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? fc_fail_errno(err, errno, "cannot sync %s", path) : 0;
}

/*
 * Put what the log holds into the damaged database itself, as far as it is whole: then the log may go before the new one
 * takes this one's place, and should we be stopped between the two, nothing is lost and the next repair begins here.
 */
static int fold_damaged(const char *path, struct fc_error *err)
{
    fc_auto(fc_atomic_release) struct fc_atomic file = {.fd = -1};
    fc_auto(fc_free) char *log = NULL;
    struct check_image image = {0};
    struct stat st;
    int r;

    if (asprintf(&log, "%s-wal", path) < 0) {
        log = NULL;
        return no_memory(err);
    }
    if (lstat(log, &st) < 0 || st.st_size == 0)
        return 0;
    r = check_image_load(path, &image, err);
    if (r == 0)
        r = fc_atomic_begin(&file, path, err);
    if (r == 0 && (r = fc_write_full(file.fd, image.bytes.data, image.bytes.len)) < 0)
        fc_fail_errno(err, -r, "cannot write %s", file.path);
    if (r == 0)
        r = fc_atomic_commit(&file, true, err);
    fc_buf_release(&image.bytes);
    return r;
}

/* A stranger's log beside a new database would be taken for its own: it goes first. */
static int swap_in(const char *temp, const char *path, struct fc_error *err)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};

    for (size_t i = 0; i < FC_LENGTH(ends); i++) {
        fc_auto(fc_free) char *side = NULL;

        if (asprintf(&side, "%s%s", path, ends[i]) < 0) {
            side = NULL;
            return no_memory(err);
        }
        if (unlink(side) < 0 && errno != ENOENT)
            return fc_fail_errno(err, errno, "cannot remove %s", side);
    }
    return rename(temp, path) < 0 ? fc_fail_errno(err, errno, "cannot replace %s", path) : 0;
}

/* Write everything into a new database, and put it in the place of the old one when it is whole and on the disk. */
static int rebuild(struct fc_check *c, const char *path, struct fc_error *err)
{
    fc_auto(fc_free) char *temp = NULL;
    int r;

    if (asprintf(&temp, "%s.new", path) < 0) {
        temp = NULL;
        return no_memory(err);
    }
    fc_remove_all(AT_FDCWD, temp);
    r = fc_store_open_db(temp, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &c->e->db, err);
    if (r == 0)
        r = fc_store_schema_create(c->e->db, err);
    if (r == 0)
        r = check_put_rows(c, err);
    if (c->e->db) {
        int r2 = close_db(c->e, r == 0 ? err : NULL);

        r = r == 0 ? r2 : r;
    }
    if (r == 0)
        r = sync_file(temp, err);
    if (r == 0)
        r = fold_damaged(path, err);
    if (r == 0) {
        c->swapping = true;
        r = swap_in(temp, path, err);
    }
    if (r < 0)
        unlink(temp);
    return r == 0 && (r = fc_sync_dir(c->e->dir)) < 0 ? fc_fail_errno(err, -r, "cannot sync %s", c->e->dir) : r;
}

static int in_place(struct fc_check *c, const char *path, struct fc_error *err)
{
    int r = fc_store_open_write(c->e, path, err);

    if (r == 0)
        r = check_put_rows(c, err);
    if (c->e->db) {
        int r2 = close_db(c->e, r == 0 ? err : NULL);

        r = r == 0 ? r2 : r;
    }
    return r;
}

int fc_check_fold_log(struct fc_check *c, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    int r;

    if (c->rebuild || c->rows.stack_unknown)
        return 0;
    if (asprintf(&path, "%s/workspace.db", c->e->dir) < 0) {
        path = NULL;
        return no_memory(err);
    }
    r = close_db(c->e, err);
    if (r == 0)
        r = fc_store_open_write(c->e, path, err);
    /* The last one to close a database folds its log back. */
    return r == 0 ? close_db(c->e, err) : r;
}

int fc_check_write(struct fc_check *c, char **ret_backup, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL, *backup = NULL;
    int r;

    if (!c->options.repair || c->found->out_of_memory)
        return c->options.repair ? no_memory(err) : fc_fail(err, EINVAL, "%s: checked for reading only", c->e->dir);
    if (c->rows.stack_unknown)
        return fc_fail(
            err, EBADMSG,
            "%s/workspace.db: nothing was repaired: without the layers it is not known what the edits belong to",
            c->e->dir);
    if (asprintf(&path, "%s/workspace.db", c->e->dir) < 0) {
        path = NULL;
        return no_memory(err);
    }
    r = back_up(path, &backup, err);
    if (r == 0)
        r = copy_data(c, err);
    if (r == 0)
        r = close_db(c->e, err);
    c->e->mode = FC_EDIT_WRITE;
    if (r == 0)
        r = c->rebuild ? rebuild(c, path, err) : in_place(c, path, err);
    if (r == 0)
        *ret_backup = fc_steal(&backup);
    else if (backup && !c->swapping)
        remove_backup(backup);
    return r;
}
