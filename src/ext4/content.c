/* SPDX-License-Identifier: Apache-2.0 */
/* Add what files consist of to the image: ranges of the sources, directory blocks, attribute blocks. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ext4/plan.h"

static int add_content(struct fc_ext4_planner *p, const struct fc_ext4_node *node)
{
    for (uint32_t i = 0; i < node->n_runs; i++) {
        const struct fc_ext4_run *run = &p->runs[node->first_run + i];

        if (fc_image_add_memory(p->image, run->physical * FC_EXT4_BLOCK,
                                node->content + (size_t)run->logical * FC_EXT4_BLOCK,
                                (uint64_t)run->length * FC_EXT4_BLOCK) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Runs and extents are in the same order and cover the same blocks, cut at different places. */
int fc_ext4_add_data(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, struct fc_image *image,
                     bool by_index)
{
    const struct fc_snap_inode *s = &p->inodes[node->source];
    const struct fc_ext4_run *run = &p->runs[node->first_run];

    for (uint32_t i = 0; i < s->n_extents; i++) {
        const struct fc_snap_extent *e = &p->extents[s->first_extent + i];
        uint64_t block = e->offset / FC_EXT4_BLOCK, end = block + fc_ext4_blocks(e->length);

        while (block < end) {
            uint64_t skip, n;

            while (block >= run->logical + (uint64_t)run->length)
                run++;
            skip = block - run->logical;
            n = run->length - skip < end - block ? run->length - skip : end - block;
            if (fc_image_add_file(image, (run->physical + skip) * FC_EXT4_BLOCK,
                                  by_index ? (int)e->source : p->sources[e->source].fd,
                                  e->source_offset + (block * FC_EXT4_BLOCK - e->offset), n * FC_EXT4_BLOCK) < 0)
                return -ENOMEM;
            block += n;
        }
    }
    return 0;
}

static int add_xattr_block(struct fc_ext4_planner *p, struct fc_ext4_xattr_block *b)
{
    struct ext2_ext_attr_header *h = (void *)b->data;
    uint64_t number = b->physical;

    h->h_refcount = b->refcount;
    if (!p->csum)
        return fc_image_add_memory(p->image, b->physical * FC_EXT4_BLOCK, b->data, FC_EXT4_BLOCK);
    h->h_checksum = ext2fs_crc32c_le(p->csum_seed, (unsigned char *)&number, sizeof(number));
    number = h->h_checksum;
    h->h_checksum = 0; /* counts as zero in its own sum */
    h->h_checksum = ext2fs_crc32c_le((uint32_t)number, b->data, FC_EXT4_BLOCK);
    return fc_image_add_memory(p->image, b->physical * FC_EXT4_BLOCK, b->data, FC_EXT4_BLOCK);
}

/* Packs never change: what an earlier image took from one need not be read again. */
static int name_packs(struct fc_ext4_planner *p)
{
    int r = 0;

    for (uint32_t i = 0; i < p->n_sources && r >= 0; i++)
        if (p->sources[i].layer != FC_TREE_NONE)
            r = fc_image_name_source(p->image, p->sources[i].fd, &p->sources[i].pack);
    return r;
}

int fc_ext4_emit_content(struct fc_ext4_planner *p)
{
    int r = name_packs(p);

    fc_ext4_finish_orphan_file(p);
    for (size_t k = 0; r >= 0 && k < p->n_nodes; k++)
        if (p->nodes[k].content)
            r = add_content(p, &p->nodes[k]);
    for (size_t i = 0; r >= 0 && i < p->n_xattr_blocks; i++)
        r = add_xattr_block(p, &p->xattr_blocks[i]);
    for (size_t i = 0; r >= 0 && i < p->n_data; i++)
        r = fc_ext4_add_data(p, &p->nodes[p->data_order[i]], p->image, false);
    return r < 0 ? fc_ext4_no_memory(p) : 0;
}
