/* SPDX-License-Identifier: Apache-2.0 */
/* Find damage: the index's digest, the pack's sums as it is read, both at once; note it for others. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "layer/open.h"

enum { WORD = sizeof(unsigned long) * CHAR_BIT };

/* Feed the index as it was before it got its check, or before it had a digest. */
static int feed_index(const struct fc_layer *l, bool digest_too, struct fc_hasher *hasher)
{
    struct fc_layer_header h;
    int r;

    memcpy(&h, l->index, sizeof(h));
    if (digest_too)
        memset(h.index_digest, 0, sizeof(h.index_digest));
    if (h.version >= 3) /* else a table begins here */
        memset(h.index_check, 0, sizeof(h.index_check));
    r = fc_hasher_add(hasher, &h, sizeof(h));
    return r < 0 ? r : fc_hasher_add(hasher, (const char *)l->index + sizeof(h), l->index_size - sizeof(h));
}

int fc_layer_index_is_whole(const struct fc_layer *l)
{
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = NULL;
    const struct fc_layer_header *h = l->index;
    struct fc_digest digest;
    int r;

    /* What is no index, or one of another version, fc_layer_check() can say better. */
    if (l->index_size < sizeof(*h) || memcmp(h->magic, FC_LAYER_MAGIC, sizeof(h->magic)) != 0 || h->version < 3 ||
        h->version > FC_LAYER_VERSION)
        return 1;
    hasher = fc_hasher_new_fast();
    r = hasher ? feed_index(l, false, hasher) : -ENOMEM;
    if (r == 0)
        r = fc_hasher_finish(hasher, &digest);
    return r < 0 ? r : memcmp(digest.bytes, h->index_check, sizeof(h->index_check)) == 0;
}

int fc_layer_prepare_sums(struct fc_layer *l)
{
    if (l->view.sums)
        l->checked = calloc(FC_LAYER_N_SUMS(l->view.header->pack_size) / WORD + 1, sizeof(*l->checked));
    return l->view.sums && !l->checked ? -ENOMEM : 0;
}

/* The folder's note, if the folder is still that of this pack: another may have been built in its place. */
static int open_folder(const struct fc_layer *l)
{
    fc_auto(fc_close) int dirfd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat a, b;

    if (dirfd < 0 || fstat(l->view.pack_fd, &a) < 0 || fstatat(dirfd, "pack", &b, AT_SYMLINK_NOFOLLOW) < 0 ||
        a.st_dev != b.st_dev || a.st_ino != b.st_ino)
        return -ENOENT;
    return fc_steal_fd(&dirfd);
}

void fc_layer_note_damage(const struct fc_layer *l)
{
    fc_auto(fc_close) int dirfd = open_folder(l);

    if (dirfd >= 0) {
        fc_auto(fc_close) int fd = openat(dirfd, "damaged", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
        (void)fd;
    }
}

static void forget_damage(const struct fc_layer *l)
{
    fc_auto(fc_close) int dirfd = open_folder(l);

    if (dirfd >= 0)
        (void)unlinkat(dirfd, "damaged", 0);
}

bool fc_layer_is_damaged(const struct fc_layer *l)
{
    fc_auto(fc_close) int dirfd = open_folder(l);

    return dirfd >= 0 && faccessat(dirfd, "damaged", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_whole(const struct fc_layer *l, uint64_t block, const void *data, size_t size)
{
    uint8_t sum[16];

    fc_fast_digest(data, size, sum);
    return memcmp(sum, l->view.sums[block].bytes, sizeof(sum)) == 0;
}

/* Check one block, of which @buffer may have all: bytes [@offset, @end) of the pack. */
static int check_block(const struct fc_layer *l, uint64_t block, const char *buffer, uint64_t offset, uint64_t end)
{
    uint64_t from = block * FC_LAYER_SUM_BLOCK, left = l->view.header->pack_size - from;
    size_t size = left < FC_LAYER_SUM_BLOCK ? (size_t)left : FC_LAYER_SUM_BLOCK;
    fc_auto(fc_free) char *whole = NULL;
    ssize_t n;

    if (from >= offset && from + size <= end)
        return is_whole(l, block, buffer + (from - offset), size) ? 0 : -EBADMSG;
    whole = malloc(size);
    if (!whole)
        return -ENOMEM;
    n = fc_pread_full(l->view.pack_fd, whole, size, from);
    if (n < 0)
        return (int)n;
    return (size_t)n == size && is_whole(l, block, whole, size) ? 0 : -EBADMSG;
}

ssize_t fc_layer_read_pack(struct fc_layer *l, void *buffer, size_t size, uint64_t offset)
{
    ssize_t n = fc_pread_full(l->view.pack_fd, buffer, size, offset);
    uint64_t end = offset + (n > 0 ? (uint64_t)n : 0);

    if (end > l->view.header->pack_size)
        end = l->view.header->pack_size;
    for (uint64_t block = offset / FC_LAYER_SUM_BLOCK; l->checked && block * FC_LAYER_SUM_BLOCK < end; block++) {
        atomic_ulong *word = &l->checked[block / WORD];
        unsigned long bit = 1ul << block % WORD;
        int r;

        if (atomic_load_explicit(word, memory_order_relaxed) & bit)
            continue;
        r = check_block(l, block, buffer, offset, end);
        if (r == -EBADMSG)
            fc_layer_note_damage(l);
        if (r < 0)
            return r;
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
    }
    return n;
}

static int verify_index(const struct fc_layer *l, struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = fc_hasher_new();
    struct fc_digest digest;
    int r = hasher ? feed_index(l, true, hasher) : -ENOMEM;

    if (r == 0)
        r = fc_hasher_finish(hasher, &digest);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot digest %s/index", l->path);
    if (memcmp(digest.bytes, l->view.header->index_digest, sizeof(digest.bytes)) != 0)
        return fc_fail(err, EBADMSG, "%s/index is damaged: its digest is not the recorded one", l->path);
    return 0;
}

/* The digest of the pack as it is read piece by piece: a sum for each, or, in older layers, one for all. */
struct pack_check {
    const struct fc_layer *layer;
    struct fc_hasher *hasher; /* NULL: the layer has sums */
};

/* Returns 1 if the @size bytes at @at are as they should, or cannot tell alone; 0; or -errno. */
static int add_piece(const struct pack_check *c, const char *data, size_t size, uint64_t at)
{
    if (c->hasher) {
        int r = fc_hasher_add(c->hasher, data, size);

        return r < 0 ? r : 1;
    }
    for (size_t done = 0; done < size; done += FC_LAYER_SUM_BLOCK) {
        size_t n = size - done < FC_LAYER_SUM_BLOCK ? size - done : FC_LAYER_SUM_BLOCK;

        if (!is_whole(c->layer, (at + done) / FC_LAYER_SUM_BLOCK, data + done, n))
            return 0;
    }
    return 1;
}

static int end_pieces(const struct pack_check *c)
{
    struct fc_digest digest;
    int r;

    if (!c->hasher)
        return 1;
    r = fc_hasher_finish(c->hasher, &digest);
    if (r < 0)
        return r;
    return memcmp(digest.bytes, c->layer->view.header->pack_digest, sizeof(digest.bytes)) == 0;
}

/* Returns 1 if the pack is whole, 0 if not, or -errno. */
static int compare_pack(const struct pack_check *c, struct fc_progress *progress)
{
    enum { CHUNK = 1 << 20 };
    _Static_assert(CHUNK % FC_LAYER_SUM_BLOCK == 0, "pieces are whole blocks");
    fc_auto(fc_free) char *buffer = malloc(CHUNK);
    uint64_t at = 0, size = c->layer->view.header->pack_size;

    if (!buffer)
        return -ENOMEM;
    while (at < size) {
        size_t want = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        ssize_t n = fc_pread_full(c->layer->view.pack_fd, buffer, want, at);
        int r = n < 0 ? (int)n : (size_t)n < want ? 0 : add_piece(c, buffer, want, at);

        if (r <= 0)
            return r;
        at += want;
        if (progress && progress->update)
            progress->update(progress, at);
    }
    return end_pieces(c);
}

static int verify_pack(const struct fc_layer *l, struct fc_progress *progress, struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = NULL;
    struct pack_check c = {.layer = l};
    int r;

    if (!l->view.sums) {
        hasher = l->view.header->version == 1 ? fc_hasher_new() : fc_hasher_new_fast();
        if (!hasher)
            return fc_fail(err, ENOMEM, "out of memory");
        c.hasher = hasher;
    }
    r = compare_pack(&c, progress);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s/pack", l->path);
    if (r > 0) {
        forget_damage(l);
        return 0;
    }
    fc_layer_note_damage(l);
    return fc_fail(err, EBADMSG, "%s/pack is damaged: its digest is not the recorded one", l->path);
}

int fc_layer_verify(struct fc_layer *layer, struct fc_progress *progress, struct fc_error *err)
{
    struct fc_layer_view again;
    struct fc_error why = {0};
    int r;

    if (progress && progress->begin)
        progress->begin(progress, "verifying", layer->view.header->pack_size, FC_PROGRESS_BYTES);
    r = fc_layer_check(layer->index, layer->index_size, layer->view.header->pack_size, &again, &why);
    if (r < 0)
        fc_fail(err, -r, "%s/index: %s", layer->path, why.msg);
    if (r == 0)
        r = verify_index(layer, err);
    if (r == 0)
        r = verify_pack(layer, progress, err);
    if (progress && progress->end)
        progress->end(progress, r == 0);
    return r;
}
