/* SPDX-License-Identifier: Apache-2.0 */
/* Lay out what is fixed for a file system of a given size: superblocks, descriptors, bitmaps, inode tables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ext4/plan.h"

#define RESERVED_MOST 1024u /* descriptor blocks that the resize inode can name */
/* Groups that are added later get as many inodes as the first ones: one for 64 KiB at least. */
#define GROUP_INODES_LEAST 2048u
#define GDT_BLOCKS_LEAST 16u /* descriptors and reserve together: 128 GiB to grow to */

bool fc_ext4_has_super(uint32_t group)
{
    if (group <= 1)
        return true;
    for (uint32_t base = 3; base <= 7; base += 2) {
        uint64_t power = base;

        while (power < group)
            power *= base;
        if (power == group)
            return true;
    }
    return false;
}

static uint32_t super_blocks(const struct fc_ext4_layout *l, uint32_t group)
{
    return fc_ext4_has_super(group) ? 1 + l->gdt_blocks + l->reserved_gdt : 0;
}

uint64_t fc_ext4_group_overhead(const struct fc_ext4_layout *l, uint32_t group)
{
    return 2 + (uint64_t)l->table_blocks + super_blocks(l, group);
}

/*
 * Room for 64 times as many groups as there are, in steps of powers of two, so that images of nearly the same size have
 * their metadata in the same places. With @like as much as there: then all stays where it is.
 */
static void size_descriptors(struct fc_ext4_layout *l, const struct fc_ext4_layout *like, uint32_t desc_size)
{
    uint32_t total = like ? like->gdt_blocks + like->reserved_gdt : GDT_BLOCKS_LEAST;
    uint32_t per_block = FC_EXT4_BLOCK / desc_size;

    l->gdt_blocks = (l->n_groups + per_block - 1) / per_block;
    while (total < (like ? l->gdt_blocks : l->n_groups) && total < l->gdt_blocks + RESERVED_MOST)
        total *= 2;
    l->reserved_gdt = total - l->gdt_blocks < RESERVED_MOST ? total - l->gdt_blocks : RESERVED_MOST;
}

static void size_tables(struct fc_ext4_layout *l, uint64_t n_inodes, uint32_t inode_size, uint32_t least)
{
    uint32_t per_block = FC_EXT4_BLOCK / inode_size, step = per_block < 8 ? 8 : per_block;
    uint64_t per_group = (n_inodes + l->n_groups - 1) / l->n_groups;

    per_group = (per_group + step - 1) / step * step;
    if (per_group < least)
        per_group = least;
    l->shortage = 0;
    if (per_group > FC_EXT4_GROUP_BLOCKS) { /* a bitmap has no more bits: more groups are needed */
        uint64_t groups = (n_inodes + FC_EXT4_GROUP_BLOCKS - 1) / FC_EXT4_GROUP_BLOCKS;

        l->shortage = (groups - l->n_groups) * FC_EXT4_GROUP_BLOCKS;
        l->shortage -= l->shortage > FC_EXT4_GROUP_BLOCKS - 1 ? FC_EXT4_GROUP_BLOCKS - 1 : 0;
        per_group = FC_EXT4_GROUP_BLOCKS;
    }
    l->inodes_per_group = (uint32_t)per_group;
}

static int add_span(struct fc_ext4_span **spans, size_t *n, size_t *cap, uint64_t start, uint64_t length)
{
    if (!length)
        return 0;
    if (*n && (*spans)[*n - 1].start + (*spans)[*n - 1].length == start) {
        (*spans)[*n - 1].length += length;
        return 0;
    }
    if (fc_grow(spans, cap, *n + 1, sizeof(**spans)) < 0)
        return -ENOMEM;
    (*spans)[(*n)++] = (struct fc_ext4_span){start, length};
    return 0;
}

/*
 * What a group keeps of itself stands at its front: copies of superblock and descriptors, bitmaps, inode table. So a group
 * that is added moves nothing, and an image that grows shares its blocks with what it was. (Free spans are 128 MiB less
 * that, which is what one extent can hold at most.)
 */
static int place_group(struct fc_ext4_layout *l, uint32_t g)
{
    uint64_t start = (uint64_t)g * FC_EXT4_GROUP_BLOCKS, length = fc_ext4_group_overhead(l, g);

    l->block_bitmaps[g] = start + super_blocks(l, g);
    l->inode_bitmaps[g] = l->block_bitmaps[g] + 1;
    l->tables[g] = l->inode_bitmaps[g] + 1;
    if (start + length > l->n_blocks && start + length - l->n_blocks > l->shortage)
        l->shortage = start + length - l->n_blocks;
    return add_span(&l->fixed, &l->n_fixed, &l->fixed_cap, start, length);
}

static int find_free(struct fc_ext4_layout *l)
{
    uint64_t end = 0;

    for (size_t i = 0; i <= l->n_fixed; i++) {
        uint64_t start = i < l->n_fixed && l->fixed[i].start < l->n_blocks ? l->fixed[i].start : l->n_blocks;

        if (start > end) {
            if (add_span(&l->free, &l->n_free, &l->free_cap, end, start - end) < 0)
                return -ENOMEM;
            l->n_available += start - end;
        }
        if (i < l->n_fixed)
            end = l->fixed[i].start + l->fixed[i].length;
    }
    return 0;
}

int fc_ext4_layout(struct fc_ext4_planner *p, uint64_t n_blocks, uint64_t n_inodes)
{
    const struct fc_ext4_layout *like = p->base ? &p->base->layout : NULL;
    struct fc_ext4_layout *l = &p->layout;
    int r = 0;

    fc_ext4_layout_release(l);
    l->n_blocks = n_blocks;
    l->n_groups = (uint32_t)((n_blocks + FC_EXT4_GROUP_BLOCKS - 1) / FC_EXT4_GROUP_BLOCKS);
    size_descriptors(l, like, fc_ext4_desc_size(p));
    if (!fc_ext4_can_grow(p))
        l->reserved_gdt = 0;
    if (like)
        l->inodes_per_group = like->inodes_per_group;
    else
        size_tables(l, n_inodes, p->options.inode_size,
                    p->options.n_inodes || p->options.read_only ? 16 : GROUP_INODES_LEAST);
    l->table_blocks = l->inodes_per_group / (FC_EXT4_BLOCK / p->options.inode_size);
    l->n_inodes = (uint64_t)l->inodes_per_group * l->n_groups;
    l->block_bitmaps = calloc(l->n_groups, sizeof(uint64_t));
    l->inode_bitmaps = calloc(l->n_groups, sizeof(uint64_t));
    l->tables = calloc(l->n_groups, sizeof(uint64_t));
    if (!l->block_bitmaps || !l->inode_bitmaps || !l->tables)
        return -ENOMEM;
    for (uint32_t g = 0; r >= 0 && g < l->n_groups; g++)
        r = place_group(l, g);
    return r < 0 ? r : find_free(l);
}

void fc_ext4_layout_release(struct fc_ext4_layout *l)
{
    free(l->block_bitmaps);
    free(l->inode_bitmaps);
    free(l->tables);
    free(l->fixed);
    free(l->free);
    memset(l, 0, sizeof(*l));
}
