/* SPDX-License-Identifier: Apache-2.0 */
/* Build the hash tree of a directory that needs more than one block. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ext4/plan.h"

#define ROOT_ENTRIES_AT 32u /* after ".", ".." and the root's own fields */
#define NODE_ENTRIES_AT 8u
#define LEVELS_MOST 3u         /* of index blocks, the root counted; two without large_dir */
#define BLOCKS_MOST (1u << 28) /* that the kernel's entries can name */

/*
 * The shape of a tree: level 0 is the leaves, the root stands above the last. Root, index from the top, leaves: so stand
 * the blocks of a new tree, and the first ones of an edited one; what edits made it need beside them follows.
 */
struct shape {
    size_t count[LEVELS_MOST], before[LEVELS_MOST];  /* blocks of each level, and how many are not extra */
    uint32_t first[LEVELS_MOST], extra[LEVELS_MOST]; /* where those are, and the extra ones */
    uint32_t total;
    unsigned depth;     /* levels below the root, that of the leaves counted */
    unsigned root_fill; /* entries that go into the root, */
    unsigned node_fill; /* and into each other block of the index */
};

/* Entries that an index block has room for: the last eight bytes are its checksum. */
static unsigned index_limit(const struct fc_ext4_planner *p, unsigned at)
{
    return (FC_EXT4_BLOCK - at - (p->csum ? 8 : 0)) / 8;
}

/* Set count[] for @n_leaves. Returns the depth, or 0 when there is no such deep tree. */
static unsigned count_levels(const struct shape *s, size_t n_leaves, size_t count[LEVELS_MOST])
{
    unsigned depth;

    count[0] = n_leaves;
    for (depth = 1; count[depth - 1] > s->root_fill; depth++) {
        if (depth == LEVELS_MOST)
            return 0;
        count[depth] = (count[depth - 1] + s->node_fill - 1) / s->node_fill;
    }
    return depth;
}

static int shape_tree(struct fc_ext4_planner *p, const struct fc_ext4_node *node, size_t n_leaves, size_t n_before,
                      struct shape *s)
{
    uint64_t total = 1;
    unsigned depth;

    s->root_fill = index_limit(p, ROOT_ENTRIES_AT);
    s->node_fill = index_limit(p, NODE_ENTRIES_AT);
    if (p->index_fill)
        s->root_fill = s->node_fill = p->index_fill;
    depth = count_levels(s, n_before ? n_before : n_leaves, s->before);
    s->depth = count_levels(s, n_leaves, s->count);
    if (!s->depth)
        return fc_ext4_fail_at(p, node->source, EOPNOTSUPP, "too many names for a directory index of three levels");
    for (unsigned k = depth; k-- > 0; total += s->before[k])
        s->first[k] = (uint32_t)total;
    for (unsigned k = s->depth; k-- > 0; total += s->count[k] - s->before[k])
        s->extra[k] = (uint32_t)total;
    if (total > BLOCKS_MOST)
        return fc_ext4_fail_at(p, node->source, EOPNOTSUPP, "more names than a directory index can lead to");
    s->total = (uint32_t)total;
    if (s->depth < LEVELS_MOST)
        return 0;
    return fc_ext4_need(p, node->source, EXT4_FEATURE_INCOMPAT_LARGEDIR, "large_dir",
                        "ext4 holds no directory of so many names");
}

/* Where block @i of @level stands; leaves say for themselves which they are. */
static uint32_t block_of(const struct shape *s, const struct fc_ext4_leaf *leaves, unsigned level, size_t i)
{
    if (level == 0)
        i = leaves[i].block;
    return (uint32_t)(i < s->before[level] ? s->first[level] + i : s->extra[level] + (i - s->before[level]));
}

static void fill_leaf(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block,
                      const struct fc_ext4_name *names, size_t n)
{
    unsigned at = 0, room = fc_ext4_dir_room(p);

    if (!n)
        fc_ext4_put_name(block, &(struct fc_ext4_name){0}, room);
    for (size_t i = 0; i < n; i++) {
        unsigned size = i + 1 == n ? room - at : fc_ext4_name_size(names[i].len);

        fc_ext4_put_name(block + at, &names[i], size);
        at += size;
    }
    fc_ext4_dir_tail(p, node, block);
}

/*
 * Put @n entries of the index at @at of @block: they lead to the blocks from @first on of the level below, @level, of
 * which each has @step leaves below it.
 */
static void fill_index(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, const struct shape *s,
                       const struct fc_ext4_leaf *leaves, unsigned char *block, unsigned at, unsigned level,
                       size_t step, size_t first, size_t n)
{
    struct ext2_dx_entry *entries = (void *)(block + at);
    struct ext2_dx_countlimit *count = (void *)entries;
    unsigned limit = index_limit(p, at);
    struct ext2_dx_tail *tail = (void *)(entries + limit);
    uint32_t crc, zero = 0;

    for (size_t i = 0; i < n; i++) {
        entries[i].hash = leaves[(first + i) * step].hash;
        entries[i].block = block_of(s, leaves, level, first + i);
    }
    count->limit = (uint16_t)limit; /* in place of the first hash, which is always the smallest */
    count->count = (uint16_t)n;
    if (!p->csum)
        return;
    crc = ext2fs_crc32c_le(fc_ext4_ino_seed(p, node->ino), block, at + n * sizeof(*entries));
    crc = ext2fs_crc32c_le(crc, (unsigned char *)&tail->dt_reserved, 4);
    tail->dt_checksum = ext2fs_crc32c_le(crc, (unsigned char *)&zero, 4);
}

static void start_root(const struct fc_ext4_node *node, unsigned char *block, uint32_t parent_ino, uint8_t levels)
{
    struct fc_ext4_name dot = {.name = ".", .len = 1, .ino = node->ino, .type = EXT2_FT_DIR};
    struct fc_ext4_name dot_dot = {.name = "..", .len = 2, .ino = parent_ino, .type = EXT2_FT_DIR};
    struct ext2_dx_root_info *info = (void *)(block + 24);

    fc_ext4_put_name(block, &dot, 12);
    fc_ext4_put_name(block + 12, &dot_dot, FC_EXT4_BLOCK - 12);
    info->hash_version = EXT2_HASH_HALF_MD4;
    info->info_length = 8;
    info->indirect_levels = levels;
}

/* The blocks of index level @level (1: just above the leaves); each leads to @step leaves by every entry. */
static void fill_level(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, const struct shape *s,
                       const struct fc_ext4_leaf *leaves, unsigned level, size_t step)
{
    for (size_t i = 0; i < s->count[level]; i++) {
        size_t first = i * s->node_fill, left = s->count[level - 1] - first;
        unsigned char *block = node->content + (size_t)block_of(s, leaves, level, i) * FC_EXT4_BLOCK;

        fc_ext4_put_name(block, &(struct fc_ext4_name){0}, FC_EXT4_BLOCK);
        fill_index(p, node, s, leaves, block, NODE_ENTRIES_AT, level - 1, step, first,
                   left < s->node_fill ? left : s->node_fill);
    }
}

static int fill_tree(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                     const struct fc_ext4_name *names, const struct fc_ext4_leaf *leaves, const struct shape *s)
{
    size_t step = 1;

    node->content = fc_image_alloc(p->image, (size_t)node->content_blocks * FC_EXT4_BLOCK);
    if (!node->content)
        return fc_ext4_no_memory(p);
    for (unsigned level = 1; level < s->depth; level++, step *= s->node_fill)
        fill_level(p, node, s, leaves, level, step);
    start_root(node, node->content, parent_ino, (uint8_t)(s->depth - 1));
    fill_index(p, node, s, leaves, node->content, ROOT_ENTRIES_AT, s->depth - 1, step, 0, s->count[s->depth - 1]);
    for (size_t i = 0; i < s->count[0]; i++)
        fill_leaf(p, node, node->content + (size_t)block_of(s, leaves, 0, i) * FC_EXT4_BLOCK, names + leaves[i].first,
                  leaves[i].n);
    return 0;
}

int fc_ext4_make_htree(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                       struct fc_ext4_name *names, size_t n)
{
    fc_auto(fc_free) struct fc_ext4_leaf *leaves = NULL;
    size_t n_leaves, n_before;
    struct shape s = {0};
    int r = fc_ext4_make_leaves(p, node, names, n, &leaves, &n_leaves, &n_before);

    if (r < 0)
        return r;
    r = shape_tree(p, node, n_leaves, n_before, &s);
    if (r < 0)
        return r;
    node->content_blocks = s.total;
    node->indexed = true;
    return p->sizes_only ? 0 : fill_tree(p, node, parent_ino, names, leaves, &s);
}
