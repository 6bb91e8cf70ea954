/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes, files that appear complete or not at all, folders, locks. */
#ifndef FC_BASE_IO_H
#define FC_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <fccompose/error.h>

#include "base/buf.h"

/** Read up to @size bytes at @offset, retrying short reads and EINTR. Returns the count (short only at the end) or -errno. */
ssize_t fc_pread_full(int fd, void *buffer, size_t size, uint64_t offset);
/** Write all @size bytes at @offset. Returns 0 or -errno (-ENOSPC, -EIO...). */
int fc_pwrite_full(int fd, const void *buffer, size_t size, uint64_t offset);
/** Read up to @size bytes from the current position. Returns the count (short only at the end) or -errno. */
ssize_t fc_read_full(int fd, void *buffer, size_t size);
/** Write all @size bytes at the current position. Returns 0 or -errno. */
int fc_write_full(int fd, const void *buffer, size_t size);
/** Write all of the @n pieces (at most 1024) at the current position; @pieces is used up. Returns 0 or -errno. */
int fc_writev_full(int fd, struct iovec *pieces, int n);
/**
 * Whether to give @fd its blocks before they are written. ext4 takes written bytes much faster then (0.6 s for 2.7 GB, not
 * 1.0): one call places a long run, where otherwise each folio reserves its own. XFS and btrfs gain nothing.
 */
bool fc_gains_by_allocating(int fd);
/** Copy @size bytes between files at given offsets: copy_file_range where it works, else through memory. Returns 0 or -errno; -ENODATA if the source is short. */
int fc_copy_range(int src_fd, uint64_t src_offset, int dst_fd, uint64_t dst_offset, uint64_t size);
/** The path by which @fd was opened, for messages: in @buffer (cut if need be), or "a file" if nobody knows. Returns @buffer. */
const char *fc_fd_path(int fd, char *buffer, size_t size);
/** Append a whole file (at most @max bytes, else -EFBIG) to @ret. @dirfd may be AT_FDCWD. Returns 0 or -errno. */
int fc_read_file(int dirfd, const char *path, size_t max, struct fc_buf *ret);
/** The same of what must be a regular file: -ENOTSUP for anything else, which is not waited for. */
int fc_read_regular(int dirfd, const char *path, size_t max, struct fc_buf *ret);
/** mkdir -p with mode 0777 & ~umask. Returns 0 (also if it was there) or -errno with words. */
int fc_mkdir_all(const char *path, struct fc_error *err);
/** Remove a file or a whole folder tree below @dirfd; never follows symlinks; missing is success. Returns 0 or -errno. */
int fc_remove_all(int dirfd, const char *path);
/** fsync the directory @path itself. Returns 0 or -errno. */
int fc_sync_dir(const char *path);
/** Absolute form of @path without resolving symlinks, or NULL when out of memory. Caller frees. */
char *fc_abspath(const char *path);

/** A file that appears complete under its name or not at all. All zero is unused. */
struct fc_atomic {
    int fd;     /**< write here */
    char *path; /**< the name it will have */
    char *temp; /**< the name it has until then, in the same folder; NULL while it has none */
};

/**
 * Begin an atomic file at @path: one without a name or, where the file system has no such, ".NAME.fc-XXXXXXXX" beside
 * it; mode 0666 & ~umask (the permissions of a file of ours at @path if there is one). What a killed program left for
 * @path goes. A symlink at @path is replaced, not followed. Any thread. Returns 0 and fills *ret, or -errno with words.
 */
int fc_atomic_begin(struct fc_atomic *ret, const char *path, struct fc_error *err);
/** Finish: fsync if @sync, put it at @path, fsync the folder if @sync. @a is empty afterwards. Returns 0 or -errno. */
int fc_atomic_commit(struct fc_atomic *a, bool sync, struct fc_error *err);
/** Drop an unfinished atomic file. Does nothing after a commit or on an all-zero one. */
void fc_atomic_release(struct fc_atomic *a);
static inline void fc_atomic_release_auto(struct fc_atomic *a) { fc_atomic_release(a); }
/** All of it for content that is at hand: make @path a file of these @size bytes, or leave it as it is. Returns 0 or -errno with words. */
int fc_atomic_write(const char *path, const void *data, size_t size, bool sync, struct fc_error *err);

/**
 * Take an exclusive (or shared) flock on @path, created if missing, never through a symlink; one that may only be
 * read is locked all the same.
 *
 * Returns the descriptor (close it to unlock); -EWOULDBLOCK if someone has it and @wait is false; or -errno.
 */
int fc_lock_file(const char *path, bool exclusive, bool wait);

#endif
