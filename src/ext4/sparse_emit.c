/* SPDX-License-Identifier: Apache-2.0 */
/* The image of a sparse plan: inode tables mended where they change, and what stays as it is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "ext4/sparse.h"

/* The inode tables, as far as they change. */
struct tables {
    unsigned char *dirty;   /* a bit for each inode number */
    unsigned char **blocks; /* by block of the tables: its bytes, owned by the image; NULL: as before */
    uint64_t n_blocks;
    uint32_t last; /* the highest number that matters */
    uint32_t per_block;
};

/* Block @i of all inode tables. */
static uint64_t place_of(const struct fc_ext4_layout *l, uint64_t i)
{
    return l->tables[i / l->table_blocks] + i % l->table_blocks;
}

/* The place of inode @number, in a block that is as in the last image. NULL on failure. */
static unsigned char *slot(struct fc_ext4_planner *p, struct tables *t, uint32_t number)
{
    uint64_t i = (number - 1) / t->per_block, at;
    unsigned char *block = t->blocks[i];

    if (!block) {
        block = t->blocks[i] = fc_image_alloc(p->image, FC_EXT4_BLOCK);
        at = i / p->layout.table_blocks < p->layout.n_groups ? place_of(&p->layout, i) : UINT64_MAX;
        if (block && at < p->sparse->note.header->n_blocks &&
            fc_pread_full(p->sparse->previous->fd, block, FC_EXT4_BLOCK, at * FC_EXT4_BLOCK) != FC_EXT4_BLOCK)
            return NULL;
    }
    return block ? block + (size_t)((number - 1) % t->per_block) * p->options.inode_size : NULL;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t most(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* Which numbers: those that were noted, and those that are in use in one image and behind the last one of another. */
static int find_dirty(struct fc_ext4_planner *p, struct tables *t)
{
    struct fc_ext4_sparse *s = p->sparse;
    uint32_t base = s->saved.header->last_ino, old = s->note.header->last_ino;
    uint32_t first = least(least(base, old), p->last_ino), last = most(most(base, old), p->last_ino);

    t->per_block = FC_EXT4_BLOCK / p->options.inode_size;
    t->last = last;
    for (size_t i = 0; i < s->n_slots; i++)
        t->last = most(t->last, s->slots[i]);
    t->n_blocks = (t->last - 1) / t->per_block + 1;
    t->dirty = calloc(t->last / 8 + 1, 1);
    t->blocks = calloc(t->n_blocks, sizeof(*t->blocks));
    if (!t->dirty || !t->blocks)
        return -ENOMEM;
    fc_ext4_set_bits(t->dirty, (uint64_t)first + 1, (uint64_t)last + 1);
    for (size_t i = 0; i < s->n_slots; i++)
        fc_ext4_set_bits(t->dirty, s->slots[i], (uint64_t)s->slots[i] + 1);
    return 0;
}

static bool is_dirty(const struct tables *t, uint32_t number) { return (t->dirty[number / 8] >> number % 8) & 1; }

static int clear_slots(struct fc_ext4_planner *p, struct tables *t)
{
    for (uint32_t number = 1; number <= t->last; number++) {
        unsigned char *at;

        if (!is_dirty(t, number))
            continue;
        at = slot(p, t, number);
        if (!at)
            return -EIO;
        memset(at, 0, p->options.inode_size);
    }
    return 0;
}

static int fill_slots(struct fc_ext4_planner *p, struct tables *t)
{
    struct ext2_inode_large *journal = (void *)slot(p, t, EXT2_JOURNAL_INO);
    struct ext2_inode_large *resize = (void *)slot(p, t, EXT2_RESIZE_INO);

    for (size_t k = 0; k < p->n_nodes; k++)
        if (!p->nodes[k].settled && (k != FC_EXT4_NODE_JOURNAL || p->journal_blocks) &&
            fc_ext4_put_node(p, slot(p, t, p->nodes[k].ino), &p->nodes[k]) < 0)
            return -ENOMEM;
    memcpy(p->journal_root, journal->i_block, sizeof(p->journal_root));
    if (fc_ext4_can_grow(p) && fc_ext4_emit_resize(p, resize) < 0)
        return -ENOMEM;
    for (uint32_t number = 1; p->csum && number <= p->last_ino; number++)
        if (is_dirty(t, number))
            fc_ext4_put_checksum(p, slot(p, t, number), number);
    return 0;
}

/* Tables end with the last inode, and the image where it does. */
static int add_blocks(struct fc_ext4_planner *p, const struct tables *t)
{
    uint64_t used = fc_ext4_blocks((uint64_t)p->last_ino * p->options.inode_size);
    int r = 0;

    for (uint64_t i = 0; i < t->n_blocks && r == 0; i++) {
        if (!t->blocks[i] || i / p->layout.table_blocks >= p->layout.n_groups)
            continue;
        r = fc_ext4_sparse_cut(p->sparse, place_of(&p->layout, i), 1);
        if (r == 0 && i < used)
            r = fc_image_add_memory(p->image, place_of(&p->layout, i) * FC_EXT4_BLOCK, t->blocks[i], FC_EXT4_BLOCK);
    }
    return r;
}

int fc_ext4_emit_sparse_inodes(struct fc_ext4_planner *p)
{
    struct tables t = {0};
    int r = find_dirty(p, &t);

    if (r == 0)
        r = clear_slots(p, &t);
    if (r == 0)
        r = fill_slots(p, &t);
    if (r == 0)
        r = add_blocks(p, &t);
    free(t.dirty);
    free(t.blocks);
    return r;
}

static int by_start(const void *a, const void *b)
{
    const struct fc_ext4_span *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

/* Bytes [from, to) of saved segment @g are as before. */
static int add_part(struct fc_ext4_planner *p, const struct fc_ext4_saved_segment *g, uint64_t from, uint64_t to)
{
    if (from >= to)
        return 0;
    if (g->source == FC_TREE_NONE)
        return fc_image_add_file(p->image, from, p->sparse->previous->fd, from, to - from);
    if (g->source >= p->n_sources)
        return -EBADMSG;
    return fc_image_add_file(p->image, from, p->sources[g->source].fd, g->source_offset + (from - g->offset),
                             to - from);
}

int fc_ext4_emit_sparse_rest(struct fc_ext4_planner *p)
{
    struct fc_ext4_sparse *s = p->sparse;
    size_t at = 0;
    int r = 0;

    qsort(s->cut, s->n_cut, sizeof(*s->cut), by_start);
    for (uint64_t i = 0; i < s->saved.header->n_segments && r == 0; i++) {
        const struct fc_ext4_saved_segment *g = &s->saved.segments[i];
        uint64_t from = g->offset, end = g->offset + g->length;

        while (at < s->n_cut && (s->cut[at].start + s->cut[at].length) * FC_EXT4_BLOCK <= from)
            at++;
        for (size_t k = at; k < s->n_cut && s->cut[k].start * FC_EXT4_BLOCK < end && r == 0; k++) {
            uint64_t to = (s->cut[k].start + s->cut[k].length) * FC_EXT4_BLOCK;

            r = add_part(p, g, from, s->cut[k].start * FC_EXT4_BLOCK);
            from = to > from ? to : from;
        }
        if (r == 0)
            r = add_part(p, g, from, end);
    }
    return r;
}
