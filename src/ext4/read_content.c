/* SPDX-License-Identifier: Apache-2.0 */
/* Say where the content of a file is: in the image, or in a file of copies where an extent cannot refer to the image. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "ext4/read.h"

#define UNIT 4096u

static uint64_t round_down(uint64_t x) { return x & ~(uint64_t)(UNIT - 1); }
static uint64_t round_up(uint64_t x) { return round_down(x + UNIT - 1); }

/* The file of copies */

/* A file without a name; where the file system knows no such thing, one whose name is gone at once. */
static int open_unnamed(const char *dir)
{
    fc_auto(fc_free) char *path = NULL;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL))
        return fd;
    if (asprintf(&path, "%s/fccompose-XXXXXX", dir) < 0) {
        path = NULL;
        errno = ENOMEM;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int need_copies(struct fc_ext4_reader *r)
{
    const char *dir = r->options.temp_dir ? r->options.temp_dir : getenv("TMPDIR");
    int fd;

    if (r->tables.n_sources > FC_EXT4_SOURCE_COPIES)
        return 0;
    if (!dir || !*dir)
        dir = "/var/tmp";
    fd = open_unnamed(dir);
    if (fd < 0)
        return fc_fail_errno(r->err, errno, "%s: cannot make a temporary file in %s (TMPDIR names another folder)",
                             r->label, dir);
    r->tables.sources[r->tables.n_sources++] = (struct fc_snap_source){.fd = fd, .layer = FC_TREE_NONE};
    return 0;
}

static int copies_fd(const struct fc_ext4_reader *r) { return r->tables.sources[FC_EXT4_SOURCE_COPIES].fd; }

static int fail_copy(struct fc_ext4_reader *r, int code)
{
    if (code == ENODATA)
        return fc_ext4_read_fail(r, EBADMSG, "the image is cut short");
    return fc_ext4_read_fail(r, code, "cannot copy its content: %s", strerror(code));
}

/* Extents */

static int add_extent(struct fc_ext4_reader *r, struct fc_snap_inode *to, const struct fc_snap_extent *e)
{
    struct fc_snapshot_tables *t = &r->tables;

    if (t->n_extents >= UINT32_MAX - 1 ||
        fc_grow(&t->extents, &r->cap_extents, t->n_extents + 1, sizeof(*t->extents)) < 0)
        return fc_ext4_read_no_memory(r);
    t->extents[t->n_extents++] = *e;
    to->n_extents++;
    return 0;
}

/* Bytes of the file [@from, @to), which stand at @at of the image, go to the file of copies, next to those before them. */
static int copy_piece(struct fc_ext4_reader *r, struct fc_snap_inode *inode, uint64_t from, uint64_t to, uint64_t at)
{
    struct fc_snap_extent *e = inode->n_extents ? &r->tables.extents[r->tables.n_extents - 1] : NULL;
    uint64_t last = e ? e->offset + round_up(e->length) : 0;
    int ret = need_copies(r);

    if (ret < 0)
        return ret;
    if (to - from > r->copy_budget)
        return fc_ext4_read_fail(r, EBADMSG,
                                 "the image refers to the same blocks again and again: it is damaged, or made "
                                 "to fill the disk");
    r->copy_budget -= to - from;
    if (!e || round_down(from) > last || e->source != FC_EXT4_SOURCE_COPIES) {
        struct fc_snap_extent fresh = {.offset = round_down(from), .source = FC_EXT4_SOURCE_COPIES};

        if (e)
            e->length = round_up(e->length);
        fresh.source_offset = r->copies_end;
        ret = add_extent(r, inode, &fresh);
        if (ret < 0)
            return ret;
        e = &r->tables.extents[r->tables.n_extents - 1];
    }
    e->length = to - e->offset;
    r->copies_end = e->source_offset + round_up(e->length);
    ret = fc_copy_range(r->fd, at, copies_fd(r), e->source_offset + (from - e->offset), to - from);
    return ret < 0 ? fail_copy(r, -ret) : 0;
}

/* Whole blocks of 4 KiB and more stay where they are. */
static int refer_piece(struct fc_ext4_reader *r, struct fc_snap_inode *inode, uint64_t from, uint64_t to, uint64_t at)
{
    struct fc_snap_extent e = {.offset = from, .length = to - from, .source_offset = at};

    return add_extent(r, inode, &e);
}

/* What is copied ends where a block of 4 KiB or the file ends, as what is referred to does. */
static void settle_end(struct fc_ext4_reader *r, const struct fc_snap_inode *inode)
{
    struct fc_snap_extent *e = inode->n_extents ? &r->tables.extents[r->tables.n_extents - 1] : NULL;

    if (e && e->source == FC_EXT4_SOURCE_COPIES)
        e->length = round_up(e->length) < inode->size - e->offset ? round_up(e->length) : inode->size - e->offset;
}

/* The bytes behind the end of the file, up to the next 4 KiB, must be zero in the source; else the last piece is copied. */
static int settle_tail(struct fc_ext4_reader *r, struct fc_snap_inode *inode)
{
    struct fc_snap_extent *e = inode->n_extents ? &r->tables.extents[r->tables.n_extents - 1] : NULL;
    static const unsigned char zeros[UNIT];
    unsigned char tail[UNIT];
    uint64_t cut, at;
    ssize_t n;

    if (!e || e->length % UNIT == 0 || e->source != FC_EXT4_SOURCE_IMAGE)
        return 0;
    cut = round_down(e->length);
    n = fc_pread_full(r->fd, tail, round_up(e->length) - e->length, e->source_offset + e->length);
    if (n < 0)
        return fail_copy(r, (int)-n);
    if (memcmp(tail, zeros, (size_t)n) == 0)
        return 0;
    at = e->source_offset + cut;
    e->length = cut;
    if (!cut) {
        r->tables.n_extents--;
        inode->n_extents--;
    }
    return copy_piece(r, inode, inode->size - inode->size % UNIT, inode->size, at);
}

static int read_inline_file(struct fc_ext4_reader *r, struct fc_snap_inode *inode)
{
    struct fc_snap_extent e = {.length = inode->size, .source = FC_EXT4_SOURCE_COPIES};
    fc_auto(fc_free) unsigned char *bytes = NULL;
    int ret;

    if (inode->size > EXT2_INODE_SIZE(r->fs->super) + r->fs->blocksize)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: its inode cannot hold what its size says");
    bytes = malloc((size_t)inode->size);
    if (!bytes)
        return fc_ext4_read_no_memory(r);
    ret = fc_ext4_read_inline(r, bytes, (size_t)inode->size);
    if (ret == 0)
        ret = need_copies(r);
    if (ret < 0)
        return ret;
    e.source_offset = r->copies_end;
    r->copies_end += round_up(e.length);
    ret = fc_pwrite_full(copies_fd(r), bytes, (size_t)inode->size, e.source_offset);
    return ret < 0 ? fail_copy(r, -ret) : add_extent(r, inode, &e);
}

int fc_ext4_read_content(struct fc_ext4_reader *r, struct fc_snap_inode *inode)
{
    uint64_t unit = r->fs->blocksize;
    int ret;

    inode->first_extent = (uint32_t)r->tables.n_extents;
    if (!inode->size)
        return 0;
    if (fc_ext4_is_inline(r->inode))
        return read_inline_file(r, inode);
    ret = fc_ext4_read_map(r, r->found[r->at].ino, (struct ext2_inode *)r->inode);
    for (size_t i = 0; i < r->n_runs && ret == 0; i++) {
        uint64_t from = r->runs[i].logical * unit, to = from + r->runs[i].length * unit,
                 at = r->runs[i].physical * unit;

        if (to > inode->size)
            to = inode->size;
        if (from >= to)
            break; /* reserved behind the end */
        ret = (unit % UNIT ? copy_piece : refer_piece)(r, inode, from, to, at);
    }
    if (ret == 0)
        ret = settle_tail(r, inode);
    settle_end(r, inode);
    return ret;
}
