/* SPDX-License-Identifier: Apache-2.0 */
/* Put the attributes of every inode where ext4 looks for them: in the inode, then in a block that inodes may share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "ext4/xattr.h"

#define SHARED_MOST 1024u /* references to one block, as the kernel limits them */
#define BODY_AT (EXT2_GOOD_OLD_INODE_SIZE + 32u)

/* What the loop over all inodes keeps. */
struct work {
    struct fc_ext4_attr *attrs;
    struct fc_arena arena; /* re-encoded ACLs of the inode at hand */
    struct fc_map blocks;  /* hash of a block's bytes to its index */
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

/* Take @block, or one with the same bytes that has room for another reference, for @node. */
static int share_block(struct fc_ext4_planner *p, struct work *w, struct fc_ext4_node *node, const unsigned char *block)
{
    uint64_t key = fc_hash(0, block, FC_EXT4_BLOCK) >> 1, index;
    unsigned char *copy;

    if (fc_map_get(&w->blocks, key, &index)) {
        struct fc_ext4_xattr_block *b = &p->xattr_blocks[index];

        if (b->refcount < SHARED_MOST && !memcmp(b->data, block, FC_EXT4_BLOCK)) {
            b->refcount++;
            node->xattr_block = (uint32_t)index + 1;
            return 0;
        }
    }
    copy = fc_image_alloc(p->image, FC_EXT4_BLOCK);
    if (!copy || fc_grow(&p->xattr_blocks, &p->xattr_blocks_cap, p->n_xattr_blocks + 1, sizeof(*p->xattr_blocks)) < 0 ||
        fc_map_set(&w->blocks, key, p->n_xattr_blocks) < 0)
        return fc_ext4_no_memory(p);
    memcpy(copy, block, FC_EXT4_BLOCK);
    p->xattr_blocks[p->n_xattr_blocks++] = (struct fc_ext4_xattr_block){.data = copy, .refcount = 1};
    node->xattr_block = (uint32_t)p->n_xattr_blocks;
    return 0;
}

/* Put what fits into the inode, in order, and move the rest to the front of @attrs. Returns the number of the rest. */
static size_t fill_body(struct fc_ext4_planner *p, struct fc_ext4_node *node, struct fc_ext4_attr *attrs, size_t n)
{
    size_t size = p->options.inode_size > BODY_AT ? p->options.inode_size - BODY_AT : 0, left = 0;
    struct fc_ext4_attr_area area;

    node->body_xattrs = size ? fc_image_alloc(p->image, size) : NULL;
    if (!node->body_xattrs)
        return n;
    memcpy(node->body_xattrs, &(uint32_t){EXT2_EXT_ATTR_MAGIC}, 4);
    area = (struct fc_ext4_attr_area){.base = node->body_xattrs + 4, .back = size - 4};
    for (size_t i = 0; i < n; i++)
        if (!fc_ext4_attr_put(&area, &attrs[i]))
            attrs[left++] = attrs[i];
    if (!area.front) /* nothing fitted */
        node->body_xattrs = NULL;
    return left;
}

static int fill_block(struct fc_ext4_planner *p, struct work *w, struct fc_ext4_node *node, size_t n)
{
    _Alignas(8) unsigned char block[FC_EXT4_BLOCK] = {0};
    struct fc_ext4_attr_area area = {
        .base = block, .front = sizeof(struct ext2_ext_attr_header), .back = FC_EXT4_BLOCK, .hashed = true};

    for (size_t i = 0; i < n; i++)
        if (!fc_ext4_attr_put(&area, &w->attrs[i]))
            return fc_ext4_fail_at(p, node->source, EOPNOTSUPP,
                                   "its extended attributes need more than the 4 KiB that ext4 has for them");
    finish_block(block);
    return share_block(p, w, node, block);
}

static int encode_node(struct fc_ext4_planner *p, struct work *w, struct fc_ext4_node *node)
{
    const struct fc_snap_inode *s = &p->inodes[node->source];
    size_t left;

    for (uint32_t i = 0; i < s->n_xattrs; i++) {
        const struct fc_xattr *x = &p->xattrs[s->first_xattr + i];
        int r = fc_ext4_attr_from(x, &w->arena, &w->attrs[i]);

        if (r < 0)
            return fail_attr(p, node->source, -r, x->name);
    }
    qsort(w->attrs, s->n_xattrs, sizeof(*w->attrs), by_ext4_order);
    left = fill_body(p, node, w->attrs, s->n_xattrs);
    if (left)
        return fill_block(p, w, node, left);
    return 0;
}

int fc_ext4_make_xattrs(struct fc_ext4_planner *p)
{
    struct work w = {0};
    uint32_t most = 0;
    int r = 0;

    for (uint32_t i = 0; i < p->n_inodes; i++)
        most = p->inodes[i].n_xattrs > most ? p->inodes[i].n_xattrs : most;
    if (!most)
        return 0;
    w.attrs = malloc(most * sizeof(*w.attrs));
    if (!w.attrs)
        return fc_ext4_no_memory(p);
    for (size_t k = 0; r >= 0 && k < p->n_nodes; k++) {
        struct fc_ext4_node *node = &p->nodes[k];

        if (node->source == FC_TREE_NONE || !p->inodes[node->source].n_xattrs)
            continue;
        r = encode_node(p, &w, node);
        fc_arena_release(&w.arena);
    }
    free(w.attrs);
    fc_map_release(&w.blocks);
    return r;
}
