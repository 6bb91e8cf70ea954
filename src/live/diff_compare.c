/* SPDX-License-Identifier: Apache-2.0 */
/* Compare one object of the lower tree with one of a snapshot: attributes, xattrs, and bytes where extents differ. */
#include "live/diff_compare.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "layer/layer.h"

enum { CHUNK = 1 << 18 };

/* A position in a file's extents, of either side. */
struct cursor {
    const struct fc_layer_extent *below; /* one of the two is set */
    const struct fc_snap_extent *now;
    uint32_t left; /* extents from the current one on */
    const struct fc_snap_source *sources;
    struct fc_snap_source pack; /* what @below reads */
};

/* What a cursor shows at one offset: data of @source, or a hole (its fd is -1), as far as @end. */
struct run {
    uint64_t end, source_offset;
    struct fc_snap_source source;
};

static struct run look(struct cursor *c, uint64_t at, uint64_t size)
{
    for (; c->left; c->left--, c->below += c->below != NULL, c->now += c->now != NULL) {
        uint64_t offset = c->below ? c->below->offset : c->now->offset;
        uint64_t length = c->below ? c->below->length : c->now->length;
        uint64_t source = c->below ? c->below->pack_offset : c->now->source_offset;

        if (at >= offset + length)
            continue;
        if (at < offset)
            return (struct run){.end = offset < size ? offset : size, .source = {.fd = -1}};
        return (struct run){
            .end = offset + length < size ? offset + length : size,
            .source_offset = source + (at - offset),
            .source = c->below ? c->pack : c->sources[c->now->source],
        };
    }
    return (struct run){.end = size, .source = {.fd = -1}};
}

/* Fill @buffer with @n bytes that begin @skip into the run; holes are zeros, and so is what the data file lacks. */
static int fetch(const struct run *run, uint64_t skip, char *buffer, size_t n)
{
    ssize_t got = 0;

    if (run->source.fd >= 0)
        got = fc_snap_source_read(&run->source, buffer, n, run->source_offset + skip);
    if (got < 0)
        return (int)got;
    if ((size_t)got < n && run->source.fd >= 0 && run->source.layer != FC_TREE_NONE)
        return -EIO; /* a pack that was cut short */
    memset(buffer + got, 0, n - (size_t)got);
    return 0;
}

/* Returns 1 if the first @length bytes of both runs are the same, 0 if not, or -errno. */
static int same_bytes(const struct run *a, const struct run *b, uint64_t length, char *buffers)
{
    for (uint64_t done = 0; done < length;) {
        size_t n = length - done < CHUNK ? (size_t)(length - done) : CHUNK;
        int r = fetch(a, done, buffers, n);

        if (r == 0)
            r = fetch(b, done, buffers + CHUNK, n);
        if (r < 0)
            return r;
        if (memcmp(buffers, buffers + CHUNK, n) != 0)
            return 0;
        done += n;
    }
    return 1;
}

/* Returns 1 if the content of two regular files of the same size is the same, 0 if not, or -errno. */
static int same_content(const struct fc_diff_sides *s, uint32_t lower, uint32_t now)
{
    const struct fc_tree_inode *t = &s->lower_inodes[lower];
    struct fc_layer *layer = fc_tree_layer(s->tree, t->layer);
    const struct fc_layer_view *v = fc_layer_view(layer);
    const struct fc_layer_inode *li = &v->inodes[t->layer_inode];
    struct cursor a = {.below = v->extents + li->first_extent,
                       .left = li->n_extents,
                       .pack = {.fd = v->pack_fd, .layer = t->layer, .packed = layer}};
    struct cursor b = {
        .now = s->extents + s->inodes[now].first_extent, .left = s->inodes[now].n_extents, .sources = s->sources};
    fc_auto(fc_free) char *buffers = NULL;

    for (uint64_t at = 0; at < t->size;) {
        struct run x = look(&a, at, t->size), y = look(&b, at, t->size);
        uint64_t end = x.end < y.end ? x.end : y.end;
        bool same = x.source.fd < 0
                        ? y.source.fd < 0
                        : y.source.fd >= 0 && x.source.layer == y.source.layer && x.source_offset == y.source_offset;
        int r;

        if (!same) {
            if (!buffers)
                buffers = malloc(2 * (size_t)CHUNK);
            if (!buffers)
                return -ENOMEM;
            r = same_bytes(&x, &y, end - at, buffers);
            if (r <= 0)
                return r;
        }
        at = end;
    }
    return 1;
}

static bool same_xattrs(const struct fc_diff_sides *s, uint32_t lower, uint32_t now)
{
    const struct fc_snap_inode *i = &s->inodes[now];
    struct fc_xattr x;
    uint32_t n = 0;

    for (; fc_tree_xattr(s->tree, lower, n, &x); n++) {
        const struct fc_xattr *y = &s->xattrs[i->first_xattr + n];

        if (n >= i->n_xattrs || strcmp(x.name, y->name) != 0 || x.size != y->size ||
            (x.size && memcmp(x.value, y->value, x.size) != 0))
            return false;
    }
    return n == i->n_xattrs;
}

static unsigned compare_attributes(const struct fc_tree_inode *t, const struct fc_snap_inode *i)
{
    unsigned what = 0;

    if (t->mode != i->mode)
        what |= FC_CHANGED_MODE;
    if (t->uid != i->uid || t->gid != i->gid)
        what |= FC_CHANGED_OWNER;
    if (t->mtime.tv_sec != i->mtime.tv_sec || t->mtime.tv_nsec != i->mtime.tv_nsec)
        what |= FC_CHANGED_MTIME;
    if (t->rdev_major != i->rdev_major || t->rdev_minor != i->rdev_minor)
        what |= FC_CHANGED_RDEV;
    /* A directory's link count follows from its subdirectories, which are listed themselves. */
    if (t->ino != i->ino || (!S_ISDIR(t->mode) && t->nlink != i->nlink))
        what |= FC_CHANGED_LINKS;
    return what;
}

int fc_diff_compare(const struct fc_diff_sides *s, uint32_t lower, uint32_t now, unsigned *ret_what,
                    struct fc_error *err)
{
    const struct fc_tree_inode *t = &s->lower_inodes[lower];
    const struct fc_snap_inode *i = &s->inodes[now];
    unsigned what = compare_attributes(t, i);
    int same = 1;

    if (!same_xattrs(s, lower, now))
        what |= FC_CHANGED_XATTRS;
    if (S_ISLNK(t->mode))
        same = strcmp(fc_tree_target(s->tree, lower), i->target) == 0;
    else if (S_ISREG(t->mode))
        same = t->size != i->size ? 0 : same_content(s, lower, now);
    if (same < 0)
        return fc_fail_errno(err, -same, "cannot compare the content of inode %llu", (unsigned long long)i->ino);
    if (!same)
        what |= FC_CHANGED_CONTENT;
    *ret_what = what;
    return 0;
}
