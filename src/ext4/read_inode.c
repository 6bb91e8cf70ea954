/* SPDX-License-Identifier: Apache-2.0 */
/* Read an inode: what it says of itself, and for a symbolic link its text. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "ext4/read.h"

#define NSEC_PER_SEC 1000000000u

/* Whether the inode has the extra field that ends at @end. */
#define HAS(inode, field)                                                                                              \
    (offsetof(struct ext2_inode_large, field) + sizeof((inode)->field) <=                                              \
     EXT2_GOOD_OLD_INODE_SIZE + (size_t)(inode)->i_extra_isize)

/* Two more bits of seconds and the nanoseconds are in the extra word. A fraction of more than a second is none. */
static struct timespec get_time(uint32_t seconds, uint32_t extra)
{
    struct timespec t = {.tv_sec = (int32_t)seconds + ((int64_t)(extra & 3) << 32), .tv_nsec = extra >> 2};

    if (t.tv_nsec >= NSEC_PER_SEC)
        t.tv_nsec = 0;
    return t;
}

static void get_times(const struct ext2_inode_large *i, size_t inode_size, struct fc_snap_inode *to)
{
    bool large = inode_size > EXT2_GOOD_OLD_INODE_SIZE;

    to->atime = get_time(i->i_atime, large && HAS(i, i_atime_extra) ? i->i_atime_extra : 0);
    to->mtime = get_time(i->i_mtime, large && HAS(i, i_mtime_extra) ? i->i_mtime_extra : 0);
    to->ctime = get_time(i->i_ctime, large && HAS(i, i_ctime_extra) ? i->i_ctime_extra : 0);
    to->crtime = to->mtime;
    if (large && HAS(i, i_crtime_extra))
        to->crtime = get_time(i->i_crtime, i->i_crtime_extra);
}

static void get_rdev(const struct ext2_inode_large *i, struct fc_snap_inode *to)
{
    uint32_t old = i->i_block[0], dev = i->i_block[1];

    to->rdev_major = old ? old >> 8 & 0xff : dev >> 8 & 0xfff;
    to->rdev_minor = old ? old & 0xff : (dev & 0xff) | (dev >> 12 & 0xfff00);
}

int fc_ext4_read_bare_inode(struct fc_ext4_reader *r, uint32_t ino, struct ext2_inode_large *to)
{
    const struct ext2_super_block *s = r->fs->super;
    errcode_t code;

    if (ino > s->s_inodes_count || (ino < EXT2_FIRST_INODE(s) && ino != EXT2_ROOT_INO))
        return fc_ext4_read_fail(r, EBADMSG, "damaged: inode %u is no inode for files", ino);
    code = ext2fs_read_inode_full(r->fs, ino, (struct ext2_inode *)to, EXT2_INODE_SIZE(s));
    return code ? fc_ext4_read_fail_lib(r, code, "cannot read its inode") : 0;
}

int fc_ext4_read_inline(struct fc_ext4_reader *r, unsigned char *to, size_t size)
{
    size_t body = sizeof(r->inode->i_block);

    if (size > body && size - body > r->inlined_size)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: its inode holds less than its size says");
    memcpy(to, r->inode->i_block, size < body ? size : body);
    if (size > body)
        memcpy(to + body, r->inlined, size - body);
    return 0;
}

/* Long ago short texts were in blocks, too: then the inode has some. */
static bool is_fast(struct fc_ext4_reader *r)
{
    const struct ext2_inode_large *i = r->inode;
    uint64_t blocks = i->i_blocks, own = 0;

    if (ext2fs_file_acl_block(r->fs, (struct ext2_inode *)r->inode))
        own = EXT2_CLUSTER_SIZE(r->fs->super) / 512;
    return EXT2_I_SIZE(i) < sizeof(i->i_block) && !(i->i_flags & EXT4_EXTENTS_FL) && blocks <= own;
}

static int read_target(struct fc_ext4_reader *r, struct fc_snap_inode *to)
{
    unsigned char text[FC_TARGET_MAX + 1] = {0};
    size_t size = (size_t)to->size;
    int ret = 0;

    if (!to->size || to->size > FC_TARGET_MAX)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: a symbolic link of %llu bytes", (unsigned long long)to->size);
    if (fc_ext4_is_inline(r->inode)) {
        ret = fc_ext4_read_inline(r, text, size);
    } else if (is_fast(r)) {
        memcpy(text, r->inode->i_block, size);
    } else {
        ret = fc_ext4_read_map(r, r->found[r->at].ino, (struct ext2_inode *)r->inode);
        if (ret == 0)
            ret = fc_ext4_read_mapped(r, text, size);
    }
    if (ret < 0)
        return ret;
    if (strlen((char *)text) != size)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: the text of a symbolic link has a zero byte");
    to->target = fc_arena_copy(&r->tables.arena, text, size);
    return to->target ? 0 : fc_ext4_read_no_memory(r);
}

static int check_inode(struct fc_ext4_reader *r)
{
    const struct ext2_inode_large *i = r->inode;

    if (!i->i_links_count)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: a name refers to a file that was removed");
    if (i->i_flags & EXT4_EA_INODE_FL)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: a name refers to the value of an attribute");
    if (i->i_flags & EXT4_ENCRYPT_FL)
        return fc_ext4_read_fail(r, EOPNOTSUPP, "it is encrypted, and cannot be read without the key");
    if (i->i_flags & EXT4_CASEFOLD_FL)
        return fc_ext4_read_fail(r, EOPNOTSUPP,
                                 "a directory that ignores the case of letters, which nothing else here can");
    if (EXT2_I_SIZE(i) > INT64_MAX)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: its size");
    return 0;
}

static bool wants_content(const struct fc_ext4_reader *r)
{
    return !r->options.no_content || r->options.content_of == r->found[r->at].ino;
}

static int fill(struct fc_ext4_reader *r, struct fc_snap_inode *to)
{
    const struct ext2_inode_large *i = r->inode;

    *to = (struct fc_snap_inode){
        .ino = r->found[r->at].ino,
        .mode = i->i_mode,
        .uid = inode_uid(*i),
        .gid = inode_gid(*i),
        .parent = FC_TREE_NONE,
        .layer = FC_TREE_NONE,
    };
    get_times(i, EXT2_INODE_SIZE(r->fs->super), to);
    switch (i->i_mode & S_IFMT) {
    case S_IFREG:
        to->size = EXT2_I_SIZE(i);
        return wants_content(r) ? fc_ext4_read_content(r, to) : 0;
    case S_IFLNK:
        to->size = i->i_size;
        return read_target(r, to);
    case S_IFBLK:
    case S_IFCHR:
        get_rdev(i, to);
        return 0;
    case S_IFDIR:
        to->nlink = 2;
        return 0;
    case S_IFIFO:
    case S_IFSOCK:
        return 0;
    default:
        return fc_ext4_read_fail(r, EBADMSG, "damaged: its type (mode 0%o)", i->i_mode);
    }
}

int fc_ext4_read_inode(struct fc_ext4_reader *r, const struct fc_ext4_found *found)
{
    struct fc_snapshot_tables *t = &r->tables;
    struct fc_snap_inode *to, xattrs = {0};
    int ret;

    if (t->n_inodes >= UINT32_MAX - 1 || fc_grow(&t->inodes, &r->cap_inodes, t->n_inodes + 1, sizeof(*t->inodes)) < 0 ||
        fc_grow(&r->found, &r->cap_found, t->n_inodes + 1, sizeof(*r->found)) < 0)
        return fc_ext4_read_no_memory(r);
    r->at = (uint32_t)t->n_inodes++;
    r->found[r->at] = *found;
    to = &t->inodes[r->at];
    *to = xattrs;
    ret = fc_ext4_spend(r, 4);
    if (ret == 0)
        ret = fc_ext4_read_bare_inode(r, found->ino, r->inode);
    if (ret == 0)
        ret = check_inode(r);
    if (ret == 0)
        ret = fc_ext4_read_xattrs(r, &xattrs);
    if (ret == 0)
        ret = fill(r, to);
    to->first_xattr = xattrs.first_xattr;
    to->n_xattrs = xattrs.n_xattrs;
    return ret;
}
