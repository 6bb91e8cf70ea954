/* SPDX-License-Identifier: Apache-2.0 */
/* Find the blocks of a file: by extents, or by the indirect blocks of ext2 and ext3. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "ext4/read.h"

#define DEPTH_MOST 5u

/* While one file is mapped. */
struct mapping {
    struct fc_ext4_reader *r;
    uint32_t ino;
    uint64_t next; /* logical block that may come next at the earliest */
};

static int add_run(struct fc_ext4_reader *r, uint64_t logical, uint64_t physical, uint64_t length)
{
    struct fc_ext4_read_run *last = r->n_runs ? &r->runs[r->n_runs - 1] : NULL;

    if (last && last->logical + last->length == logical && last->physical + last->length == physical) {
        last->length += length;
        return 0;
    }
    if (fc_grow(&r->runs, &r->cap_runs, r->n_runs + 1, sizeof(*r->runs)) < 0)
        return fc_ext4_read_no_memory(r);
    r->runs[r->n_runs++] = (struct fc_ext4_read_run){logical, physical, length};
    return 0;
}

static int fail_map(struct mapping *m, const char *what)
{
    return fc_ext4_read_fail(m->r, EBADMSG, "damaged: %s", what);
}

static int map_leaf(struct mapping *m, const struct ext3_extent *e, unsigned n)
{
    int r = fc_ext4_spend(m->r, n);

    for (unsigned i = 0; i < n && r == 0; i++) {
        bool unwritten = e[i].ee_len > EXT_INIT_MAX_LEN;
        uint64_t length = unwritten ? e[i].ee_len - EXT_INIT_MAX_LEN : e[i].ee_len;
        uint64_t physical = e[i].ee_start | (uint64_t)e[i].ee_start_hi << 32;

        if (e[i].ee_block < m->next || !length || e[i].ee_block + length > UINT64_C(1) << 32)
            return fail_map(m, "its extents are not in order");
        if (!fc_ext4_is_block(m->r, physical) || !fc_ext4_is_block(m->r, physical + length - 1))
            return fail_map(m, "an extent is outside the image");
        m->next = e[i].ee_block + length;
        if (!unwritten)
            r = add_run(m->r, e[i].ee_block, physical, length);
    }
    return r;
}

static int map_node(struct mapping *m, void *node, size_t size, unsigned depth);

static int map_child(struct mapping *m, const struct ext3_extent_idx *x, unsigned depth)
{
    size_t size = m->r->fs->blocksize;
    uint64_t block = x->ei_leaf | (uint64_t)x->ei_leaf_hi << 32;
    fc_auto(fc_free) unsigned char *node = malloc(size);
    errcode_t code;

    if (!node)
        return fc_ext4_read_no_memory(m->r);
    if (!fc_ext4_is_block(m->r, block))
        return fail_map(m, "a block of its extent tree is outside the image");
    code = io_channel_read_blk64(m->r->fs->io, block, 1, node);
    if (code)
        return fc_ext4_read_fail_lib(m->r, code, "cannot read a block of its extent tree");
    if (ext2fs_extent_header_verify(node, (int)size))
        return fail_map(m, "a block of its extent tree is none");
    if (!ext2fs_extent_block_csum_verify(m->r->fs, m->ino, (void *)node))
        return fail_map(m, "the checksum of a block of its extent tree is wrong");
    return map_node(m, node, size, depth);
}

/* Recursion ends after DEPTH_MOST: each level must say the depth that is one below its parent's. */
static int map_node(struct mapping *m, void *node, size_t size, unsigned depth)
{
    const struct ext3_extent_header *h = node;
    const struct ext3_extent_idx *x = EXT_FIRST_INDEX(h);
    int r = 0;

    if (ext2fs_extent_header_verify(node, (int)size) || h->eh_depth != depth)
        return fail_map(m, "a node of its extent tree is none");
    if (depth == 0)
        return map_leaf(m, EXT_FIRST_EXTENT(h), h->eh_entries);
    if (h->eh_entries == 0)
        return fail_map(m, "an empty node in its extent tree");
    for (unsigned i = 0; i < h->eh_entries && r == 0; i++) {
        if (x[i].ei_block < m->next)
            return fail_map(m, "its extent tree is not in order");
        r = fc_ext4_spend(m->r, 16);
        if (r == 0)
            r = map_child(m, &x[i], depth - 1);
    }
    return r;
}

static int map_extents(struct mapping *m, const struct ext2_inode *inode)
{
    struct ext3_extent_header root[EXT2_N_BLOCKS * sizeof(uint32_t) / sizeof(struct ext3_extent_header)];

    memcpy(root, inode->i_block, sizeof(root));
    if (root[0].eh_depth > DEPTH_MOST)
        return fail_map(m, "its extent tree is too deep");
    return map_node(m, root, sizeof(root), root[0].eh_depth);
}

/* What @pointer refers to: a block of the file at @level 0, else a block of pointers. */
static int map_pointer(struct mapping *m, uint32_t pointer, unsigned level)
{
    size_t per_block = m->r->fs->blocksize / sizeof(uint32_t);
    fc_auto(fc_free) uint32_t *pointers = NULL;
    uint64_t span = 1;
    errcode_t code;
    int r;

    for (unsigned i = 0; i < level; i++)
        span *= per_block;
    if (!pointer) {
        m->next += span;
        return 0;
    }
    if (!fc_ext4_is_block(m->r, pointer))
        return fail_map(m, "a block is outside the image");
    if (level == 0)
        return add_run(m->r, m->next++, pointer, 1);
    r = fc_ext4_spend(m->r, per_block / 2);
    if (r < 0)
        return r;
    pointers = malloc(m->r->fs->blocksize);
    if (!pointers)
        return fc_ext4_read_no_memory(m->r);
    code = io_channel_read_blk64(m->r->fs->io, pointer, 1, pointers);
    if (code)
        return fc_ext4_read_fail_lib(m->r, code, "cannot read an indirect block");
    for (size_t i = 0; i < per_block && r == 0; i++)
        r = map_pointer(m, pointers[i], level - 1);
    return r;
}

static int map_indirect(struct mapping *m, const struct ext2_inode *inode)
{
    int r = 0;

    for (unsigned i = 0; i < EXT2_N_BLOCKS && r == 0; i++)
        r = map_pointer(m, inode->i_block[i], i < EXT2_NDIR_BLOCKS ? 0 : i - EXT2_NDIR_BLOCKS + 1);
    return r;
}

int fc_ext4_read_map(struct fc_ext4_reader *r, uint32_t ino, const struct ext2_inode *inode)
{
    struct mapping m = {.r = r, .ino = ino};

    r->n_runs = 0;
    return inode->i_flags & EXT4_EXTENTS_FL ? map_extents(&m, inode) : map_indirect(&m, inode);
}

int fc_ext4_read_mapped(struct fc_ext4_reader *r, unsigned char *to, size_t size)
{
    uint64_t unit = r->fs->blocksize;

    memset(to, 0, size);
    for (size_t i = 0; i < r->n_runs && r->runs[i].logical * unit < size; i++) {
        const struct fc_ext4_read_run *run = &r->runs[i];
        uint64_t at = run->logical * unit, n = size - at < run->length * unit ? size - at : run->length * unit;
        ssize_t got = fc_pread_full(r->fd, to + at, (size_t)n, run->physical * unit);

        if (got < 0)
            return fc_ext4_read_fail(r, (int)-got, "cannot read it: %s", strerror((int)-got));
        if ((uint64_t)got < n)
            return fc_ext4_read_fail(r, EBADMSG, "the image is cut short");
    }
    return 0;
}
