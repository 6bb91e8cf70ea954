/* SPDX-License-Identifier: Apache-2.0 */
/* The superblock and its copies. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ext4/plan.h"

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
    sb->s_desc_size = p->features.incompat & EXT4_FEATURE_INCOMPAT_64BIT ? (uint16_t)fc_ext4_desc_size(p) : 0;
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
    fc_ext4_set_features(p, sb);
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
    sb->s_checksum_type = p->csum ? EXT2_CRC32C_CHKSUM : 0;
    sb->s_checksum_seed = p->features.incompat & EXT4_FEATURE_INCOMPAT_CSUM_SEED ? p->csum_seed : 0;
}

int fc_ext4_emit_supers(struct fc_ext4_planner *p, const void *descriptors)
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
        if (p->csum)
            sb->s_checksum = ext2fs_crc32c_le(~0u, (unsigned char *)sb, offsetof(struct ext2_super_block, s_checksum));
        if (fc_image_add_memory(p->image, start, block, FC_EXT4_BLOCK) < 0 ||
            fc_image_add_memory(p->image, start + FC_EXT4_BLOCK, descriptors,
                                (uint64_t)p->layout.gdt_blocks * FC_EXT4_BLOCK) < 0)
            return -ENOMEM;
    }
    return 0;
}
