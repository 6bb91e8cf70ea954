/* SPDX-License-Identifier: Apache-2.0 */
/* Check what belongs to inodes: contents, attributes and names of which the inode's own row is lost, or of another type. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "workspace/check_private.h"

static uint64_t round_up(uint64_t n) { return (n + FC_EDIT_BLOCK - 1) & ~(uint64_t)(FC_EDIT_BLOCK - 1); }

/* A row for an object whose own is lost: as the layer has it, or else with what little is known. */
static void make_row(struct ws_pass *p, uint64_t ino, uint32_t mode, uint64_t size, const char *why)
{
    const struct fc_tree_inode *t = ws_check_lower(p, ino);
    struct timespec now = {.tv_sec = time(NULL)};
    struct fc_edit_inode i = {
        .ino = ino, .mode = mode, .nlink = 1, .size = size, .atime = now, .mtime = now, .ctime = now, .crtime = now};

    if (t) {
        i.mode = t->mode;
        i.uid = t->uid;
        i.gid = t->gid;
        i.rdev_major = t->rdev_major;
        i.rdev_minor = t->rdev_minor;
        i.nlink = t->nlink;
        i.mtime = t->mtime;
        i.lower_content = S_ISLNK(t->mode) || (S_ISREG(t->mode) && size == UINT64_MAX);
        i.size = i.lower_content || !S_ISREG(t->mode) ? t->size : size;
    }
    fc_findings_add(p->found, &(struct fc_finding){.error = true, .code = "inode-lost", .table = "inode", .ino = ino},
                    t ? "makes a row with the layer's owner, mode and times"
                      : "makes a row: owner root, mode for root alone, the time of now",
                    "its row is lost, but %s", why);
    p->rows->changed |= FC_ROWS_INODES;
    p->no_memory |= !fc_rows_add_inode(p->rows, &i) || fc_map_set(&p->by_ino, ino, p->rows->n_inodes - 1) < 0;
}

/* The rows [from, to) of extents are those of @ino. */
static void own_extents(struct ws_pass *p, uint64_t ino, size_t from, size_t to)
{
    struct fc_rows *r = p->rows;
    const struct fc_row_inode *row = ws_check_row(p, ino);
    const struct fc_tree_inode *t = ws_check_lower(p, ino);
    uint32_t mode = row ? row->i.mode : t ? t->mode : S_IFREG;

    if (!row && S_ISREG(mode)) {
        make_row(p, ino, S_IFREG | 0600, r->extents[to - 1].x.offset + r->extents[to - 1].x.length,
                 "its content is there");
        return;
    }
    if (S_ISREG(mode))
        return;
    fc_findings_add(p->found,
                    &(struct fc_finding){.error = true, .code = "extent-owner", .table = "extent", .ino = ino},
                    "forgets that content", "it is a %s, and has content like a regular file", ws_type_name(mode));
    for (size_t i = from; i < to; i++)
        r->extents[i].drop = true;
    r->changed |= FC_ROWS_EXTENTS;
}

static void own_xattrs(struct ws_pass *p, uint64_t ino, size_t from, size_t to)
{
    struct fc_rows *r = p->rows;

    if (ws_check_row(p, ino))
        return;
    if (ws_check_lower(p, ino)) {
        make_row(p, ino, 0, UINT64_MAX, "its attributes are there");
        return;
    }
    fc_findings_add(p->found, &(struct fc_finding){.error = true, .code = "xattr-owner", .table = "xattr", .ino = ino},
                    "removes them", "%zu extended attributes belong to it, and it does not exist", to - from);
    for (size_t i = from; i < to; i++)
        r->xattrs[i].drop = true;
    r->changed |= FC_ROWS_XATTRS;
}

static void own_names(struct ws_pass *p, uint64_t ino, size_t from, size_t to)
{
    struct fc_rows *r = p->rows;
    const struct fc_row_inode *row = ws_check_row(p, ino);
    const struct fc_tree_inode *t = ws_check_lower(p, ino);
    uint32_t mode = row ? row->i.mode : t ? t->mode : 0;
    size_t n = 0;

    for (size_t i = from; i < to; i++)
        n += !r->dentries[i].drop && r->dentries[i].ino;
    if (S_ISDIR(mode))
        return;
    if (!mode && n) {
        make_row(p, ino, S_IFDIR | 0700, 0, "names are in it");
        return;
    }
    fc_findings_add(p->found, &(struct fc_finding){.error = true, .code = "name-parent", .table = "dentry", .ino = ino},
                    n ? "moves what they lead to under /lost+found" : "removes them",
                    "%zu names are said to be in it, and it is %s%s", to - from, mode ? "a " : "nowhere",
                    mode ? ws_type_name(mode) : "");
    for (size_t i = from; i < to; i++)
        r->dentries[i].drop = true;
    r->changed |= FC_ROWS_DENTRIES;
}

static const struct fc_edit_layer *find_layer(const struct ws_pass *p, uint32_t id, const struct fc_layer **ret)
{
    for (size_t i = 0; i < p->rows->n_layers; i++)
        if (p->rows->layers[i].l.id == id) {
            *ret = p->layers[i];
            return &p->rows->layers[i].l;
        }
    return NULL;
}

/* Content that a layer gives must be there, and inside its pack. */
static void check_pack(struct ws_pass *p, struct fc_row_extent *x)
{
    const struct fc_layer *layer = NULL;
    const struct fc_edit_layer *l = find_layer(p, x->x.source, &layer);
    uint64_t size = layer ? fc_layer_view(layer)->header->pack_size : 0, there;

    if (l && (!layer || (x->x.source_offset <= size && round_up(x->x.length) <= size - x->x.source_offset)))
        return;
    there = l && size > x->x.source_offset ? (size - x->x.source_offset) & ~(uint64_t)(FC_EDIT_BLOCK - 1) : 0;
    fc_findings_add(
        p->found, &(struct fc_finding){.error = true, .code = "data-lost", .table = "extent", .ino = x->ino},
        "makes these bytes a hole (zeros)", "bytes %llu to %llu of it are lost: they are said to be in %s%s%s",
        (unsigned long long)(x->x.offset + there), (unsigned long long)(x->x.offset + x->x.length),
        l ? "layer \"" : "a layer", l ? l->name : " of which nothing is known", l ? "\", but behind its end" : "");
    x->drop = there == 0;
    x->x.length = there;
    p->rows->changed |= FC_ROWS_EXTENTS;
}

int ws_check_owners(struct ws_pass *p, struct fc_error *err)
{
    struct fc_rows *r = p->rows;
    size_t next;

    for (size_t i = 0; i < r->n_extents; i = next) {
        for (next = i; next < r->n_extents && r->extents[next].ino == r->extents[i].ino; next++)
            if (!r->extents[next].drop && r->extents[next].x.source != FC_EDIT_DATA)
                check_pack(p, &r->extents[next]);
        own_extents(p, r->extents[i].ino, i, next);
    }
    for (size_t i = 0; i < r->n_dentries; i = next) {
        for (next = i; next < r->n_dentries && r->dentries[next].parent == r->dentries[i].parent;)
            next++;
        own_names(p, r->dentries[i].parent, i, next);
    }
    for (size_t i = 0; i < r->n_xattrs; i = next) {
        for (next = i; next < r->n_xattrs && r->xattrs[next].ino == r->xattrs[i].ino;)
            next++;
        own_xattrs(p, r->xattrs[i].ino, i, next);
    }
    fc_rows_sort(r);
    return p->no_memory ? fc_fail(err, ENOMEM, "out of memory") : ws_check_index(p, err);
}

void ws_check_sweep(struct ws_pass *p)
{
    struct fc_rows *r = p->rows;

    for (size_t i = 0; i < r->n_extents; i++)
        if (!r->extents[i].drop && !ws_check_row(p, r->extents[i].ino)) {
            r->extents[i].drop = true;
            r->changed |= FC_ROWS_EXTENTS;
        }
    for (size_t i = 0; i < r->n_xattrs; i++)
        if (!r->xattrs[i].drop && !ws_check_row(p, r->xattrs[i].ino)) {
            r->xattrs[i].drop = true;
            r->changed |= FC_ROWS_XATTRS;
        }
}
