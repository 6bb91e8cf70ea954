/* SPDX-License-Identifier: Apache-2.0 */
/* Build the hash tree of a directory that needs more than one block. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ext4/plan.h"

#define LEAF_ROOM (FC_EXT4_BLOCK - 12u) /* a checksum tail ends each leaf */
#define ROOT_ENTRIES_AT 32u             /* after ".", ".." and the root's own fields */
#define NODE_ENTRIES_AT 8u
#define ROOT_MOST ((FC_EXT4_BLOCK - ROOT_ENTRIES_AT - 8) / 8)
#define NODE_MOST ((FC_EXT4_BLOCK - NODE_ENTRIES_AT - 8) / 8)

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

/* Cut the sorted names into leaves. Where a cut parts equal hashes, the low bit says that the bucket goes on. */
static size_t cut_leaves(const struct fc_ext4_name *names, size_t n, struct leaf *leaves)
{
    size_t n_leaves = 0;
    unsigned used = LEAF_ROOM;

    for (size_t i = 0; i < n; i++) {
        unsigned size = fc_ext4_name_size(names[i].len);

        if (used + size > LEAF_ROOM) {
            leaves[n_leaves++] =
                (struct leaf){.first = i, .hash = names[i].hash | (i && names[i].hash == names[i - 1].hash)};
            used = 0;
        }
        leaves[n_leaves - 1].n++;
        used += size;
    }
    return n_leaves;
}

static void fill_leaf(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block,
                      const struct fc_ext4_name *names, size_t n)
{
    unsigned at = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned size = i + 1 == n ? LEAF_ROOM - at : fc_ext4_name_size(names[i].len);

        fc_ext4_put_name(block + at, &names[i], size);
        at += size;
    }
    fc_ext4_dir_tail(p, node, block);
}

/* Put @n entries of the index at @at of @block: entry i leads to block @first + i by the hash of leaves[i * @step]. */
static void fill_index(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block,
                       unsigned at, unsigned most, const struct leaf *leaves, size_t step, size_t n, uint32_t first)
{
    struct ext2_dx_entry *entries = (void *)(block + at);
    struct ext2_dx_countlimit *count = (void *)entries;
    struct ext2_dx_tail *tail = (void *)(entries + most);
    uint32_t crc, zero = 0;

    for (size_t i = 0; i < n; i++) {
        entries[i].hash = leaves[i * step].hash;
        entries[i].block = first + (uint32_t)i;
    }
    count->limit = (uint16_t)most; /* in place of the first hash, which is always the smallest */
    count->count = (uint16_t)n;
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

static int fill_tree(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                     const struct fc_ext4_name *names, const struct leaf *leaves, size_t n_leaves)
{
    size_t n_nodes = n_leaves <= ROOT_MOST ? 0 : (n_leaves + NODE_MOST - 1) / NODE_MOST;
    uint32_t first_leaf = (uint32_t)(1 + n_nodes);
    unsigned char *blocks;

    if (n_nodes > ROOT_MOST)
        return fc_ext4_fail_at(p, node->source, EOPNOTSUPP, "too many names for a two-level directory index");
    node->content_blocks = first_leaf + (uint32_t)n_leaves;
    node->indexed = true;
    if (p->sizes_only)
        return 0;
    blocks = fc_image_alloc(p->image, node->content_blocks * (size_t)FC_EXT4_BLOCK);
    if (!blocks)
        return fc_ext4_no_memory(p);
    node->content = blocks;
    start_root(node, blocks, parent_ino, n_nodes != 0);
    if (n_nodes)
        fill_index(p, node, blocks, ROOT_ENTRIES_AT, ROOT_MOST, leaves, NODE_MOST, n_nodes, 1);
    else
        fill_index(p, node, blocks, ROOT_ENTRIES_AT, ROOT_MOST, leaves, 1, n_leaves, first_leaf);
    for (size_t i = 0; i < n_nodes; i++) {
        size_t first = i * NODE_MOST, n = n_leaves - first < NODE_MOST ? n_leaves - first : NODE_MOST;
        unsigned char *block = blocks + (1 + i) * FC_EXT4_BLOCK;

        fc_ext4_put_name(block, &(struct fc_ext4_name){0}, FC_EXT4_BLOCK);
        fill_index(p, node, block, NODE_ENTRIES_AT, NODE_MOST, leaves + first, 1, n, first_leaf + (uint32_t)first);
    }
    for (size_t i = 0; i < n_leaves; i++)
        fill_leaf(p, node, blocks + (first_leaf + i) * FC_EXT4_BLOCK, names + leaves[i].first, leaves[i].n);
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
    return fill_tree(p, node, parent_ino, names, leaves, cut_leaves(names, n, leaves));
}
