/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the image reader share. libext2fs opens the file system, reads inodes and blocks and checks their
 * checksums; the structures in them are parsed here, because an image may be hostile: nothing in it is believed before it
 * is checked, and what it costs is bounded by what the image really occupies (see fc_ext4_spend()).
 */
#ifndef FC_EXT4_READ_H
#define FC_EXT4_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h> /* libext2fs wants its types */

#include <ext2fs/ext2fs.h>

#include <fccompose/ext4.h>

#include "base/map.h"
#include "live/snapshot_new.h"

/** Sources of the snapshot: the image, and the file for what cannot be referred to there (made when first needed). */
enum { FC_EXT4_SOURCE_IMAGE, FC_EXT4_SOURCE_COPIES };

/** Blocks of a file that stand together; what no run covers is a hole. */
struct fc_ext4_read_run {
    uint64_t logical, physical, length;
};

/** What is known of an inode beside its row in the tables, in the order of discovery. */
struct fc_ext4_found {
    uint32_t ino;
    uint32_t parent;   /**< the directory of its first name, by order of discovery */
    uint32_t path_len; /**< of its first name */
    const char *name;  /**< its first name, in the arena; NULL: the root */
    uint32_t name_len;
};

/** Bytes that are kept once however often they occur: names and values of attributes. */
struct fc_ext4_kept {
    const void *data; /**< a NUL follows */
    size_t size;
};

/** An image that is being read. */
struct fc_ext4_reader {
    const char *label; /**< the image, for messages */
    struct fc_ext4_read_options options;
    struct fc_error *err;
    int fd;            /**< the image */
    bool fd_is_source; /**< and so the tables' to close */
    ext2_filsys fs;
    uint64_t image_size;
    uint64_t budget;      /**< units of work that are left */
    uint64_t copy_budget; /**< bytes that may still be copied */

    struct fc_snapshot_tables tables;
    size_t cap_inodes, cap_dentries, cap_extents, cap_xattrs;
    struct fc_ext4_found *found; /**< by index of tables.inodes */
    size_t cap_found;
    uint32_t **pages; /**< by ext4 inode number, in pages: 1 + index in @found, 0: not met */

    struct ext2_inode_large *inode; /**< the one at hand, whole */
    uint32_t at;                    /**< its index */
    unsigned char *block;           /**< room for one block */
    struct fc_ext4_read_run *runs;  /**< of the inode at hand */
    size_t n_runs, cap_runs;

    struct fc_ext4_kept *kept;
    size_t n_kept, cap_kept;
    struct fc_map kept_by_hash;
    const unsigned char *inlined; /**< inline data of the inode at hand: its part among the attributes */
    size_t inlined_size;
    uint64_t copies_end; /**< where the file of copies ends */
};

/* read_words.c */

/** Fail with @code and "IMAGE: PATH: @what". PATH is that of the inode at hand. Returns -@code. */
int fc_ext4_read_fail(struct fc_ext4_reader *r, int code, const char *fmt, ...) FC_PRINTF(3, 4);
/** The same for what libext2fs said, in its words. */
int fc_ext4_read_fail_lib(struct fc_ext4_reader *r, errcode_t code, const char *what);
/** Fail for want of memory. Returns -ENOMEM. */
int fc_ext4_read_no_memory(struct fc_ext4_reader *r);
/**
 * Take @units of work from the budget. A structure costs at most a quarter of the bytes that it occupies, so that only an
 * image in which many things refer to the same bytes runs out. Returns 0, or -EBADMSG with words.
 */
int fc_ext4_spend(struct fc_ext4_reader *r, uint64_t units);

/* read_open.c */

/** Open the image r->label, see that it is one, and open its file system. 0 or -errno with words. */
int fc_ext4_read_open(struct fc_ext4_reader *r, const char *path);
/* read_probe.c */
/** Fail because the open file is no ext file system, in words that say what it is instead, and what to do. */
int fc_ext4_read_fail_other(struct fc_ext4_reader *r);

/* read_map.c */

/** Is @block one that the file system has? */
static inline bool fc_ext4_is_block(const struct fc_ext4_reader *r, uint64_t block)
{
    return block >= r->fs->super->s_first_data_block && block < ext2fs_blocks_count(r->fs->super);
}
/** Put the written blocks of @inode (number @ino) into r->runs, in order. 0 or -errno with words. */
int fc_ext4_read_map(struct fc_ext4_reader *r, uint32_t ino, const struct ext2_inode *inode);
/** Read up to @size bytes from the beginning of what r->runs say, holes as zeros. 0 or -errno with words. */
int fc_ext4_read_mapped(struct fc_ext4_reader *r, unsigned char *to, size_t size);

/* read_inode.c */

/** Read inode @found->ino and add it to the tables, but for its names; it is then the one at hand. 0 or -errno with words. */
int fc_ext4_read_inode(struct fc_ext4_reader *r, const struct fc_ext4_found *found);
/** Read the bare inode @ino, all its bytes, into @to. 0 or -errno with words. */
int fc_ext4_read_bare_inode(struct fc_ext4_reader *r, uint32_t ino, struct ext2_inode_large *to);
/** Whether the inode keeps its content in itself. */
static inline bool fc_ext4_is_inline(const struct ext2_inode_large *inode)
{
    return inode->i_flags & EXT4_INLINE_DATA_FL;
}
/** The first @size bytes that the inode at hand keeps in itself, into @to. 0, or -EBADMSG (words) when it has fewer. */
int fc_ext4_read_inline(struct fc_ext4_reader *r, unsigned char *to, size_t size);

/* read_xattr.c */

/** Add the attributes of the inode at hand to the tables, and find its inline data. 0 or -errno with words. */
int fc_ext4_read_xattrs(struct fc_ext4_reader *r, struct fc_snap_inode *to);
/* read_acl.c */
/** Turn an ACL as ext4 stores it into the form that getxattr(2) gives, kept in @arena. 0, -EBADMSG or -ENOMEM. */
int fc_ext4_acl_decode(const void *data, size_t size, struct fc_arena *arena, void **ret, size_t *ret_size);

/* read_content.c */

/** Add the extents of the regular file at hand to the tables. 0 or -errno with words. */
int fc_ext4_read_content(struct fc_ext4_reader *r, struct fc_snap_inode *to);

/* read_dir.c */

/** Read directory number @at of r->found: its names, and every inode that is met for the first time. 0 or -errno. */
int fc_ext4_read_dir(struct fc_ext4_reader *r, uint32_t at);

#endif
