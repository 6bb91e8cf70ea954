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

#include "base/map.h"
#include "image/image.h"

#define FC_EXT4_BLOCK 4096u
#define FC_EXT4_GROUP_BLOCKS 32768u
#define FC_EXT4_RUN_MOST 32768u /* blocks in one initialised extent */
#define FC_EXT4_LINKS_MOST 65000u
#define FC_EXT4_BODY_AT (EXT2_GOOD_OLD_INODE_SIZE + 32u) /* where attributes begin in an inode */
#define FC_EXT4_INLINE_BLOCK (EXT2_N_BLOCKS * 4u)        /* bytes of data that i_block holds */
#define FC_EXT4_FIRST_INO 11u                            /* lost+found; the tree follows */

#define FC_EXT4_ORPHAN_INO (FC_EXT4_FIRST_INO + 1) /* the orphan file, if there is one */
#define FC_EXT4_COMPAT_ORPHAN_FILE 0x1000u         /* which libext2fs 1.46 does not name */

/** Bits of the superblock's three words. */
struct fc_ext4_features {
    uint32_t compat, incompat, ro_compat;
};

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
    unsigned char *content;     /**< directory blocks, long symlink text, data in the inode; owned by the image */
    unsigned char *body_xattrs; /**< what follows the fixed fields in the inode, or NULL */
    uint32_t ea_value;          /**< 1 + index of the attribute value that is its content, 0: none */
    uint32_t ea_blocks;   /**< blocks of the values that its attributes have in other inodes: i_blocks counts them */
    uint32_t xattr_block; /**< 1 + index of its xattr block, 0: none */
    uint32_t first_run, n_runs;
    uint32_t first_tree, n_trees; /**< blocks of its extent tree */
    uint32_t base;        /**< its node in the unedited stack's plan, whose places it keeps; FC_TREE_NONE: none */
    uint16_t inline_size; /**< bytes at @content that stand in the inode, */
    bool inlined;         /**< if they do */
    bool indexed;         /**< a directory with a hash tree */
    bool settled;         /**< in a sparse plan: it is as in the base, and only its number is of interest */
};

/** A block of extended attributes, shared by the inodes that have just the same. */
struct fc_ext4_xattr_block {
    unsigned char *data;
    uint64_t physical; /**< 0: not placed yet */
    uint32_t refcount;
    uint32_t base; /**< 1 + index of the base's block with the same bytes, 0: none */
};

/** An attribute's value that is too large for inode and block: content of an inode of its own, for all that have the same. */
struct fc_ext4_ea_value {
    unsigned char *content; /**< padded to whole blocks */
    uint32_t ino, size, hash, refcount;
    uint32_t node; /**< the node that it is the content of */
    uint32_t base; /**< the base's node of the same value, or FC_TREE_NONE */
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

/** Free blocks between kept ones. */
struct fc_ext4_hole {
    uint64_t start, length;
    uint32_t next; /**< 1 + index of the next in the list of its size class, 0: none */
};
#define FC_EXT4_HOLE_CLASSES 33u /* by the power of two in a length */

/** Where new blocks come from: what the unedited stack had and the edits do not need, then the end. See room.c. */
struct fc_ext4_room {
    unsigned char *kept;        /**< a bit for each block of the base's image: it stays where it is */
    uint64_t end;               /**< block after the last kept one */
    struct fc_ext4_hole *holes; /**< what is taken goes from the front of a hole */
    size_t n_holes, holes_cap;
    uint32_t first[FC_EXT4_HOLE_CLASSES]; /**< lists: 1 + index of the first hole */
    bool fill;                            /**< use every hole, however small */
    size_t span;                          /**< appending: the free span in use, */
    uint64_t span_used;                   /**< how much of it, */
    uint64_t outside;                     /**< and blocks for which there was no room */
};

/** The tables of a snapshot, all borrowed. */
struct fc_ext4_tables {
    const struct fc_ext4_tables
        *base; /**< the same stack without edits, which places stay relative to; NULL: it is that */
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    const struct fc_snap_extent *extents;
    const struct fc_xattr *xattrs;
    const struct fc_snap_source *sources;
    uint32_t n_inodes, n_dentries, n_extents, n_xattrs, n_sources;
    struct fc_digest seed;
    unsigned
        index_fill; /**< entries in a block of a directory's index, so that few names make a deep one; 0: all there is room for */
};

/** Those of @snapshot, which must outlive them. */
struct fc_ext4_tables fc_ext4_tables_of(const struct fc_snapshot *snapshot);

/** As fc_ext4_plan(), from bare tables: what it does once it has asked the snapshot for them. */
int fc_ext4_plan_tables(const struct fc_ext4_tables *tables, const struct fc_ext4_options *options,
                        struct fc_image **ret_image, struct fc_ext4_summary *ret_summary, struct fc_error *err);

struct fc_ext4_sparse;

/** All that a plan knows. */
struct fc_ext4_planner {
    struct fc_ext4_sparse *sparse; /**< only what edits changed is planned: see sparse.h; NULL: everything is */
    struct fc_ext4_planner
        *base;       /**< the plan of the unedited stack, placed but not emitted, or NULL: nothing is edited */
    bool edited;     /**< there was one in the beginning */
    bool sizes_only; /**< this is such a base: directories are counted in blocks, not built */
    struct fc_digest seed;
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    const struct fc_snap_extent *extents;
    const struct fc_xattr *xattrs;
    const struct fc_snap_source *sources;
    uint32_t n_inodes, n_dentries, n_extents, n_xattrs, n_sources;

    unsigned index_fill;              /**< see struct fc_ext4_tables */
    struct fc_ext4_options options;   /**< with the defaults filled in */
    struct fc_ext4_features features; /**< of the profile, and what turned out to be needed */
    bool csum;                        /**< metadata has checksums (metadata_csum) */
    uint8_t uuid[16];
    uint32_t hash_seed[4];
    uint32_t csum_seed;
    struct fc_ext4_summary summary;
    struct fc_image *image; /**< its size is set when everything else is known */
    struct fc_error *err;

    struct fc_ext4_node *nodes;   /**< journal, root, lost+found, then the tree's in its order of inodes, then copies */
    size_t n_tree_nodes, n_nodes; /**< without the copies, and in all */
    size_t orphan_node;           /**< that of the orphan file; 0: none */
    uint32_t *node_of;            /**< by snapshot inode: its node, FC_TREE_NONE: none */
    uint32_t *names_seen;         /**< by snapshot inode, only while directories are built, for split links */
    uint32_t *first_copy;         /**< by snapshot inode: the node of its second copy; NULL when nothing is split */
    uint32_t lost_found;          /**< snapshot inode that is /lost+found, or FC_TREE_NONE */
    uint32_t last_ino;            /**< the highest inode number in use */
    uint32_t next_ino;            /**< where the search for a free one goes on */
    unsigned char *ino_used;      /**< a bit for each number of the base: taken; NULL without a base */
    uint64_t inode_wish;          /**< room for at least so many inodes */
    uint32_t
        *leaf_hashes; /**< without a base: of each directory with a hash tree, the number of leaves and their hashes */
    size_t n_leaf_hashes, leaf_hashes_cap;
    struct fc_map leaves_of; /**< its node to where they are */
    uint32_t *data_order;    /**< nodes with content in sources, in the order in which it is placed */
    size_t n_data;

    const char *
        *labels; /**< by snapshot inode, and for a lost+found of the planner's own; NULL, or NULL inside: as they are */
    struct fc_ext4_xattr_block *xattr_blocks;
    size_t n_xattr_blocks, xattr_blocks_cap;
    struct fc_ext4_ea_value *ea_values;
    size_t n_ea_values, ea_values_cap;

    struct fc_ext4_layout layout;
    uint64_t journal_blocks;
    uint32_t journal_root[EXT2_N_BLOCKS]; /**< i_block of the journal's inode, for the superblock's copy of it */
    struct fc_ext4_run *runs;
    size_t n_runs, runs_cap;
    uint64_t *trees;
    size_t n_trees, trees_cap;
    uint64_t resize_block; /**< the double indirect block of the resize inode */
    struct fc_ext4_room room;
    uint64_t placed; /**< blocks in all, also those for which there was no room */
};

/** Node numbers that are always there. */
enum { FC_EXT4_NODE_JOURNAL, FC_EXT4_NODE_ROOT, FC_EXT4_NODE_LOST_FOUND, FC_EXT4_NODE_TREE };

/* features.c */
/** Start with the features that the profile always has. 0, or -EINVAL with words where options contradict it. */
int fc_ext4_start_features(struct fc_ext4_planner *p);
/**
 * Snapshot inode @inode needs the feature @incompat, which is called @name. 0, or -EOPNOTSUPP with words where the profile
 * lacks it: "@what without NAME, which the profile lacks".
 */
int fc_ext4_need(struct fc_ext4_planner *p, uint32_t inode, uint32_t incompat, const char *name, const char *what);
/** Put the features into the superblock. When all else is known. */
void fc_ext4_set_features(const struct fc_ext4_planner *p, struct ext2_super_block *sb);

/* words.c */
/** Fail with @code and "PATH: @what", where PATH is a name of snapshot inode @inode. Returns -@code. */
int fc_ext4_fail_at(const struct fc_ext4_planner *p, uint32_t inode, int code, const char *what);
/** Fail for want of memory. Returns -ENOMEM. */
int fc_ext4_no_memory(const struct fc_ext4_planner *p);

/* sparse.c, sparse_emit.c: what a sparse plan does in place of others; see sparse.h */
/** Number the nodes, and let go of what the base has for those that are not settled. 0 or -errno. */
int fc_ext4_number_sparse(struct fc_ext4_planner *p);
/** Fill what changes of the inode tables. 0 or -ENOMEM or -EIO. */
int fc_ext4_emit_sparse_inodes(struct fc_ext4_planner *p);
/** Add what does not change. 0 or -ENOMEM. */
int fc_ext4_emit_sparse_rest(struct fc_ext4_planner *p);
/** Names that snapshot inode @inode has in all, if that is planned; 0: it is settled. */
uint32_t fc_ext4_sparse_names(const struct fc_ext4_planner *p, uint32_t inode);
/** Nodes in all, those that are left out included. */
uint64_t fc_ext4_all_nodes(const struct fc_ext4_planner *p);
/** Directories in @group that the plan leaves out. */
uint32_t fc_ext4_sparse_dirs(const struct fc_ext4_planner *p, uint32_t group);
/** Blocks of the base that are kept: a bitmap of p->base->layout.n_blocks, and, in *ret_n, how many of them to count. */
const unsigned char *fc_ext4_sparse_kept(const struct fc_ext4_planner *p, uint64_t *ret_n);

/* base.c */
/** Plan @tables, which are not edited, up to their places, so that edits can keep them. 0 or -errno with words. */
int fc_ext4_base_new(const struct fc_ext4_planner *p, const struct fc_ext4_tables *tables,
                     struct fc_ext4_planner **ret);
/** Free a base. NULL is allowed. */
void fc_ext4_base_free(struct fc_ext4_planner *base);
/** Give nodes that the base has its numbers, and the others what is free, then what follows. 0 or -errno with words. */
int fc_ext4_number_edited(struct fc_ext4_planner *p);
/** Find for every block of attributes one of the base with the same bytes. 0 or -errno with words. */
int fc_ext4_match_xattr_blocks(struct fc_ext4_planner *p);

/* plan.c */
/** Fill the summary, and add everything to the image. When the size is found. 0 or -errno with words. */
int fc_ext4_emit(struct fc_ext4_planner *p);
/** From options to directories: all that does not depend on the size. 0 or -errno with words. */
int fc_ext4_prepare(struct fc_ext4_planner *p);
/** A planner of @tables with @options (NULL: default); nothing is done yet. */
struct fc_ext4_planner fc_ext4_planner_of(const struct fc_ext4_tables *tables, const struct fc_ext4_options *options,
                                          struct fc_error *err);
/** Free what a planner owns, its base included. */
void fc_ext4_planner_release(struct fc_ext4_planner *p);

/* tree.c */
/** The lowest inode number that nothing uses; it is used now. */
uint32_t fc_ext4_take_ino(struct fc_ext4_planner *p);
/** How many copies the file @inode needs beside its first node, because of its many names. */
uint32_t fc_ext4_n_copies(const struct fc_ext4_planner *p, uint32_t inode);
/** Give every inode of the snapshot a node and an inode number; check what ext4 cannot hold. 0 or -errno with words. */
int fc_ext4_make_nodes(struct fc_ext4_planner *p);
/** The node to which the next name of snapshot inode @inode refers (a copy when it has too many). */
struct fc_ext4_node *fc_ext4_node_for_name(struct fc_ext4_planner *p, uint32_t inode);

/* label.c */
/** Ask options.label_of for every inode's label. 0 or -errno with words. */
int fc_ext4_make_labels(struct fc_ext4_planner *p);

/* xattr.c */
/**
 * Encode the attributes of every node: into the inode, then into a block, and values that find no room there into inodes
 * of their own, which become nodes. 0 or -errno with words.
 */
int fc_ext4_make_xattrs(struct fc_ext4_planner *p);

/* orphan.c */
/** Is there to be an orphan file? */
bool fc_ext4_has_orphan_file(const struct fc_ext4_planner *p);
/** Make its node. 0 or -ENOMEM with words. */
int fc_ext4_make_orphan_file(struct fc_ext4_planner *p);
/** Sum its blocks, which have their places now. */
void fc_ext4_finish_orphan_file(struct fc_ext4_planner *p);
/** Name it in the superblock. */
void fc_ext4_set_orphan_file(const struct fc_ext4_planner *p, struct ext2_super_block *sb);

/* inline.c */
/** Bytes of data that an inode can hold beside nothing else; 0 when it is not to. */
uint32_t fc_ext4_inline_room(const struct fc_ext4_planner *p);
/** Read small files into their inodes, and take them out of p->data_order. The one place where planning reads. */
int fc_ext4_inline_files(struct fc_ext4_planner *p);

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
/** Bytes of a directory block that names can have. */
static inline unsigned fc_ext4_dir_room(const struct fc_ext4_planner *p) { return FC_EXT4_BLOCK - (p->csum ? 12 : 0); }
/** Put the checksum tail, if there is one, into directory block @block of @node. */
void fc_ext4_dir_tail(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block);
/** Put directory @node into its inode (@names are reordered): 1, 0 if it has no room there, or -errno with words. */
int fc_ext4_inline_directory(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                             struct fc_ext4_name *names, size_t n);
/** A leaf of a hash tree: names [first, first + n), from the hash @hash on, in leaf number @block of the directory. */
struct fc_ext4_leaf {
    size_t first, n;
    uint32_t hash, block;
};
/**
 * leaves.c: sort @names by hash and cut them into leaves. *ret_before is how many blocks for leaves the base has, which all
 * have one again; 0 without. The caller frees *ret. 0 or -errno with words.
 */
int fc_ext4_make_leaves(struct fc_ext4_planner *p, const struct fc_ext4_node *node, struct fc_ext4_name *names,
                        size_t n, struct fc_ext4_leaf **ret, size_t *ret_n, size_t *ret_before);
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

/* room.c */
/** The blocks of @p's base are kept from now on only as far as fc_ext4_room_keep() says. 0 or -ENOMEM. */
int fc_ext4_room_begin(struct fc_ext4_planner *p);
/** Keep @n blocks from @start. */
void fc_ext4_room_keep(struct fc_ext4_room *room, uint64_t start, uint64_t n);
/** All is kept that is to be: find the holes, and the end behind which is appended. 0 or -ENOMEM. */
int fc_ext4_room_ready(struct fc_ext4_planner *p);
/** Up to @want new blocks that stand together; returns how many. What finds no room has numbers past the image's end. */
uint64_t fc_ext4_room_take(struct fc_ext4_planner *p, uint64_t want, uint64_t *ret_start);
/**
 * The same with a start that has the remainder of @logical by options.align; what is skipped for that stays free. 0 or
 * -ENOMEM.
 */
int fc_ext4_room_take_aligned(struct fc_ext4_planner *p, uint64_t want, uint64_t logical, uint64_t *ret_start,
                              uint64_t *ret_got);
/** Free what it owns. */
void fc_ext4_room_release(struct fc_ext4_room *room);

/* place.c */
/**
 * Place everything that is not fixed: in order of the tree and the packs, or, with a base, where the base has it, and what
 * is new in what is free. Sets p->placed and room.outside, the blocks for which there was no room. 0 or -ENOMEM.
 */
int fc_ext4_place(struct fc_ext4_planner *p);
/** Set *ret_end to the block after the last one that stays where the base has it. 0 or -errno with words. */
int fc_ext4_kept_end(struct fc_ext4_planner *p, uint64_t *ret_end);
/** Blocks of an extent tree beside the inode for @n_runs extents. */
uint64_t fc_ext4_tree_blocks(uint64_t n_runs);

/* size.c */
/** Keep the places of the base, in an image as small as that allows. 0 or -errno with words. */
int fc_ext4_grow_from_base(struct fc_ext4_planner *p);
/** Keep the places of the base, and its size, because nothing is edited. 0 or -errno with words. */
int fc_ext4_same_as_base(struct fc_ext4_planner *p);
/** Find the size, lay out and place. 0, -ENOSPC with the needed number in words, or another errno. */
int fc_ext4_find_size(struct fc_ext4_planner *p);

/* inode.c, extent.c */
/** Has the snapshot times that inodes cannot hold? */
bool fc_ext4_clamps(const struct fc_ext4_planner *p);
/** Fill the inode tables and add them to the image. 0 or -errno with words. */
int fc_ext4_emit_inodes(struct fc_ext4_planner *p);
/** Write the inode of @node at @at, which is cleared, without its checksum. 0 or -ENOMEM. */
int fc_ext4_put_node(struct fc_ext4_planner *p, unsigned char *at, const struct fc_ext4_node *node);
/** Put the checksum of inode @ino into it. */
void fc_ext4_put_checksum(const struct fc_ext4_planner *p, unsigned char *at, uint32_t ino);
/** Write the root of @node's extent tree into @root (60 bytes) and its blocks into the image. 0 or -ENOMEM. */
int fc_ext4_emit_extents(struct fc_ext4_planner *p, const struct fc_ext4_node *node, void *root);

/* content.c */
/** Add file contents, directories, symlinks and xattr blocks to the image. 0 or -errno with words. */
int fc_ext4_emit_content(struct fc_ext4_planner *p);

/** Add the contents of file @node to @image; @by_index: with the sources' indexes in place of their descriptors. 0 or -ENOMEM. */
int fc_ext4_add_data(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, struct fc_image *image,
                     bool by_index);

/* groups.c, super.c, journal.c */
/** Add superblocks, group descriptors and bitmaps to the image. After the inodes. 0 or -errno with words. */
int fc_ext4_emit_groups(struct fc_ext4_planner *p);
/** Set bits [from, to) of @map. */
void fc_ext4_set_bits(unsigned char *map, uint64_t from, uint64_t to);
/** Add the superblock and its copies, each with @descriptors behind it. 0 or -ENOMEM. */
int fc_ext4_emit_supers(struct fc_ext4_planner *p, const void *descriptors);
/** Add the journal's superblock to the image. 0 or -ENOMEM. */
int fc_ext4_emit_journal(struct fc_ext4_planner *p);
/** Fill the resize inode @inode and add the blocks that it consists of. 0 or -ENOMEM. */
int fc_ext4_emit_resize(struct fc_ext4_planner *p, struct ext2_inode_large *inode);

/** Bytes of a group descriptor. */
static inline uint32_t fc_ext4_desc_size(const struct fc_ext4_planner *p)
{
    return p->features.incompat & EXT4_FEATURE_INCOMPAT_64BIT ? EXT2_MIN_DESC_SIZE_64BIT : EXT2_MIN_DESC_SIZE;
}

/** Is there a resize inode, so that the file system can grow while it is mounted? */
static inline bool fc_ext4_can_grow(const struct fc_ext4_planner *p)
{
    return p->features.compat & EXT2_FEATURE_COMPAT_RESIZE_INODE;
}

/** Type and permissions of the inode that @node becomes. */
static inline uint32_t fc_ext4_node_mode(const struct fc_ext4_planner *p, const struct fc_ext4_node *node)
{
    if (node->source != FC_TREE_NONE)
        return p->inodes[node->source].mode;
    if (node->ino == EXT2_JOURNAL_INO || node->ea_value || (p->orphan_node && node == &p->nodes[p->orphan_node]))
        return LINUX_S_IFREG | 0600;
    return LINUX_S_IFDIR | 0700;
}

/** The checksum that things of inode @ino start from. */
static inline uint32_t fc_ext4_ino_seed(const struct fc_ext4_planner *p, uint32_t ino)
{
    uint32_t words[2] = {ino, 0}; /* number and generation */

    return ext2fs_crc32c_le(p->csum_seed, (unsigned char *)words, sizeof(words));
}

/** Extents of the contents of @node that stand in sources. */
static inline uint32_t fc_ext4_n_extents(const struct fc_ext4_planner *p, const struct fc_ext4_node *node)
{
    return node->source == FC_TREE_NONE || node->inlined ? 0 : p->inodes[node->source].n_extents;
}

/** The number of blocks that @bytes need. */
static inline uint64_t fc_ext4_blocks(uint64_t bytes) { return bytes / FC_EXT4_BLOCK + (bytes % FC_EXT4_BLOCK != 0); }

#endif
