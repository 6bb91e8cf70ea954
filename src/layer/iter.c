/* SPDX-License-Identifier: Apache-2.0 */
/* Read a layer as an entry stream, such that building from it gives the same layer again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/io.h"
#include "entry/entry.h"
#include "layer/layer.h"

enum { CHUNK = 1 << 20 };

/* What a node still has to say: it may carry a whiteout, an object and an opaque mark. */
enum stage { STAGE_WHITEOUT, STAGE_OBJECT, STAGE_OPAQUE };

struct layer_iter {
    struct fc_entry_iter iter; /* first: it is what callers hold */
    struct fc_layer *layer;
    const struct fc_layer_view *v;
    uint32_t node;
    enum stage stage;
    uint32_t *first; /* of each inode: the node that is its first name */
    struct fc_entry entry;
    struct fc_buf path, target;
    struct fc_xattr *xattrs;
    size_t cap_xattrs;
    /* content of the current file */
    const struct fc_layer_inode *file;
    uint32_t extent;
    uint64_t done; /* bytes of that extent */
    char *buffer;
};

/* The path of @node, from its end to its beginning. */
static int path_of(const struct fc_layer_view *v, uint32_t node, struct fc_buf *ret)
{
    size_t len = 0, at;
    int r;

    for (uint32_t i = node; i; i = v->nodes[i].parent)
        len += v->nodes[i].name_len + 1u;
    fc_buf_clear(ret);
    r = fc_buf_reserve(ret, len + 1);
    if (r < 0)
        return r;
    ret->len = at = len ? len - 1 : 0;
    ret->data[at] = '\0';
    for (uint32_t i = node; i; i = v->nodes[i].parent) {
        const struct fc_layer_node *n = &v->nodes[i];

        at -= n->name_len;
        memcpy(ret->data + at, v->strings + n->name, n->name_len);
        if (at)
            ret->data[--at] = '/';
    }
    return 0;
}

static int fill_xattrs(struct layer_iter *it, const struct fc_layer_inode *inode)
{
    int r = fc_grow(&it->xattrs, &it->cap_xattrs, inode->n_xattrs, sizeof(*it->xattrs));

    if (r < 0)
        return r;
    for (uint32_t i = 0; i < inode->n_xattrs; i++) {
        const struct fc_layer_xattr *x = &it->v->xattrs[inode->first_xattr + i];

        it->xattrs[i] = (struct fc_xattr){
            .name = it->v->strings + x->name, .value = it->v->strings + x->value, .size = x->value_size};
    }
    it->entry.xattrs = it->xattrs;
    it->entry.n_xattrs = inode->n_xattrs;
    return 0;
}

static void fill_attributes(struct layer_iter *it, const struct fc_layer_inode *inode)
{
    it->entry.mode = inode->mode;
    it->entry.uid = inode->uid;
    it->entry.gid = inode->gid;
    it->entry.rdev_major = inode->rdev_major;
    it->entry.rdev_minor = inode->rdev_minor;
    it->entry.mtime = (struct timespec){.tv_sec = inode->mtime_sec, .tv_nsec = inode->mtime_nsec};
}

static int fill_object(struct layer_iter *it, const struct fc_layer_node *n)
{
    const struct fc_layer_inode *inode = n->inode == FC_LAYER_NONE ? NULL : &it->v->inodes[n->inode];
    int r;

    if (inode)
        fill_attributes(it, inode);
    if (n->flags & FC_NODE_LINK) {
        it->entry.op = FC_ENTRY_HARDLINK;
        it->entry.target = it->v->strings + n->link;
        return 0;
    }
    if (it->first[n->inode] != it->node) {
        it->entry.op = FC_ENTRY_HARDLINK;
        r = path_of(it->v, it->first[n->inode], &it->target);
        it->entry.target = it->target.data;
        return r;
    }
    it->entry.op = FC_ENTRY_ADD;
    if (S_ISREG(inode->mode)) {
        it->entry.size = inode->size;
        it->file = inode;
    } else if (S_ISLNK(inode->mode)) {
        it->entry.target = it->v->strings + inode->target;
    }
    return fill_xattrs(it, inode);
}

/* Whether the node has something to say at this stage. */
static bool speaks(const struct layer_iter *it)
{
    const struct fc_layer_node *n = &it->v->nodes[it->node];

    if (it->stage == STAGE_WHITEOUT)
        return n->flags & FC_NODE_WHITEOUT;
    if (it->stage == STAGE_OPAQUE)
        return n->flags & FC_NODE_OPAQUE;
    if (n->flags & FC_NODE_LINK)
        return true;
    return n->inode != FC_LAYER_NONE && !(it->v->inodes[n->inode].flags & FC_INODE_IMPLICIT);
}

static void advance(struct layer_iter *it)
{
    if (it->stage == STAGE_OPAQUE) {
        it->stage = STAGE_WHITEOUT;
        it->node++;
    } else {
        it->stage++;
    }
}

static int layer_next(struct fc_entry_iter *base, const struct fc_entry **ret_entry, struct fc_error *err)
{
    struct layer_iter *it = (struct layer_iter *)base;
    const struct fc_layer_node *n;
    int r;

    while (it->node < it->v->header->n_nodes && !speaks(it))
        advance(it);
    it->file = NULL;
    it->extent = 0;
    it->done = 0;
    if (it->node >= it->v->header->n_nodes)
        return 0;
    n = &it->v->nodes[it->node];
    it->entry = (struct fc_entry){.offset = it->node};
    r = path_of(it->v, it->node, &it->path);
    if (r == 0 && it->stage == STAGE_OBJECT)
        r = fill_object(it, n);
    else
        it->entry.op = it->stage == STAGE_WHITEOUT ? FC_ENTRY_WHITEOUT : FC_ENTRY_OPAQUE;
    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    it->entry.path = it->path.data;
    *ret_entry = &it->entry;
    advance(it);
    return 1;
}

static int layer_read(struct fc_entry_iter *base, struct fc_block *ret_block, struct fc_error *err)
{
    struct layer_iter *it = (struct layer_iter *)base;
    const struct fc_layer_extent *e;
    uint64_t left;
    size_t want;
    ssize_t n;

    if (!it->file || it->extent == it->file->n_extents)
        return 0;
    if (!it->buffer)
        it->buffer = malloc(CHUNK);
    if (!it->buffer)
        return fc_fail(err, ENOMEM, "out of memory");
    e = &it->v->extents[it->file->first_extent + it->extent];
    left = e->length - it->done;
    want = left < CHUNK ? (size_t)left : CHUNK;
    n = fc_layer_read_pack(it->layer, it->buffer, want, e->pack_offset + it->done);
    if (n == -EBADMSG)
        return fc_fail(err, EBADMSG,
                       "the content of \"%s\" in the cache is damaged: its bytes are not those that were written",
                       it->path.data);
    if (n < 0)
        return fc_fail_errno(err, (int)-n, "cannot read \"%s\" from the cache", it->path.data);
    if ((size_t)n < want)
        return fc_fail(err, EBADMSG, "the pack of a layer in the cache ends within \"%s\"", it->path.data);
    *ret_block = (struct fc_block){.data = it->buffer, .size = want, .offset = e->offset + it->done};
    it->done += want;
    if (it->done == e->length) {
        it->extent++;
        it->done = 0;
    }
    return 1;
}

static void layer_free(struct fc_entry_iter *base)
{
    struct layer_iter *it = (struct layer_iter *)base;

    fc_layer_unref(it->layer);
    fc_buf_release(&it->path);
    fc_buf_release(&it->target);
    free(it->first);
    free(it->xattrs);
    free(it->buffer);
    free(it);
}

int fc_layer_iter(struct fc_layer *layer, struct fc_entry_iter **ret_iter, struct fc_error *err)
{
    const struct fc_layer_view *v = fc_layer_view(layer);
    struct layer_iter *it = calloc(1, sizeof(*it));
    uint32_t *first = malloc((v->header->n_inodes + 1ul) * sizeof(*first));

    if (!it || !first) {
        free(it);
        free(first);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    memset(first, 0xff, (v->header->n_inodes + 1ul) * sizeof(*first));
    for (uint32_t i = 0; i < v->header->n_nodes; i++) {
        const struct fc_layer_node *n = &v->nodes[i];

        if (!(n->flags & FC_NODE_LINK) && n->inode != FC_LAYER_NONE && first[n->inode] == FC_LAYER_NONE)
            first[n->inode] = i;
    }
    *it = (struct layer_iter){.iter = {.next = layer_next, .read = layer_read, .free = layer_free},
                              .layer = fc_layer_ref(layer),
                              .v = v,
                              .first = first};
    *ret_iter = &it->iter;
    return 0;
}
