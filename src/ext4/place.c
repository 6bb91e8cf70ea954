/* SPDX-License-Identifier: Apache-2.0 */
/* Place journal, directories, attributes and contents in the free spans, front to back. */
#include <errno.h>

#include "base/buf.h"
#include "ext4/plan.h"

#define LEAF_ENTRIES ((FC_EXT4_BLOCK - 12u) / 12u)
#define ROOT_ENTRIES 4u

uint64_t fc_ext4_tree_blocks(uint64_t n_runs)
{
    uint64_t total = 0;

    while (n_runs > ROOT_ENTRIES) {
        n_runs = (n_runs + LEAF_ENTRIES - 1) / LEAF_ENTRIES;
        total += n_runs;
    }
    return total;
}

/*
 * Up to @want blocks that stand together. Beyond the last span numbers go on past the end of the image, so that one
 * pass tells how much is missing.
 */
static uint64_t take(struct fc_ext4_planner *p, uint64_t want, uint64_t *ret_start)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint64_t left;

    if (p->span < l->n_free && p->span_used == l->free[p->span].length) {
        p->span++;
        p->span_used = 0;
    }
    if (p->span < l->n_free) {
        left = l->free[p->span].length - p->span_used;
        want = want < left ? want : left;
        *ret_start = l->free[p->span].start + p->span_used;
    } else {
        *ret_start = l->n_blocks + p->span_used;
    }
    p->span_used += want;
    p->placed += want;
    return want;
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

static int place_blocks(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint64_t logical, uint64_t count)
{
    if (!node->n_runs)
        node->first_run = (uint32_t)p->n_runs;
    while (count) {
        uint64_t start, got = take(p, count, &start);
        int r = add_run(p, node, (uint32_t)logical, start, got);

        if (r < 0)
            return r;
        logical += got;
        count -= got;
    }
    return 0;
}

static int place_data(struct fc_ext4_planner *p, struct fc_ext4_node *node)
{
    const struct fc_snap_inode *s = &p->inodes[node->source];
    int r = 0;

    for (uint32_t i = 0; r >= 0 && i < s->n_extents; i++) {
        const struct fc_snap_extent *e = &p->extents[s->first_extent + i];

        r = place_blocks(p, node, e->offset / FC_EXT4_BLOCK, fc_ext4_blocks(e->length));
    }
    return r;
}

/* Extent tree blocks come last: how many there are is known only then. */
static int place_trees(struct fc_ext4_planner *p)
{
    for (size_t k = 0; k < p->n_nodes; k++) {
        struct fc_ext4_node *node = &p->nodes[k];
        uint64_t n = fc_ext4_tree_blocks(node->n_runs), block;

        node->first_tree = (uint32_t)p->n_trees;
        node->n_trees = (uint32_t)n;
        for (; n; n--) {
            if (fc_grow(&p->trees, &p->trees_cap, p->n_trees + 1, sizeof(*p->trees)) < 0)
                return -ENOMEM;
            take(p, 1, &block);
            p->trees[p->n_trees++] = block;
        }
    }
    return 0;
}

int fc_ext4_place(struct fc_ext4_planner *p)
{
    int r;

    p->n_runs = p->n_trees = p->span = 0;
    p->span_used = p->placed = 0;
    for (size_t k = 0; k < p->n_nodes; k++)
        p->nodes[k].n_runs = 0;
    r = place_blocks(p, &p->nodes[FC_EXT4_NODE_JOURNAL], 0, p->journal_blocks);
    take(p, 1, &p->resize_block);
    for (size_t k = 0; r >= 0 && k < p->n_nodes; k++)
        if (p->nodes[k].content_blocks)
            r = place_blocks(p, &p->nodes[k], 0, p->nodes[k].content_blocks);
    for (size_t i = 0; i < p->n_xattr_blocks; i++)
        take(p, 1, &p->xattr_blocks[i].physical);
    for (size_t i = 0; r >= 0 && i < p->n_data; i++)
        r = place_data(p, &p->nodes[p->data_order[i]]);
    return r < 0 ? r : place_trees(p);
}
