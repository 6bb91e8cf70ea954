/* SPDX-License-Identifier: Apache-2.0 */
/* Write file contents one after the other, each extent on a 4096-byte boundary and padded with zeros. */
#include "layer/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

/*
 * ALLOCATE: blocks that the file is given ahead, where that is faster. BUFFER gathers small contents, and stays in a core's cache; larger blocks are written from where they are. Every
 * WRITEBACK bytes the disk is told to begin, so that the fsync at the end finds little to do.
 */
enum { BUFFER = 256 << 10, DIRECT = 64 << 10, WRITEBACK = 16 << 20, ALLOCATE = 64 << 20 };

#define BLOCK_DOWN(x) ((x) & ~(uint64_t)(FC_LAYER_BLOCK - 1))
#define BLOCK_UP(x) BLOCK_DOWN((x) + FC_LAYER_BLOCK - 1)

int fc_pack_init(struct fc_pack *p, int fd)
{
    *p = (struct fc_pack){.fd = fd,
                          .allocated = fc_gains_by_allocating(fd) ? 0 : UINT64_MAX,
                          .hasher = fc_hasher_new_fast(),
                          .buffer = malloc(BUFFER)};
    return p->hasher && p->buffer ? 0 : -ENOMEM;
}

void fc_pack_release(struct fc_pack *p)
{
    fc_hasher_free(p->hasher);
    free(p->buffer);
    free(p->extents);
    free(p->sums);
    *p = (struct fc_pack){.fd = -1};
}

/* Blocks for what is written up to @end, and for more that is likely to follow. */
static void allocate(struct fc_pack *p, uint64_t end)
{
    if (end <= p->allocated)
        return;
    end += ALLOCATE;
    if (fallocate(p->fd, FALLOC_FL_KEEP_SIZE, (off_t)p->allocated, (off_t)(end - p->allocated)) == 0)
        p->allocated = end;
    else
        p->allocated = UINT64_MAX; /* as on a disk with little room: the write itself says what is wrong */
}

static int end_sum(struct fc_pack *p)
{
    struct fc_digest digest;
    int r = fc_grow(&p->sums, &p->cap_sums, p->n_sums + 1, sizeof(*p->sums));

    if (r == 0)
        r = fc_hasher_finish(p->hasher, &digest);
    if (r < 0)
        return r;
    memcpy(p->sums[p->n_sums++].bytes, digest.bytes, sizeof(p->sums->bytes));
    p->hashed = 0;
    return 0;
}

static int add_to_sums(struct fc_pack *p, const char *data, size_t size)
{
    int r = 0;

    while (size > 0 && r == 0) {
        size_t n = size < FC_LAYER_SUM_BLOCK - p->hashed ? size : FC_LAYER_SUM_BLOCK - p->hashed;

        r = fc_hasher_add(p->hasher, data, n);
        p->hashed += n;
        data += n;
        size -= n;
        if (r == 0 && p->hashed == FC_LAYER_SUM_BLOCK)
            r = end_sum(p);
    }
    return r;
}

/* Write the buffer and then @size bytes at @data. */
static int flush(struct fc_pack *p, const void *data, size_t size)
{
    struct iovec pieces[2] = {{p->buffer, p->used}, {(void *)(uintptr_t)data, size}};
    int r = add_to_sums(p, p->buffer, p->used);

    if (r == 0)
        r = add_to_sums(p, data, size);
    if (r == 0 && p->allocated != UINT64_MAX)
        allocate(p, p->written + p->used + size);
    if (r == 0)
        r = fc_writev_full(p->fd, pieces, 2);
    if (r < 0)
        return r;
    p->written += p->used + size;
    p->used = 0;
    if (p->written - p->begun >= WRITEBACK) {
        /* A wish: what fails here, fsync says. */
        (void)sync_file_range(p->fd, (off_t)p->begun, (off_t)(p->written - p->begun), SYNC_FILE_RANGE_WRITE);
        p->begun = p->written & ~(uint64_t)(FC_LAYER_BLOCK - 1);
    }
    return 0;
}

/* Append @size bytes, zeros if @data is NULL. */
static int append(struct fc_pack *p, const char *data, size_t size)
{
    p->size += size;
    if (data && size >= DIRECT)
        return flush(p, data, size);
    while (size > 0) {
        size_t n = size < BUFFER - p->used ? size : BUFFER - p->used;

        if (data) {
            memcpy(p->buffer + p->used, data, n);
            data += n;
        } else {
            memset(p->buffer + p->used, 0, n);
        }
        p->used += n;
        size -= n;
        if (p->used == BUFFER) {
            int r = flush(p, NULL, 0);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

void fc_pack_file_begin(struct fc_pack *p, uint64_t size)
{
    p->file_size = size;
    p->file_end = 0;
    p->open = false;
}

static int close_extent(struct fc_pack *p)
{
    struct fc_layer_extent *e = &p->extents[p->n_extents - 1];
    uint64_t end = BLOCK_UP(p->file_end);
    int r = append(p, NULL, (size_t)(end - p->file_end));

    e->length = (end < p->file_size ? end : p->file_size) - e->offset;
    p->open = false;
    return r;
}

int fc_pack_file_block(struct fc_pack *p, const struct fc_block *block)
{
    uint64_t from = block->offset;
    int r;

    if (from < p->file_end || from > p->file_size || block->size > p->file_size - from)
        return -EBADMSG;
    if (block->size == 0)
        return 0;
    if (p->open && BLOCK_DOWN(from) > BLOCK_UP(p->file_end)) {
        r = close_extent(p);
        if (r < 0)
            return r;
    }
    if (!p->open) {
        r = fc_grow(&p->extents, &p->cap_extents, p->n_extents + 1, sizeof(*p->extents));
        if (r < 0)
            return r;
        p->file_end = BLOCK_DOWN(from);
        p->extents[p->n_extents++] = (struct fc_layer_extent){.offset = p->file_end, .pack_offset = p->size};
        p->open = true;
    }
    r = append(p, NULL, (size_t)(from - p->file_end));
    if (r == 0)
        r = append(p, block->data, block->size);
    p->file_end = from + block->size;
    return r;
}

int fc_pack_file_end(struct fc_pack *p) { return p->open ? close_extent(p) : 0; }

int fc_pack_finish(struct fc_pack *p)
{
    int r = flush(p, NULL, 0);

    if (r == 0 && p->hashed)
        r = end_sum(p);
    if (r == 0 && p->allocated && ftruncate(p->fd, (off_t)p->size) < 0) /* blocks that were not needed */
        r = -errno;
    return r;
}
