/* SPDX-License-Identifier: Apache-2.0 */
/* Disk space set aside, so that on a full disk the rows of what frees space can still be written; and writing in place. */
#include "edit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"

/** Enough for the log of some ten thousand changes. */
#define RESERVE_BYTES (4 << 20)

/*
 * Removing a file is an addition to the database's log first; only when that is on the disk the file's space goes back.
 * So without a reserve a disk that is full stays full. The file exists while a writer is open.
 */

void fc_store_reserve_fill(struct fc_edit *e)
{
    if (e->reserve_fd < 0 || !e->reserve_out)
        return;
    /* All or nothing: with less than this the removal of many files at once would not fit, and the disk stay full. */
    if (fallocate(e->reserve_fd, 0, 0, RESERVE_BYTES) == 0) {
        e->reserve_out = false;
        return;
    }
    /* Where the host cannot set space aside there is none, and nothing to wait for. */
    if (errno != ENOSPC && errno != EDQUOT && errno != EINTR)
        e->reserve_out = false;
    else
        (void)!ftruncate(e->reserve_fd, 0);
}

void fc_store_reserve_release(struct fc_edit *e)
{
    if (e->reserve_fd < 0)
        return;
    (void)!ftruncate(e->reserve_fd, 0);
    e->reserve_out = true;
}

void fc_store_reserve_open(struct fc_edit *e)
{
    fc_auto(fc_free) char *path = NULL;

    if (asprintf(&path, "%s/reserve", e->dir) < 0)
        return;
    e->reserve_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    e->reserve_out = true;
    fc_store_reserve_fill(e);
}

void fc_store_reserve_close(struct fc_edit *e)
{
    fc_auto(fc_free) char *path = NULL;

    if (e->reserve_fd < 0)
        return;
    close(e->reserve_fd);
    e->reserve_fd = -1;
    if (asprintf(&path, "%s/reserve", e->dir) >= 0)
        unlink(path);
}

bool fc_edit_is_full(const struct fc_edit *e) { return e->reserve_fd >= 0 && e->reserve_out; }

/*
 * SQLite shares its log's index through a mapping. Where each store to a page takes new space, as on btrfs, a full disk makes
 * that a SIGBUS; and a log that is written over and over takes none when it is written in place. The flag is of no use to
 * files that exist, and the folder of the data file must not have it: what is written in place cannot be cloned to an image.
 */
void fc_store_write_in_place(const char *dir)
{
    fc_auto(fc_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct statfs fs;
    int flags = 0;

    if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != BTRFS_SUPER_MAGIC)
        return;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_NOCOW_FL)) {
        flags |= FS_NOCOW_FL;
        (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
}
