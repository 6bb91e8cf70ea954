/* SPDX-License-Identifier: Apache-2.0 */
/* The planner's own state: nodes (inodes to be), the layout of groups, and where everything goes. */
#ifndef FC_EXT4_PLAN_H
#define FC_EXT4_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h> /* libext2fs wants its types */

#include <ext2fs/ext2fs.h>

#include <fccompose/ext4.h>

#include "image/image.h"

#define FC_EXT4_BLOCK 4096u
#define FC_EXT4_GROUP_BLOCKS 32768u
#define FC_EXT4_FLEX 16u        /* groups whose metadata stands together */
#define FC_EXT4_RUN_MOST 32768u /* blocks in one initialised extent */
#define FC_EXT4_LINKS_MOST 65000u
#define FC_EXT4_FIRST_INO 11u /* lost+found; the tree follows */

/** Blocks of a file that stand together on the image. */
struct fc_ext4_run {
    uint32_t logical, length;
    uint64_t physical;
};

/** An inode to be. */
struct fc_ext4_node {
    uint32_t ino;
    uint32_t source;            /**< index in the snapshot, or FC_TREE_NONE: the planner's own (journal, lost+found) */
    uint32_t links;             /**< names that refer to it; a directory: subdirectories */
    uint32_t content_blocks;    /**< blocks at @content */
    unsigned char *content;     /**< directory blocks, long symlink text; owned by the image */
    unsigned char *body_xattrs; /**< what follows the fixed fields in the inode, or NULL */
    uint32_t xattr_block;       /**< 1 + index of its xattr block, 0: none */
    uint32_t first_run, n_runs;
    uint32_t first_tree, n_trees; /**< blocks of its extent tree */
    bool indexed;                 /**< a directory with a hash tree */
};

/** A block of extended attributes, shared by the inodes that have just the same. */
struct fc_ext4_xattr_block {
    unsigned char *data;
    uint64_t physical;
    uint32_t refcount;
};

/** Blocks that stand together. */
struct fc_ext4_span {
    uint64_t start, length;
};

/** Where the fixed structures of a file system of a certain size are. */
struct fc_ext4_layout {
    uint64_t n_blocks, n_inodes;
    uint32_t n_groups, inodes_per_group, table_blocks, gdt_blocks, reserved_gdt;
    uint64_t *block_bitmaps, *inode_bitmaps, *tables; /**< per group */
    struct fc_ext4_span *fixed, *free;                /**< sorted */
    size_t n_fixed, fixed_cap, n_free, free_cap;
    uint64_t n_available; /**< blocks in @free */
    uint64_t shortage;    /**< blocks that are missing for the fixed structures alone */
};

/** The tables of a snapshot, all borrowed. */
struct fc_ext4_tables {
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    const struct fc_snap_extent *extents;
    const struct fc_xattr *xattrs;
    const struct fc_snap_source *sources;
    uint32_t n_inodes, n_dentries, n_extents, n_xattrs, n_sources;
    struct fc_digest seed;
};

/** As fc_ext4_plan(), from bare tables: what it does once it has asked the snapshot for them. */
int fc_ext4_plan_tables(const struct fc_ext4_tables *tables, const struct fc_ext4_options *options,
                        struct fc_image **ret_image, struct fc_ext4_summary *ret_summary, struct fc_error *err);

/** All that a plan knows. */
struct fc_ext4_planner {
    struct fc_digest seed;
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    const struct fc_snap_extent *extents;
    const struct fc_xattr *xattrs;
    const struct fc_snap_source *sources;
    uint32_t n_inodes, n_dentries, n_extents, n_xattrs, n_sources;

    struct fc_ext4_options options; /**< with the defaults filled in */
    uint8_t uuid[16];
    uint32_t hash_seed[4];
    uint32_t csum_seed;
    struct fc_ext4_summary summary;
    struct fc_image *image; /**< its size is set when everything else is known */
    struct fc_error *err;

    struct fc_ext4_node *nodes; /**< in inode order: journal, root, lost+found, tree */
    size_t n_nodes;
    uint32_t *node_of;    /**< by snapshot inode: its node, FC_TREE_NONE: none */
    uint32_t *names_seen; /**< by snapshot inode, only while directories are built, for split links */
    uint32_t *first_copy; /**< by snapshot inode: the node of its second copy; NULL when nothing is split */
    uint32_t lost_found;  /**< snapshot inode that is /lost+found, or FC_TREE_NONE */
    uint32_t last_ino;
    uint32_t *data_order; /**< nodes with content in sources, in the order in which it is placed */
    size_t n_data;

    struct fc_ext4_xattr_block *xattr_blocks;
    size_t n_xattr_blocks, xattr_blocks_cap;

    struct fc_ext4_layout layout;
    uint64_t journal_blocks;
    uint32_t journal_root[EXT2_N_BLOCKS]; /**< i_block of the journal's inode, for the superblock's copy of it */
    struct fc_ext4_run *runs;
    size_t n_runs, runs_cap;
    uint64_t *trees;
    size_t n_trees, trees_cap;
    uint64_t resize_block; /**< the double indirect block of the resize inode */
    size_t span;           /**< placing: the free span in use, */
    uint64_t span_used;    /**< how much of it, */
    uint64_t placed;       /**< and blocks in all, also those for which there was no room */
};

/** Node numbers that are always there. */
enum { FC_EXT4_NODE_JOURNAL, FC_EXT4_NODE_ROOT, FC_EXT4_NODE_LOST_FOUND, FC_EXT4_NODE_TREE };

/* words.c */
/** Fail with @code and "PATH: @what", where PATH is a name of snapshot inode @inode. Returns -@code. */
int fc_ext4_fail_at(const struct fc_ext4_planner *p, uint32_t inode, int code, const char *what);
/** Fail for want of memory. Returns -ENOMEM. */
int fc_ext4_no_memory(const struct fc_ext4_planner *p);

/* tree.c */
/** Give every inode of the snapshot a node and an inode number; check what ext4 cannot hold. 0 or -errno with words. */
int fc_ext4_make_nodes(struct fc_ext4_planner *p);
/** The node to which the next name of snapshot inode @inode refers (a copy when it has too many). */
struct fc_ext4_node *fc_ext4_node_for_name(struct fc_ext4_planner *p, uint32_t inode);

/* xattr.c */
/** Encode the attributes of every node: into the inode, then into a block. 0 or -errno with words. */
int fc_ext4_make_xattrs(struct fc_ext4_planner *p);

/* dir.c, htree.c */
/** Build the blocks of every directory and long symlink. 0 or -errno with words. */
int fc_ext4_make_directories(struct fc_ext4_planner *p);
/** A name to be put into a directory. */
struct fc_ext4_name {
    const char *name;
    uint32_t len, ino, hash, minor;
    uint8_t type;
};
/** Write the entry @n at @at, @rec_len bytes long. */
void fc_ext4_put_name(unsigned char *at, const struct fc_ext4_name *n, unsigned rec_len);
/** Bytes that a name of @len bytes takes. */
static inline unsigned fc_ext4_name_size(uint32_t len) { return (len + 8 + 3) & ~3u; }
/** Put the checksum tail into directory block @block of @node. */
void fc_ext4_dir_tail(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block);
/** Build a hash tree of @n names (reordered) for directory @node. 0 or -errno with words. */
int fc_ext4_make_htree(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                       struct fc_ext4_name *names, size_t n);

/* layout.c */
/** Lay out the fixed structures for @n_blocks blocks and at least @n_inodes inodes. 0 or -ENOMEM; see layout.shortage. */
int fc_ext4_layout(struct fc_ext4_planner *p, uint64_t n_blocks, uint64_t n_inodes);
/** Blocks that group @group has for itself at least. A last group smaller than this and 50 more is not worth having. */
uint64_t fc_ext4_group_overhead(const struct fc_ext4_layout *l, uint32_t group);
/** Does @group begin with a copy of the superblock and group descriptors? */
bool fc_ext4_has_super(uint32_t group);
/** Free what a layout owns. */
void fc_ext4_layout_release(struct fc_ext4_layout *l);

/* place.c */
/** Place everything that is not fixed. Sets p->placed, which is more than layout.n_available when room is short. */
int fc_ext4_place(struct fc_ext4_planner *p);
/** Blocks of an extent tree beside the inode for @n_runs extents. */
uint64_t fc_ext4_tree_blocks(uint64_t n_runs);

/* size.c */
/** Find the size, lay out and place. 0, -ENOSPC with the needed number in words, or another errno. */
int fc_ext4_find_size(struct fc_ext4_planner *p);

/* inode.c, extent.c */
/** Fill the inode tables and add them to the image. 0 or -errno with words. */
int fc_ext4_emit_inodes(struct fc_ext4_planner *p);
/** Write the root of @node's extent tree into @root (60 bytes) and its blocks into the image. 0 or -ENOMEM. */
int fc_ext4_emit_extents(struct fc_ext4_planner *p, const struct fc_ext4_node *node, void *root);

/* content.c */
/** Add file contents, directories, symlinks and xattr blocks to the image. 0 or -errno with words. */
int fc_ext4_emit_content(struct fc_ext4_planner *p);

/* super.c, journal.c */
/** Add superblocks, group descriptors and bitmaps to the image. After the inodes. 0 or -errno with words. */
int fc_ext4_emit_groups(struct fc_ext4_planner *p);
/** Add the journal's superblock to the image. 0 or -ENOMEM. */
int fc_ext4_emit_journal(struct fc_ext4_planner *p);
/** Fill the resize inode @inode and add the blocks that it consists of. 0 or -ENOMEM. */
int fc_ext4_emit_resize(struct fc_ext4_planner *p, struct ext2_inode_large *inode);

/** The checksum that things of inode @ino start from. */
static inline uint32_t fc_ext4_ino_seed(const struct fc_ext4_planner *p, uint32_t ino)
{
    uint32_t words[2] = {ino, 0}; /* number and generation */

    return ext2fs_crc32c_le(p->csum_seed, (unsigned char *)words, sizeof(words));
}

/** The number of blocks that @bytes need. */
static inline uint64_t fc_ext4_blocks(uint64_t bytes) { return bytes / FC_EXT4_BLOCK + (bytes % FC_EXT4_BLOCK != 0); }

#endif
