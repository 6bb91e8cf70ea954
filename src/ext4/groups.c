/* SPDX-License-Identifier: Apache-2.0 */
/* Group descriptors and bitmaps: what is in use. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ext4/plan.h"

void fc_ext4_set_bits(unsigned char *map, uint64_t from, uint64_t to)
{
    for (; from < to && from % 8; from++)
        map[from / 8] |= (unsigned char)(1u << from % 8);
    if (to > from) {
        memset(map + from / 8, 0xff, (to - from) / 8);
        from += (to - from) / 8 * 8;
    }
    for (; from < to; from++)
        map[from / 8] |= (unsigned char)(1u << from % 8);
}

/* What is in use, by group. */
struct use {
    unsigned char **blocks, **inodes; /* bitmaps, owned by the image; NULL: nothing */
    uint32_t *n_blocks, *n_inodes;    /* how many */
    uint32_t *end_inode;              /* index after the last one */
};

static int use_init(struct use *u, uint32_t n)
{
    *u = (struct use){.blocks = calloc(n, sizeof(*u->blocks)),
                      .inodes = calloc(n, sizeof(*u->inodes)),
                      .n_blocks = calloc(n, sizeof(uint32_t)),
                      .n_inodes = calloc(n, sizeof(uint32_t)),
                      .end_inode = calloc(n, sizeof(uint32_t))};
    return u->blocks && u->inodes && u->n_blocks && u->n_inodes && u->end_inode ? 0 : -ENOMEM;
}

static void use_release(struct use *u)
{
    free(u->blocks);
    free(u->inodes);
    free(u->n_blocks);
    free(u->n_inodes);
    free(u->end_inode);
}

/* Mark blocks as used; a group's bitmap exists once it has one. */
static int use_blocks(struct fc_ext4_planner *p, struct use *u, uint64_t start, uint64_t length)
{
    while (length) {
        uint32_t g = (uint32_t)(start / FC_EXT4_GROUP_BLOCKS), from = (uint32_t)(start % FC_EXT4_GROUP_BLOCKS);
        uint32_t n = FC_EXT4_GROUP_BLOCKS - from < length ? FC_EXT4_GROUP_BLOCKS - from : (uint32_t)length;

        if (!u->blocks[g])
            u->blocks[g] = fc_image_alloc(p->image, FC_EXT4_BLOCK);
        if (!u->blocks[g])
            return -ENOMEM;
        fc_ext4_set_bits(u->blocks[g], from, from + n);
        u->n_blocks[g] += n;
        start += n;
        length -= n;
    }
    return 0;
}

/* What a sparse plan leaves out, or keeps. It may be marked again. */
static int mark_kept(struct fc_ext4_planner *p, struct use *u)
{
    uint64_t left = p->base->layout.n_blocks / 8 + 1;

    for (uint32_t g = 0; g < p->layout.n_groups && left; g++) {
        size_t n = left < FC_EXT4_BLOCK ? (size_t)left : FC_EXT4_BLOCK;

        u->blocks[g] = fc_image_alloc(p->image, FC_EXT4_BLOCK);
        if (!u->blocks[g])
            return -ENOMEM;
        memcpy(u->blocks[g], p->room.kept + (size_t)g * FC_EXT4_BLOCK, n);
        left -= n;
    }
    return 0;
}

static void count_again(const struct fc_ext4_planner *p, struct use *u)
{
    for (uint32_t g = 0; g < p->layout.n_groups; g++) {
        const uint64_t *words = (const void *)u->blocks[g];

        u->n_blocks[g] = 0;
        for (size_t i = 0; words && i < FC_EXT4_BLOCK / sizeof(*words); i++)
            u->n_blocks[g] += (uint32_t)__builtin_popcountll(words[i]);
    }
}

/* What is fixed, what was placed, and what the last group lacks. */
static int mark_blocks(struct fc_ext4_planner *p, struct use *u)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint64_t end = (uint64_t)l->n_groups * FC_EXT4_GROUP_BLOCKS;
    int r = p->sparse ? mark_kept(p, u) : 0;

    if (r >= 0)
        r = use_blocks(p, u, l->n_blocks, end - l->n_blocks);
    for (size_t i = 0; r >= 0 && i < l->n_fixed; i++)
        r = use_blocks(p, u, l->fixed[i].start, l->fixed[i].length);
    for (size_t i = 0; r >= 0 && i < p->n_runs; i++)
        r = use_blocks(p, u, p->runs[i].physical, p->runs[i].length);
    for (size_t i = 0; r >= 0 && i < p->n_trees; i++)
        r = use_blocks(p, u, p->trees[i], 1);
    for (size_t i = 0; r >= 0 && i < p->n_xattr_blocks; i++)
        r = use_blocks(p, u, p->xattr_blocks[i].physical, 1);
    if (r >= 0 && p->resize_block)
        r = use_blocks(p, u, p->resize_block, 1);
    if (r >= 0 && p->sparse)
        count_again(p, u);
    return r;
}

static int use_inode(struct fc_ext4_planner *p, struct use *u, uint32_t ino)
{
    uint32_t g = (ino - 1) / p->layout.inodes_per_group, i = (ino - 1) % p->layout.inodes_per_group;

    if (!u->inodes[g]) {
        u->inodes[g] = fc_image_alloc(p->image, FC_EXT4_BLOCK);
        if (!u->inodes[g])
            return -ENOMEM;
        fc_ext4_set_bits(u->inodes[g], p->layout.inodes_per_group, FC_EXT4_GROUP_BLOCKS);
    }
    fc_ext4_set_bits(u->inodes[g], i, i + 1);
    u->n_inodes[g]++;
    if (u->end_inode[g] <= i)
        u->end_inode[g] = i + 1;
    return 0;
}

/* The numbers that the base has in use and the edits leave; what is new has others. */
static int mark_sparse_inodes(struct fc_ext4_planner *p, struct use *u)
{
    int r = 0;

    for (uint32_t ino = 1; r >= 0 && ino <= p->base->last_ino; ino++)
        if ((p->ino_used[ino / 8] >> ino % 8) & 1)
            r = use_inode(p, u, ino);
    for (size_t k = FC_EXT4_NODE_TREE; r >= 0 && k < p->n_nodes; k++)
        if (!p->nodes[k].settled && p->nodes[k].base == FC_TREE_NONE)
            r = use_inode(p, u, p->nodes[k].ino);
    return r;
}

/* Those that ext4 keeps for itself, and what the nodes have; the journal's is one of the former. */
static int mark_inodes(struct fc_ext4_planner *p, struct use *u)
{
    int r = 0;

    if (p->sparse)
        return mark_sparse_inodes(p, u);
    for (uint32_t ino = 1; r >= 0 && ino < FC_EXT4_FIRST_INO; ino++)
        r = use_inode(p, u, ino);
    for (size_t k = FC_EXT4_NODE_LOST_FOUND; r >= 0 && k < p->n_nodes; k++)
        r = use_inode(p, u, p->nodes[k].ino);
    return r;
}

/*
 * Bitmaps that readers can work out for themselves are not written: of inodes where none is used, of blocks where there is
 * only what the group itself needs. The last group's block bitmap has padding, so that it is there in any case.
 */
static uint16_t group_flags(const struct fc_ext4_planner *p, uint32_t g, const struct use *u)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint16_t flags = EXT2_BG_INODE_ZEROED;

    if (!u->n_inodes[g])
        flags |= EXT2_BG_INODE_UNINIT;
    if (g + 1 < l->n_groups && u->n_blocks[g] == fc_ext4_group_overhead(l, g))
        flags |= EXT2_BG_BLOCK_UNINIT;
    return flags;
}

static void fill_descriptor(const struct fc_ext4_planner *p, struct ext4_group_desc *d, uint32_t g, uint16_t flags,
                            const struct use *u)
{
    const struct fc_ext4_layout *l = &p->layout;

    d->bg_block_bitmap = (uint32_t)l->block_bitmaps[g];
    d->bg_block_bitmap_hi = (uint32_t)(l->block_bitmaps[g] >> 32);
    d->bg_inode_bitmap = (uint32_t)l->inode_bitmaps[g];
    d->bg_inode_bitmap_hi = (uint32_t)(l->inode_bitmaps[g] >> 32);
    d->bg_inode_table = (uint32_t)l->tables[g];
    d->bg_inode_table_hi = (uint32_t)(l->tables[g] >> 32);
    d->bg_free_blocks_count = (uint16_t)(FC_EXT4_GROUP_BLOCKS - u->n_blocks[g]);
    d->bg_free_inodes_count = (uint16_t)(l->inodes_per_group - u->n_inodes[g]);
    d->bg_itable_unused = (uint16_t)(l->inodes_per_group - u->end_inode[g]);
    d->bg_flags = flags;
}

static int emit_block_bitmap(struct fc_ext4_planner *p, struct ext4_group_desc *d, uint32_t g, const unsigned char *map)
{
    uint32_t crc = p->csum ? ext2fs_crc32c_le(p->csum_seed, map, FC_EXT4_GROUP_BLOCKS / 8) : 0;

    d->bg_block_bitmap_csum_lo = (uint16_t)crc;
    d->bg_block_bitmap_csum_hi = (uint16_t)(crc >> 16);
    return fc_image_add_memory(p->image, p->layout.block_bitmaps[g] * FC_EXT4_BLOCK, map, FC_EXT4_BLOCK);
}

static int emit_inode_bitmap(struct fc_ext4_planner *p, struct ext4_group_desc *d, uint32_t g, const unsigned char *map)
{
    uint32_t crc = p->csum ? ext2fs_crc32c_le(p->csum_seed, map, p->layout.inodes_per_group / 8) : 0;

    d->bg_inode_bitmap_csum_lo = (uint16_t)crc;
    d->bg_inode_bitmap_csum_hi = (uint16_t)(crc >> 16);
    return fc_image_add_memory(p->image, p->layout.inode_bitmaps[g] * FC_EXT4_BLOCK, map, FC_EXT4_BLOCK);
}

static void count_directories(const struct fc_ext4_planner *p, struct ext4_group_desc *descriptors)
{
    for (uint32_t g = 0; p->sparse && g < p->layout.n_groups; g++)
        descriptors[g].bg_used_dirs_count = (uint16_t)fc_ext4_sparse_dirs(p, g);
    for (size_t k = FC_EXT4_NODE_ROOT; k < p->n_nodes; k++) {
        const struct fc_ext4_node *node = &p->nodes[k];

        if (!node->settled && S_ISDIR(fc_ext4_node_mode(p, node)))
            descriptors[(node->ino - 1) / p->layout.inodes_per_group].bg_used_dirs_count++;
    }
}

static int emit_bitmaps(struct fc_ext4_planner *p, struct ext4_group_desc *descriptors, const struct use *u)
{
    int r = 0;

    for (uint32_t g = 0; r >= 0 && g < p->layout.n_groups; g++) {
        uint16_t flags = group_flags(p, g, u);

        fill_descriptor(p, &descriptors[g], g, flags, u);
        if (!(flags & EXT2_BG_BLOCK_UNINIT))
            r = emit_block_bitmap(p, &descriptors[g], g, u->blocks[g]);
        if (r >= 0 && !(flags & EXT2_BG_INODE_UNINIT))
            r = emit_inode_bitmap(p, &descriptors[g], g, u->inodes[g]);
    }
    return r;
}

/* The sum that descriptors had before metadata_csum: CRC-16 of polynomial 0x8005, bits reversed. */
static uint16_t crc16(uint16_t crc, const void *data, size_t length)
{
    const unsigned char *at = data;

    for (size_t i = 0; i < length; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc >> 1 ^ (crc & 1 ? 0xa001 : 0));
    }
    return crc;
}

/* Sum descriptor @g, and put it where it stands: the short ones (without 64bit) are the front half of the long. */
static void pack_descriptor(const struct fc_ext4_planner *p, struct ext4_group_desc *all, uint32_t g)
{
    uint32_t size = fc_ext4_desc_size(p), crc;
    struct ext4_group_desc d = all[g];

    if (p->csum) {
        crc = ext2fs_crc32c_le(p->csum_seed, (unsigned char *)&g, sizeof(g));
        crc = ext2fs_crc32c_le(crc, (unsigned char *)&d, size);
    } else {
        crc = crc16(0xffff, p->uuid, sizeof(p->uuid));
        crc = crc16((uint16_t)crc, &g, sizeof(g));
        crc = crc16((uint16_t)crc, &d, offsetof(struct ext4_group_desc, bg_checksum));
    }
    d.bg_checksum = (uint16_t)crc;
    memset(&all[g], 0, sizeof(d));
    memcpy((unsigned char *)all + (size_t)g * size, &d, size);
}

static int emit_groups(struct fc_ext4_planner *p, struct use *u)
{
    const struct fc_ext4_layout *l = &p->layout;
    struct ext4_group_desc *d = fc_image_alloc(p->image, (size_t)l->n_groups * sizeof(*d) + FC_EXT4_BLOCK);

    if (!d || mark_blocks(p, u) < 0 || mark_inodes(p, u) < 0 || emit_bitmaps(p, d, u) < 0)
        return -ENOMEM;
    count_directories(p, d);
    for (uint32_t g = 0; g < l->n_groups; g++)
        pack_descriptor(p, d, g);
    return fc_ext4_emit_supers(p, d);
}

int fc_ext4_emit_groups(struct fc_ext4_planner *p)
{
    struct use u;
    int r = use_init(&u, p->layout.n_groups);

    if (r == 0)
        r = emit_groups(p, &u);
    use_release(&u);
    return r < 0 ? fc_ext4_no_memory(p) : 0;
}
