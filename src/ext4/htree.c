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

/* The shape of a tree: level 0 is the leaves, the root stands above the last. */
struct shape {
    size_t count[LEVELS_MOST]; /* blocks of each level */
    uint32_t first[LEVELS_MOST];
    unsigned depth;     /* levels below the root, that of the leaves counted */
    unsigned root_fill; /* entries that go into the root, */
    unsigned node_fill; /* and into each other block of the index */
};

/* A leaf block: names [first, first + n), and the hash that leads to it. */
struct leaf {
    size_t first, n;
    uint32_t hash;
};

static int by_hash(const void *a, const void *b)
{
    const struct fc_ext4_name *x = a, *y = b;
    uint32_t len = x->len < y->len ? x->len : y->len;
    int r;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->minor != y->minor)
        return x->minor < y->minor ? -1 : 1;
    r = memcmp(x->name, y->name, len);
    return r ? r : x->len < y->len ? -1 : x->len > y->len;
}

static int hash_names(struct fc_ext4_planner *p, struct fc_ext4_name *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ext2fs_dirhash(EXT2_HASH_HALF_MD4, names[i].name, (int)names[i].len, p->hash_seed, &names[i].hash,
                           &names[i].minor))
            return fc_fail(p->err, EINVAL, "cannot hash a name");
        if (names[i].hash == 0xfffffffe) /* the kernel keeps this value for the end of a directory */
            names[i].hash = 0xfffffffc;
    }
    qsort(names, n, sizeof(*names), by_hash);
    return 0;
}

/* Entries that an index block has room for: the last eight bytes are its checksum. */
static unsigned index_limit(const struct fc_ext4_planner *p, unsigned at)
{
    return (FC_EXT4_BLOCK - at - (p->csum ? 8 : 0)) / 8;
}

/* Cut the sorted names into leaves. Where a cut parts equal hashes, the low bit says that the bucket goes on. */
static size_t cut_leaves(const struct fc_ext4_name *names, size_t n, unsigned room, struct leaf *leaves)
{
    size_t n_leaves = 0;
    unsigned used = room;

    for (size_t i = 0; i < n; i++) {
        unsigned size = fc_ext4_name_size(names[i].len);

        if (used + size > room) {
            leaves[n_leaves++] =
                (struct leaf){.first = i, .hash = names[i].hash | (i && names[i].hash == names[i - 1].hash)};
            used = 0;
        }
        leaves[n_leaves - 1].n++;
        used += size;
    }
    return n_leaves;
}

/* Blocks of each level, and where they stand: root, then the index from the top, then the leaves. */
static int shape_tree(struct fc_ext4_planner *p, const struct fc_ext4_node *node, size_t n_leaves, struct shape *s)
{
    uint64_t total = 1;

    s->root_fill = index_limit(p, ROOT_ENTRIES_AT);
    s->node_fill = index_limit(p, NODE_ENTRIES_AT);
    if (p->index_fill)
        s->root_fill = s->node_fill = p->index_fill;
    s->count[0] = n_leaves;
    for (s->depth = 1; s->count[s->depth - 1] > s->root_fill; s->depth++) {
        if (s->depth == LEVELS_MOST)
            return fc_ext4_fail_at(p, node->source, EOPNOTSUPP, "too many names for a directory index of three levels");
        s->count[s->depth] = (s->count[s->depth - 1] + s->node_fill - 1) / s->node_fill;
    }
    for (unsigned k = s->depth; k-- > 0; total += s->count[k])
        s->first[k] = (uint32_t)total;
    if (total > BLOCKS_MOST)
        return fc_ext4_fail_at(p, node->source, EOPNOTSUPP, "more names than a directory index can lead to");
    if (s->depth < LEVELS_MOST)
        return 0;
    return fc_ext4_need(p, node->source, EXT4_FEATURE_INCOMPAT_LARGEDIR, "large_dir",
                        "ext4 holds no directory of so many names");
}

static void fill_leaf(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block,
                      const struct fc_ext4_name *names, size_t n)
{
    unsigned at = 0, room = fc_ext4_dir_room(p);

    for (size_t i = 0; i < n; i++) {
        unsigned size = i + 1 == n ? room - at : fc_ext4_name_size(names[i].len);

        fc_ext4_put_name(block + at, &names[i], size);
        at += size;
    }
    fc_ext4_dir_tail(p, node, block);
}

/* Put @n entries of the index at @at of @block: entry i leads to block @first + i by the hash of leaves[i * @step]. */
static void fill_index(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block,
                       unsigned at, const struct leaf *leaves, size_t step, size_t n, uint32_t first)
{
    struct ext2_dx_entry *entries = (void *)(block + at);
    struct ext2_dx_countlimit *count = (void *)entries;
    unsigned limit = index_limit(p, at);
    struct ext2_dx_tail *tail = (void *)(entries + limit);
    uint32_t crc, zero = 0;

    for (size_t i = 0; i < n; i++) {
        entries[i].hash = leaves[i * step].hash;
        entries[i].block = first + (uint32_t)i;
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
                       const struct leaf *leaves, unsigned level, size_t step)
{
    for (size_t i = 0; i < s->count[level]; i++) {
        size_t first = i * s->node_fill, left = s->count[level - 1] - first;
        unsigned char *block = node->content + (s->first[level] + i) * FC_EXT4_BLOCK;

        fc_ext4_put_name(block, &(struct fc_ext4_name){0}, FC_EXT4_BLOCK);
        fill_index(p, node, block, NODE_ENTRIES_AT, leaves + first * step, step,
                   left < s->node_fill ? left : s->node_fill, s->first[level - 1] + (uint32_t)first);
    }
}

static int fill_tree(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                     const struct fc_ext4_name *names, const struct leaf *leaves, size_t n_leaves)
{
    struct shape s = {0};
    size_t step = 1;
    int r = shape_tree(p, node, n_leaves, &s);

    if (r < 0)
        return r;
    node->content_blocks = s.first[0] + (uint32_t)n_leaves;
    node->indexed = true;
    if (p->sizes_only)
        return 0;
    node->content = fc_image_alloc(p->image, (size_t)node->content_blocks * FC_EXT4_BLOCK);
    if (!node->content)
        return fc_ext4_no_memory(p);
    for (unsigned level = 1; level < s.depth; level++, step *= s.node_fill)
        fill_level(p, node, &s, leaves, level, step);
    start_root(node, node->content, parent_ino, (uint8_t)(s.depth - 1));
    fill_index(p, node, node->content, ROOT_ENTRIES_AT, leaves, step, s.count[s.depth - 1], s.first[s.depth - 1]);
    for (size_t i = 0; i < n_leaves; i++)
        fill_leaf(p, node, node->content + (s.first[0] + i) * FC_EXT4_BLOCK, names + leaves[i].first, leaves[i].n);
    return 0;
}

int fc_ext4_make_htree(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                       struct fc_ext4_name *names, size_t n)
{
    /* A leaf holds at least 15 names of the longest kind, so that this is more than enough. */
    fc_auto(fc_free) struct leaf *leaves = malloc((n / 15 + 2) * sizeof(*leaves));
    int r;

    if (!leaves)
        return fc_ext4_no_memory(p);
    r = hash_names(p, names, n);
    if (r < 0)
        return r;
    return fill_tree(p, node, parent_ino, names, leaves, cut_leaves(names, n, fc_ext4_dir_room(p), leaves));
}
