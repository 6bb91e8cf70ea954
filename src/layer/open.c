/* SPDX-License-Identifier: Apache-2.0 */
/* Open a layer by reading its index into memory, count its users. */
#include "layer/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "layer/cache.h"

/* The tables are used as they lie in the file. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tables are not converted: the host must be little-endian");
_Static_assert(sizeof(struct fc_layer_header) == 240 && sizeof(struct fc_layer_node) == 24 &&
                   sizeof(struct fc_layer_inode) == 64 && sizeof(struct fc_layer_extent) == 24 &&
                   sizeof(struct fc_layer_xattr) == 16 && sizeof(struct fc_layer_sum) == 16 &&
                   offsetof(struct fc_layer_header, sums) == FC_LAYER_HEADER_OLD,
               "the format's structs have no padding");

/* Open a regular file of the layer. */
static int open_file(int dirfd, const char *name, struct stat *ret_st)
{
    fc_auto(fc_close) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    if (fstat(fd, ret_st) < 0)
        return -errno;
    return S_ISREG(ret_st->st_mode) ? fc_steal_fd(&fd) : -EBADMSG;
}

/* A file of another length than its header says is not read: it may have grown beyond all memory. */
static int index_fits(int fd, uint64_t size)
{
    struct fc_layer_header h;
    ssize_t n = fc_pread_full(fd, &h, sizeof(h), 0);

    if (n < 0)
        return (int)n;
    if ((size_t)n < sizeof(h) || size > SIZE_MAX / 2)
        return -EBADMSG;
    /* Of another version's header nothing is known: fc_layer_check() says that. */
    return h.index_size == size || h.version > FC_LAYER_VERSION ? 0 : -EBADMSG;
}

/* In large pages where it is large: to have those cleared takes a fraction of the time. */
static void *index_memory(size_t size)
{
    enum { LARGE = 2 << 20 };
    void *memory = NULL;

    if (size < LARGE)
        return malloc(size);
    if (posix_memalign(&memory, LARGE, size) != 0)
        return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

/*
 * The index is read, not mapped. What is read of a mapping changes when somebody cuts the file short or overwrites it: a
 * page that is gone, or that the disk fails to give, is SIGBUS, and the rest of a last page turns into zeros without any
 * signal, behind the back of fc_layer_check(). That check touches every page anyway, so that a copy costs no more memory
 * while one process has the layer open, and little time: 10 ms for the 37 MB of 300,000 files, where a mapping takes 5.
 */
static int read_index(struct fc_layer *l, int dirfd, struct fc_error *err)
{
    struct stat st;
    fc_auto(fc_close) int fd = open_file(dirfd, "index", &st);
    ssize_t n;
    int r;

    if (fd == -ENOENT || fd == -EBADMSG || fd == -ELOOP || (fd >= 0 && st.st_size == 0))
        return fc_fail(err, EBADMSG, "%s/index is missing or empty", l->path);
    if (fd < 0)
        return fc_fail_errno(err, -fd, "cannot open %s/index", l->path);
    r = index_fits(fd, (uint64_t)st.st_size);
    if (r == -EBADMSG)
        return fc_fail(err, EBADMSG, "%s/index: damaged: not a layer index, or not of its length", l->path);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s/index", l->path);
    l->index_size = (size_t)st.st_size;
    l->index = index_memory(l->index_size);
    if (!l->index)
        return fc_fail(err, ENOMEM, "%s/index: out of memory", l->path);
    n = fc_pread_full(fd, l->index, l->index_size, 0);
    if (n < 0)
        return fc_fail_errno(err, (int)-n, "cannot read %s/index", l->path);
    return (size_t)n == l->index_size ? 0 : fc_fail(err, EBADMSG, "%s/index was cut short", l->path);
}

/* fc_layer_check() finds that too, but of the two files the index is rarely the one that is to blame. */
static int pack_fits(const struct fc_layer *l, uint64_t size, struct fc_error *err)
{
    const struct fc_layer_header *h = l->index;

    if (l->index_size < sizeof(*h) || memcmp(h->magic, FC_LAYER_MAGIC, sizeof(h->magic)) != 0 ||
        h->version > FC_LAYER_VERSION || h->pack_size == size)
        return 0;
    return fc_fail(err, EBADMSG, "%s/pack: damaged: it has %llu bytes, not %llu", l->path, (unsigned long long)size,
                   (unsigned long long)h->pack_size);
}

/*
 * Open the pack and keep a shared lock on it, which tells a garbage collection that the layer is in use. Where a file system
 * has no such locks the collection does not get its own either, and removes nothing.
 */
static int open_pack(struct fc_layer *l, int dirfd, struct stat *ret_st, struct fc_error *err)
{
    fc_auto(fc_close) int pack = open_file(dirfd, "pack", ret_st);

    if (pack == -ENOENT || pack == -EBADMSG || pack == -ELOOP)
        return fc_fail(err, EBADMSG, "%s/pack is missing", l->path);
    if (pack < 0)
        return fc_fail_errno(err, -pack, "cannot open %s/pack", l->path);
    while (flock(pack, LOCK_SH) < 0 && errno == EINTR)
        ;
    l->view.pack_fd = fc_steal_fd(&pack);
    return 0;
}

static int check_digest(const struct fc_layer *l, struct fc_error *err)
{
    int r = fc_layer_index_is_whole(l);

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot digest %s/index", l->path);
    return r ? 0 : fc_fail(err, EBADMSG, "%s/index is damaged: its digest is not the recorded one", l->path);
}

static int open_parts(struct fc_layer *l, int dirfd, struct fc_error *err)
{
    struct fc_error why = {0};
    struct stat st;
    int pack, r = read_index(l, dirfd, err);

    if (r == 0)
        r = check_digest(l, err);
    if (r == 0)
        r = open_pack(l, dirfd, &st, err);
    if (r == 0)
        r = pack_fits(l, (uint64_t)st.st_size, err);
    if (r < 0)
        return r;
    pack = l->view.pack_fd;
    r = fc_layer_check(l->index, l->index_size, (uint64_t)st.st_size, &l->view, &why);
    l->view.pack_fd = pack;
    if (r < 0)
        return fc_fail(err, -r, "%s/index: %s", l->path, why.msg);
    if (memcmp(l->view.header->diffid, l->diffid.bytes, sizeof(l->diffid.bytes)) != 0)
        return fc_fail(err, EBADMSG, "%s/index belongs to another layer", l->path);
    return fc_layer_prepare_sums(l) < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

/* Whether the folder is still what its path names: it may have been collected, or exchanged, while we opened it. */
static bool is_still(const char *path, int dirfd)
{
    struct stat a, b;

    return fstat(dirfd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The folder's time is when the layer was used last, to the hour. In a cache that others own it stays as it is. */
static void note_use(int dirfd)
{
    struct stat st;

    if (fstat(dirfd, &st) == 0 && (st.st_mtim.tv_sec < time(NULL) - 3600 || st.st_mtim.tv_sec > time(NULL) + 3600))
        (void)futimens(dirfd, NULL);
}

static void close_parts(struct fc_layer *l)
{
    free(fc_steal(&l->index));
    free(fc_steal(&l->checked));
    if (l->view.pack_fd >= 0)
        close(l->view.pack_fd);
    l->view = (struct fc_layer_view){.pack_fd = -1};
}

static int open_folder(struct fc_layer *l, bool use, struct fc_error *err)
{
    for (;;) {
        fc_auto(fc_close) int dirfd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (dirfd < 0 && errno == ENOENT)
            return fc_fail(err, ENOENT, "the layer is not in the cache (%s)", l->path);
        if (dirfd < 0)
            return fc_fail_errno(err, errno, "cannot open %s", l->path);
        r = open_parts(l, dirfd, err);
        if (!is_still(l->path, dirfd)) {
            close_parts(l);
            continue;
        }
        if (r == 0 && use)
            note_use(dirfd);
        return r;
    }
}

static int open_layer(struct fc_cache *cache, const struct fc_digest *diffid, bool use, struct fc_layer **ret_layer,
                      struct fc_error *err)
{
    fc_auto(fc_layer_unref) struct fc_layer *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return fc_fail(err, ENOMEM, "out of memory");
    atomic_init(&l->refs, 1);
    l->view.pack_fd = -1;
    l->diffid = *diffid;
    l->path = fc_cache_layer_path(cache, diffid);
    if (!l->path)
        return fc_fail(err, ENOMEM, "out of memory");
    r = open_folder(l, use, err);
    if (r < 0)
        return r;
    *ret_layer = fc_steal(&l);
    return 0;
}

int fc_layer_open(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_layer **ret_layer,
                  struct fc_error *err)
{
    return open_layer(cache, diffid, true, ret_layer, err);
}

int fc_layer_peek(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_layer **ret_layer,
                  struct fc_error *err)
{
    return open_layer(cache, diffid, false, ret_layer, err);
}

int fc_layer_open_whole(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_layer **ret_layer,
                        struct fc_error *err)
{
    fc_auto(fc_layer_unref) struct fc_layer *l = NULL;
    int r = fc_layer_open(cache, diffid, &l, err);

    if (r < 0)
        return r;
    if (fc_layer_is_damaged(l))
        return fc_fail(err, EBADMSG, "%s/pack is damaged: some of its bytes are not those that were written", l->path);
    *ret_layer = fc_steal(&l);
    return 0;
}

struct fc_layer *fc_layer_ref(struct fc_layer *layer)
{
    atomic_fetch_add_explicit(&layer->refs, 1, memory_order_relaxed);
    return layer;
}

void fc_layer_unref(struct fc_layer *layer)
{
    if (!layer || atomic_fetch_sub_explicit(&layer->refs, 1, memory_order_acq_rel) != 1)
        return;
    close_parts(layer);
    free(layer->path);
    free(layer);
}

const struct fc_digest *fc_layer_diffid(const struct fc_layer *layer) { return &layer->diffid; }

const struct fc_layer_view *fc_layer_view(const struct fc_layer *layer) { return &layer->view; }

void fc_layer_stats(const struct fc_layer *layer, struct fc_layer_stats *ret_stats)
{
    const struct fc_layer_header *h = layer->view.header;

    *ret_stats = (struct fc_layer_stats){.n_entries = h->n_entries,
                                         .n_whiteouts = h->n_whiteouts,
                                         .tar_bytes = h->tar_size,
                                         .data_bytes = h->data_size,
                                         .pack_bytes = h->pack_size,
                                         .index_bytes = h->index_size};
}
