/* SPDX-License-Identifier: Apache-2.0 */
/* The file of an overlay: make it, know it again, put it on the disk in the right order. */
#include "image/overlay_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

/** The first bytes of the file. */
struct header {
    char magic[8];
    uint32_t block, zero;
    uint64_t size;
    uint8_t uuid[16];
    struct fc_digest plan;
};

static const char magic[8] = {'f', 'c', 'o', 'v', 'e', 'r', 'l', '1'};

static void fill_header(const struct fc_overlay *o, const struct fc_overlay_id *id, struct header *ret)
{
    *ret = (struct header){.block = htole32(OVERLAY_BLOCK), .size = htole64(o->size), .plan = id->plan};
    memcpy(ret->magic, magic, sizeof(magic));
    memcpy(ret->uuid, id->uuid, sizeof(ret->uuid));
}

static int sync_parent(const char *path)
{
    fc_auto(fc_free) char *copy = strdup(path);

    return copy ? fc_sync_dir(dirname(copy)) : -ENOMEM;
}

/* A new file: complete, and on the disk, before anything is written through it. */
static int make_file(struct fc_overlay *o, const struct fc_overlay_id *id, struct fc_error *err)
{
    char block[OVERLAY_BLOCK] = {0};
    struct header h;
    int r;

    fill_header(o, id, &h);
    memcpy(block, &h, sizeof(h));
    r = fc_pwrite_full(o->fd, block, sizeof(block), 0);
    /* The map has its room, so that a full host stops writes of the guest, and not what was written before. */
    if (r == 0 && fallocate(o->fd, 0, OVERLAY_BLOCK, (off_t)o->map_bytes) < 0 && errno != EOPNOTSUPP)
        r = -errno;
    if (r == 0 && ftruncate(o->fd, (off_t)(o->data_offset + o->size)) < 0)
        r = -errno;
    if (r == 0 && fsync(o->fd) < 0)
        r = -errno;
    if (r == 0)
        r = sync_parent(o->path);
    return r < 0 ? fc_fail_errno(err, -r, "cannot make the overlay %s", o->path) : 0;
}

static int check_header(const struct fc_overlay *o, const struct fc_overlay_id *id, struct fc_error *err)
{
    struct header want, got;
    ssize_t n = fc_pread_full(o->fd, &got, sizeof(got), 0);

    fill_header(o, id, &want);
    if (n < 0)
        return fc_fail_errno(err, (int)-n, "cannot read the overlay %s", o->path);
    if ((size_t)n < sizeof(got) || memcmp(got.magic, magic, sizeof(magic)) != 0 || got.block != want.block)
        return fc_fail(err, EBADMSG,
                       "%s is not empty and no overlay of fccompose: it was left alone; name another file", o->path);
    if (memcmp(got.uuid, want.uuid, sizeof(got.uuid)) != 0)
        return fc_fail(err, ESTALE, "the overlay %s belongs to another file system (its UUID differs)", o->path);
    if (got.size != want.size)
        return fc_fail(err, ESTALE, "the overlay %s belongs to an image of %llu bytes, this one has %llu", o->path,
                       (unsigned long long)le64toh(got.size), (unsigned long long)o->size);
    if (memcmp(&got.plan, &want.plan, sizeof(got.plan)) != 0)
        return fc_fail(err, ESTALE,
                       "the overlay %s belongs to an earlier state: the tree or the options have changed since it was "
                       "made, and blocks of two images do not make one",
                       o->path);
    return 0;
}

static int read_map(struct fc_overlay *o, struct fc_error *err)
{
    ssize_t n = fc_pread_full(o->fd, o->map, o->map_bytes, OVERLAY_BLOCK);
    uint64_t n_blocks = o->size / OVERLAY_BLOCK;
    struct stat st;

    if (n < 0 || fstat(o->fd, &st) < 0)
        return fc_fail_errno(err, n < 0 ? (int)-n : errno, "cannot read the overlay %s", o->path);
    /* Its maker may have died between the header and the rest. */
    if ((uint64_t)st.st_size < o->data_offset + o->size && ftruncate(o->fd, (off_t)(o->data_offset + o->size)) < 0)
        return fc_fail_errno(err, errno, "cannot extend the overlay %s", o->path);
    for (uint64_t b = n_blocks; b < o->map_bytes * UINT64_C(8); b++)
        o->map[b / 8] &= (unsigned char)~(1u << (b % 8));
    for (size_t i = 0; i < o->map_bytes; i++)
        o->n_written += (uint64_t)__builtin_popcount(o->map[i]);
    return 0;
}

static int open_file(struct fc_overlay *o, const struct fc_overlay_id *id, struct fc_error *err)
{
    struct stat st;
    int r;

    o->fd = open(o->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (o->fd < 0 || fstat(o->fd, &st) < 0)
        return fc_fail_errno(err, errno, "cannot open the overlay %s", o->path);
    if (!S_ISREG(st.st_mode))
        return fc_fail(err, EINVAL, "the overlay %s must be a regular file", o->path);
    if (flock(o->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? fc_fail(err, EBUSY, "the overlay %s is in use: another virtual disk writes to it", o->path)
                   : fc_fail_errno(err, errno, "cannot lock the overlay %s", o->path);
    if (fstat(o->fd, &st) < 0) /* now that nobody else is making it */
        return fc_fail_errno(err, errno, "cannot open the overlay %s", o->path);
    if (st.st_size == 0)
        return make_file(o, id, err);
    r = check_header(o, id, err);
    return r < 0 ? r : read_map(o, err);
}

int fc_overlay_open(const struct fc_image *base, const char *path, const struct fc_overlay_id *id,
                    struct fc_overlay **ret, struct fc_error *err)
{
    fc_auto(fc_overlay_free) struct fc_overlay *o = NULL;
    uint64_t size = fc_image_size(base), n_blocks = size / OVERLAY_BLOCK;
    int r;

    if (size % OVERLAY_BLOCK)
        return fc_fail(err, EINVAL, "an overlay wants an image of whole blocks");
    o = calloc(1, sizeof(*o));
    if (!o)
        return fc_fail(err, ENOMEM, "out of memory");
    o->fd = -1;
    pthread_rwlock_init(&o->lock, NULL);
    pthread_mutex_init(&o->syncing, NULL);
    o->base = base;
    o->size = size;
    o->map_bytes = (size_t)((n_blocks + 8 * OVERLAY_BLOCK - 1) / (8 * OVERLAY_BLOCK) * OVERLAY_BLOCK);
    o->data_offset = OVERLAY_BLOCK + o->map_bytes;
    o->path = strdup(path);
    o->map = calloc(1, o->map_bytes + 1);
    o->dirty = calloc(1, o->map_bytes / OVERLAY_BLOCK + 1);
    if (!o->path || !o->map || !o->dirty)
        return fc_fail(err, ENOMEM, "out of memory");
    r = open_file(o, id, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&o);
    return 0;
}

/* Copy the blocks of the map that differ from the file's, as they are now; *ret_at are their numbers. */
static int take_dirty(struct fc_overlay *o, struct fc_buf *ret, struct fc_buf *ret_at)
{
    int r = 0;

    for (size_t i = 0; i < o->map_bytes / OVERLAY_BLOCK && r == 0; i++) {
        if (!o->dirty[i])
            continue;
        r = fc_buf_add(ret, o->map + i * OVERLAY_BLOCK, OVERLAY_BLOCK);
        if (r == 0)
            r = fc_buf_add(ret_at, &i, sizeof(i));
    }
    if (r < 0)
        return r;
    memset(o->dirty, 0, o->map_bytes / OVERLAY_BLOCK);
    o->unsynced = false;
    return 0;
}

static size_t block_of_map(const struct fc_buf *at, size_t n)
{
    size_t i;

    memcpy(&i, at->data + n * sizeof(i), sizeof(i));
    return i;
}

static int put_map(const struct fc_overlay *o, const struct fc_buf *blocks, const struct fc_buf *at)
{
    for (size_t n = 0; n < at->len / sizeof(size_t); n++) {
        int r = fc_pwrite_full(o->fd, blocks->data + n * OVERLAY_BLOCK, OVERLAY_BLOCK,
                               OVERLAY_BLOCK + (uint64_t)block_of_map(at, n) * OVERLAY_BLOCK);

        if (r < 0)
            return r;
    }
    return 0;
}

/* The next sync writes them again. */
static void give_back_dirty(struct fc_overlay *o, const struct fc_buf *at)
{
    pthread_rwlock_wrlock(&o->lock);
    for (size_t n = 0; n < at->len / sizeof(size_t); n++)
        o->dirty[block_of_map(at, n)] = 1;
    o->unsynced = true;
    pthread_rwlock_unlock(&o->lock);
}

static int sync_data(struct fc_overlay *o)
{
    if (fdatasync(o->fd) < 0)
        o->failed = errno; /* the kernel forgets what it could not write, so no later sync may call it written */
    return -o->failed;
}

/* The blocks first, then the map that was theirs before that. */
static int sync_file(struct fc_overlay *o)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf blocks = {0}, at = {0};
    bool unsynced;
    int r;

    pthread_rwlock_wrlock(&o->lock);
    unsynced = o->unsynced;
    r = take_dirty(o, &blocks, &at);
    pthread_rwlock_unlock(&o->lock);
    if (r < 0 || !unsynced)
        return r; /* out of memory: nothing was lost, the next sync tries again */
    r = sync_data(o);
    if (r < 0 || at.len == 0)
        return r;
    r = put_map(o, &blocks, &at);
    if (r < 0)
        give_back_dirty(o, &at);
    return r < 0 ? r : sync_data(o);
}

int fc_overlay_sync(struct fc_overlay *o, struct fc_error *err)
{
    int r;

    pthread_mutex_lock(&o->syncing);
    r = o->failed ? -o->failed : sync_file(o);
    pthread_mutex_unlock(&o->syncing);
    return r < 0 ? fc_fail_errno(err, -r, "cannot put the overlay %s on the disk", o->path) : 0;
}

void fc_overlay_free(struct fc_overlay *o)
{
    struct fc_error err = {0};

    if (!o)
        return;
    if (o->unsynced && fc_overlay_sync(o, &err) < 0)
        fc_log(FC_LOG_WARN, "%s", err.msg);
    if (o->fd >= 0)
        close(o->fd);
    pthread_mutex_destroy(&o->syncing);
    pthread_rwlock_destroy(&o->lock);
    free(o->path);
    free(o->map);
    free(o->dirty);
    free(o);
}
