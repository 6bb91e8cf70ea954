/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of an unedited stack, kept in a file, so that a later plan of the edited stack need not make it again.
 *
 * The file base-KEY stands in a folder that belongs to one workspace, with the records of images (image/record.h has the
 * prefix). KEY is a digest of all that the plan is a function of: the stack (layers, their order and numbers), the options, the version of the program and that of this format. In the file,
 * as the host has its numbers (it never leaves it), come a struct fc_ext4_saved_header and, each as long as the header
 * counts, the tables:
 *
 *   nodes     struct fc_ext4_saved_node: journal, root, lost+found, then those of the stack's inodes in ascending order
 *   runs      struct fc_ext4_run: what nodes name by first_run and n_runs
 *   trees     64-bit block numbers: what nodes name by first_tree and n_trees
 *   segments  struct fc_ext4_saved_segment, sorted: the whole image but for superblocks, descriptors, bitmaps, journal and
 *             resize inode, which no plan takes from another
 *   leaves    32-bit words: for each directory with a hash tree the number of leaves, and the hash that each begins with
 *   dirs      32-bit words: directories in each group
 *   blocks    a bit for each block of the image: it was placed (and is nothing that a group keeps of itself)
 *   numbers   a bit for each inode number from 0 on: it is in use
 *
 * The header holds a digest of everything behind it. A file that is damaged, of another version, or not of the user who
 * looks, counts as none: then the plan is made again, and saved again. Plans with what a part of them cannot tell about the
 * rest (split hard links, attribute values in inodes of their own, a /lost+found of the tree, ...) are not saved.
 */
#ifndef FC_EXT4_SAVED_H
#define FC_EXT4_SAVED_H

#include "ext4/plan.h"
#include "image/record.h"

/** To be counted up whenever any plan changes for the same input, and with the format. */
#define FC_EXT4_SAVED_VERSION 1u

#define FC_EXT4_SAVED_MAGIC "fc-ext4-base-1\n"
#define FC_EXT4_SAVED_MOST (1u << 30) /* bytes of a file */

/** A node, as far as edits need it. */
struct fc_ext4_saved_node {
    uint64_t ino, bytes; /**< number in the snapshot (0: it has none); length of its extents */
    uint32_t number;     /**< of the inode */
    uint32_t first_run, n_runs, first_tree, n_trees;
    uint32_t leaves; /**< 1 + index of the number of its leaves, 0: it has no hash tree */
    uint32_t mode;
    uint32_t has_xattr_block;
};

/** A run of bytes of the image. */
struct fc_ext4_saved_segment {
    uint64_t offset, length;
    uint64_t source_offset;
    uint32_t source; /**< position in the stack of the layer whose pack has them, or FC_TREE_NONE: metadata */
    uint32_t pad;
};

/** What the file begins with. */
struct fc_ext4_saved_header {
    char magic[16];
    struct fc_digest key, sum;
    uint64_t n_nodes, n_runs, n_trees, n_segments, n_leaves, n_dirs, block_bytes, number_bytes;
    uint64_t n_blocks, placed, resize_block, journal_blocks, data_bytes;
    uint64_t n_all_nodes; /**< those that the table of nodes leaves out, too */
    uint32_t inodes_per_group, last_ino;
    struct fc_ext4_features features;
    uint32_t pad;
};

/** Such a file, mapped for reading. */
struct fc_ext4_saved {
    void *map;
    size_t size;
    const struct fc_ext4_saved_header *header;
    const struct fc_ext4_saved_node *nodes;
    struct fc_ext4_run *runs; /* here and below without const where a planner wants it so: nothing can be written */
    uint64_t *trees;
    const struct fc_ext4_saved_segment *segments;
    uint32_t *leaves;
    const uint32_t *dirs;
    const unsigned char *blocks, *numbers;
};

/** Whether plans with @options can be saved, or planned over what was saved. */
bool fc_ext4_can_save(const struct fc_ext4_options *options);
/** The key for a stack that fc_tree_identity() calls @stack. @options as given or with the defaults filled in. 0 or -errno. */
int fc_ext4_saved_key(const struct fc_digest *stack, const struct fc_ext4_options *options, struct fc_digest *ret_key);
/** Whether an edited plan @p, or its base, has anything that only a whole plan can tell. */
bool fc_ext4_is_plain(const struct fc_ext4_planner *p);
/**
 * Save what @p, which is placed, was for the unedited stack, in folder @dir (made if missing) unless it is there. The oldest
 * of other plans there go when they are more than a few. 0 or -errno; then there is no such file, or an older one.
 */
int fc_ext4_saved_write(const struct fc_ext4_planner *p, const char *dir, const struct fc_digest *key);
/** Map the file of @key in folder @dir. Returns 0, or -ENOENT when there is none that can be relied on, or -ENOMEM. */
int fc_ext4_saved_open(const char *dir, const struct fc_digest *key, struct fc_ext4_saved *ret);
/** Unmap it. */
void fc_ext4_saved_release(struct fc_ext4_saved *saved);
/** The index of the node of snapshot inode @ino, or FC_TREE_NONE. */
uint32_t fc_ext4_saved_find(const struct fc_ext4_saved *saved, uint64_t ino);
/** The name that the file of @key has in @dir. NULL when out of memory. */
char *fc_ext4_saved_path(const char *dir, const struct fc_digest *key);

#endif
