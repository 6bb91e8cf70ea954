/* SPDX-License-Identifier: Apache-2.0 */
/* Find the size of the image: the smallest that holds everything, or check the one that was asked for. */
#include <errno.h>

#include "ext4/plan.h"

#define LAST_GROUP_ROOM 50u /* blocks beyond its overhead that make a last group worth having */
#define BYTES_PER_FREE_INODE 16384u
#define EXTRA_FREE 4u
#define BLOCKS_MOST (UINT64_C(1) << 32) /* the resize inode names blocks by 32 bits */

static uint64_t journal_blocks(const struct fc_ext4_planner *p, uint64_t n_blocks)
{
    static const struct {
        uint64_t below, blocks;
    } sizes[] = {{32768, 1024},    {262144, 4096},    {524288, 8192},     {4194304, 16384},
                 {8388608, 32768}, {16777216, 65536}, {33554432, 131072}, {UINT64_MAX, 262144}};
    size_t i = 0;

    if (p->options.journal == FC_EXT4_JOURNAL_NONE)
        return 0;
    if (p->options.journal == FC_EXT4_JOURNAL_SIZE)
        return p->options.journal_bytes / FC_EXT4_BLOCK;
    while (n_blocks >= sizes[i].below)
        i++;
    return sizes[i].blocks;
}

static uint64_t root_blocks(const struct fc_ext4_planner *p, uint64_t n_blocks)
{
    return n_blocks / 1000 * p->options.reserved_permille + n_blocks % 1000 * p->options.reserved_permille / 1000;
}

/*
 * Blocks that must stay free: for root, for the guest, and, if for the guest, what the kernel keeps back for itself and
 * what one file of that size needs for its extent tree.
 */
static uint64_t free_wanted(const struct fc_ext4_planner *p, uint64_t n_blocks)
{
    uint64_t n = root_blocks(p, n_blocks) + fc_ext4_blocks(p->options.free_bytes);

    if (p->options.free_bytes)
        n += (n_blocks / 50 < 4096 ? n_blocks / 50 : 4096) + EXTRA_FREE + n_blocks / (FC_EXT4_GROUP_BLOCKS * 64u);
    return n;
}

static uint64_t inodes_wanted(const struct fc_ext4_planner *p)
{
    uint64_t n = p->last_ino + p->last_ino / 10 + p->options.free_bytes / BYTES_PER_FREE_INODE;

    if (p->options.read_only)
        return p->last_ino;

    if (p->options.n_inodes)
        n = p->options.n_inodes > p->last_ino ? p->options.n_inodes : p->last_ino;
    return n > p->inode_wish ? n : p->inode_wish;
}

/* Blocks that are placed at least, whatever the layout. */
static uint64_t blocks_at_least(const struct fc_ext4_planner *p)
{
    uint64_t n = fc_ext4_can_grow(p) + p->n_xattr_blocks;

    for (size_t k = 0; k < p->n_nodes; k++) {
        const struct fc_ext4_node *node = &p->nodes[k];

        n += node->content_blocks;
    }
    for (size_t i = 0; i < p->n_data; i++) {
        const struct fc_snap_inode *s = &p->inodes[p->nodes[p->data_order[i]].source];

        for (uint32_t k = 0; k < s->n_extents; k++)
            n += fc_ext4_blocks(p->extents[s->first_extent + k].length);
    }
    return n;
}

/* Set *ret_short to the blocks that are missing in a file system of @n_blocks. With @place everything is placed. */
static int try_size(struct fc_ext4_planner *p, uint64_t n_blocks, uint64_t n_inodes, uint64_t least, bool place,
                    uint64_t *ret_short)
{
    uint64_t wanted, available;
    int r = fc_ext4_layout(p, n_blocks, n_inodes);

    if (r < 0)
        return fc_ext4_no_memory(p);
    p->journal_blocks = journal_blocks(p, n_blocks);
    wanted = least + p->journal_blocks;
    available = p->layout.n_available;
    if (p->layout.shortage) {
        *ret_short = p->layout.shortage;
        return 0;
    }
    if (place) {
        if (fc_ext4_place(p) < 0)
            return fc_ext4_no_memory(p);
        /* Holes that were too small for use count as free. */
        available += p->room.outside;
        wanted = p->placed;
    }
    wanted += free_wanted(p, n_blocks);
    *ret_short = wanted > available ? wanted - available : 0;
    if (place && *ret_short < p->room.outside)
        *ret_short = p->room.outside;
    return 0;
}

/* Is the last group of the layout that was just tried too small to be worth its metadata? Then its least size, else 0. */
static uint64_t last_group_least(const struct fc_ext4_layout *l)
{
    uint64_t rest = l->n_blocks % FC_EXT4_GROUP_BLOCKS, least;

    if (!rest || l->n_groups == 1)
        return 0;
    least = fc_ext4_group_overhead(l, l->n_groups - 1) + LAST_GROUP_ROOM;
    return rest < least && least < FC_EXT4_GROUP_BLOCKS ? least : 0;
}

/*
 * Go up from @n, which is surely needed, by what is missing each time: the first size that holds everything is the
 * smallest. Without @place the first tries only count.
 */
static int smallest(struct fc_ext4_planner *p, uint64_t n, uint64_t least, bool place, uint64_t *ret_blocks)
{
    uint64_t missing = 1, inodes = inodes_wanted(p), unit = p->options.align ? p->options.align / FC_EXT4_BLOCK : 1;

    for (;;) {
        int r;
        uint64_t group_least;

        n = (n + unit - 1) / unit * unit;
        if (n > BLOCKS_MOST)
            return fc_fail(p->err, EOPNOTSUPP, "the image would be larger than 16 TiB");
        r = try_size(p, n, inodes, least, place, &missing);
        if (r < 0)
            return r;
        group_least = last_group_least(&p->layout);
        if (group_least) {
            n += group_least - n % FC_EXT4_GROUP_BLOCKS;
            continue;
        }
        if (!missing && place)
            break;
        if (!missing)
            place = true;
        n += missing;
    }
    *ret_blocks = n;
    return 0;
}

/* Use just @n_blocks, with inodes for the space that is free if they find room. Sets *ret_fits. */
static int use_size(struct fc_ext4_planner *p, uint64_t n_blocks, uint64_t needed, uint64_t least, bool *ret_fits)
{
    uint64_t base = inodes_wanted(p), missing = 1, group_least;
    uint64_t more = p->options.n_inodes ? 0 : (n_blocks - needed) / (BYTES_PER_FREE_INODE / FC_EXT4_BLOCK);
    int r = 0;

    for (int turn = 0; r >= 0 && missing && turn < 2; turn++) {
        r = try_size(p, n_blocks, turn ? base : base + more, least, true, &missing);
        group_least = last_group_least(&p->layout);
        if (r >= 0 && group_least) /* as mke2fs: leave the rest of the image unused */
            r = try_size(p, n_blocks - n_blocks % FC_EXT4_GROUP_BLOCKS, turn ? base : base + more, least, true,
                         &missing);
    }
    *ret_fits = r >= 0 && !missing;
    return r;
}

/* Without regard to a base. */
static int find_fresh(struct fc_ext4_planner *p)
{
    uint64_t least = blocks_at_least(p), needed = 0, missing;
    uint64_t asked = p->options.size / FC_EXT4_BLOCK;
    bool fits = false;
    int r = smallest(p, least, least, false, &needed);

    if (r < 0)
        return r;
    p->summary.needed = needed * FC_EXT4_BLOCK;
    p->summary.size = p->options.size ? asked * FC_EXT4_BLOCK : p->summary.needed;
    if (!p->options.size || asked == needed)
        return 0;
    if (asked < needed)
        return fc_fail(p->err, ENOSPC, "%llu bytes are too small for this tree: it needs %llu",
                       (unsigned long long)p->options.size, (unsigned long long)p->summary.needed);
    if (asked > BLOCKS_MOST)
        return fc_fail(p->err, EOPNOTSUPP, "images of more than 16 TiB are not supported");
    r = use_size(p, asked, needed, least, &fits);
    if (r < 0 || fits)
        return r;
    /* Just past a border more is fixed than is gained (a larger journal, one more group): use the smaller one inside. */
    return try_size(p, needed, inodes_wanted(p), least, true, &missing);
}

int fc_ext4_grow_from_base(struct fc_ext4_planner *p)
{
    uint64_t end, n = 0;
    int r = fc_ext4_kept_end(p, &end);

    if (r >= 0)
        r = smallest(p, end, 0, true, &n);
    p->summary.needed = p->summary.size = n * FC_EXT4_BLOCK;
    return r;
}

int fc_ext4_same_as_base(struct fc_ext4_planner *p)
{
    uint64_t n = p->base->layout.n_blocks, missing;

    p->summary.needed = p->summary.size = n * FC_EXT4_BLOCK;
    return try_size(p, n, 0, 0, true, &missing);
}

/* Keep the places of the base in an image of the size that was asked for, if all finds room. */
static int fit_with_base(struct fc_ext4_planner *p, bool *ret_fits)
{
    uint64_t missing = 0;
    int r = 0;

    p->summary.size = p->base->summary.size;
    for (int turn = 0; r >= 0 && (turn == 0 || (turn == 1 && missing)); turn++) {
        p->room.fill = turn == 1;
        r = try_size(p, p->base->layout.n_blocks, 0, 0, true, &missing);
    }
    *ret_fits = !missing;
    return r;
}

static int find_with_base(struct fc_ext4_planner *p, uint64_t size, bool *ret_fits)
{
    struct fc_ext4_planner *base = p->base;
    int r = 0;

    base->options.size = size;
    base->inode_wish = 0;
    *ret_fits = false;
    for (int turn = 0; r >= 0 && turn < 2 && !*ret_fits; turn++) {
        r = find_fresh(base);
        if (r == -ENOSPC)
            return 0;
        if (r >= 0)
            r = size ? fit_with_base(p, ret_fits) : fc_ext4_grow_from_base(p);
        if (r >= 0 && !size)
            *ret_fits = true;
        if (p->layout.n_inodes < p->last_ino) { /* once more, with tables that hold the edits' inodes too */
            base->inode_wish = inodes_wanted(p);
            *ret_fits = false;
        }
    }
    return r;
}

static int find_fresh_instead(struct fc_ext4_planner *p)
{
    fc_ext4_base_free(p->base);
    p->base = NULL;
    return find_fresh(p);
}

int fc_ext4_find_size(struct fc_ext4_planner *p)
{
    bool fits = false;
    int r;

    if (!p->base)
        return find_fresh(p);
    r = find_with_base(p, 0, &fits);
    if (r >= 0 && fits && p->options.size && p->options.size / FC_EXT4_BLOCK * FC_EXT4_BLOCK != p->summary.needed)
        r = find_with_base(p, p->options.size, &fits);
    /* What edits deleted may be just what makes it fit. */
    return r < 0 || fits ? r : find_fresh_instead(p);
}
