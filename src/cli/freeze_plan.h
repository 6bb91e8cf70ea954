/* SPDX-License-Identifier: Apache-2.0 */
/* The image that `fccompose freeze` is to write, planned whole or over the one that is there. */
#ifndef FC_CLI_FREEZE_PLAN_H
#define FC_CLI_FREEZE_PLAN_H

#include "cli/freeze.h"
#include "cli/view.h"
#include "ext4/again.h"

/** A planned image, and what is to be remembered of it. All zero but for previous.fd, which is -1, is none. */
struct freeze_plan {
    struct fc_image *image;
    struct fc_ext4_summary summary;
    uint32_t n_objects;
    struct fc_buf note;
    struct fc_ext4_made *made;       /**< a whole plan; NULL: one over @previous */
    struct fc_live_changes *changes; /**< NULL: nothing will be remembered */
    struct fc_image_previous previous;
    bool over; /**< planned over @previous */
};

/**
 * Plan the tree of @v for @f; @f->write.records says where the workspace remembers what it wrote (NULL: it does not). With
 * @whole the image that is there is left alone. Takes the view's snapshot only when it is needed. Release @ret also after a
 * failure. Returns 0 or a failure with words; summary.needed is set with -ENOSPC.
 */
int freeze_plan(struct cli_view *v, const struct freeze_request *f, bool whole, struct freeze_plan *ret,
                struct fc_error *err);
/** The image is in its place: save for the next time what this one had to find out. A failure only makes that slower. */
void freeze_plan_save(const struct freeze_plan *plan, const struct freeze_request *f);
/** Free what it owns; none afterwards. */
void freeze_plan_release(struct freeze_plan *plan);

#endif
