/* SPDX-License-Identifier: Apache-2.0 */
/* Place journal, directories, attributes and contents: in order, or, after edits, where the unedited stack has them. */
#include <errno.h>

#include "base/buf.h"
#include "ext4/plan.h"

#define LEAF_ENTRIES ((FC_EXT4_BLOCK - 12u) / 12u)
#define ROOT_ENTRIES 4u
#define NOWHERE UINT64_MAX

uint64_t fc_ext4_tree_blocks(uint64_t n_runs)
{
    uint64_t total = 0;

    while (n_runs > ROOT_ENTRIES) {
        n_runs = (n_runs + LEAF_ENTRIES - 1) / LEAF_ENTRIES;
        total += n_runs;
    }
    return total;
}

static int add_run(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t logical, uint64_t physical,
                   uint64_t length)
{
    struct fc_ext4_run *last = node->n_runs ? &p->runs[p->n_runs - 1] : NULL;

    if (last && last->logical + (uint64_t)last->length == logical && last->physical + last->length == physical) {
        uint64_t more = FC_EXT4_RUN_MOST - last->length < length ? FC_EXT4_RUN_MOST - last->length : length;

        last->length += (uint32_t)more;
        logical += (uint32_t)more;
        physical += more;
        length -= more;
    }
    while (length) {
        uint32_t part = length < FC_EXT4_RUN_MOST ? (uint32_t)length : FC_EXT4_RUN_MOST;

        if (p->n_runs >= UINT32_MAX || fc_grow(&p->runs, &p->runs_cap, p->n_runs + 1, sizeof(*p->runs)) < 0)
            return -ENOMEM;
        p->runs[p->n_runs++] = (struct fc_ext4_run){logical, part, physical};
        node->n_runs++;
        logical += part;
        physical += part;
        length -= part;
    }
    return 0;
}

/* The node of the base whose places @node keeps, or NULL. */
static const struct fc_ext4_node *base_node(const struct fc_ext4_planner *p, const struct fc_ext4_node *node)
{
    return p->base && node->base != FC_TREE_NONE ? &p->base->nodes[node->base] : NULL;
}

/* Blocks of a node that stand in a row in the file, and where the base has the first of them, or NOWHERE. */
struct piece {
    uint64_t logical, count, physical;
};
typedef int piece_fn(struct fc_ext4_planner *p, struct fc_ext4_node *node, const struct piece *piece);

/* Call @fn for blocks [logical, logical + count) of @node, cut where the base's runs are. @run is where to look on. */
static int each_piece(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint64_t logical, uint64_t count,
                      uint32_t *run, piece_fn *fn)
{
    const struct fc_ext4_node *base = base_node(p, node);
    int r = 0;

    while (r >= 0 && count) {
        struct piece piece = {logical, count, NOWHERE};
        const struct fc_ext4_run *b = NULL;

        while (base && *run < base->n_runs) {
            b = &p->base->runs[base->first_run + *run];
            if (b->logical + (uint64_t)b->length > logical)
                break;
            b = NULL;
            ++*run;
        }
        if (b && b->logical <= logical) {
            uint64_t left = b->logical + (uint64_t)b->length - logical;

            piece.physical = b->physical + (logical - b->logical);
            piece.count = count < left ? count : left;
        } else if (b && b->logical < logical + count) {
            piece.count = b->logical - logical;
        }
        r = fn(p, node, &piece);
        logical += piece.count;
        count -= piece.count;
    }
    return r;
}

static int each_of_node(struct fc_ext4_planner *p, struct fc_ext4_node *node, piece_fn *fn)
{
    uint64_t journal = node == &p->nodes[FC_EXT4_NODE_JOURNAL] ? p->journal_blocks : 0;
    uint32_t run = 0;
    int r = 0;

    if (node->content_blocks || journal)
        return each_piece(p, node, 0, journal ? journal : node->content_blocks, &run, fn);
    for (uint32_t i = 0; r >= 0 && i < fc_ext4_n_extents(p, node); i++) {
        const struct fc_snap_extent *e = &p->extents[p->inodes[node->source].first_extent + i];

        r = each_piece(p, node, e->offset / FC_EXT4_BLOCK, fc_ext4_blocks(e->length), &run, fn);
    }
    return r;
}

static int keep_piece(struct fc_ext4_planner *p, struct fc_ext4_node *node, const struct piece *piece)
{
    (void)node;
    if (piece->physical != NOWHERE)
        fc_ext4_room_keep(&p->room, piece->physical, piece->count);
    return 0;
}

/* Is there anything to align in @count blocks of @node? Contents that fill a whole aligned page, and no metadata. */
static bool is_aligned(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, uint64_t count)
{
    return p->options.align && !node->content_blocks && node->source != FC_TREE_NONE &&
           count >= p->options.align / FC_EXT4_BLOCK;
}

static int place_piece(struct fc_ext4_planner *p, struct fc_ext4_node *node, const struct piece *piece)
{
    uint64_t logical = piece->logical, count = piece->count, start, got;
    int r = 0;

    if (piece->physical != NOWHERE) {
        p->placed += count;
        return add_run(p, node, (uint32_t)logical, piece->physical, count);
    }
    for (; r >= 0 && count; count -= got, logical += got) {
        if (is_aligned(p, node, count))
            r = fc_ext4_room_take_aligned(p, count, logical, &start, &got);
        else
            got = fc_ext4_room_take(p, count, &start);
        if (r >= 0)
            r = add_run(p, node, (uint32_t)logical, start, got);
    }
    return r;
}

/* What edits leave as it is keeps its place. Of extent trees all blocks are kept: how many are needed is known later. */
static void keep_places(struct fc_ext4_planner *p)
{
    for (size_t k = 0; k < p->n_nodes; k++) {
        const struct fc_ext4_node *base = base_node(p, &p->nodes[k]);

        if (!base || p->nodes[k].settled)
            continue;
        each_of_node(p, &p->nodes[k], keep_piece);
        for (uint32_t i = 0; i < base->n_trees; i++)
            fc_ext4_room_keep(&p->room, p->base->trees[base->first_tree + i], 1);
    }
    for (size_t i = 0; i < p->n_xattr_blocks; i++)
        if (p->xattr_blocks[i].base)
            fc_ext4_room_keep(&p->room, p->base->xattr_blocks[p->xattr_blocks[i].base - 1].physical, 1);
    if (p->base->resize_block)
        fc_ext4_room_keep(&p->room, p->base->resize_block, 1);
}

/* One block, at @kept if that is not 0. */
static uint64_t place_block(struct fc_ext4_planner *p, uint64_t kept)
{
    uint64_t at = kept;

    if (kept)
        p->placed++;
    else
        fc_ext4_room_take(p, 1, &at);
    return at;
}

static int place_node(struct fc_ext4_planner *p, struct fc_ext4_node *node)
{
    node->first_run = (uint32_t)p->n_runs;
    node->n_runs = 0;
    return each_of_node(p, node, place_piece);
}

static int place_tree(struct fc_ext4_planner *p, struct fc_ext4_node *node)
{
    const struct fc_ext4_node *base = base_node(p, node);
    uint64_t n = fc_ext4_tree_blocks(node->n_runs);

    node->first_tree = (uint32_t)p->n_trees;
    node->n_trees = (uint32_t)n;
    for (uint32_t i = 0; i < n; i++) {
        if (fc_grow(&p->trees, &p->trees_cap, p->n_trees + 1, sizeof(*p->trees)) < 0)
            return -ENOMEM;
        p->trees[p->n_trees++] = place_block(p, base && i < base->n_trees ? p->base->trees[base->first_tree + i] : 0);
    }
    return 0;
}

static void place_xattr_block(struct fc_ext4_planner *p, struct fc_ext4_xattr_block *b)
{
    if (!b->physical)
        b->physical = place_block(p, p->base && b->base ? p->base->xattr_blocks[b->base - 1].physical : 0);
}

static bool has_aligned(const struct fc_ext4_planner *p, const struct fc_ext4_node *node)
{
    for (uint32_t i = 0; p->options.align && i < fc_ext4_n_extents(p, node); i++)
        if (is_aligned(p, node, p->extents[p->inodes[node->source].first_extent + i].length / FC_EXT4_BLOCK))
            return true;
    return false;
}

/* In order: metadata first, contents as they stand in the packs, so that long ranges are shared or copied at once. */
static int place_fresh(struct fc_ext4_planner *p)
{
    int r = 0;

    for (size_t k = FC_EXT4_NODE_ROOT; r >= 0 && k < p->n_nodes; k++) {
        p->nodes[k].n_runs = 0;
        if (p->nodes[k].content_blocks)
            r = place_node(p, &p->nodes[k]);
    }
    for (size_t i = 0; i < p->n_xattr_blocks; i++)
        place_xattr_block(p, &p->xattr_blocks[i]);
    for (size_t i = 0; r >= 0 && i < p->n_data; i++)
        if (has_aligned(p, &p->nodes[p->data_order[i]])) /* first, so that others find room in between */
            r = place_node(p, &p->nodes[p->data_order[i]]);
    for (size_t i = 0; r >= 0 && i < p->n_data; i++)
        if (!has_aligned(p, &p->nodes[p->data_order[i]]))
            r = place_node(p, &p->nodes[p->data_order[i]]);
    /* Extent tree blocks come last: how many there are is known only then. */
    for (size_t k = 0; r >= 0 && k < p->n_nodes; k++)
        r = place_tree(p, &p->nodes[k]);
    return r;
}

/* What is new goes in order of inode numbers, all of an inode together: a later edit moves no earlier one. */
static int place_edited(struct fc_ext4_planner *p)
{
    int r = place_tree(p, &p->nodes[FC_EXT4_NODE_JOURNAL]);

    for (size_t k = FC_EXT4_NODE_ROOT; r >= 0 && k < p->n_nodes; k++) {
        struct fc_ext4_node *node = &p->nodes[k];

        if (node->settled)
            continue;
        r = place_node(p, node);
        if (r >= 0)
            r = place_tree(p, node);
        if (node->xattr_block)
            place_xattr_block(p, &p->xattr_blocks[node->xattr_block - 1]);
    }
    return r;
}

int fc_ext4_kept_end(struct fc_ext4_planner *p, uint64_t *ret_end)
{
    p->journal_blocks = p->base->journal_blocks;
    if (fc_ext4_room_begin(p) < 0)
        return fc_ext4_no_memory(p);
    keep_places(p);
    *ret_end = p->room.end;
    return 0;
}

int fc_ext4_place(struct fc_ext4_planner *p)
{
    int r = fc_ext4_room_begin(p);

    if (r < 0)
        return r;
    if (p->base)
        keep_places(p);
    r = fc_ext4_room_ready(p);
    p->n_runs = p->n_trees = 0;
    p->placed = 0;
    if (p->sparse)
        fc_ext4_sparse_kept(p, &p->placed);
    for (size_t i = 0; i < p->n_xattr_blocks; i++)
        p->xattr_blocks[i].physical = 0;
    if (r >= 0)
        r = place_node(p, &p->nodes[FC_EXT4_NODE_JOURNAL]);
    if (fc_ext4_can_grow(p))
        p->resize_block = place_block(p, p->base ? p->base->resize_block : 0);
    if (r < 0)
        return r;
    return p->base ? place_edited(p) : place_fresh(p);
}
