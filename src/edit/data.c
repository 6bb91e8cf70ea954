/* SPDX-License-Identifier: Apache-2.0 */
/* The data file: contents of new and changed files, one sparse file of blocks. */
#include "edit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"

/** The file grows in steps, so that its length is not a system call per file. Sparse: the step costs nothing. */
#define DATA_STEP (UINT64_C(64) << 20)
/** So many runs are punched at most in one go: a commit must not take seconds. The rest waits for the next one. */
#define PUNCH_MAX 4096

static uint64_t round_block(uint64_t n) { return (n + FC_EDIT_BLOCK - 1) & ~(uint64_t)(FC_EDIT_BLOCK - 1); }

/* All ranges of the data file that rows refer to, whole blocks. */
static int used_ranges(struct fc_edit *e, struct fc_range **ret, size_t *ret_n, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_range *used = NULL;
    size_t n = 0, cap = 0;
    int r = 0, rc;
    sqlite3_stmt *s = fc_store_stmt(e, FC_STMT_USED, &r, err);

    if (!s)
        return r;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t offset = sqlite3_column_int64(s, 0), length = sqlite3_column_int64(s, 1);

        if (offset < 0 || offset % FC_EDIT_BLOCK || length <= 0 || (uint64_t)offset > FC_SPACE_MAX ||
            (uint64_t)length > FC_SPACE_MAX - (uint64_t)offset)
            r = fc_fail(err, EBADMSG, "%s/workspace.db is damaged: extents of inode %lld" FC_EDIT_NEXT_STEP, e->dir,
                        (long long)sqlite3_column_int64(s, 2));
        else if (fc_grow(&used, &cap, n + 1, sizeof(*used)) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
        if (r < 0)
            break;
        used[n++] = (struct fc_range){(uint64_t)offset, round_block((uint64_t)length)};
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = fc_store_fail(e, err, "cannot read the extents");
    sqlite3_reset(s);
    if (r == 0) {
        *ret = fc_steal(&used);
        *ret_n = n;
    }
    return r;
}

/* Give runs back to the host, in order; neighbours were merged when they came together. */
static void punch_ready(struct fc_edit *e)
{
    struct fc_range r;

    for (unsigned i = 0; i < PUNCH_MAX && fc_space_take_ready(&e->space, &r); i++) {
        bool clean = !e->no_punch && fallocate(e->data_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)r.offset,
                                               (off_t)r.length) == 0;

        if (!clean && !e->no_punch && (errno == EOPNOTSUPP || errno == ENOSYS))
            e->no_punch = true;
        fc_space_put_free(&e->space, &r, !clean);
    }
}

static int data_grow(struct fc_edit *e, uint64_t end, struct fc_error *err)
{
    uint64_t size = (end + DATA_STEP - 1) / DATA_STEP * DATA_STEP;

    if (end <= e->data_size)
        return 0;
    /* Close to the host's largest file the exact length may still fit. */
    if (ftruncate(e->data_fd, (off_t)size) < 0) {
        size = end;
        if (ftruncate(e->data_fd, (off_t)size) < 0)
            return fc_fail_errno(err, errno == EFBIG ? ENOSPC : errno, "cannot grow %s/data/0", e->dir);
    }
    e->data_size = size;
    return 0;
}

static int data_rebuild(struct fc_edit *e, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_range *used = NULL;
    struct fc_range bad;
    struct stat st;
    size_t n;
    int r = used_ranges(e, &used, &n, err);

    if (r < 0)
        return r;
    r = fc_space_rebuild(&e->space, used, n, &bad);
    if (r == -EBADMSG)
        return fc_fail(err, EBADMSG, "%s/workspace.db is damaged: two files share the data at %llu" FC_EDIT_NEXT_STEP,
                       e->dir, (unsigned long long)bad.offset);
    if (r < 0)
        return fc_fail(err, -r, "out of memory");
    /* What lies behind the last extent is debris of a crash, and this is the cheap way to be rid of it. */
    if (fstat(e->data_fd, &st) < 0 ||
        ((uint64_t)st.st_size > e->space.end && ftruncate(e->data_fd, (off_t)e->space.end) < 0))
        return fc_fail_errno(err, errno, "cannot shorten %s/data/0", e->dir);
    e->data_size = (uint64_t)st.st_size < e->space.end ? (uint64_t)st.st_size : e->space.end;
    if (e->data_size < e->space.end)
        fc_log(FC_LOG_WARN, "%s/data/0 is shorter by %llu bytes than what edits refer to: these read as zeros now",
               e->dir, (unsigned long long)(e->space.end - e->data_size));
    punch_ready(e);
    return data_grow(e, e->space.end, err);
}

int fc_store_data_open(struct fc_edit *e, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;

    if (asprintf(&path, "%s/data/0", e->dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    e->data_fd = open(path, (e->mode == FC_EDIT_READ ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
    if (e->data_fd < 0)
        return fc_fail_errno(err, errno == ENOENT ? EBADMSG : errno,
                             "cannot open %s, which holds the contents of edits", path);
    return e->mode == FC_EDIT_READ ? 0 : data_rebuild(e, err);
}

void fc_store_data_close(struct fc_edit *e)
{
    if (e->data_fd >= 0)
        close(e->data_fd);
    e->data_fd = -1;
    fc_space_release(&e->space);
    free(e->doomed);
    e->doomed = NULL;
}

void fc_store_data_durable(struct fc_edit *e)
{
    fc_space_durable(&e->space);
    if (!e->pins)
        punch_ready(e);
    fc_store_reserve_fill(e);
}

int fc_store_data_clear(struct fc_edit *e, struct fc_error *err)
{
    int r;

    if (e->cleared)
        return 0;
    r = used_ranges(e, &e->doomed, &e->n_doomed, err);
    e->cleared = r == 0;
    return r;
}

int fc_store_data_settle(struct fc_edit *e, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_range *used = NULL, *list = NULL;
    struct fc_ranges doomed = {0};
    struct fc_range range = {0};
    size_t n = 0, i = 0;
    int r = e->cleared ? used_ranges(e, &used, &n, err) : 0;

    if (!e->cleared || r < 0)
        return r;
    for (i = 0; i < e->n_doomed && r == 0; i++)
        r = fc_ranges_add(&doomed, e->doomed[i].offset, e->doomed[i].length);
    for (i = 0; i < n && r == 0; i++)
        r = fc_ranges_remove(&doomed, used[i].offset, used[i].length);
    if (r == 0 && doomed.n) {
        list = calloc(doomed.n, sizeof(*list));
        r = list ? 0 : -ENOMEM;
    }
    for (i = 0; r == 0 && fc_ranges_next(&doomed, range.offset + range.length, &range); i++)
        list[i] = range;
    fc_ranges_release(&doomed);
    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    free(e->doomed);
    e->doomed = fc_steal(&list);
    e->n_doomed = i;
    return 0;
}

void fc_store_data_end(struct fc_edit *e, bool committed)
{
    if (e->cleared && committed)
        for (size_t i = 0; i < e->n_doomed; i++)
            fc_space_free(&e->space, e->doomed[i].offset, e->doomed[i].length);
    free(e->doomed);
    e->doomed = NULL;
    e->n_doomed = 0;
    e->cleared = false;
}

int fc_edit_data_fd(const struct fc_edit *e) { return e->data_fd; }

int fc_edit_data_sync(struct fc_edit *e) { return fdatasync(e->data_fd) < 0 ? -errno : 0; }

static int write_zeros(int fd, uint64_t offset, uint64_t length)
{
    static const char zeros[64 << 10];
    int r = 0;

    if (fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) == 0)
        return 0;
    while (length && r == 0) {
        size_t n = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

        r = fc_pwrite_full(fd, zeros, n, offset);
        offset += n;
        length -= n;
    }
    return r;
}

/* What was allocated must read as zeros: reused blocks that could not be punched are zeroed now. */
static int make_clean(struct fc_edit *e, uint64_t offset, uint64_t length, struct fc_error *err)
{
    uint64_t end = offset + length;
    struct fc_range d;

    while (fc_ranges_next(&e->space.dirty, offset, &d) && d.offset < end) {
        uint64_t from = d.offset > offset ? d.offset : offset;
        uint64_t to = d.offset + d.length < end ? d.offset + d.length : end;
        int r = write_zeros(e->data_fd, from, to - from);

        if (r == 0)
            r = fc_ranges_remove(&e->space.dirty, from, to - from);
        if (r < 0)
            return fc_fail_errno(err, -r, "cannot clear a block of %s/data/0", e->dir);
    }
    return 0;
}

/* A new allocation: the file covers it, and it reads as zeros; or it is undone. */
static int settle_new(struct fc_edit *e, uint64_t offset, uint64_t length, struct fc_error *err)
{
    int r = data_grow(e, offset + length, err);

    if (r == 0)
        r = make_clean(e, offset, length, err);
    if (r < 0)
        fc_space_undo(&e->space, offset, length);
    return r;
}

int fc_edit_space_alloc(struct fc_edit *e, uint64_t length, uint64_t near, uint64_t *ret_offset, struct fc_error *err)
{
    uint64_t offset;
    int r;

    if (e->mode == FC_EDIT_READ)
        return fc_fail(err, EROFS, "%s: opened for reading only", e->dir);
    if (!length || length % FC_EDIT_BLOCK || near % FC_EDIT_BLOCK)
        return fc_fail(err, EINVAL, "space is allocated in blocks");
    r = fc_space_alloc(&e->space, length, near, &offset);
    if (r < 0)
        return fc_fail(err, -r, "%s/data/0: cannot allocate %llu bytes", e->dir, (unsigned long long)length);
    r = settle_new(e, offset, length, err);
    if (r == 0)
        *ret_offset = offset;
    return r;
}

bool fc_edit_space_extend(struct fc_edit *e, uint64_t offset, uint64_t length)
{
    if (e->mode == FC_EDIT_READ || offset % FC_EDIT_BLOCK || length % FC_EDIT_BLOCK)
        return false;
    return fc_space_alloc_at(&e->space, offset, length) && settle_new(e, offset, length, NULL) == 0;
}

void fc_edit_space_free(struct fc_edit *e, uint64_t offset, uint64_t length)
{
    fc_space_free(&e->space, offset, round_block(length));
}

void fc_edit_space_pin(struct fc_edit *e) { e->pins++; }

void fc_edit_space_unpin(struct fc_edit *e)
{
    if (!e->pins || --e->pins > 0 || e->data_fd < 0)
        return;
    punch_ready(e);
    fc_store_reserve_fill(e);
}

uint64_t fc_edit_space_pending(const struct fc_edit *e) { return e->space.freed.bytes; }
