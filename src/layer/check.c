/* SPDX-License-Identifier: Apache-2.0 */
/* Check the structure of a layer's index, so that whoever reads the tables need not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "layer/open.h"

static int bad(struct fc_error *err, const char *what, uint64_t i)
{
    return fc_fail(err, EBADMSG, "damaged: %s (%llu)", what, (unsigned long long)i);
}

/* A table of @n elements of @each bytes at @offset lies between the header and the end. */
static bool fits(const struct fc_layer_header *h, uint64_t offset, uint64_t n, uint64_t each)
{
    return offset % 8 == 0 && offset >= h->header_size && offset <= h->index_size &&
           n <= (h->index_size - offset) / each;
}

static int check_header(const struct fc_layer_header *h, uint64_t size, uint64_t pack_size, struct fc_error *err)
{
    if (size < FC_LAYER_HEADER_OLD || memcmp(h->magic, FC_LAYER_MAGIC, sizeof(h->magic)) != 0)
        return fc_fail(err, EBADMSG, "not a layer index");
    if (h->version < FC_LAYER_VERSION_MIN || h->version > FC_LAYER_VERSION)
        return fc_fail(err, EBADMSG, "layer format %u, this program knows %u to %u", h->version, FC_LAYER_VERSION_MIN,
                       FC_LAYER_VERSION);
    if (h->header_size != (h->version < 3 ? FC_LAYER_HEADER_OLD : sizeof(*h)) || h->index_size != size ||
        h->header_size > size)
        return bad(err, "length of the index", size);
    if (h->pack_size != pack_size)
        return bad(err, "length of the pack", pack_size);
    if (!fits(h, h->nodes, h->n_nodes, sizeof(struct fc_layer_node)) ||
        !fits(h, h->inodes, h->n_inodes, sizeof(struct fc_layer_inode)) ||
        !fits(h, h->extents, h->n_extents, sizeof(struct fc_layer_extent)) ||
        !fits(h, h->xattrs, h->n_xattrs, sizeof(struct fc_layer_xattr)) || !fits(h, h->strings, h->strings_size, 1))
        return bad(err, "place of a table", 0);
    if (h->version >= 3 && !fits(h, h->sums, FC_LAYER_N_SUMS(h->pack_size), sizeof(struct fc_layer_sum)))
        return bad(err, "place of a table", 0);
    if (h->n_nodes == 0 || h->n_nodes == FC_LAYER_NONE || h->n_inodes == FC_LAYER_NONE)
        return bad(err, "number of nodes", h->n_nodes);
    return 0;
}

/* The string at @offset has @len bytes, no NUL among them and one after them. */
static bool is_string(const struct fc_layer_view *v, uint64_t offset, uint64_t len)
{
    return offset < v->header->strings_size && len < v->header->strings_size - offset &&
           !memchr(v->strings + offset, 0, len) && v->strings[offset + len] == '\0';
}

static bool is_name(const char *name, size_t len)
{
    return len > 0 && len <= FC_NAME_MAX && !memchr(name, '/', len) && !(len == 1 && name[0] == '.') &&
           !(len == 2 && name[0] == '.' && name[1] == '.');
}

/* A hard link's target: the strings end with a NUL, so that any offset inside is a string. */
static bool is_path(const struct fc_layer_view *v, uint32_t offset)
{
    const char *p = v->strings + offset;

    if (offset >= v->header->strings_size || !*p || strlen(p) > FC_PATH_MAX)
        return false;
    for (;;) {
        size_t len = strcspn(p, "/");

        if (!is_name(p, len))
            return false;
        if (!p[len])
            return true;
        p += len + 1;
    }
}

static int check_extents(const struct fc_layer_view *v, const struct fc_layer_inode *inode, uint64_t i,
                         struct fc_error *err)
{
    uint64_t end = 0, pack_size = v->header->pack_size;

    if (inode->n_extents > v->header->n_extents || inode->first_extent > v->header->n_extents - inode->n_extents)
        return bad(err, "extents of an inode", i);
    for (uint32_t k = 0; k < inode->n_extents; k++) {
        const struct fc_layer_extent *e = &v->extents[inode->first_extent + k];
        uint64_t padded = (e->length + FC_LAYER_BLOCK - 1) & ~(uint64_t)(FC_LAYER_BLOCK - 1);

        if (e->offset % FC_LAYER_BLOCK || e->pack_offset % FC_LAYER_BLOCK || e->offset < end || e->length == 0 ||
            e->offset > inode->size || e->length > inode->size - e->offset)
            return bad(err, "place of an extent of inode", i);
        end = e->offset + e->length;
        if (e->length % FC_LAYER_BLOCK && end != inode->size)
            return bad(err, "length of an extent of inode", i);
        if (e->pack_offset > pack_size || padded > pack_size - e->pack_offset)
            return bad(err, "pack range of an extent of inode", i);
    }
    return 0;
}

static int check_xattrs(const struct fc_layer_view *v, struct fc_error *err)
{
    for (uint32_t i = 0; i < v->header->n_xattrs; i++) {
        const struct fc_layer_xattr *x = &v->xattrs[i];
        size_t len;

        if (x->name >= v->header->strings_size || x->value > v->header->strings_size ||
            x->value_size > v->header->strings_size - x->value)
            return bad(err, "place of an extended attribute", i);
        len = strnlen(v->strings + x->name, FC_NAME_MAX + 1);
        if (len == 0 || len > FC_NAME_MAX)
            return bad(err, "name of an extended attribute", i);
    }
    return 0;
}

static bool xattrs_sorted(const struct fc_layer_view *v, const struct fc_layer_inode *inode)
{
    if (inode->n_xattrs > v->header->n_xattrs || inode->first_xattr > v->header->n_xattrs - inode->n_xattrs)
        return false;
    for (uint32_t k = 1; k < inode->n_xattrs; k++) {
        const struct fc_layer_xattr *x = &v->xattrs[inode->first_xattr + k];

        if (strcmp(v->strings + x[-1].name, v->strings + x->name) >= 0)
            return false;
    }
    return true;
}

static bool sane_type(const struct fc_layer_view *v, const struct fc_layer_inode *inode)
{
    switch (inode->mode & S_IFMT) {
    case S_IFREG:
        return inode->size <= INT64_MAX && inode->target == FC_LAYER_NONE;
    case S_IFLNK:
        return inode->size > 0 && inode->size <= FC_TARGET_MAX && inode->n_extents == 0 &&
               is_string(v, inode->target, inode->size);
    case S_IFDIR:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return inode->size == 0 && inode->n_extents == 0 && inode->target == FC_LAYER_NONE;
    default:
        return false;
    }
}

static int check_inodes(const struct fc_layer_view *v, struct fc_error *err)
{
    for (uint32_t i = 0; i < v->header->n_inodes; i++) {
        const struct fc_layer_inode *inode = &v->inodes[i];
        int r;

        if ((inode->mode & ~(uint32_t)(S_IFMT | 07777)) || !sane_type(v, inode))
            return bad(err, "type or size of inode", i);
        if ((inode->flags & ~(uint32_t)FC_INODE_IMPLICIT) || (inode->flags && !S_ISDIR(inode->mode)))
            return bad(err, "flags of inode", i);
        if (inode->mtime_nsec >= 1000000000)
            return bad(err, "time of inode", i);
        if (!xattrs_sorted(v, inode))
            return bad(err, "extended attributes of inode", i);
        r = check_extents(v, inode, i, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The kind of object that node @i has: S_IFMT bits, or 0 for none. */
static uint32_t kind_of(const struct fc_layer_view *v, uint32_t i)
{
    return v->nodes[i].inode == FC_LAYER_NONE ? 0 : v->inodes[v->nodes[i].inode].mode & S_IFMT;
}

static const char *node_fault(const struct fc_layer_view *v, uint32_t i)
{
    const struct fc_layer_node *n = &v->nodes[i], *parent;
    bool link = n->flags & FC_NODE_LINK;

    if (n->inode != FC_LAYER_NONE && n->inode >= v->header->n_inodes)
        return "inode of node";
    if (n->flags & ~(FC_NODE_WHITEOUT | FC_NODE_OPAQUE | FC_NODE_LINK))
        return "flags of node";
    if (link ? !is_path(v, n->link) || kind_of(v, i) == S_IFDIR : n->link != FC_LAYER_NONE)
        return "hard link of node";
    if ((n->flags & FC_NODE_OPAQUE) && kind_of(v, i) != S_IFDIR && kind_of(v, i) != S_IFLNK)
        return "opaque mark of node";
    if (n->inode == FC_LAYER_NONE && !(n->flags & (FC_NODE_WHITEOUT | FC_NODE_LINK)))
        return "missing object of node";
    if (i == 0)
        return n->parent || n->name_len || kind_of(v, 0) != S_IFDIR || (n->flags & ~FC_NODE_OPAQUE) ? "root" : NULL;
    if (n->parent >= i)
        return "parent of node";
    parent = &v->nodes[n->parent];
    if ((parent->flags & FC_NODE_LINK) || (kind_of(v, n->parent) != S_IFDIR && kind_of(v, n->parent) != S_IFLNK))
        return "parent of node";
    if (!is_string(v, n->name, n->name_len) || !is_name(v->strings + n->name, n->name_len))
        return "name of node";
    return NULL;
}

static int check_nodes(const struct fc_layer_view *v, struct fc_error *err)
{
    unsigned char *seen = calloc(1, v->header->n_inodes + 1ul);
    const char *fault = NULL;
    uint32_t i;

    if (!seen)
        return fc_fail(err, ENOMEM, "out of memory");
    for (i = 0; i < v->header->n_nodes; i++) {
        fault = node_fault(v, i);
        if (!fault && kind_of(v, i) == S_IFDIR && seen[v->nodes[i].inode]++)
            fault = "second name of a directory, node";
        if (fault)
            break;
    }
    free(seen);
    return fault ? bad(err, fault, i) : 0;
}

int fc_layer_check(const void *data, uint64_t size, uint64_t pack_size, struct fc_layer_view *ret_view,
                   struct fc_error *err)
{
    const char *base = data;
    const struct fc_layer_header *h = data;
    struct fc_layer_view v = {.header = h, .pack_fd = -1};
    int r = check_header(h, size, pack_size, err);

    if (r < 0)
        return r;
    v.nodes = (const void *)(base + h->nodes);
    v.inodes = (const void *)(base + h->inodes);
    v.extents = (const void *)(base + h->extents);
    v.xattrs = (const void *)(base + h->xattrs);
    v.sums = h->version >= 3 ? (const void *)(base + h->sums) : NULL;
    v.strings = base + h->strings;
    if (h->strings_size == 0 || v.strings[h->strings_size - 1] != '\0')
        return bad(err, "end of the strings", h->strings_size);
    r = check_xattrs(&v, err);
    if (r == 0)
        r = check_inodes(&v, err);
    if (r == 0)
        r = check_nodes(&v, err);
    if (r == 0)
        *ret_view = v;
    return r;
}
