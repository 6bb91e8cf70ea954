/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes, pristine or changed: find them, read their attributes, own them, mark them dirty, let them go. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "live/internal.h"

int live_node(struct fc_live *live, uint64_t ino, struct live_node *ret)
{
    uint64_t p;
    uint32_t lower;

    if (fc_map_get(&live->inodes, ino, &p)) {
        struct live_inode *own = (struct live_inode *)(uintptr_t)p;

        *ret = (struct live_node){.own = own, .lower = own->lower, .ino = ino};
        return 0;
    }
    if (fc_map_get(&live->gone, ino, NULL))
        return -ESTALE;
    lower = fc_tree_by_ino(live->tree, ino);
    if (lower == FC_TREE_NONE)
        return -ESTALE;
    *ret = (struct live_node){.lower = lower, .ino = ino};
    return 0;
}

int live_node_dir(struct fc_live *live, uint64_t ino, struct live_node *ret)
{
    struct live_node node;
    int r = live_node(live, ino, &node);

    if (r < 0)
        return r;
    if (!S_ISDIR(live_mode(live, &node)))
        return -ENOTDIR;
    *ret = node;
    return 0;
}

uint32_t live_mode(const struct fc_live *live, const struct live_node *node)
{
    return node->own ? node->own->attr.mode : live->lower[node->lower].mode;
}

uint32_t live_nlink(const struct fc_live *live, const struct live_node *node)
{
    return node->own ? node->own->attr.nlink : live->lower[node->lower].nlink;
}

/* A lower inode's other times are unknown: its mtime is the only one that archives carry. */
static void lower_attr(const struct fc_tree_inode *t, struct fc_attr *ret)
{
    *ret = (struct fc_attr){
        .ino = t->ino,
        .mode = t->mode,
        .uid = t->uid,
        .gid = t->gid,
        .rdev_major = t->rdev_major,
        .rdev_minor = t->rdev_minor,
        .nlink = t->nlink,
        .size = t->size,
        .atime = t->mtime,
        .mtime = t->mtime,
        .ctime = t->mtime,
        .crtime = t->mtime,
    };
}

void live_attr(const struct fc_live *live, const struct live_node *node, struct fc_attr *ret)
{
    if (node->own)
        *ret = node->own->attr;
    else
        lower_attr(&live->lower[node->lower], ret);
    ret->blocks = 0;
    if (S_ISREG(ret->mode)) {
        struct live_content c = live_content(live, node);

        ret->blocks = live_content_bytes(&c) / 512;
    }
    if (S_ISDIR(ret->mode)) {
        ret->size = FC_EDIT_BLOCK;
        ret->blocks = FC_EDIT_BLOCK / 512;
    }
}

struct live_inode *live_inode_new(uint64_t ino)
{
    struct live_inode *inode = calloc(1, sizeof(*inode));

    if (!inode)
        return NULL;
    inode->attr.ino = ino;
    inode->lower = FC_TREE_NONE;
    return inode;
}

int live_inode_insert(struct fc_live *live, struct live_inode *inode)
{
    int r = fc_map_set(&live->inodes, inode->attr.ino, (uintptr_t)inode);

    if (r == 0 && inode->lower == FC_TREE_NONE)
        live->n_new++;
    return r;
}

static int copy_lower_xattrs(const struct fc_live *live, struct live_inode *inode)
{
    struct fc_xattr x;

    for (uint32_t i = 0; fc_tree_xattr(live->tree, inode->lower, i, &x) > 0; i++) {
        int r = live_xattr_put(&inode->xattrs, x.name, x.value, x.size);

        if (r < 0)
            return r;
    }
    return 0;
}

int live_own(struct fc_live *live, struct live_node *node)
{
    fc_auto(live_inode_free) struct live_inode *inode = NULL;
    const struct fc_tree_inode *t;
    int r;

    if (live->read_only)
        return -EROFS;
    if (node->own)
        return 0;
    t = &live->lower[node->lower];
    inode = live_inode_new(t->ino);
    if (!inode)
        return -ENOMEM;
    lower_attr(t, &inode->attr);
    inode->lower = node->lower;
    inode->lower_content = S_ISREG(t->mode) || S_ISLNK(t->mode);
    if (S_ISDIR(t->mode))
        inode->parent = live->lower[t->parent].ino;
    r = copy_lower_xattrs(live, inode);
    if (r == 0)
        r = live_inode_insert(live, inode);
    if (r < 0)
        return r;
    node->own = fc_steal(&inode);
    return 0;
}

void live_changed(struct fc_live *live)
{
    if (live->seq == live->committed_seq) {
        clock_gettime(CLOCK_MONOTONIC, &live->dirty_since);
        pthread_cond_signal(&live->changed);
    }
    live->seq++;
}

void live_dirty(struct fc_live *live, struct live_inode *inode, unsigned what)
{
    live_changed(live);
    if (!inode->dirty) {
        inode->dirty_prev = NULL;
        inode->dirty_next = live->dirty;
        if (live->dirty)
            live->dirty->dirty_prev = inode;
        live->dirty = inode;
    }
    inode->dirty |= (uint8_t)what;
}

void live_clean(struct fc_live *live, struct live_inode *inode)
{
    if (!inode->dirty)
        return;
    if (inode->dirty_prev)
        inode->dirty_prev->dirty_next = inode->dirty_next;
    else
        live->dirty = inode->dirty_next;
    if (inode->dirty_next)
        inode->dirty_next->dirty_prev = inode->dirty_prev;
    inode->dirty_prev = inode->dirty_next = NULL;
    inode->dirty = 0;
}

void live_dead_row(struct fc_live *live, uint64_t ino)
{
    live_changed(live);
    if (fc_grow(&live->dead_rows.items, &live->dead_rows.cap, live->dead_rows.n + 1, sizeof(uint64_t)) < 0) {
        /* The row stays, without a name: it is not shown, and fccompose fsck tells of it. */
        fc_log(FC_LOG_WARN, "out of memory: the row of inode %llu stays for now", (unsigned long long)ino);
        return;
    }
    live->dead_rows.items[live->dead_rows.n++] = ino;
}

void live_touch_dir(struct fc_live *live, struct live_inode *dir)
{
    dir->attr.mtime = dir->attr.ctime = live_now();
    live_dirty(live, dir, LIVE_DIRTY_ATTR);
}

void live_inode_free(struct live_inode *inode)
{
    if (!inode)
        return;
    free(inode->target);
    live_xattrs_free(&inode->xattrs);
    free(inode->content.items);
    live_dir_free(inode->dir);
    free(inode);
}

void live_inode_drop(struct fc_live *live, struct live_inode *inode)
{
    live_window_release(live, inode);
    live_extents_cut(live, &inode->content, 0, UINT64_MAX);
    live_clean(live, inode);
    if (inode->stored)
        live_dead_row(live, inode->attr.ino);
    fc_map_del(&live->inodes, inode->attr.ino);
    if (inode->lower == FC_TREE_NONE)
        live->n_new--;
    live_inode_free(inode);
}

void live_inode_reap(struct fc_live *live, struct live_inode *inode)
{
    if (inode->attr.nlink > 0 || inode->busy || live_is_referenced(live, inode->attr.ino))
        return;
    /* Without the mark the number would find the pristine inode again: then rather keep the struct. */
    if (inode->lower != FC_TREE_NONE && fc_map_set(&live->gone, inode->attr.ino, 1) < 0)
        return;
    live_inode_drop(live, inode);
}
