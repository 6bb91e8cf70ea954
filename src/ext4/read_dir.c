/* SPDX-License-Identifier: Apache-2.0 */
/* Read a directory: its names, and the inodes that are met there for the first time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "ext4/read.h"

#define PAGE 4096u          /* inode numbers in a page of r->pages */
#define DIRENT_HEAD 8u      /* inode number, lengths, type */
#define INLINE_PARENT 4u    /* an inline directory begins with its parent's number */
#define ENTRIES_IN_BODY 60u /* and entries are in the inode up to here, and then among the attributes */
#define BLOCK_UNIT 16u      /* bytes of a directory for which one unit of work is spent */

/* Where @ino's index is kept, or NULL when out of memory. @ino is below the number of inodes. */
static uint32_t *slot_of(struct fc_ext4_reader *r, uint32_t ino)
{
    uint32_t **page = &r->pages[ino / PAGE];

    if (!*page)
        *page = calloc(PAGE, sizeof(**page));
    return *page ? *page + ino % PAGE : NULL;
}

static int add_name(struct fc_ext4_reader *r, const char *name, size_t len, uint32_t ino)
{
    struct fc_snapshot_tables *t = &r->tables;
    const char *copy;

    if (!len || memchr(name, '/', len) || memchr(name, '\0', len))
        return fc_ext4_read_fail(r, EBADMSG, "damaged: a name in this directory is none");
    if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
        return 0;
    if (ino > r->fs->super->s_inodes_count)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: a name in this directory refers to inode %u", ino);
    copy = fc_arena_copy(&t->arena, name, len);
    if (!copy || t->n_dentries >= UINT32_MAX - 1 ||
        fc_grow(&t->dentries, &r->cap_dentries, t->n_dentries + 1, sizeof(*t->dentries)) < 0)
        return fc_ext4_read_no_memory(r);
    t->dentries[t->n_dentries++] = (struct fc_snap_dentry){copy, (uint32_t)len, ino};
    return 0;
}

/* Entries, one after the other, to the end of @size bytes. */
static int read_entries(struct fc_ext4_reader *r, const unsigned char *bytes, size_t size)
{
    int ret = fc_ext4_spend(r, size / BLOCK_UNIT);

    for (size_t at = 0; at < size && ret == 0;) {
        struct ext2_dir_entry e;
        unsigned len, name_len;

        if (size - at < DIRENT_HEAD)
            return fc_ext4_read_fail(r, EBADMSG, "damaged: an entry of this directory is cut off");
        memcpy(&e, bytes + at, DIRENT_HEAD);
        if (ext2fs_get_rec_len(r->fs, &e, &len))
            len = 0;
        name_len = (unsigned)ext2fs_dirent_name_len(&e);
        if (len < DIRENT_HEAD || len % 4 || len > size - at || (e.inode && name_len > len - DIRENT_HEAD))
            return fc_ext4_read_fail(r, EBADMSG, "damaged: an entry of this directory has no proper length");
        if (e.inode)
            ret = fc_ext4_spend(r, 1);
        if (e.inode && ret == 0)
            ret = add_name(r, (const char *)bytes + at + DIRENT_HEAD, name_len, e.inode);
        at += len;
    }
    return ret;
}

static int read_inline_dir(struct fc_ext4_reader *r)
{
    const unsigned char *body = (const unsigned char *)r->inode->i_block;
    int ret = read_entries(r, body + INLINE_PARENT, ENTRIES_IN_BODY - INLINE_PARENT);

    return ret == 0 && r->inlined_size ? read_entries(r, r->inlined, r->inlined_size) : ret;
}

static int read_blocks(struct fc_ext4_reader *r, uint32_t ino)
{
    uint64_t size = EXT2_I_SIZE(r->inode), unit = r->fs->blocksize;
    int ret = fc_ext4_read_map(r, ino, (struct ext2_inode *)r->inode);

    for (size_t i = 0; i < r->n_runs && ret == 0; i++) {
        const struct fc_ext4_read_run *run = &r->runs[i];

        for (uint64_t b = 0; b < run->length && (run->logical + b) * unit < size && ret == 0; b++) {
            errcode_t code = ext2fs_read_dir_block4(r->fs, run->physical + b, r->block, 0, ino);

            if (code)
                return fc_ext4_read_fail_lib(r, code, "cannot read this directory");
            ret = read_entries(r, r->block, (size_t)unit);
        }
    }
    return ret;
}

static int by_number(const void *a, const void *b)
{
    const struct fc_snap_dentry *x = a, *y = b;

    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int by_name(const void *a, const void *b)
{
    const struct fc_snap_dentry *x = a, *y = b;
    uint32_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
    int c = memcmp(x->name, y->name, n);

    return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

/* Turn the inode number of @d, a name in directory @at, into an index; read the inode when it is new. */
static int resolve(struct fc_ext4_reader *r, uint32_t at, struct fc_snap_dentry *d)
{
    struct fc_ext4_found found = {.ino = d->inode, .parent = at, .name = d->name, .name_len = d->name_len};
    uint32_t *slot = slot_of(r, d->inode);
    struct fc_snap_inode *i;
    int ret = 0;

    if (!slot)
        return fc_ext4_read_no_memory(r);
    found.path_len = r->found[at].path_len + 1 + d->name_len;
    if (found.path_len > FC_PATH_MAX)
        return fc_ext4_read_fail(r, EOPNOTSUPP, "below it are paths of more than %u bytes", FC_PATH_MAX);
    if (!*slot) {
        ret = fc_ext4_read_inode(r, &found);
        *slot = r->at + 1;
    } else if (S_ISDIR(r->tables.inodes[*slot - 1].mode)) {
        return fc_ext4_read_fail(r, EBADMSG, "damaged: directory %u has another name, in this one", d->inode);
    }
    if (ret < 0)
        return ret;
    d->inode = *slot - 1;
    i = &r->tables.inodes[d->inode];
    if (S_ISDIR(i->mode)) {
        i->parent = at;
        r->tables.inodes[at].nlink++;
    } else {
        i->nlink++;
    }
    r->at = at;
    return 0;
}

/* By number first, so that inode tables are read in order. */
static int resolve_all(struct fc_ext4_reader *r, uint32_t at, uint32_t first, uint32_t n)
{
    struct fc_snap_dentry *d = r->tables.dentries + first;
    int ret = 0;

    if (n)
        qsort(d, n, sizeof(*d), by_number);
    for (uint32_t i = 0; i < n && ret == 0; i++)
        ret = resolve(r, at, &d[i]);
    if (ret < 0 || !n)
        return ret;
    qsort(d, n, sizeof(*d), by_name);
    for (uint32_t i = 1; i < n; i++)
        if (by_name(&d[i - 1], &d[i]) == 0)
            return fc_ext4_read_fail(r, EBADMSG, "damaged: a name is in this directory twice");
    return 0;
}

int fc_ext4_read_dir(struct fc_ext4_reader *r, uint32_t at)
{
    uint32_t ino = r->found[at].ino, first = (uint32_t)r->tables.n_dentries, n;
    struct fc_snap_inode xattrs;
    size_t n_xattrs = r->tables.n_xattrs;
    int ret;

    r->at = at;
    ret = fc_ext4_read_bare_inode(r, ino, r->inode);
    if (ret == 0 && fc_ext4_is_inline(r->inode)) {
        ret = fc_ext4_read_xattrs(r, &xattrs); /* once more, for the part of the directory that is there */
        r->tables.n_xattrs = n_xattrs;
        if (ret == 0)
            ret = read_inline_dir(r);
    } else if (ret == 0) {
        ret = read_blocks(r, ino);
    }
    if (ret < 0)
        return ret;
    n = (uint32_t)(r->tables.n_dentries - first);
    r->tables.inodes[at].first_dentry = first;
    r->tables.inodes[at].n_dentries = n;
    return resolve_all(r, at, first, n);
}
