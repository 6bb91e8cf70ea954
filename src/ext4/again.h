/* SPDX-License-Identifier: Apache-2.0 */
/* Planning the same tree again and again, each time a little edited: what one plan leaves behind for the next. */
#ifndef FC_EXT4_AGAIN_H
#define FC_EXT4_AGAIN_H

#include "base/buf.h"
#include "ext4/plan.h"
#include "ext4/saved.h"
#include "image/previous.h"
#include "live/changes.h"

/** A plan that was made, with all that it knows. */
struct fc_ext4_made {
    struct fc_ext4_planner planner;
    struct fc_snapshot *unedited; /**< which its base was planned from, or NULL */
    struct fc_digest stack;
};

/**
 * As fc_ext4_plan(), and keep what was found out.
 *
 * *ret_made borrows @snapshot and what @options refer to; free it with fc_ext4_made_free(). @ret_made may be NULL.
 */
int fc_ext4_plan_made(const struct fc_snapshot *snapshot, const struct fc_ext4_options *options,
                      struct fc_image **ret_image, struct fc_ext4_summary *ret_summary, struct fc_ext4_made **ret_made,
                      struct fc_error *err);
/** Free it. NULL is allowed. */
void fc_ext4_made_free(struct fc_ext4_made *made);
FC_DEFINE_AUTO(struct fc_ext4_made *, fc_ext4_made_free)

/** The inodes (numbers of snapshots) that the image of @previous was edited in. Borrowed from it. *ret_n is 0 if there are none. */
const uint64_t *fc_ext4_edited_before(const struct fc_image_previous *previous, size_t *ret_n);

/**
 * Plan the tree that is the stack with @changes over @previous, an image of the same stack, in time that depends on the
 * edits of both alone; fc_ext4_edited_before() told fc_live_changes() which those are. @dir is the folder of
 * fc_ext4_made_save().
 *
 * Returns 1 and sets *ret_image to the same bytes that a full plan has, some of them taken from @previous, which must
 * outlive it as must @changes; *ret_summary; and ret_note, which is to be kept with the image. Returns 0 when only a full
 * plan will do: there is no saved plan, @previous is of another stack or of other options, the edits are too many, or of a
 * kind that concerns the rest, or memory is short.
 */
int fc_ext4_plan_again(const struct fc_live_changes *changes, const struct fc_image_previous *previous, const char *dir,
                       const struct fc_ext4_options *options, struct fc_image **ret_image,
                       struct fc_ext4_summary *ret_summary, struct fc_buf *ret_note);

/**
 * The note for the image of @made, whose tree is the stack with @changes. It is left empty when a later plan could not start
 * from that image. Returns 0 or -ENOMEM.
 */
int fc_ext4_made_note(const struct fc_ext4_made *made, const struct fc_live_changes *changes, struct fc_buf *ret_note);

/** Save the plan of the unedited stack in folder @dir for plans to come, unless it is there. 0 or -errno; both are well. */
int fc_ext4_made_save(const struct fc_ext4_made *made, const char *dir);

#endif
