/* SPDX-License-Identifier: Apache-2.0 */
/* Read the rows of the store into the tables of a live tree, and refuse what does not fit the lower tree. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "live/internal.h"

struct load {
    struct fc_live *live;
    const struct fc_live_options *options;
    struct fc_error *err;
    struct live_inode *at; /* whose xattrs or extents are read */
};

static int misfit(struct load *l, uint64_t ino, const char *what)
{
    return fc_fail(l->err, EBADMSG, "the edits do not fit the stack of layers: inode %llu %s" FC_EDIT_NEXT_STEP,
                   (unsigned long long)ino, what);
}

static int no_memory(struct load *l) { return fc_fail(l->err, ENOMEM, "out of memory while reading the edits"); }

/* Inodes */

static int check_inode(struct load *l, const struct fc_edit_inode *row, const struct fc_tree_inode *lower)
{
    switch (row->mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        break;
    default:
        return misfit(l, row->ino, "has no valid type");
    }
    if (lower && (lower->mode & S_IFMT) != (row->mode & S_IFMT))
        return misfit(l, row->ino, "has another type there");
    if (row->lower_content && !lower)
        return misfit(l, row->ino, "is in no layer");
    if (S_ISLNK(row->mode) && !row->lower_content && !row->target)
        return misfit(l, row->ino, "is a symlink without a text");
    return S_ISREG(row->mode) && row->size > LIVE_FILE_MAX ? misfit(l, row->ino, "is too large") : 0;
}

static void set_attr(struct live_inode *inode, const struct fc_edit_inode *row)
{
    inode->attr = (struct fc_attr){
        .ino = row->ino,
        .mode = row->mode,
        .uid = row->uid,
        .gid = row->gid,
        .rdev_major = row->rdev_major,
        .rdev_minor = row->rdev_minor,
        .nlink = row->nlink,
        .size = row->size,
        .atime = row->atime,
        .mtime = row->mtime,
        .ctime = row->ctime,
        .crtime = row->crtime,
    };
}

static int load_inode(void *arg, const struct fc_edit_inode *row)
{
    struct load *l = arg;
    fc_auto(live_inode_free) struct live_inode *inode = live_inode_new(row->ino);
    uint32_t lower = fc_tree_by_ino(l->live->tree, row->ino);
    const struct fc_tree_inode *t = lower == FC_TREE_NONE ? NULL : &l->live->lower[lower];
    int r;

    if (!inode)
        return no_memory(l);
    r = check_inode(l, row, t);
    if (r < 0)
        return r;
    set_attr(inode, row);
    inode->lower = lower;
    inode->lower_content = row->lower_content;
    inode->stored = true;
    inode->parent = t && S_ISDIR(t->mode) ? l->live->lower[t->parent].ino : 0;
    if (S_ISLNK(row->mode) && !row->lower_content) {
        inode->target = strdup(row->target);
        if (!inode->target)
            return no_memory(l);
    }
    if (S_ISDIR(row->mode) && !t && live_dir_own(l->live, inode) < 0)
        return no_memory(l);
    if (live_inode_insert(l->live, inode) < 0)
        return no_memory(l);
    fc_steal(&inode);
    return 0;
}

/* The inode that the next rows belong to. */
static int find_owner(struct load *l, uint64_t ino)
{
    struct live_node node;

    if (l->at && l->at->attr.ino == ino)
        return 0;
    if (live_node(l->live, ino, &node) < 0 || !node.own)
        return misfit(l, ino, "has no row");
    l->at = node.own;
    return 0;
}

static int load_xattr(void *arg, uint64_t ino, const struct fc_xattr *x)
{
    struct load *l = arg;
    int r = find_owner(l, ino);

    if (r < 0)
        return r;
    return live_xattr_put(&l->at->xattrs, x->name, x->value, x->size) < 0 ? no_memory(l) : 0;
}

/* Extents */

/* A layer that left the stack but still gives content. */
static int open_source(struct load *l, uint32_t id)
{
    struct fc_live *live = l->live;
    const struct fc_edit_layer *layers;
    struct live_source *grown;
    struct fc_layer *layer;
    size_t n;

    layers = fc_edit_layers(live->edit, &n);
    while (n > 0 && layers->id != id)
        layers++, n--;
    if (n == 0 || !l->options->open_layer)
        return fc_fail(l->err, EBADMSG,
                       "the edits refer to layer number %u, which the workspace does not know" FC_EDIT_NEXT_STEP, id);
    layer = l->options->open_layer(l->options->open_layer_arg, layers, l->err);
    if (!layer)
        return l->err && l->err->code ? -l->err->code : -ENOENT;
    grown = realloc(live->sources, (live->n_sources + 1) * sizeof(*grown));
    if (grown)
        live->sources = grown;
    if (!grown || fc_map_set(&live->source_by_id, id, live->n_sources) < 0) {
        fc_layer_unref(layer);
        return no_memory(l);
    }
    live->sources[live->n_sources++] =
        (struct live_source){.id = id, .position = FC_TREE_NONE, .fd = fc_layer_view(layer)->pack_fd, .layer = layer};
    return 0;
}

static bool extent_valid(const struct live_extents *x, const struct fc_edit_extent *e)
{
    const struct live_extent *last = x->n ? &x->items[x->n - 1] : NULL;

    if (e->length == 0 || e->offset % FC_EDIT_BLOCK || e->source_offset % FC_EDIT_BLOCK)
        return false;
    if (e->offset > LIVE_FILE_MAX || e->length > LIVE_FILE_MAX - e->offset || e->source_offset > INT64_MAX - e->length)
        return false;
    return !last || last->offset + last->length <= e->offset;
}

static int load_extent(void *arg, uint64_t ino, const struct fc_edit_extent *row)
{
    struct load *l = arg;
    int r = find_owner(l, ino);
    struct live_extent e;

    if (r < 0)
        return r;
    if (!S_ISREG(l->at->attr.mode) || l->at->lower_content || !extent_valid(&l->at->content, row))
        return misfit(l, ino, "has content that cannot be");
    if (row->source != FC_EDIT_DATA && live_source_find(l->live, row->source) == FC_TREE_NONE) {
        r = open_source(l, row->source);
        if (r < 0)
            return r;
    }
    e = (struct live_extent){.offset = row->offset,
                             .length = live_round_up(row->length),
                             .source_offset = row->source_offset,
                             .source = row->source};
    if (live_extents_reserve(&l->at->content, 1) < 0)
        return no_memory(l);
    live_extents_put(l->live, &l->at->content, &e);
    return 0;
}

/* Names */

/* A directory whose place changed is found by its new name alone. */
static int set_parent(struct load *l, uint64_t ino, uint64_t parent)
{
    struct live_node child;

    if (live_node(l->live, ino, &child) < 0)
        return misfit(l, ino, "has a name and is in no layer");
    if (!S_ISDIR(live_mode(l->live, &child)))
        return 0;
    if (live_own(l->live, &child) < 0)
        return no_memory(l);
    child.own->parent = parent;
    return 0;
}

static int load_dentry(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
    struct load *l = arg;
    struct live_node dir;
    int r;

    if (live_node_dir(l->live, parent, &dir) < 0)
        return misfit(l, parent, "has names in it and is no directory");
    if (live_name_check(name, len) < 0)
        return misfit(l, parent, "has an invalid name in it");
    if (live_own(l->live, &dir) < 0 || live_dir_own(l->live, dir.own) < 0 || live_dir_reserve(dir.own) < 0)
        return no_memory(l);
    if (ino == 0) {
        live_dir_remove(dir.own, name, len);
        return 0;
    }
    r = set_parent(l, ino, parent);
    if (r == 0 && live_dir_set(l->live, dir.own, name, len, ino) < 0)
        r = no_memory(l);
    return r;
}

int live_load(struct fc_live *live, const struct fc_live_options *options, struct fc_error *err)
{
    static const struct fc_edit_loader loader = {load_inode, load_xattr, load_extent, load_dentry};
    struct load l = {.live = live, .options = options, .err = err};
    bool read_only = live->read_only;
    int r;

    /* The tables may be changed while they are made. */
    live->read_only = false;
    r = fc_edit_load(live->edit, &loader, &l, err);
    if (r == 0)
        r = live_settle(live, err);
    live->read_only = read_only;
    if (read_only)
        live->committed_seq = live->seq;
    return r;
}
