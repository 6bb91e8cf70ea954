/* SPDX-License-Identifier: Apache-2.0 */
/* Read and write an image through an overlay: the map of what was written, and the blocks themselves. */
#include "image/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "image/overlay_file.h"

static bool is_written(const struct fc_overlay *o, uint64_t block) { return o->map[block / 8] >> (block % 8) & 1; }

static void mark_written(struct fc_overlay *o, uint64_t from, uint64_t to)
{
    for (uint64_t b = from; b < to; b++) {
        if (is_written(o, b))
            continue;
        o->map[b / 8] |= (unsigned char)(1u << (b % 8));
        o->dirty[b / 8 / OVERLAY_BLOCK] = 1;
        o->n_written++;
    }
}

/* The end of the run of blocks that are as @block is, written or not; at most @end. */
static uint64_t run_end(const struct fc_overlay *o, uint64_t block, uint64_t end)
{
    bool kind = is_written(o, block);

    while (block < end && is_written(o, block) == kind)
        block++;
    return block;
}

uint64_t fc_overlay_size(const struct fc_overlay *o) { return o->size; }

uint64_t fc_overlay_written(struct fc_overlay *o)
{
    uint64_t n;

    pthread_rwlock_rdlock(&o->lock);
    n = o->n_written;
    pthread_rwlock_unlock(&o->lock);
    return n * OVERLAY_BLOCK;
}

static int read_written(const struct fc_overlay *o, void *buffer, size_t size, uint64_t offset, struct fc_error *err)
{
    ssize_t n = fc_pread_full(o->fd, buffer, size, o->data_offset + offset);

    if (n < 0)
        return fc_fail_errno(err, (int)-n, "cannot read the overlay %s", o->path);
    if ((size_t)n < size)
        return fc_fail(err, EIO, "the overlay %s is too short", o->path);
    return 0;
}

/* With the lock. The range is inside the image. */
static int read_range(const struct fc_overlay *o, char *buffer, size_t size, uint64_t offset, struct fc_error *err)
{
    uint64_t end = offset + size;

    while (offset < end) {
        uint64_t block = offset / OVERLAY_BLOCK;
        uint64_t stop = run_end(o, block, (end + OVERLAY_BLOCK - 1) / OVERLAY_BLOCK) * OVERLAY_BLOCK;
        size_t n = (size_t)((stop < end ? stop : end) - offset);
        ssize_t r = is_written(o, block) ? read_written(o, buffer, n, offset, err)
                                         : fc_image_read(o->base, buffer, n, offset, err);

        if (r < 0)
            return (int)r;
        buffer += n;
        offset += n;
    }
    return 0;
}

ssize_t fc_overlay_read(struct fc_overlay *o, void *buffer, size_t size, uint64_t offset, struct fc_error *err)
{
    int r;

    if (offset >= o->size)
        return 0;
    if (size > o->size - offset)
        size = (size_t)(o->size - offset);
    if (size > SSIZE_MAX)
        size = SSIZE_MAX;
    pthread_rwlock_rdlock(&o->lock);
    r = read_range(o, buffer, size, offset, err);
    pthread_rwlock_unlock(&o->lock);
    return r < 0 ? r : (ssize_t)size;
}

static int put(const struct fc_overlay *o, const void *data, size_t size, uint64_t offset, struct fc_error *err)
{
    int r = fc_pwrite_full(o->fd, data, size, o->data_offset + offset);

    return r < 0 ? fc_fail_errno(err, -r, "cannot write the overlay %s", o->path) : 0;
}

/* Less than a block, inside one: a block that comes to the overlay comes whole. */
static int write_part(struct fc_overlay *o, const char *data, size_t size, uint64_t offset, struct fc_error *err)
{
    uint64_t block = offset / OVERLAY_BLOCK, start = block * OVERLAY_BLOCK;
    char whole[OVERLAY_BLOCK];
    int r;

    if (is_written(o, block))
        return put(o, data, size, offset, err);
    r = read_range(o, whole, sizeof(whole), start, err);
    if (r < 0)
        return r;
    memcpy(whole + (offset - start), data, size);
    r = put(o, whole, sizeof(whole), start, err);
    if (r == 0)
        mark_written(o, block, block + 1);
    return r;
}

static int write_range(struct fc_overlay *o, const char *data, size_t size, uint64_t offset, struct fc_error *err)
{
    while (size > 0) {
        size_t in_block = (size_t)(offset % OVERLAY_BLOCK), n;
        int r;

        if (in_block > 0 || size < OVERLAY_BLOCK) {
            n = size < OVERLAY_BLOCK - in_block ? size : OVERLAY_BLOCK - in_block;
            r = write_part(o, data, n, offset, err);
        } else {
            n = size - size % OVERLAY_BLOCK;
            r = put(o, data, n, offset, err);
            if (r == 0)
                mark_written(o, offset / OVERLAY_BLOCK, (offset + n) / OVERLAY_BLOCK);
        }
        if (r < 0)
            return r;
        data += n;
        offset += n;
        size -= n;
    }
    return 0;
}

static int check_range(const struct fc_overlay *o, uint64_t offset, uint64_t length, struct fc_error *err)
{
    if (offset <= o->size && length <= o->size - offset)
        return 0;
    return fc_fail(err, EFBIG, "the image ends at byte %llu", (unsigned long long)o->size);
}

int fc_overlay_write(struct fc_overlay *o, const void *data, size_t size, uint64_t offset, struct fc_error *err)
{
    int r = check_range(o, offset, size, err);

    if (r < 0)
        return r;
    pthread_rwlock_wrlock(&o->lock);
    o->unsynced = true;
    r = write_range(o, data, size, offset, err);
    pthread_rwlock_unlock(&o->lock);
    return r;
}

/* Whole blocks become holes of the file, or zeros where its file system has none. */
static int zero_blocks(struct fc_overlay *o, uint64_t offset, uint64_t length, struct fc_error *err)
{
    static const char zeros[1 << 16];
    uint64_t end = offset + length;

    if (fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(o->data_offset + offset), (off_t)length) <
        0) {
        if (errno != EOPNOTSUPP)
            return fc_fail_errno(err, errno, "cannot write the overlay %s", o->path);
        for (uint64_t at = offset, n; at < end; at += n) {
            int r;

            n = end - at < sizeof(zeros) ? end - at : sizeof(zeros);
            r = put(o, zeros, (size_t)n, at, err);
            if (r < 0)
                return r;
        }
    }
    mark_written(o, offset / OVERLAY_BLOCK, end / OVERLAY_BLOCK);
    return 0;
}

static int zero_range(struct fc_overlay *o, uint64_t offset, uint64_t length, struct fc_error *err)
{
    static const char zeros[OVERLAY_BLOCK];
    uint64_t end = offset + length, first, last;
    int r = 0;

    first = (offset + OVERLAY_BLOCK - 1) / OVERLAY_BLOCK * OVERLAY_BLOCK;
    last = end / OVERLAY_BLOCK * OVERLAY_BLOCK;
    if (first > last) /* inside one block */
        return write_range(o, zeros, (size_t)length, offset, err);
    if (offset < first)
        r = write_range(o, zeros, (size_t)(first - offset), offset, err);
    if (r == 0 && first < last)
        r = zero_blocks(o, first, last - first, err);
    return r < 0 || last == end ? r : write_range(o, zeros, (size_t)(end - last), last, err);
}

int fc_overlay_zero(struct fc_overlay *o, uint64_t offset, uint64_t length, struct fc_error *err)
{
    int r = check_range(o, offset, length, err);

    if (r < 0 || length == 0)
        return r;
    pthread_rwlock_wrlock(&o->lock);
    o->unsynced = true;
    r = zero_range(o, offset, length, err);
    pthread_rwlock_unlock(&o->lock);
    return r;
}

/* What was written counts as data, whatever is in it. */
static uint64_t seek_locked(const struct fc_overlay *o, uint64_t offset, bool hole)
{
    uint64_t n_blocks = o->size / OVERLAY_BLOCK;

    while (offset < o->size) {
        uint64_t stop = run_end(o, offset / OVERLAY_BLOCK, n_blocks) * OVERLAY_BLOCK, found;

        if (is_written(o, offset / OVERLAY_BLOCK)) {
            if (!hole)
                return offset;
        } else {
            found = fc_image_seek(o->base, offset, hole);
            if (found < stop)
                return found;
        }
        offset = stop;
    }
    return o->size;
}

uint64_t fc_overlay_seek(struct fc_overlay *o, uint64_t offset, bool hole)
{
    uint64_t r;

    pthread_rwlock_rdlock(&o->lock);
    r = seek_locked(o, offset, hole);
    pthread_rwlock_unlock(&o->lock);
    return r;
}
