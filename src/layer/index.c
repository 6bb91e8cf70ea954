/* SPDX-License-Identifier: Apache-2.0 */
/* Write a layer's index: leave out what was dropped, number what stays, lay out the tables, digest them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/io.h"
#include "layer/builder.h"

void fc_layer_resolve_links(struct fc_layer_builder *b)
{
    /* Backwards: a target that came later and is itself an open link has its fallback by then. */
    for (size_t i = b->trie.n; i-- > 1;) {
        struct fc_trie_node *n = &b->trie.nodes[i];
        uint32_t target, inode;

        if ((n->flags & FC_TRIE_DEAD) || !(n->flags & FC_NODE_LINK))
            continue;
        target = fc_trie_find(&b->trie, &b->strings, b->strings.data + n->link);
        inode = target == FC_LAYER_NONE ? FC_LAYER_NONE : b->trie.nodes[target].inode;
        if (inode != FC_LAYER_NONE && !S_ISDIR(b->inodes[inode].mode))
            n->inode = inode;
    }
}

/* The tables in their final form; numbers of nodes and inodes are the new ones. */
struct tables {
    struct fc_layer_header header;
    struct fc_layer_node *nodes;
    struct fc_layer_inode *inodes;
    uint32_t *node_map, *inode_map; /* old number to new; NONE: left out */
};

static void release_tables(struct tables *t)
{
    free(t->nodes);
    free(t->inodes);
    free(t->node_map);
    free(t->inode_map);
}
static void release_tables_auto(struct tables *t) { release_tables(t); }

static int alloc_tables(const struct fc_layer_builder *b, struct tables *t)
{
    t->nodes = calloc(b->trie.n, sizeof(*t->nodes));
    t->inodes = calloc(b->n_inodes + 1, sizeof(*t->inodes));
    t->node_map = malloc(b->trie.n * sizeof(*t->node_map));
    t->inode_map = malloc((b->n_inodes + 1) * sizeof(*t->inode_map));
    if (!t->nodes || !t->inodes || !t->node_map || !t->inode_map)
        return -ENOMEM;
    memset(t->inode_map, 0xff, (b->n_inodes + 1) * sizeof(*t->inode_map));
    return 0;
}

static uint32_t keep_inode(const struct fc_layer_builder *b, struct tables *t, uint32_t inode)
{
    const struct fc_layer_inode *from = &b->inodes[inode];

    if (t->inode_map[inode] != FC_LAYER_NONE)
        return t->inode_map[inode];
    for (uint32_t i = 0; i < from->n_extents; i++)
        t->header.data_size += b->pack.extents[from->first_extent + i].length;
    t->inode_map[inode] = t->header.n_inodes;
    t->inodes[t->header.n_inodes] = *from;
    return t->header.n_inodes++;
}

static void fill_tables(const struct fc_layer_builder *b, struct tables *t)
{
    struct fc_layer_header *h = &t->header;

    for (size_t i = 0; i < b->trie.n; i++) {
        const struct fc_trie_node *from = &b->trie.nodes[i];
        struct fc_layer_node *to = &t->nodes[h->n_nodes];
        bool implicit;

        t->node_map[i] = FC_LAYER_NONE;
        if (from->flags & FC_TRIE_DEAD)
            continue;
        *to = (struct fc_layer_node){.parent = t->node_map[from->parent],
                                     .inode = FC_LAYER_NONE,
                                     .name = from->name,
                                     .name_len = from->name_len,
                                     .flags = from->flags,
                                     .link = from->link,
                                     .block = from->flags & FC_NODE_LINK ? from->block : 0};
        if (i == 0)
            to->parent = 0;
        if (from->inode != FC_LAYER_NONE)
            to->inode = keep_inode(b, t, from->inode);
        implicit = from->inode != FC_LAYER_NONE && (b->inodes[from->inode].flags & FC_INODE_IMPLICIT);
        h->n_entries += !implicit || from->flags != 0;
        h->n_whiteouts += !!(from->flags & FC_NODE_WHITEOUT) + !!(from->flags & FC_NODE_OPAQUE);
        t->node_map[i] = h->n_nodes++;
    }
}

/* A table goes to the next multiple of 8. */
static uint64_t place(uint64_t *at, uint64_t size)
{
    uint64_t offset = *at;

    *at += (size + 7) & ~UINT64_C(7);
    return offset;
}

static void lay_out(const struct fc_layer_builder *b, struct fc_layer_header *h)
{
    uint64_t at = sizeof(*h);

    memcpy(h->magic, FC_LAYER_MAGIC, sizeof(h->magic));
    h->version = FC_LAYER_VERSION;
    h->header_size = sizeof(*h);
    h->n_extents = (uint32_t)b->pack.n_extents;
    h->n_xattrs = (uint32_t)b->n_xattrs;
    h->strings_size = b->strings.len;
    h->nodes = place(&at, (uint64_t)h->n_nodes * sizeof(struct fc_layer_node));
    h->inodes = place(&at, (uint64_t)h->n_inodes * sizeof(struct fc_layer_inode));
    h->extents = place(&at, (uint64_t)h->n_extents * sizeof(struct fc_layer_extent));
    h->xattrs = place(&at, (uint64_t)h->n_xattrs * sizeof(struct fc_layer_xattr));
    h->sums = place(&at, b->pack.n_sums * sizeof(struct fc_layer_sum));
    h->strings = place(&at, h->strings_size);
    h->index_size = at;
}

/* Write a table (or digest it, when @fd is -1) and the zeros that fill it up to a multiple of 8. */
static int put(int fd, struct fc_hasher *hasher, const void *data, uint64_t size)
{
    static const char zeros[8];
    size_t fill = (size_t)(-size & 7);
    int r;

    if (fd < 0) {
        r = fc_hasher_add(hasher, data, size);
        return r < 0 ? r : fc_hasher_add(hasher, zeros, fill);
    }
    r = fc_write_full(fd, data, size);
    return r < 0 ? r : fc_write_full(fd, zeros, fill);
}

static int put_all(const struct fc_layer_builder *b, const struct tables *t, int fd, struct fc_hasher *hasher)
{
    const struct fc_layer_header *h = &t->header;
    int r = put(fd, hasher, h, sizeof(*h));

    if (r == 0)
        r = put(fd, hasher, t->nodes, (uint64_t)h->n_nodes * sizeof(*t->nodes));
    if (r == 0)
        r = put(fd, hasher, t->inodes, (uint64_t)h->n_inodes * sizeof(*t->inodes));
    if (r == 0)
        r = put(fd, hasher, b->pack.extents, (uint64_t)h->n_extents * sizeof(*b->pack.extents));
    if (r == 0)
        r = put(fd, hasher, b->xattrs, (uint64_t)h->n_xattrs * sizeof(*b->xattrs));
    if (r == 0)
        r = put(fd, hasher, b->pack.sums, b->pack.n_sums * sizeof(*b->pack.sums));
    return r < 0 ? r : put(fd, hasher, b->strings.data, h->strings_size);
}

static int digest_all(const struct fc_layer_builder *b, const struct tables *t, struct fc_hasher *hasher,
                      struct fc_digest *ret)
{
    int r = put_all(b, t, -1, hasher);

    return r < 0 ? r : fc_hasher_finish(hasher, ret);
}

int fc_layer_write_index(const struct fc_layer_builder *b, const struct fc_digest *diffid, uint64_t tar_size, int fd,
                         struct fc_error *err)
{
    fc_auto(release_tables) struct tables t = {0};
    fc_auto(fc_hasher_free) struct fc_hasher *fast = fc_hasher_new_fast(), *hasher = fc_hasher_new();
    struct fc_digest digest;
    int r = alloc_tables(b, &t);

    if (r < 0 || !fast || !hasher)
        return fc_fail(err, ENOMEM, "%s: out of memory", b->label);
    fill_tables(b, &t);
    memcpy(t.header.diffid, diffid->bytes, sizeof(t.header.diffid));
    t.header.pack_size = b->pack.size;
    t.header.tar_size = tar_size;
    lay_out(b, &t.header);
    r = digest_all(b, &t, hasher, &digest);
    if (r == 0) {
        memcpy(t.header.index_digest, digest.bytes, sizeof(digest.bytes));
        r = digest_all(b, &t, fast, &digest);
    }
    if (r == 0) {
        memcpy(t.header.index_check, digest.bytes, sizeof(t.header.index_check));
        r = put_all(b, &t, fd, NULL);
    }
    return r < 0 ? fc_fail_errno(err, -r, "%s: cannot write the layer into the cache", b->label) : 0;
}
