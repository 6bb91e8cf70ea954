/* SPDX-License-Identifier: Apache-2.0 */
/* Plan a snapshot as an ext4 file system image, and make a snapshot of such an image. */
#ifndef FCCOMPOSE_EXT4_H
#define FCCOMPOSE_EXT4_H

#include <stdbool.h>
#include <stdint.h>

#include <fccompose/image.h>
#include <fccompose/snapshot.h>

/** The journal of the image. */
enum fc_ext4_journal {
    FC_EXT4_JOURNAL_AUTO, /**< sized by the image, as mke2fs does */
    FC_EXT4_JOURNAL_NONE,
    FC_EXT4_JOURNAL_SIZE, /**< @journal_bytes */
};

/** Whom the image is for. Each has a fixed list of features, which the table in ext4/features.c shows. */
enum fc_ext4_profile {
    FC_EXT4_PROFILE_5_10,  /**< Linux 5.10 and e2fsck 1.46: the default */
    FC_EXT4_PROFILE_6_1,   /**< Linux 6.1 and e2fsck 1.46 */
    FC_EXT4_PROFILE_6_18,  /**< Linux 6.18 and e2fsck 1.47 */
    FC_EXT4_PROFILE_COMPAT /**< any Linux since 2.6.32 and e2fsck 1.42: what mke2fs made in its time */
};

/** The profile that is called @name ("5.10", "6.1", "6.18", "compat"). Returns 0, or -ENOENT: none is. */
FC_PUBLIC int fc_ext4_profile_find(const char *name, enum fc_ext4_profile *ret_profile);

/**
 * Gives the SELinux label for what is at @path (absolute; "/" is the root) and has type and permissions @mode, such as
 * fc_labels_find(). Returns 1 and sets *ret_label, which must stay until planning is over; 0: it keeps what it has; or a
 * negative errno with words.
 */
typedef int fc_ext4_label_fn(void *context, const char *path, uint32_t mode, const char **ret_label,
                             struct fc_error *err);

/** How to plan. All zero is the default: exactly sized, journal, UUID from the stack. */
struct fc_ext4_options {
    uint64_t size;       /**< bytes of the image; 0: as small as the content and @free_bytes allow */
    uint64_t free_bytes; /**< space for the guest to use; with size 0 added to the content; else a minimum */
    const char *label;   /**< at most 16 bytes; NULL is "rootfs" */
    bool have_uuid;      /**< use @uuid; else derived from the bottom layer's diffID and the label */
    uint8_t uuid[16];
    enum fc_ext4_journal journal;
    uint64_t journal_bytes;
    uint32_t inode_size;        /**< 128, 256, 512 or 1024; 0 is 256 */
    uint64_t n_inodes;          /**< at least this many; 0: what the tree needs and room to grow */
    uint32_t reserved_permille; /**< blocks reserved for root, in 1/1000 of the image; 0 is none */
    uint64_t align; /**< 0, or a power of two, 8 KiB to 128 MiB: contents that fill such a page of the file stand on
                       one of the image, as DAX on persistent memory wants for its large pages; so does the size */
    bool compact;   /**< place everything anew, without regard to where the unedited stack has it */
    int64_t epoch;  /**< the file system's own times (creation, write, check), seconds; SOURCE_DATE_EPOCH */
    enum fc_ext4_profile profile;
    bool inline_data; /**< small files and directories stand in their inodes; their bytes are read while planning */
    bool read_only;   /**< nothing to write with: no journal, nothing free, no room to grow; compact in any case */
    fc_ext4_label_fn
        *label_of; /**< asked for every inode, by the first of its paths; NULL: labels are kept as they are */
    void *label_context;
    bool clamp_times; /**< times of files that are later than @epoch become @epoch */
};

/** What was planned. */
struct fc_ext4_summary {
    uint64_t size;                /**< bytes of the image */
    uint64_t needed;              /**< the smallest size that would do with these options */
    uint64_t blocks, free_blocks; /**< of 4096 bytes */
    uint64_t inodes, free_inodes;
    uint32_t groups;
    uint64_t journal_bytes;
    uint64_t data_bytes; /**< file content, holes not counted */
    uint8_t uuid[16];
    uint32_t n_clamped_times; /**< times outside what the inode size can hold (1901..2446) */
    uint32_t n_split_links;   /**< inodes that needed a copy because they had more than 65,000 links */
};

/**
 * Plan @snapshot as an ext4 image: every number is computed, no byte is read (but of small files with options->inline_data)
 * or written.
 *
 * Inode numbers and places are a function of stack and edits: those of the unedited stack, in the order of its packs, are
 * kept; what edits delete leaves free space, what they add fills such space and then follows at the end. So images of
 * nearly the same tree have nearly all blocks in common, and a tree that lost much does not shrink (options->compact
 * does that, and so does making the edits a layer).
 *
 * The image borrows the snapshot's sources, so free it before the snapshot. Same snapshot and options give the same
 * bytes. Returns 0 and sets *ret_image; -ENOSPC if options->size is too small (err names the needed number);
 * -EOPNOTSUPP for what ext4 cannot hold (err names the path); -EINVAL for options that contradict each other; -ENOMEM.
 * @options may be NULL; @ret_summary may be NULL and is also filled with `needed` on -ENOSPC.
 */
FC_PUBLIC int fc_ext4_plan(const struct fc_snapshot *snapshot, const struct fc_ext4_options *options,
                           struct fc_image **ret_image, struct fc_ext4_summary *ret_summary, struct fc_error *err);

/** How to read an image. All zero is the default: everything. */
struct fc_ext4_read_options {
    bool no_content;      /**< leave the contents of files out: sizes stay, extents are none; */
    uint64_t content_of;  /**< but for this inode (its number in the snapshot); 0: none */
    bool no_warnings;     /**< do not say to the log what may be missing */
    const char *temp_dir; /**< where an unnamed file for copies is made when one is needed; NULL: $TMPDIR or /var/tmp */
};

/**
 * Read the ext2, ext3 or ext4 image @path (a file or a block device, opened for reading only) as a snapshot.
 *
 * Contents stay in the image: it must not change while the snapshot is held. What 4 KiB extents cannot refer to (blocks of
 * 1 and 2 KiB, inline data) is copied into an unnamed temporary file. An empty /lost+found is left out. The journal is not
 * replayed: one that holds writes is a warning to the log. Returns 0 and sets *ret_snapshot (fc_snapshot_free()), which
 * borrows nothing; -EBADMSG for a damaged image, -EOPNOTSUPP for one with what a snapshot cannot hold (encrypted or
 * case-folded directories, attributes of unknown kinds) or a file that is no file system; -EIO, -ENOSPC, -ENOMEM or another
 * errno; err names the image, and the path in it. Memory and time are bounded by what the image occupies. @options may be
 * NULL. Threads: any, one image each.
 */
FC_PUBLIC int fc_ext4_read_image(const char *path, const struct fc_ext4_read_options *options,
                                 struct fc_snapshot **ret_snapshot, struct fc_error *err);

#endif
