/* SPDX-License-Identifier: Apache-2.0 */
/* Write the extent tree of an inode: four entries in the inode, or blocks of 340 below it. */
#include <errno.h>
#include <string.h>

#include "ext4/plan.h"

#include <ext2fs/ext3_extents.h>

#define LEAF_ENTRIES ((FC_EXT4_BLOCK - 12u) / 12u)
#define ROOT_ENTRIES 4u

static void put_header(void *at, size_t n, unsigned most, unsigned depth)
{
    struct ext3_extent_header *h = at;

    h->eh_magic = EXT3_EXT_MAGIC;
    h->eh_entries = (uint16_t)n;
    h->eh_max = (uint16_t)most;
    h->eh_depth = (uint16_t)depth;
}

static void put_runs(void *at, const struct fc_ext4_run *runs, size_t n)
{
    struct ext3_extent *e = (void *)((char *)at + sizeof(struct ext3_extent_header));

    for (size_t i = 0; i < n; i++)
        e[i] = (struct ext3_extent){.ee_block = runs[i].logical,
                                    .ee_len = (uint16_t)runs[i].length,
                                    .ee_start_hi = (uint16_t)(runs[i].physical >> 32),
                                    .ee_start = (uint32_t)runs[i].physical};
}

/* Entries for @n blocks of the level below; block i covers from runs[i * span] on. */
static void put_index(void *at, const struct fc_ext4_run *runs, uint64_t span, const uint64_t *blocks, size_t n)
{
    struct ext3_extent_idx *e = (void *)((char *)at + sizeof(struct ext3_extent_header));

    for (size_t i = 0; i < n; i++)
        e[i] = (struct ext3_extent_idx){.ei_block = runs[i * span].logical,
                                        .ei_leaf = (uint32_t)blocks[i],
                                        .ei_leaf_hi = (uint16_t)(blocks[i] >> 32)};
}

static int add_block(struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block, uint64_t at)
{
    size_t tail = sizeof(struct ext3_extent_header) + LEAF_ENTRIES * sizeof(struct ext3_extent);
    uint32_t crc = ext2fs_crc32c_le(fc_ext4_ino_seed(p, node->ino), block, tail);

    if (p->csum)
        memcpy(block + tail, &crc, sizeof(crc));
    return fc_image_add_memory(p->image, at * FC_EXT4_BLOCK, block, FC_EXT4_BLOCK);
}

int fc_ext4_emit_extents(struct fc_ext4_planner *p, const struct fc_ext4_node *node, void *root)
{
    const struct fc_ext4_run *runs = p->runs + node->first_run;
    const uint64_t *blocks = p->trees + node->first_tree, *below = NULL;
    uint64_t n = node->n_runs, span = 1; /* entries of this level, and the runs that each covers */
    unsigned depth = 0;

    for (; n > ROOT_ENTRIES; depth++) {
        uint64_t n_blocks = (n + LEAF_ENTRIES - 1) / LEAF_ENTRIES;

        for (uint64_t i = 0; i < n_blocks; i++) {
            uint64_t first = i * LEAF_ENTRIES, count = n - first < LEAF_ENTRIES ? n - first : LEAF_ENTRIES;
            unsigned char *block = fc_image_alloc(p->image, FC_EXT4_BLOCK);

            if (!block)
                return -ENOMEM;
            put_header(block, count, LEAF_ENTRIES, depth);
            if (depth == 0)
                put_runs(block, runs + first, count);
            else
                put_index(block, runs + first * span, span, below + first, count);
            if (add_block(p, node, block, blocks[i]) < 0)
                return -ENOMEM;
        }
        below = blocks;
        blocks += n_blocks;
        span *= LEAF_ENTRIES;
        n = n_blocks;
    }
    put_header(root, n, ROOT_ENTRIES, depth);
    if (depth == 0)
        put_runs(root, runs, n);
    else
        put_index(root, runs, span, below, n);
    return 0;
}
