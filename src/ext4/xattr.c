/* SPDX-License-Identifier: Apache-2.0 */
/* Put the attributes of every inode where ext4 looks for them: in the inode, then in a block that inodes may share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "ext4/xattr.h"

#define SYSTEM_INDEX 7u /* the prefix "system." */
#define LABEL_NAME "security.selinux"
#define SHARED_MOST 1024u /* references to one block, as the kernel limits them */

/* What the loop over all inodes keeps. */
struct work {
    struct fc_ext4_attr *attrs, **left; /* of the inode at hand: all, and those that the inode itself has no room for */
    size_t n_attrs;
    struct fc_arena arena; /* its re-encoded ACLs */
    struct fc_map blocks;  /* hash of a block's bytes to its index */
    struct fc_ext4_known_values values;
};

static int by_ext4_order(const void *a, const void *b)
{
    const struct fc_ext4_attr *x = a, *y = b;

    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->name, y->name, x->len);
}

static int fail_attr(const struct fc_ext4_planner *p, uint32_t inode, int code, const char *name)
{
    char text[360];

    if (code == ENOMEM)
        return fc_ext4_no_memory(p);
    snprintf(text, sizeof(text),
             code == EBADMSG ? "malformed ACL in %.255s" : "ext4 has no place for an attribute named %.255s", name);
    return fc_ext4_fail_at(p, inode, code, text);
}

static void finish_block(unsigned char *block)
{
    struct ext2_ext_attr_header *h = (void *)block;
    uint32_t hash = 0;

    for (unsigned at = sizeof(*h); block[at];
         at += (unsigned)sizeof(struct ext2_ext_attr_entry) + ((block[at] + 3u) & ~3u)) {
        const struct ext2_ext_attr_entry *e = (const void *)(block + at);

        if (!e->e_hash) {
            hash = 0;
            break;
        }
        hash = (hash << 16) ^ (hash >> 16) ^ e->e_hash;
    }
    h->h_magic = EXT2_EXT_ATTR_MAGIC;
    h->h_blocks = 1;
    h->h_hash = hash;
}

/* Take @block, or one with the same bytes that has room for another reference, for @node. Sets *ret_new. */
static int share_block(struct fc_ext4_planner *p, struct work *w, struct fc_ext4_node *node, const unsigned char *block,
                       bool *ret_new)
{
    uint64_t key = fc_hash(0, block, FC_EXT4_BLOCK) >> 1, index;
    unsigned char *copy;

    *ret_new = false;
    if (fc_map_get(&w->blocks, key, &index)) {
        struct fc_ext4_xattr_block *b = &p->xattr_blocks[index];

        if (b->refcount < SHARED_MOST && !memcmp(b->data, block, FC_EXT4_BLOCK)) {
            b->refcount++;
            node->xattr_block = (uint32_t)index + 1;
            return 0;
        }
    }
    *ret_new = true;
    copy = fc_image_alloc(p->image, FC_EXT4_BLOCK);
    if (!copy || fc_grow(&p->xattr_blocks, &p->xattr_blocks_cap, p->n_xattr_blocks + 1, sizeof(*p->xattr_blocks)) < 0 ||
        fc_map_set(&w->blocks, key, p->n_xattr_blocks) < 0)
        return fc_ext4_no_memory(p);
    memcpy(copy, block, FC_EXT4_BLOCK);
    p->xattr_blocks[p->n_xattr_blocks++] = (struct fc_ext4_xattr_block){.data = copy, .refcount = 1};
    node->xattr_block = (uint32_t)p->n_xattr_blocks;
    return 0;
}

/* What i_block has no room for. The attribute is there even when it is empty: it says that the inode has data. */
static void put_data(struct fc_ext4_attr_area *area, const struct fc_ext4_node *node)
{
    struct fc_ext4_attr data = {.index = SYSTEM_INDEX, .name = "data", .len = 4};

    if (node->inline_size > FC_EXT4_INLINE_BLOCK) {
        data.value = node->content + FC_EXT4_INLINE_BLOCK;
        data.size = node->inline_size - FC_EXT4_INLINE_BLOCK;
    }
    fc_ext4_attr_put(area, &data);
}

/* Put what fits into the inode, in order, and list the rest in w->left. Returns the number of the rest. */
static size_t fill_body(struct fc_ext4_planner *p, struct work *w, struct fc_ext4_node *node)
{
    size_t size = p->options.inode_size > FC_EXT4_BODY_AT ? p->options.inode_size - FC_EXT4_BODY_AT : 0, left = 0;
    struct fc_ext4_attr_area area = {.back = size ? size - 4 : 0};

    if (size && !node->body_xattrs)
        node->body_xattrs = fc_image_alloc(p->image, size);
    if (node->body_xattrs) {
        memset(node->body_xattrs, 0, size);
        memcpy(node->body_xattrs, &(uint32_t){EXT2_EXT_ATTR_MAGIC}, 4);
        area.base = node->body_xattrs + 4;
    }
    if (node->inlined) /* comes first, so that there is room for all that the inode was found to hold */
        put_data(&area, node);
    for (size_t i = 0; i < w->n_attrs; i++)
        if (!area.base || !fc_ext4_attr_put(&area, &w->attrs[i]))
            w->left[left++] = &w->attrs[i];
    if (!area.front) /* nothing fitted */
        node->body_xattrs = NULL;
    return left;
}

/* Put the first @n attributes of w->left into @block, which is cleared first. Returns false when they do not fit. */
static bool fill_block(struct work *w, unsigned char *block, size_t n)
{
    struct fc_ext4_attr_area area = {
        .base = block, .front = sizeof(struct ext2_ext_attr_header), .back = FC_EXT4_BLOCK, .hashed = true};

    memset(block, 0, FC_EXT4_BLOCK);
    for (size_t i = 0; i < n; i++)
        if (!fc_ext4_attr_put(&area, w->left[i]))
            return false;
    finish_block(block);
    return true;
}

/* Inode and block together are too small: the largest value of those that found no room goes elsewhere. */
static int move_largest(struct fc_ext4_planner *p, struct work *w, const struct fc_ext4_node *node, size_t n_left)
{
    struct fc_ext4_attr *largest = NULL;

    for (size_t i = 0; i < n_left; i++)
        if (!w->left[i]->value_ino && w->left[i]->size > (largest ? largest->size : 0))
            largest = w->left[i];
    if (!largest)
        return fc_ext4_fail_at(p, node->source, EOPNOTSUPP,
                               "the names of its extended attributes need more than the 4 KiB that ext4 has for them");
    return fc_ext4_move_value(p, &w->values, node->source, largest);
}

/* Values elsewhere are referred to by each entry; the entries of a block count once, whoever shares it. */
static void refer_values(struct fc_ext4_planner *p, struct work *w, struct fc_ext4_node *node, size_t n_left,
                         bool new_block)
{
    size_t left = 0;

    for (size_t i = 0; i < w->n_attrs; i++) {
        const struct fc_ext4_attr *a = &w->attrs[i];
        bool in_block = left < n_left && w->left[left] == a;

        left += in_block;
        if (!a->value_ino)
            continue;
        node->ea_blocks += (uint32_t)fc_ext4_blocks(a->size);
        if (!in_block || new_block)
            p->ea_values[a->value_index].refcount++;
    }
}

static int encode_node(struct fc_ext4_planner *p, struct work *w, struct fc_ext4_node *node)
{
    _Alignas(8) unsigned char block[FC_EXT4_BLOCK];
    bool new_block = false;
    size_t left;
    int r = 0;

    while (r >= 0) {
        left = fill_body(p, w, node);
        if (!left)
            break;
        if (fill_block(w, block, left)) {
            r = share_block(p, w, node, block, &new_block);
            break;
        }
        r = move_largest(p, w, node, left);
    }
    if (r >= 0)
        refer_values(p, w, node, left, new_block);
    return r;
}

/* The label that rules give to @node, or NULL. */
static const char *label_of(const struct fc_ext4_planner *p, const struct fc_ext4_node *node)
{
    if (!p->labels || node == &p->nodes[FC_EXT4_NODE_JOURNAL])
        return NULL;
    return p->labels[node->source == FC_TREE_NONE ? p->n_inodes : node->source];
}

/* Collect the attributes of @node in w->attrs, in ext4's order. */
static int collect_attrs(struct fc_ext4_planner *p, struct work *w, const struct fc_ext4_node *node)
{
    const struct fc_snap_inode *s = node->source == FC_TREE_NONE ? NULL : &p->inodes[node->source];
    const char *label = label_of(p, node);

    w->n_attrs = 0;
    for (uint32_t i = 0; s && i < s->n_xattrs; i++) {
        const struct fc_xattr *x = &p->xattrs[s->first_xattr + i];
        int r;

        if (label && strcmp(x->name, LABEL_NAME) == 0)
            continue;
        r = fc_ext4_attr_from(x, &w->arena, &w->attrs[w->n_attrs++]);
        if (r < 0)
            return fail_attr(p, node->source, -r, x->name);
    }
    if (label) /* its NUL belongs to it, as setfilecon(3) writes it */
        fc_ext4_attr_from(&(struct fc_xattr){.name = LABEL_NAME, .value = label, .size = strlen(label) + 1}, &w->arena,
                          &w->attrs[w->n_attrs++]);
    qsort(w->attrs, w->n_attrs, sizeof(*w->attrs), by_ext4_order);
    return 0;
}

static int encode_all(struct fc_ext4_planner *p, struct work *w)
{
    if (fc_ext4_know_values(p, &w->values) < 0)
        return -ENOMEM;
    for (size_t k = 0; k < p->n_nodes; k++) {
        struct fc_ext4_node *node = &p->nodes[k];
        int r;

        if (node->settled)
            continue;
        if (!p->labels && !node->inlined && (node->source == FC_TREE_NONE || !p->inodes[node->source].n_xattrs))
            continue;
        r = collect_attrs(p, w, node);
        if (r >= 0 && (w->n_attrs || node->inlined))
            r = encode_node(p, w, node);
        fc_arena_release(&w->arena);
        if (r < 0)
            return r;
    }
    return fc_ext4_make_value_nodes(p);
}

int fc_ext4_make_xattrs(struct fc_ext4_planner *p)
{
    struct work w = {0};
    uint32_t most = 0;
    int r;

    for (uint32_t i = 0; i < p->n_inodes; i++)
        most = p->inodes[i].n_xattrs > most ? p->inodes[i].n_xattrs : most;
    if (!most && !p->options.inline_data && !p->labels)
        return 0;
    w.attrs = malloc((most + 1) * sizeof(*w.attrs));
    w.left = malloc((most + 1) * sizeof(*w.left));
    r = w.attrs && w.left ? encode_all(p, &w) : fc_ext4_no_memory(p);
    free(w.attrs);
    free(w.left);
    fc_map_release(&w.blocks);
    fc_ext4_known_values_release(&w.values);
    return r;
}
