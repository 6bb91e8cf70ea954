/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recognise a tar file by its identity (device, inode, size, times), as git's index does, or as surely new by its length
 * and beginning. Both are notes in the cache: key to the digest of the whole.
 */
#include "stack/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"

#ifndef F2FS_SUPER_MAGIC
#define F2FS_SUPER_MAGIC 0xF2F52010
#endif
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

enum { CHUNK = 1 << 20 };
#define SECOND INT64_C(1000000000)
/*
 * A file changed less than this before we read it may change again with the same time. Clocks of file systems tick at
 * most every 10 ms; where the time has no fraction it may be one of whole seconds, or of two.
 */
#define MARGIN (SECOND / 10)
#define COARSE_MARGIN (3 * SECOND)

struct fc_seen {
    struct fc_cache *cache;
    const char *label;
    int fd;
    off_t start;
    struct stat st;
    bool settled; /* its times will show any change after now */
};

static int64_t nanoseconds(const struct timespec *t) { return (int64_t)t->tv_sec * SECOND + t->tv_nsec; }

/*
 * File systems that are known to give every change of contents a new ctime, which nobody can set. Not among them: network
 * file systems (another clock, cached attributes), FAT (no ctime), tmpfs (none for writes through a mapping).
 */
static bool has_honest_times(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return false;
    switch ((uint32_t)fs.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
        return true;
    default:
        return false;
    }
}

bool fc_seen_is_settled(int fd, const struct stat *st)
{
    int64_t margin = st->st_ctim.tv_nsec ? MARGIN : COARSE_MARGIN;
    struct timespec now;

    return has_honest_times(fd) && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
           nanoseconds(&st->st_ctim) < nanoseconds(&now) - margin;
}

int fc_seen_new(struct fc_cache *cache, int fd, const char *label, struct fc_seen **ret, struct fc_error *err)
{
    struct fc_seen *s;
    bool clean;

    *ret = NULL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return fc_fail(err, ENOMEM, "out of memory");
    *s = (struct fc_seen){.cache = cache, .label = label, .fd = fd};
    /*
     * A page that someone has mapped and dirtied can be written on with no new time until it is on its way to the disk.
     * So first that, then the times, then the bytes.
     */
    clean = sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE) == 0;
    if (fstat(fd, &s->st) < 0) {
        int code = errno;

        fc_seen_free(s);
        return fc_fail_errno(err, code, "cannot read %s", label);
    }
    s->start = S_ISREG(s->st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
    if (s->start < 0) {
        fc_seen_free(s);
        return 0;
    }
    s->settled = clean && fc_seen_is_settled(fd, &s->st);
    *ret = s;
    return 0;
}

void fc_seen_free(struct fc_seen *s) { free(s); }

uint64_t fc_seen_size(const struct fc_seen *s)
{
    return s->st.st_size > s->start ? (uint64_t)(s->st.st_size - s->start) : 0;
}

static int identity_key(const struct fc_seen *s, struct fc_digest *ret)
{
    char text[256];
    int n = snprintf(text, sizeof(text), "file %llu %llu from %llu to %llu mtime %lld ctime %lld",
                     (unsigned long long)s->st.st_dev, (unsigned long long)s->st.st_ino, (unsigned long long)s->start,
                     (unsigned long long)s->st.st_size, (long long)nanoseconds(&s->st.st_mtim),
                     (long long)nanoseconds(&s->st.st_ctim));

    return fc_digest_of(text, (size_t)n, ret);
}

void fc_sample_add(struct fc_sample *s, const void *data, size_t size)
{
    size_t n = sizeof(s->head) - s->used;

    n = size < n ? size : n;
    memcpy(s->head + s->used, data, n);
    s->used += n;
}

static int sample_key(const struct fc_sample *sample, uint64_t length, struct fc_digest *ret)
{
    char text[64 + sizeof(sample->head)];
    int at = snprintf(text, 64, "sample of %llu ", (unsigned long long)length);

    memcpy(text + at, sample->head, sample->used);
    return fc_digest_of(text, (size_t)at + sample->used, ret);
}

bool fc_seen_same(const struct fc_seen *s, struct fc_digest *ret_blob)
{
    struct fc_digest key;

    return s->settled && identity_key(s, &key) == 0 && fc_cache_recall(s->cache, &key, ret_blob) == 0;
}

bool fc_seen_alike(const struct fc_seen *s)
{
    struct fc_sample sample = {.used = 0};
    struct fc_digest key, blob;
    ssize_t n = fc_pread_full(s->fd, sample.head, sizeof(sample.head), (uint64_t)s->start);

    if (n < 0) /* what cannot be sampled may be anything */
        return true;
    sample.used = (size_t)n;
    return sample_key(&sample, fc_seen_size(s), &key) < 0 || fc_cache_recall(s->cache, &key, &blob) == 0;
}

int fc_seen_digest(const struct fc_seen *s, struct fc_progress *progress, struct fc_digest *ret_blob,
                   struct fc_error *err)
{
    fc_auto(fc_free) char *buffer = malloc(CHUNK);
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = fc_hasher_new();
    uint64_t done = 0;
    int r = 0;

    if (!buffer || !hasher)
        return fc_fail(err, ENOMEM, "out of memory");
    while (r == 0) {
        ssize_t n = fc_pread_full(s->fd, buffer, CHUNK, (uint64_t)s->start + done);

        if (n < 0)
            return fc_fail_errno(err, (int)-n, "cannot read %s", s->label);
        if (n == 0)
            break;
        r = fc_hasher_add(hasher, buffer, (size_t)n);
        done += (uint64_t)n;
        if (progress && progress->update)
            progress->update(progress, done);
    }
    if (r == 0)
        r = fc_hasher_finish(hasher, ret_blob);
    return r < 0 ? fc_fail(err, -r, "cannot digest %s", s->label) : 0;
}

static bool unchanged(const struct fc_seen *s)
{
    struct stat st;

    return fstat(s->fd, &st) == 0 && st.st_size == s->st.st_size &&
           nanoseconds(&st.st_mtim) == nanoseconds(&s->st.st_mtim) &&
           nanoseconds(&st.st_ctim) == nanoseconds(&s->st.st_ctim);
}

void fc_seen_remember(const struct fc_seen *s, const struct fc_digest *blob)
{
    struct fc_digest key;

    if (s->settled && unchanged(s) && identity_key(s, &key) == 0)
        (void)fc_cache_remember(s->cache, &key, blob);
}

void fc_seen_remember_sample(struct fc_cache *cache, const struct fc_sample *sample, uint64_t length,
                             const struct fc_digest *blob)
{
    struct fc_digest key;

    if (sample_key(sample, length, &key) == 0)
        (void)fc_cache_remember(cache, &key, blob);
}
