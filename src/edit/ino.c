/* SPDX-License-Identifier: Apache-2.0 */
/* Inode numbers: counted up, never given twice. */
#include "edit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

/** How many numbers one write to the file reserves. */
#define INO_BLOCK 65536u
/** 1 is the root. */
#define INO_FIRST 2u
/** Far beyond any real workspace, and safe in every signed 64-bit column. */
#define INO_MAX (UINT64_C(1) << 62)

/*
 * Two places remember how far numbers went. The database has the exact number, stored by each commit that needs it, so
 * it is never behind the rows that use it, also after power loss. The file "ino" has the end of the reserved block,
 * written when a block begins: it covers what was given out and not yet committed when the process is killed.
 */

int fc_store_ino_open(struct fc_edit *e, struct fc_error *err)
{
    fc_auto(fc_free) char *stored = NULL, *path = NULL;
    uint64_t mark = 0;
    int r = fc_edit_meta_get(e, "next_ino", &stored, err);

    if (r < 0)
        return r;
    e->ino_stored = stored ? strtoull(stored, NULL, 10) : 0;
    if (e->ino_stored < INO_FIRST || e->ino_stored > INO_MAX)
        e->ino_stored = stored ? 0 : INO_FIRST;
    if (!e->ino_stored)
        return fc_fail(err, EBADMSG, "%s/workspace.db is damaged: next inode number \"%s\"" FC_EDIT_NEXT_STEP, e->dir,
                       stored);
    e->ino_next = e->ino_limit = e->ino_stored;
    if (e->mode == FC_EDIT_READ)
        return 0;
    if (asprintf(&path, "%s/ino", e->dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    e->ino_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (e->ino_fd < 0)
        return fc_fail_errno(err, errno, "cannot open %s", path);
    /* A short or absurd mark (the disk was full, the file is new) says nothing; the database still does. */
    if (fc_pread_full(e->ino_fd, &mark, sizeof(mark), 0) == (ssize_t)sizeof(mark) && mark > e->ino_next &&
        mark <= INO_MAX)
        e->ino_next = e->ino_limit = mark;
    return 0;
}

void fc_store_ino_close(struct fc_edit *e)
{
    if (e->ino_fd < 0)
        return;
    /* What is lost if this fails is only the rest of the block. */
    if (e->ino_next < e->ino_limit)
        fc_pwrite_full(e->ino_fd, &e->ino_next, sizeof(e->ino_next), 0);
    close(e->ino_fd);
    e->ino_fd = -1;
}

uint64_t fc_store_ino_take(struct fc_edit *e, uint64_t n, struct fc_error *err)
{
    uint64_t first, limit;
    int r = 0;

    pthread_mutex_lock(&e->ino_lock);
    first = e->ino_next;
    if (e->ino_fd < 0 || n > INO_MAX - first) {
        r = fc_fail(err, e->ino_fd < 0 ? EROFS : EOVERFLOW, "%s: no more inode numbers", e->dir);
    } else if (first + n > e->ino_limit) {
        limit = first + n + INO_BLOCK;
        r = fc_pwrite_full(e->ino_fd, &limit, sizeof(limit), 0);
        if (r < 0)
            fc_fail_errno(err, -r, "cannot write %s/ino", e->dir);
        else
            e->ino_limit = limit;
    }
    if (r == 0)
        e->ino_next = first + n;
    pthread_mutex_unlock(&e->ino_lock);
    return r == 0 ? first : 0;
}

uint64_t fc_edit_new_ino(struct fc_edit *e, struct fc_error *err) { return fc_store_ino_take(e, 1, err); }

int fc_store_ino_save(struct fc_edit *e, struct fc_error *err)
{
    char text[24];
    uint64_t next;
    int r;

    pthread_mutex_lock(&e->ino_lock);
    next = e->ino_next;
    pthread_mutex_unlock(&e->ino_lock);
    if (next == e->ino_stored)
        return 0;
    snprintf(text, sizeof(text), "%" PRIu64, next);
    r = fc_edit_meta_set(e, "next_ino", text, err);
    if (r == 0)
        e->ino_stored = next;
    return r;
}
