/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer format: this file is its specification.
 *
 * A layer is a folder layers/HEX of the cache, HEX being the diffID in hexadecimal, with two files:
 *
 *   index   header, then tables at the offsets that the header gives, each aligned to 8 bytes. All numbers are
 *           little-endian. Opening a layer is reading this file, checking its digest and its bounds; nothing is parsed.
 *   pack    file contents, decompressed. Every extent starts on a multiple of 4096 and is padded with zeros to the
 *           next, in the order of the archive; holes take no room. The pack may be empty.
 *
 * Tables:
 *
 *   nodes     what the layer says about a path: one node for each path it names and for each parent it needs, the
 *             root being node 0. A node's parent has a smaller index. Apart from that, nodes are in the order of the
 *             archive, which matters: entries below a symlink are resolved when layers are folded.
 *   inodes    file system objects. Several nodes with the same inode are hard links of each other.
 *   extents   content of regular files: slices given by the inodes, sorted by file offset.
 *   xattrs    slices given by the inodes, sorted by name.
 *   sums      the XXH3-128 of each 64 KiB of the pack, the last piece being shorter.
 *   strings   names, symlink texts, hard link targets and xattr names, each NUL-terminated; xattr values, not.
 *
 * A third file, "damaged", is there when bytes of the pack turned out to be others than the sums say: whoever can import the
 * layer again does.
 *
 * What is checked when:
 *
 *   the index   whole, at every open: first index_check, then that no table leads out of bounds.
 *   the pack    its length at every open. Its bytes, by the sums, when a process reads them for the first time through
 *               fc_layer_read_pack(): files read in a mount, by cat, cp, diff, commit, export and push, and those that
 *               freeze stores in inodes. All of it by fc_layer_verify(): cache verify, fsck --data.
 *   nowhere     what goes from the pack into an image without passing through a reader: freeze has the kernel clone or copy
 *               it, and the virtual disk and freeze to a pipe read it as parts of the image. cache verify before it says
 *               whether that was whole.
 *
 * Versions 1 and 2 had no sums and no index_check, and a header without them: of those layers the index's bytes and the
 * pack's are checked by fc_layer_verify() alone, which has a digest of the whole pack, in version 1 its sha256. That costs as
 * much as half of the decompression, and no sum is asked to stand up to someone who may write into the cache. All are
 * read; the current one is written.
 *
 * A node may carry a whiteout and an object at once: the whiteout acts on lower layers, the object is this layer's.
 */
#ifndef FC_LAYER_FORMAT_H
#define FC_LAYER_FORMAT_H

#include <stdint.h>

#define FC_LAYER_MAGIC "FCLAYER1"
#define FC_LAYER_VERSION 3u
/** The oldest version that is read. */
#define FC_LAYER_VERSION_MIN 1u
/** Alignment of extents in the pack, and granularity of holes. */
#define FC_LAYER_BLOCK 4096u
/** What one sum is of. */
#define FC_LAYER_SUM_BLOCK 65536u
/** Sums of a pack of @size bytes. */
#define FC_LAYER_N_SUMS(size) ((size) / FC_LAYER_SUM_BLOCK + ((size) % FC_LAYER_SUM_BLOCK != 0))
/** "No inode", "no string". */
#define FC_LAYER_NONE UINT32_MAX

/** Node flags. */
enum {
    FC_NODE_WHITEOUT = 1 << 0, /**< hides this path in lower layers */
    FC_NODE_OPAQUE = 1 << 1,   /**< hides the content of this directory in lower layers */
    FC_NODE_LINK = 1 << 2,     /**< hard link whose target was not in the layer when met: see @link */
};

/** Inode flags. */
enum {
    FC_INODE_IMPLICIT = 1 << 0, /**< directory that no entry describes: keeps a lower directory's attributes */
};

struct fc_layer_header {
    char magic[8];
    uint32_t version;
    uint32_t header_size;    /* of this struct */
    uint8_t diffid[32];      /* sha256 of the uncompressed tar */
    uint8_t pack_digest[32]; /* zeros; version 2: XXH3-128 (canonical form, 16 bytes) and 16 zeros; version 1: sha256 */
    uint8_t index_digest[32]; /* sha256 of the index with these 32 bytes and index_check zero */
    uint64_t index_size, pack_size, tar_size, data_size;
    uint64_t nodes, inodes, extents, xattrs, strings; /* offsets of the tables */
    uint32_t n_nodes, n_inodes, n_extents, n_xattrs;
    uint64_t strings_size;
    uint32_t n_entries, n_whiteouts;
    /* from version 3 on */
    uint64_t sums;           /* offset of the table */
    uint8_t index_check[16]; /* XXH3-128 of the index with these 16 bytes zero */
};
/** Length of the header before version 3. */
#define FC_LAYER_HEADER_OLD 216u

struct fc_layer_node {
    uint32_t parent;   /* node; the root's is itself */
    uint32_t inode;    /* FC_LAYER_NONE: whiteout only, or a link whose target is below (then the fallback, if any) */
    uint32_t name;     /* offset in strings */
    uint16_t name_len; /* 1..255; the root's is 0 */
    uint16_t flags;    /* FC_NODE_ */
    uint32_t link;     /* FC_NODE_LINK: offset of the target path in strings; else FC_LAYER_NONE */
    uint32_t block; /* FC_NODE_LINK: where the entry stands in the tar, in blocks of 512 bytes, for messages; else 0 */
};

struct fc_layer_inode {
    uint32_t mode; /* type and permissions */
    uint32_t uid, gid;
    uint32_t rdev_major, rdev_minor;
    uint32_t flags; /* FC_INODE_ */
    int64_t mtime_sec;
    uint32_t mtime_nsec;
    uint32_t target; /* symlink text: offset in strings; else FC_LAYER_NONE */
    uint64_t size;   /* regular: bytes; symlink: length of its text; else 0 */
    uint32_t first_extent, n_extents;
    uint32_t first_xattr, n_xattrs;
};

struct fc_layer_extent {
    uint64_t offset;      /* in the file, multiple of 4096 */
    uint64_t pack_offset; /* multiple of 4096 */
    uint64_t length;      /* a multiple of 4096 except where the file ends */
};

struct fc_layer_sum {
    uint8_t bytes[16]; /* canonical form */
};

struct fc_layer_xattr {
    uint32_t name; /* offset in strings */
    uint32_t value_size;
    uint64_t value; /* offset in strings */
};

#endif
