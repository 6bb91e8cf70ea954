/* SPDX-License-Identifier: Apache-2.0 */
/* The two inodes that the kernel keeps for itself: the journal, and the reserve that lets the file system grow. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/stat.h>

#include "ext4/plan.h"

#define JBD2_MAGIC 0xC03B3998u
#define JBD2_SUPERBLOCK_V2 4u
#define ADDR_PER_BLOCK (FC_EXT4_BLOCK / 4)

int fc_ext4_emit_journal(struct fc_ext4_planner *p)
{
    uint32_t *sb;

    if (!p->journal_blocks)
        return 0;
    sb = fc_image_alloc(p->image, FC_EXT4_BLOCK);
    if (!sb)
        return -ENOMEM;
    /* Big-endian words, as the kernel's journal.rst lists them; the kernel sets its features at the first mount. */
    sb[0] = htonl(JBD2_MAGIC);
    sb[1] = htonl(JBD2_SUPERBLOCK_V2);
    sb[3] = htonl(FC_EXT4_BLOCK);
    sb[4] = htonl((uint32_t)p->journal_blocks);
    sb[5] = htonl(1);  /* first block of the log */
    sb[6] = htonl(1);  /* first transaction expected */
    sb[16] = htonl(1); /* number of users */
    return fc_image_add_memory(p->image, p->runs[p->nodes[FC_EXT4_NODE_JOURNAL].first_run].physical * FC_EXT4_BLOCK, sb,
                               FC_EXT4_BLOCK);
}

/* Reserved descriptor block @index of group 0 is an indirect block that names its copies in the other groups. */
static int emit_reserved(struct fc_ext4_planner *p, uint32_t index, uint32_t *ret_copies)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint64_t at = 1 + (uint64_t)l->gdt_blocks + index;
    uint32_t *copies = NULL, n = 0;

    for (uint32_t g = 1; g < l->n_groups; g++) {
        if (!fc_ext4_has_super(g))
            continue;
        if (!copies)
            copies = fc_image_alloc(p->image, FC_EXT4_BLOCK);
        if (!copies)
            return -ENOMEM;
        copies[n++] = (uint32_t)(at + (uint64_t)g * FC_EXT4_GROUP_BLOCKS);
    }
    *ret_copies = n;
    return copies ? fc_image_add_memory(p->image, at * FC_EXT4_BLOCK, copies, FC_EXT4_BLOCK) : 0;
}

int fc_ext4_emit_resize(struct fc_ext4_planner *p, struct ext2_inode_large *inode)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint64_t size = ((uint64_t)ADDR_PER_BLOCK * ADDR_PER_BLOCK + ADDR_PER_BLOCK + EXT2_NDIR_BLOCKS) * FC_EXT4_BLOCK;
    uint32_t *names = fc_image_alloc(p->image, FC_EXT4_BLOCK), blocks = 1;

    if (!names)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->reserved_gdt; i++) {
        uint32_t copies;

        names[(l->gdt_blocks + i) % ADDR_PER_BLOCK] = 1 + l->gdt_blocks + i;
        if (emit_reserved(p, i, &copies) < 0)
            return -ENOMEM;
        blocks += 1 + copies;
    }
    inode->i_mode = S_IFREG | 0600;
    inode->i_links_count = 1;
    inode->i_size = (uint32_t)size;
    inode->i_size_high = (uint32_t)(size >> 32);
    inode->i_blocks = blocks * (FC_EXT4_BLOCK / 512);
    inode->i_block[EXT2_DIND_BLOCK] = (uint32_t)p->resize_block;
    inode->i_atime = inode->i_mtime = inode->i_ctime = (uint32_t)p->options.epoch;
    if (p->options.inode_size > EXT2_GOOD_OLD_INODE_SIZE) {
        inode->i_extra_isize = 32;
        inode->i_crtime = (uint32_t)p->options.epoch;
    }
    return fc_image_add_memory(p->image, p->resize_block * FC_EXT4_BLOCK, names, FC_EXT4_BLOCK);
}
