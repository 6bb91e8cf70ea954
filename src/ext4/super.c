/* SPDX-License-Identifier: Apache-2.0 */
/* Superblocks, group descriptors and bitmaps. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ext4/plan.h"

static void set_features(const struct fc_ext4_planner *p, struct ext2_super_block *sb)
{
    sb->s_feature_compat =
        EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_RESIZE_INODE | EXT2_FEATURE_COMPAT_DIR_INDEX;
    sb->s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                             EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
    sb->s_feature_ro_compat = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
                              EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
                              EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
    if (p->options.inode_size > EXT2_GOOD_OLD_INODE_SIZE) {
        sb->s_feature_ro_compat |= EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE;
        sb->s_min_extra_isize = sb->s_want_extra_isize = 32;
    }
    if (p->journal_blocks)
        sb->s_feature_compat |= EXT3_FEATURE_COMPAT_HAS_JOURNAL;
}

static void set_counts(const struct fc_ext4_planner *p, struct ext2_super_block *sb)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint64_t reserved =
        l->n_blocks / 1000 * p->options.reserved_permille + l->n_blocks % 1000 * p->options.reserved_permille / 1000;

    sb->s_inodes_count = (uint32_t)l->n_inodes;
    sb->s_free_inodes_count = (uint32_t)p->summary.free_inodes;
    sb->s_blocks_count = (uint32_t)l->n_blocks;
    sb->s_blocks_count_hi = (uint32_t)(l->n_blocks >> 32);
    sb->s_r_blocks_count = (uint32_t)reserved;
    sb->s_r_blocks_count_hi = (uint32_t)(reserved >> 32);
    sb->s_free_blocks_count = (uint32_t)p->summary.free_blocks;
    sb->s_free_blocks_hi = (uint32_t)(p->summary.free_blocks >> 32);
    sb->s_log_block_size = sb->s_log_cluster_size = 2;
    sb->s_blocks_per_group = sb->s_clusters_per_group = FC_EXT4_GROUP_BLOCKS;
    sb->s_inodes_per_group = l->inodes_per_group;
    sb->s_reserved_gdt_blocks = (uint16_t)l->reserved_gdt;
    sb->s_desc_size = sizeof(struct ext4_group_desc);
    sb->s_log_groups_per_flex = 4;
    sb->s_overhead_clusters = (uint32_t)(p->journal_blocks); /* what statfs never counts as the user's */
    for (size_t i = 0; i < l->n_fixed; i++)
        sb->s_overhead_clusters += (uint32_t)l->fixed[i].length;
}

static void set_journal(const struct fc_ext4_planner *p, struct ext2_super_block *sb)
{
    uint64_t size = p->journal_blocks * FC_EXT4_BLOCK;

    if (!size)
        return;
    sb->s_journal_inum = EXT2_JOURNAL_INO;
    sb->s_jnl_backup_type = 1;
    memcpy(sb->s_jnl_blocks, p->journal_root, sizeof(p->journal_root));
    sb->s_jnl_blocks[15] = (uint32_t)(size >> 32);
    sb->s_jnl_blocks[16] = (uint32_t)size;
}

static void fill_super(const struct fc_ext4_planner *p, struct ext2_super_block *sb)
{
    uint32_t epoch = (uint32_t)p->options.epoch;

    set_counts(p, sb);
    set_features(p, sb);
    set_journal(p, sb);
    sb->s_magic = EXT2_SUPER_MAGIC;
    sb->s_state = EXT2_VALID_FS;
    sb->s_errors = EXT2_ERRORS_CONTINUE;
    sb->s_max_mnt_count = -1;
    sb->s_rev_level = EXT2_DYNAMIC_REV;
    sb->s_first_ino = EXT2_GOOD_OLD_FIRST_INO;
    sb->s_inode_size = (uint16_t)p->options.inode_size;
    sb->s_wtime = sb->s_mkfs_time = sb->s_lastcheck = epoch;
    memcpy(sb->s_uuid, p->uuid, sizeof(p->uuid));
    memcpy(sb->s_hash_seed, p->hash_seed, sizeof(p->hash_seed));
    memcpy(sb->s_volume_name, p->options.label, strlen(p->options.label));
    sb->s_def_hash_version = EXT2_HASH_HALF_MD4;
    sb->s_flags = EXT2_FLAGS_SIGNED_HASH;
    sb->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
    sb->s_checksum_type = EXT2_CRC32C_CHKSUM;
}

static int emit_supers(struct fc_ext4_planner *p, const void *descriptors)
{
    struct ext2_super_block first = {0};

    fill_super(p, &first);
    for (uint32_t g = 0; g < p->layout.n_groups; g++) {
        uint64_t start = (uint64_t)g * FC_EXT4_GROUP_BLOCKS * FC_EXT4_BLOCK;
        struct ext2_super_block *sb;
        unsigned char *block;

        if (!fc_ext4_has_super(g))
            continue;
        block = fc_image_alloc(p->image, FC_EXT4_BLOCK);
        if (!block)
            return -ENOMEM;
        sb = (void *)(block + (g == 0 ? SUPERBLOCK_OFFSET : 0)); /* the first leaves room for a boot sector */
        *sb = first;
        sb->s_block_group_nr = (uint16_t)g;
        sb->s_checksum = ext2fs_crc32c_le(~0u, (unsigned char *)sb, offsetof(struct ext2_super_block, s_checksum));
        if (fc_image_add_memory(p->image, start, block, FC_EXT4_BLOCK) < 0 ||
            fc_image_add_memory(p->image, start + FC_EXT4_BLOCK, descriptors,
                                (uint64_t)p->layout.gdt_blocks * FC_EXT4_BLOCK) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Set bits [from, to) of @map. */
static void set_bits(unsigned char *map, uint32_t from, uint32_t to)
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

/* Mark blocks as used; a group's bitmap exists once it has one. */
static int use_blocks(struct fc_ext4_planner *p, unsigned char **maps, uint32_t *used, uint64_t start, uint64_t length)
{
    while (length) {
        uint32_t g = (uint32_t)(start / FC_EXT4_GROUP_BLOCKS), from = (uint32_t)(start % FC_EXT4_GROUP_BLOCKS);
        uint32_t n = FC_EXT4_GROUP_BLOCKS - from < length ? FC_EXT4_GROUP_BLOCKS - from : (uint32_t)length;

        if (!maps[g])
            maps[g] = fc_image_alloc(p->image, FC_EXT4_BLOCK);
        if (!maps[g])
            return -ENOMEM;
        set_bits(maps[g], from, from + n);
        used[g] += n;
        start += n;
        length -= n;
    }
    return 0;
}

/* What is fixed, what was placed (free spans are filled front to back), and what the last group lacks. */
static int mark_blocks(struct fc_ext4_planner *p, unsigned char **maps, uint32_t *used)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint64_t end = (uint64_t)l->n_groups * FC_EXT4_GROUP_BLOCKS, left = p->placed;
    int r = use_blocks(p, maps, used, l->n_blocks, end - l->n_blocks);

    for (size_t i = 0; r >= 0 && i < l->n_fixed; i++)
        r = use_blocks(p, maps, used, l->fixed[i].start, l->fixed[i].length);
    for (size_t i = 0; r >= 0 && left && i < l->n_free; i++) {
        uint64_t n = l->free[i].length < left ? l->free[i].length : left;

        r = use_blocks(p, maps, used, l->free[i].start, n);
        left -= n;
    }
    return r;
}

/* The inode bitmap of a group that uses @n inodes. */
static unsigned char *inode_map(struct fc_ext4_planner *p, uint32_t n)
{
    unsigned char *map = fc_image_alloc(p->image, FC_EXT4_BLOCK);

    if (!map)
        return NULL;
    set_bits(map, 0, n);
    set_bits(map, p->layout.inodes_per_group, FC_EXT4_GROUP_BLOCKS);
    return map;
}

static uint32_t inodes_used(const struct fc_ext4_planner *p, uint32_t group)
{
    uint64_t before = (uint64_t)group * p->layout.inodes_per_group;

    if (p->last_ino <= before)
        return 0;
    return p->last_ino - before < p->layout.inodes_per_group ? (uint32_t)(p->last_ino - before)
                                                             : p->layout.inodes_per_group;
}

/*
 * Bitmaps that readers can work out for themselves are not written: of inodes where none is used, of blocks where there is
 * at most the copy of the superblock. The last group's block bitmap has padding, so that it is there in any case.
 */
static uint16_t group_flags(const struct fc_ext4_planner *p, uint32_t g, uint32_t used)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint32_t copies = fc_ext4_has_super(g) ? 1 + l->gdt_blocks + l->reserved_gdt : 0;
    uint16_t flags = EXT2_BG_INODE_ZEROED;

    if (!inodes_used(p, g))
        flags |= EXT2_BG_INODE_UNINIT;
    if (g + 1 < l->n_groups && used == copies)
        flags |= EXT2_BG_BLOCK_UNINIT;
    return flags;
}

static void fill_descriptor(const struct fc_ext4_planner *p, struct ext4_group_desc *d, uint32_t g, uint16_t flags,
                            uint32_t free_blocks)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint32_t unused = l->inodes_per_group - inodes_used(p, g);

    d->bg_block_bitmap = (uint32_t)l->block_bitmaps[g];
    d->bg_block_bitmap_hi = (uint32_t)(l->block_bitmaps[g] >> 32);
    d->bg_inode_bitmap = (uint32_t)l->inode_bitmaps[g];
    d->bg_inode_bitmap_hi = (uint32_t)(l->inode_bitmaps[g] >> 32);
    d->bg_inode_table = (uint32_t)l->tables[g];
    d->bg_inode_table_hi = (uint32_t)(l->tables[g] >> 32);
    d->bg_free_blocks_count = (uint16_t)free_blocks;
    d->bg_free_inodes_count = d->bg_itable_unused = (uint16_t)unused;
    d->bg_flags = flags;
}

static int emit_block_bitmap(struct fc_ext4_planner *p, struct ext4_group_desc *d, uint32_t g, const unsigned char *map)
{
    static const unsigned char zeros[FC_EXT4_BLOCK];
    uint32_t crc = ext2fs_crc32c_le(p->csum_seed, map ? map : zeros, FC_EXT4_GROUP_BLOCKS / 8);

    d->bg_block_bitmap_csum_lo = (uint16_t)crc;
    d->bg_block_bitmap_csum_hi = (uint16_t)(crc >> 16);
    return fc_image_add_memory(p->image, p->layout.block_bitmaps[g] * FC_EXT4_BLOCK, map, map ? FC_EXT4_BLOCK : 0);
}

static int emit_inode_bitmap(struct fc_ext4_planner *p, struct ext4_group_desc *d, uint32_t g)
{
    unsigned char *map = inode_map(p, inodes_used(p, g));
    uint32_t crc;

    if (!map)
        return -ENOMEM;
    crc = ext2fs_crc32c_le(p->csum_seed, map, p->layout.inodes_per_group / 8);
    d->bg_inode_bitmap_csum_lo = (uint16_t)crc;
    d->bg_inode_bitmap_csum_hi = (uint16_t)(crc >> 16);
    return fc_image_add_memory(p->image, p->layout.inode_bitmaps[g] * FC_EXT4_BLOCK, map, FC_EXT4_BLOCK);
}

static void count_directories(const struct fc_ext4_planner *p, struct ext4_group_desc *descriptors)
{
    for (size_t k = FC_EXT4_NODE_ROOT; k < p->n_nodes; k++) {
        const struct fc_ext4_node *node = &p->nodes[k];

        if (node->source == FC_TREE_NONE || S_ISDIR(p->inodes[node->source].mode))
            descriptors[(node->ino - 1) / p->layout.inodes_per_group].bg_used_dirs_count++;
    }
}

static int emit_bitmaps(struct fc_ext4_planner *p, struct ext4_group_desc *descriptors, unsigned char **maps,
                        const uint32_t *used)
{
    int r = 0;

    for (uint32_t g = 0; r >= 0 && g < p->layout.n_groups; g++) {
        uint16_t flags = group_flags(p, g, used[g]);

        fill_descriptor(p, &descriptors[g], g, flags, FC_EXT4_GROUP_BLOCKS - used[g]);
        if (!(flags & EXT2_BG_BLOCK_UNINIT))
            r = emit_block_bitmap(p, &descriptors[g], g, maps[g]);
        if (r >= 0 && !(flags & EXT2_BG_INODE_UNINIT))
            r = emit_inode_bitmap(p, &descriptors[g], g);
    }
    return r;
}

int fc_ext4_emit_groups(struct fc_ext4_planner *p)
{
    const struct fc_ext4_layout *l = &p->layout;
    fc_auto(fc_free) unsigned char **maps = calloc(l->n_groups, sizeof(*maps));
    fc_auto(fc_free) uint32_t *used = calloc(l->n_groups, sizeof(*used));
    struct ext4_group_desc *d = fc_image_alloc(p->image, (size_t)l->gdt_blocks * FC_EXT4_BLOCK);

    if (!maps || !used || !d || mark_blocks(p, maps, used) < 0 || emit_bitmaps(p, d, maps, used) < 0)
        return fc_ext4_no_memory(p);
    count_directories(p, d);
    for (uint32_t g = 0; g < l->n_groups; g++) {
        uint32_t crc = ext2fs_crc32c_le(p->csum_seed, (unsigned char *)&g, sizeof(g));

        crc = ext2fs_crc32c_le(crc, (unsigned char *)&d[g], sizeof(d[g]));
        d[g].bg_checksum = (uint16_t)crc;
    }
    return emit_supers(p, d) < 0 ? fc_ext4_no_memory(p) : 0;
}
