/* SPDX-License-Identifier: Apache-2.0 */
/* Plan what edits change over the saved plan of the stack without them: numbers, places, size. */
#include "ext4/sparse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"

int fc_ext4_sparse_cut(struct fc_ext4_sparse *s, uint64_t start, uint64_t n)
{
    if (fc_grow(&s->cut, &s->cut_cap, s->n_cut + 1, sizeof(*s->cut)) < 0)
        return -ENOMEM;
    s->cut[s->n_cut++] = (struct fc_ext4_span){start, n};
    return 0;
}

static int add_slot(struct fc_ext4_sparse *s, uint32_t number)
{
    if (fc_grow(&s->slots, &s->slots_cap, s->n_slots + 1, sizeof(*s->slots)) < 0)
        return -ENOMEM;
    s->slots[s->n_slots++] = number;
    return 0;
}

static void clear_bits(unsigned char *map, uint64_t from, uint64_t n)
{
    for (uint64_t i = from; i < from + n; i++)
        map[i / 8] &= (unsigned char)~(1u << i % 8);
}

static int release_blocks(struct fc_ext4_sparse *s, uint64_t start, uint64_t n)
{
    if (start > s->saved.header->n_blocks || n > s->saved.header->n_blocks - start)
        return -EBADMSG;
    clear_bits(s->kept, start, n);
    s->n_kept -= n;
    return fc_ext4_sparse_cut(s, start, n);
}

/* Node @index of the base is planned anew, or gone: its blocks and its number are free. */
static int release_node(struct fc_ext4_planner *p, uint32_t index)
{
    struct fc_ext4_sparse *s = p->sparse;
    const struct fc_ext4_saved_node *n = &s->saved.nodes[index];
    const struct fc_ext4_saved_header *h = s->saved.header;
    int r = 0;

    if (n->has_xattr_block || n->number > h->last_ino || n->first_run > h->n_runs ||
        n->n_runs > h->n_runs - n->first_run || n->first_tree > h->n_trees || n->n_trees > h->n_trees - n->first_tree)
        return -EOPNOTSUPP;
    for (uint32_t i = 0; i < n->n_runs && r == 0; i++)
        r = release_blocks(s, s->saved.runs[n->first_run + i].physical, s->saved.runs[n->first_run + i].length);
    for (uint32_t i = 0; i < n->n_trees && r == 0; i++)
        r = release_blocks(s, s->saved.trees[n->first_tree + i], 1);
    s->n_nodes--;
    p->summary.data_bytes -= n->bytes;
    if (index != FC_EXT4_NODE_JOURNAL && S_ISDIR(n->mode))
        s->dirs[(n->number - 1) / h->inodes_per_group]--;
    if (index >= FC_EXT4_NODE_TREE)
        clear_bits(p->ino_used, n->number, 1);
    return r < 0 ? r : add_slot(s, n->number);
}

static int release_changed(struct fc_ext4_planner *p)
{
    struct fc_ext4_sparse *s = p->sparse;
    int r = release_node(p, FC_EXT4_NODE_JOURNAL); /* its inode is always written: the superblock has a copy of it */

    for (size_t i = 0; i < s->changes->n_inos && r == 0; i++) {
        uint32_t index = fc_ext4_saved_find(&s->saved, s->changes->inos[i]);

        if (index != FC_TREE_NONE)
            r = release_node(p, index);
    }
    return r;
}

/* Let @node keep what the base has for it as its node @index. */
static int keep_node(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t index)
{
    const struct fc_ext4_saved_node *saved = &p->sparse->saved.nodes[index];
    struct fc_ext4_planner *base = p->base;

    node->base = (uint32_t)base->n_nodes;
    node->ino = saved->number;
    base->nodes[base->n_nodes++] = (struct fc_ext4_node){.ino = saved->number,
                                                         .source = FC_TREE_NONE,
                                                         .base = FC_TREE_NONE,
                                                         .first_run = saved->first_run,
                                                         .n_runs = saved->n_runs,
                                                         .first_tree = saved->first_tree,
                                                         .n_trees = saved->n_trees};
    fc_ext4_set_bits(p->ino_used, node->ino, (uint64_t)node->ino + 1);
    if (!saved->leaves || saved->leaves > base->n_leaf_hashes)
        return 0;
    return fc_map_set(&base->leaves_of, node->base, saved->leaves - 1);
}

static int keep_nodes(struct fc_ext4_planner *p)
{
    struct fc_ext4_sparse *s = p->sparse;
    int r = keep_node(p, &p->nodes[FC_EXT4_NODE_JOURNAL], FC_EXT4_NODE_JOURNAL);

    for (size_t k = FC_EXT4_NODE_ROOT; k < p->n_nodes && r == 0; k++) {
        struct fc_ext4_node *node = &p->nodes[k];
        const struct fc_snap_inode *inode = node->source == FC_TREE_NONE ? NULL : &p->inodes[node->source];
        uint32_t index = inode ? fc_ext4_saved_find(&s->saved, inode->ino) : FC_TREE_NONE;

        if (index != FC_TREE_NONE && (s->saved.nodes[index].mode & S_IFMT) == (inode->mode & S_IFMT))
            r = keep_node(p, node, index);
        else if (node->settled && k != FC_EXT4_NODE_LOST_FOUND)
            r = -EBADMSG;
    }
    return r;
}

/* The highest number in use among those that the base has. */
static uint32_t last_used(const struct fc_ext4_planner *p)
{
    uint32_t n = p->base->last_ino;

    while (n > FC_EXT4_FIRST_INO + fc_ext4_has_orphan_file(p) && !((p->ino_used[n / 8] >> n % 8) & 1))
        n--;
    return n;
}

int fc_ext4_number_sparse(struct fc_ext4_planner *p)
{
    struct fc_ext4_sparse *s = p->sparse;
    int r;

    p->ino_used = malloc(s->saved.header->number_bytes);
    p->base->nodes = calloc(p->n_nodes, sizeof(*p->base->nodes));
    if (!p->ino_used || !p->base->nodes)
        return -ENOMEM;
    memcpy(p->ino_used, s->saved.numbers, s->saved.header->number_bytes);
    r = release_changed(p);
    if (r == 0)
        r = keep_nodes(p);
    if (r < 0)
        return r;
    p->last_ino = last_used(p);
    for (size_t k = FC_EXT4_NODE_JOURNAL; k < p->n_nodes && r == 0; k++) {
        struct fc_ext4_node *node = &p->nodes[k];

        if (node->settled)
            continue;
        s->n_nodes++;
        if (node->base == FC_TREE_NONE)
            node->ino = fc_ext4_take_ino(p);
        if (p->last_ino < node->ino)
            p->last_ino = node->ino;
        r = add_slot(s, node->ino);
    }
    return r;
}

uint32_t fc_ext4_sparse_names(const struct fc_ext4_planner *p, uint32_t inode)
{
    return p->sparse->changes->whole[inode] ? p->sparse->changes->names[inode] : 0;
}

uint64_t fc_ext4_all_nodes(const struct fc_ext4_planner *p) { return p->sparse ? p->sparse->n_nodes : p->n_nodes; }

uint32_t fc_ext4_sparse_dirs(const struct fc_ext4_planner *p, uint32_t group)
{
    return group < p->sparse->saved.header->n_dirs ? p->sparse->dirs[group] : 0;
}

const unsigned char *fc_ext4_sparse_kept(const struct fc_ext4_planner *p, uint64_t *ret_n)
{
    *ret_n = p->sparse->n_kept;
    return p->sparse->kept;
}

/* The base is what was saved of it. */
static int make_base(struct fc_ext4_planner *p, struct fc_ext4_planner *base)
{
    const struct fc_ext4_saved *saved = &p->sparse->saved;
    const struct fc_ext4_saved_header *h = saved->header;
    int r;

    *base = (struct fc_ext4_planner){.options = p->options,
                                     .features = h->features,
                                     .lost_found = FC_TREE_NONE,
                                     .runs = saved->runs,
                                     .n_runs = h->n_runs,
                                     .trees = saved->trees,
                                     .n_trees = h->n_trees,
                                     .leaf_hashes = saved->leaves,
                                     .n_leaf_hashes = h->n_leaves,
                                     .last_ino = h->last_ino,
                                     .journal_blocks = h->journal_blocks,
                                     .resize_block = h->resize_block};
    if (!base->options.inode_size)
        base->options.inode_size = 256;
    r = fc_ext4_layout(base, h->n_blocks, (uint64_t)h->inodes_per_group * h->n_dirs);
    p->base = base;
    return r < 0                                                                                        ? r
           : base->layout.inodes_per_group == h->inodes_per_group && base->layout.n_groups == h->n_dirs ? 0
                                                                                                        : -EBADMSG;
}

static int begin(struct fc_ext4_planner *p, struct fc_ext4_sparse *s)
{
    const struct fc_ext4_saved_header *h = s->saved.header;

    s->kept = malloc(h->block_bytes);
    s->dirs = malloc(h->n_dirs * sizeof(*s->dirs));
    if (!s->kept || !s->dirs)
        return -ENOMEM;
    memcpy(s->kept, s->saved.blocks, h->block_bytes);
    memcpy(s->dirs, s->saved.dirs, h->n_dirs * sizeof(*s->dirs));
    s->n_kept = h->placed - (h->resize_block != 0); /* which place.c counts again */
    s->n_nodes = h->n_all_nodes;
    p->summary.data_bytes = h->data_bytes;
    for (uint32_t i = 0; i < s->note.header->n; i++)
        if (s->note.numbers[i] && add_slot(s, s->note.numbers[i]) < 0)
            return -ENOMEM;
    return add_slot(s, EXT2_RESIZE_INO); /* which counts the groups */
}

/* Tables of the file are not the planner's to free. */
static void end(struct fc_ext4_planner *p)
{
    struct fc_ext4_planner *base = p->base;

    p->base = NULL;
    if (!base)
        return;
    base->runs = NULL;
    base->trees = NULL;
    base->leaf_hashes = NULL;
    fc_ext4_planner_release(base);
}

static int plan(struct fc_ext4_planner *p)
{
    int r = fc_ext4_prepare(p);

    if (r == 0 && p->n_xattr_blocks) /* which may be shared with what is not looked at */
        r = -EOPNOTSUPP;
    if (r == 0)
        r = p->sparse->changes->edited ? fc_ext4_grow_from_base(p) : fc_ext4_same_as_base(p);
    if (r == 0 && (!fc_ext4_is_plain(p) || p->layout.n_inodes < p->last_ino))
        r = -EOPNOTSUPP;
    return r == 0 ? fc_ext4_emit(p) : r;
}

int fc_ext4_make_sparse(struct fc_ext4_planner *p, struct fc_ext4_sparse *s)
{
    struct fc_ext4_planner base = {0};
    int r;

    p->sparse = s;
    p->edited = true;
    r = begin(p, s);
    if (r == 0)
        r = make_base(p, &base);
    if (r == 0)
        r = plan(p);
    end(p);
    return r;
}
