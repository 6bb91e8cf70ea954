/* SPDX-License-Identifier: Apache-2.0 */
/* Read a snapshot: its tables, and the way from a path to an inode. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "live/snapshot.h"

int live_snap_by_name(const void *a, const void *b)
{
    const struct fc_snap_dentry *x = a, *y = b;
    uint32_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
    int c = memcmp(x->name, y->name, n);

    return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

ssize_t fc_snap_source_read(const struct fc_snap_source *source, void *buffer, size_t size, uint64_t offset)
{
    ssize_t n;

    if (!source->packed)
        return fc_pread_full(source->fd, buffer, size, offset);
    n = fc_layer_read_pack(source->packed, buffer, size, offset);
    return n == -EBADMSG ? -EIO : n;
}

const struct fc_snap_inode *fc_snapshot_inodes(const struct fc_snapshot *s, uint32_t *ret_n)
{
    if (ret_n)
        *ret_n = (uint32_t)s->n_inodes;
    return s->inodes;
}

const struct fc_snap_dentry *fc_snapshot_dentries(const struct fc_snapshot *s, uint32_t *ret_n)
{
    if (ret_n)
        *ret_n = (uint32_t)s->n_dentries;
    return s->dentries;
}

const struct fc_snap_extent *fc_snapshot_extents(const struct fc_snapshot *s, uint32_t *ret_n)
{
    if (ret_n)
        *ret_n = (uint32_t)s->n_extents;
    return s->extents;
}

const struct fc_xattr *fc_snapshot_xattrs(const struct fc_snapshot *s, uint32_t *ret_n)
{
    if (ret_n)
        *ret_n = (uint32_t)s->n_xattrs;
    return s->xattrs;
}

const struct fc_snap_source *fc_snapshot_sources(const struct fc_snapshot *s, uint32_t *ret_n)
{
    if (ret_n)
        *ret_n = s->n_sources;
    return s->sources;
}

const struct fc_digest *fc_snapshot_seed(const struct fc_snapshot *s) { return &s->seed; }

static uint32_t find_name(const struct fc_snapshot *s, const struct fc_snap_inode *dir, const char *name, size_t len)
{
    struct fc_snap_dentry key = {.name = name, .name_len = (uint32_t)len};
    const struct fc_snap_dentry *d;

    if (!dir->n_dentries)
        return FC_TREE_NONE;
    d = bsearch(&key, s->dentries + dir->first_dentry, dir->n_dentries, sizeof(key), live_snap_by_name);
    return d ? d->inode : FC_TREE_NONE;
}

uint32_t fc_snapshot_find(const struct fc_snapshot *s, const char *path)
{
    uint32_t at = 0;

    while (*path && at != FC_TREE_NONE) {
        size_t len = strcspn(path, "/");

        at = S_ISDIR(s->inodes[at].mode) ? find_name(s, &s->inodes[at], path, len) : FC_TREE_NONE;
        path += len;
        path += *path == '/';
    }
    return at;
}
