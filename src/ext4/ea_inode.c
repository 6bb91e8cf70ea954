/* SPDX-License-Identifier: Apache-2.0 */
/* Attribute values in inodes of their own (ea_inode), shared by all attributes that have the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ext4/xattr.h"

#define VALUE_MOST 65536u /* XATTR_SIZE_MAX: the kernel hands out no more */

static uint64_t key_of(const void *value, size_t size) { return fc_hash(0, value, size) >> 1; }

/* The index of the value that is @value, which @map may lead to, among @values. */
static bool find_value(const struct fc_map *map, const struct fc_ext4_ea_value *values, const void *value, size_t size,
                       uint64_t *ret_index)
{
    return fc_map_get(map, key_of(value, size), ret_index) && values[*ret_index].size == size &&
           memcmp(values[*ret_index].content, value, size) == 0;
}

int fc_ext4_know_values(const struct fc_ext4_planner *p, struct fc_ext4_known_values *known)
{
    for (size_t i = 0; p->base && i < p->base->n_ea_values; i++) {
        const struct fc_ext4_ea_value *value = &p->base->ea_values[i];

        if (fc_map_set(&known->base, key_of(value->content, value->size), i) < 0)
            return fc_ext4_no_memory(p);
    }
    return 0;
}

void fc_ext4_known_values_release(struct fc_ext4_known_values *known)
{
    fc_map_release(&known->own);
    fc_map_release(&known->base);
}

/* A value that the base has keeps its inode number there. */
static int add_value(struct fc_ext4_planner *p, struct fc_ext4_known_values *known, const struct fc_ext4_attr *a)
{
    struct fc_ext4_ea_value value = {.size = (uint32_t)a->size, .base = FC_TREE_NONE};
    uint64_t at;

    value.content = fc_image_alloc(p->image, (size_t)fc_ext4_blocks(a->size) * FC_EXT4_BLOCK);
    if (!value.content || fc_grow(&p->ea_values, &p->ea_values_cap, p->n_ea_values + 1, sizeof(*p->ea_values)) < 0 ||
        fc_map_set(&known->own, key_of(a->value, a->size), p->n_ea_values) < 0)
        return fc_ext4_no_memory(p);
    memcpy(value.content, a->value, a->size);
    value.hash = ext2fs_crc32c_le(p->csum_seed, value.content, a->size);
    if (p->base && find_value(&known->base, p->base->ea_values, a->value, a->size, &at)) {
        value.base = p->base->ea_values[at].node;
        value.ino = p->base->ea_values[at].ino;
    } else {
        value.ino = fc_ext4_take_ino(p);
    }
    if (p->last_ino < value.ino)
        p->last_ino = value.ino;
    p->ea_values[p->n_ea_values++] = value;
    return 0;
}

int fc_ext4_move_value(struct fc_ext4_planner *p, struct fc_ext4_known_values *known, uint32_t inode,
                       struct fc_ext4_attr *a)
{
    uint64_t index;
    int r;

    if (a->size > VALUE_MOST)
        return fc_ext4_fail_at(p, inode, EOPNOTSUPP,
                               "an extended attribute is larger than 64 KiB, which Linux never reads");
    r = fc_ext4_need(p, inode, EXT4_FEATURE_INCOMPAT_EA_INODE, "ea_inode",
                     "its extended attributes need more than the 4 KiB that ext4 has for them");
    if (r >= 0 && !find_value(&known->own, p->ea_values, a->value, a->size, &index)) {
        index = p->n_ea_values;
        r = add_value(p, known, a);
    }
    if (r < 0)
        return r;
    a->value_ino = p->ea_values[index].ino;
    a->value_hash = p->ea_values[index].hash;
    a->value_index = (uint32_t)index;
    return 0;
}

int fc_ext4_make_value_nodes(struct fc_ext4_planner *p)
{
    struct fc_ext4_node *nodes;

    if (!p->n_ea_values)
        return 0;
    nodes = realloc(p->nodes, (p->n_nodes + p->n_ea_values) * sizeof(*nodes));
    if (!nodes)
        return fc_ext4_no_memory(p);
    p->nodes = nodes;
    for (size_t i = 0; i < p->n_ea_values; i++) {
        struct fc_ext4_ea_value *value = &p->ea_values[i];

        value->node = (uint32_t)p->n_nodes;
        p->nodes[p->n_nodes++] = (struct fc_ext4_node){.ino = value->ino,
                                                       .source = FC_TREE_NONE,
                                                       .base = value->base,
                                                       .links = 1,
                                                       .content = value->content,
                                                       .content_blocks = (uint32_t)fc_ext4_blocks(value->size),
                                                       .ea_value = (uint32_t)i + 1};
    }
    return 0;
}
