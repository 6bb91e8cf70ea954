/* SPDX-License-Identifier: Apache-2.0 */
/* Plan the stack without its edits up to the places, and find what the edited tree has in common with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/map.h"
#include "ext4/plan.h"

void fc_ext4_base_free(struct fc_ext4_planner *base)
{
    if (!base)
        return;
    fc_ext4_planner_release(base);
    free(base);
}

int fc_ext4_base_new(const struct fc_ext4_planner *p, const struct fc_ext4_tables *tables, struct fc_ext4_planner **ret)
{
    struct fc_ext4_planner *base = malloc(sizeof(*base));
    int r;

    if (!base)
        return fc_ext4_no_memory(p);
    *base = fc_ext4_planner_of(tables, &p->options, p->err);
    base->sizes_only = true;
    r = fc_image_new(0, &base->image) < 0 ? fc_ext4_no_memory(p) : fc_ext4_prepare(base);
    if (r < 0) {
        fc_ext4_base_free(base);
        return r;
    }
    *ret = base;
    return 0;
}

/* The node of the base that stands for the inode numbered @ino of the tree; *at goes on from inode to inode. */
static uint32_t find_node(const struct fc_ext4_planner *base, const struct fc_snap_inode *inode, uint32_t *at)
{
    while (*at < base->n_inodes && base->inodes[*at].ino < inode->ino)
        ++*at;
    if (*at == base->n_inodes || base->inodes[*at].ino != inode->ino ||
        (base->inodes[*at].mode & S_IFMT) != (inode->mode & S_IFMT))
        return FC_TREE_NONE;
    return base->node_of[*at];
}

static void match_fixed(struct fc_ext4_planner *p)
{
    const struct fc_ext4_planner *base = p->base;
    bool same = p->lost_found == FC_TREE_NONE && base->lost_found == FC_TREE_NONE;

    if (p->lost_found != FC_TREE_NONE && base->lost_found != FC_TREE_NONE)
        same = p->inodes[p->lost_found].ino == base->inodes[base->lost_found].ino;
    p->nodes[FC_EXT4_NODE_JOURNAL].base = FC_EXT4_NODE_JOURNAL;
    p->nodes[FC_EXT4_NODE_ROOT].base = FC_EXT4_NODE_ROOT;
    if (same)
        p->nodes[FC_EXT4_NODE_LOST_FOUND].base = FC_EXT4_NODE_LOST_FOUND;
}

static void use_number_of(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t base)
{
    node->base = base;
    node->ino = p->base->nodes[base].ino;
    fc_ext4_set_bits(p->ino_used, node->ino, (uint64_t)node->ino + 1);
}

/* The copies of @inode, if it has too many names for one node, are those of @base_inode, one by one. */
static void match_copies(struct fc_ext4_planner *p, uint32_t inode, uint32_t base_inode)
{
    uint32_t n = fc_ext4_n_copies(p, inode), n_base = fc_ext4_n_copies(p->base, base_inode);

    for (uint32_t i = 0; i < n && i < n_base; i++)
        use_number_of(p, &p->nodes[p->first_copy[inode] + i], p->base->first_copy[base_inode] + i);
}

int fc_ext4_number_edited(struct fc_ext4_planner *p)
{
    const struct fc_ext4_planner *base = p->base;
    uint32_t at = 0, node;

    p->ino_used = calloc(base->last_ino / 8 + 1, 1);
    if (!p->ino_used)
        return fc_ext4_no_memory(p);
    match_fixed(p);
    fc_ext4_set_bits(p->ino_used, 0, FC_EXT4_FIRST_INO + 1 + fc_ext4_has_orphan_file(p));
    for (size_t k = FC_EXT4_NODE_TREE; k < p->n_tree_nodes; k++) {
        struct fc_ext4_node *n = &p->nodes[k];

        node = find_node(base, &p->inodes[n->source], &at);
        if (node == FC_TREE_NONE || node < FC_EXT4_NODE_TREE)
            continue;
        use_number_of(p, n, node);
        match_copies(p, n->source, base->nodes[node].source);
    }
    for (size_t i = 0; i < base->n_ea_values; i++) /* theirs as long as there is an attribute of that value */
        fc_ext4_set_bits(p->ino_used, base->ea_values[i].ino, (uint64_t)base->ea_values[i].ino + 1);
    p->last_ino = FC_EXT4_FIRST_INO + fc_ext4_has_orphan_file(p);
    for (size_t k = FC_EXT4_NODE_TREE; k < p->n_nodes; k++) {
        if (p->nodes[k].base == FC_TREE_NONE)
            p->nodes[k].ino = fc_ext4_take_ino(p);
        if (p->last_ino < p->nodes[k].ino)
            p->last_ino = p->nodes[k].ino;
    }
    return 0;
}

/* By bytes: first[hash] leads to the base's blocks with that hash, next[] on from each. */
int fc_ext4_match_xattr_blocks(struct fc_ext4_planner *p)
{
    const struct fc_ext4_planner *base = p->base;
    fc_auto(fc_free) uint32_t *next = calloc(base->n_xattr_blocks + 1, sizeof(*next));
    fc_auto(fc_free) bool *taken = calloc(base->n_xattr_blocks + 1, sizeof(*taken));
    struct fc_map first = {0};
    uint64_t at;
    int r = next && taken ? 0 : -ENOMEM;

    for (size_t i = base->n_xattr_blocks; r == 0 && i-- > 0;) {
        uint64_t key = fc_hash(0, base->xattr_blocks[i].data, FC_EXT4_BLOCK) >> 1;

        if (fc_map_get(&first, key, &at))
            next[i] = (uint32_t)at;
        r = fc_map_set(&first, key, i + 1);
    }
    for (size_t i = 0; r == 0 && i < p->n_xattr_blocks; i++) {
        const unsigned char *data = p->xattr_blocks[i].data;

        if (!fc_map_get(&first, fc_hash(0, data, FC_EXT4_BLOCK) >> 1, &at))
            continue;
        while (at && (taken[at - 1] || memcmp(base->xattr_blocks[at - 1].data, data, FC_EXT4_BLOCK)))
            at = next[at - 1];
        if (at)
            taken[at - 1] = true;
        p->xattr_blocks[i].base = (uint32_t)at;
    }
    fc_map_release(&first);
    return r < 0 ? fc_ext4_no_memory(p) : 0;
}
