/* SPDX-License-Identifier: Apache-2.0 */
/* The orphan file (orphan_file): where the kernel notes open files without a name, block by block for its processors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ext4/plan.h"

#define BLOCKS 32u /* as mke2fs makes it for file systems below 512 MiB; when it is full the kernel uses a list */
#define BLOCK_MAGIC 0x0b10ca04u
#define SUPER_AT 0x280u /* s_orphan_file_inum, which libext2fs 1.46 does not name */

bool fc_ext4_has_orphan_file(const struct fc_ext4_planner *p)
{
    return p->features.compat & FC_EXT4_COMPAT_ORPHAN_FILE;
}

int fc_ext4_make_orphan_file(struct fc_ext4_planner *p)
{
    struct fc_ext4_node *nodes;

    if (!fc_ext4_has_orphan_file(p) || p->sparse)
        return 0;
    nodes = realloc(p->nodes, (p->n_nodes + 1) * sizeof(*nodes));
    if (!nodes)
        return fc_ext4_no_memory(p);
    p->nodes = nodes;
    p->orphan_node = p->n_nodes++;
    p->nodes[p->orphan_node] = (struct fc_ext4_node){.ino = FC_EXT4_ORPHAN_INO,
                                                     .source = FC_TREE_NONE,
                                                     .base = p->base ? (uint32_t)p->base->orphan_node : FC_TREE_NONE,
                                                     .links = 1,
                                                     .content_blocks = BLOCKS};
    if (p->sizes_only)
        return 0;
    p->nodes[p->orphan_node].content = fc_image_alloc(p->image, BLOCKS * FC_EXT4_BLOCK);
    return p->nodes[p->orphan_node].content ? 0 : fc_ext4_no_memory(p);
}

/* Each block ends in a magic number and a checksum over where it stands. */
void fc_ext4_finish_orphan_file(struct fc_ext4_planner *p)
{
    const struct fc_ext4_node *node = &p->nodes[p->orphan_node];

    for (uint32_t i = 0; p->orphan_node && i < node->n_runs; i++) {
        const struct fc_ext4_run *run = &p->runs[node->first_run + i];

        for (uint32_t k = 0; k < run->length; k++) {
            unsigned char *block = node->content + (size_t)(run->logical + k) * FC_EXT4_BLOCK;
            uint64_t at = run->physical + k;
            uint32_t tail[2] = {BLOCK_MAGIC, fc_ext4_ino_seed(p, node->ino)};

            tail[1] = ext2fs_crc32c_le(tail[1], (unsigned char *)&at, sizeof(at));
            tail[1] = ext2fs_crc32c_le(tail[1], block, FC_EXT4_BLOCK - sizeof(tail));
            memcpy(block + FC_EXT4_BLOCK - sizeof(tail), tail, sizeof(tail));
        }
    }
}

void fc_ext4_set_orphan_file(const struct fc_ext4_planner *p, struct ext2_super_block *sb)
{
    uint32_t ino = FC_EXT4_ORPHAN_INO;

    if (fc_ext4_has_orphan_file(p))
        memcpy((unsigned char *)sb + SUPER_AT, &ino, sizeof(ino));
}
