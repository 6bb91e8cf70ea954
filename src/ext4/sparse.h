/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sparse plan: of an edited stack only what the edits change, everything else as the image has it that was written last.
 *
 * It knows the plan of the unedited stack, as saved (saved.h), and the last image of the same stack with the same options. In
 * a full plan everything that no edit touches is what it is in the unedited stack's plan: its number, its places, every
 * byte of its inode, directory blocks and extents. So whatever is touched neither by the edits of now nor by those that the
 * last image was made of (its record lists them) stands in that image as it would in a new plan of all. What is touched goes
 * through the same functions as in a full plan, on tables that hold nothing else; counts and bitmaps are the saved ones, less
 * what the touched inodes had, plus what they have. Where a part would not tell the whole (see fc_ext4_is_plain()) there is
 * no sparse plan.
 */
#ifndef FC_EXT4_SPARSE_H
#define FC_EXT4_SPARSE_H

#include "ext4/saved.h"
#include "image/previous.h"
#include "live/changes.h"

#define FC_EXT4_NOTE_MAGIC "fcnote1"

/** The note beside an image: this, then the 64-bit numbers in the snapshot of what was edited, then their inode numbers. */
struct fc_ext4_note_header {
    char magic[8];
    struct fc_digest key; /**< of the unedited stack's plan */
    uint64_t n_blocks;    /**< of the image */
    uint32_t last_ino, n;
};

/** A note, as it is read. */
struct fc_ext4_note {
    const struct fc_ext4_note_header *header;
    const uint64_t *inos;
    const uint32_t *numbers; /**< 0: it is not in the image */
};

/** What a sparse plan has beside the planner. */
struct fc_ext4_sparse {
    const struct fc_live_changes *changes;
    const struct fc_image_previous *previous;
    struct fc_ext4_note note;
    struct fc_ext4_saved saved;
    unsigned char *kept;      /**< the saved blocks, less those of what is planned */
    uint64_t n_kept;          /**< how many of them are to be counted */
    uint64_t n_nodes;         /**< in the whole image */
    uint32_t *dirs;           /**< by group, what is not planned */
    struct fc_ext4_span *cut; /**< blocks that are not taken from the last image */
    size_t n_cut, cut_cap;
    uint32_t *slots; /**< inode numbers whose place in the tables is filled anew; some more than once */
    size_t n_slots, slots_cap;
};

/** Do not take @n blocks from @start from the last image. 0 or -ENOMEM. */
int fc_ext4_sparse_cut(struct fc_ext4_sparse *s, uint64_t start, uint64_t n);
/**
 * Plan @p, whose tables are those of @s->changes, over @s->saved and @s->previous. Returns 0, or a negative errno: then the
 * full plan is to be made.
 */
int fc_ext4_make_sparse(struct fc_ext4_planner *p, struct fc_ext4_sparse *s);

#endif
