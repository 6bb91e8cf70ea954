/* SPDX-License-Identifier: Apache-2.0 */
/* The image that is at an output's place, for planners that build on it. */
#ifndef FC_IMAGE_PREVIOUS_H
#define FC_IMAGE_PREVIOUS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "image/image.h"

/**
 * An image that is as it was written, and what its planner noted then. A plan may take bytes from @fd: those that it takes from
 * the place where they stay are neither compared nor written.
 */
struct fc_image_previous {
    int fd;
    struct stat state;
    void *note;
    size_t n_note;
};

/**
 * Open the image at @path (a symlink is followed) if it is what the record in folder @records says, and has a note.
 *
 * Records of another user, and such that others may write, count as none. Returns 1 and fills *ret (release it), 0 if there
 * is no such image, or -ENOMEM.
 */
int fc_image_previous_open(const char *records, const char *path, struct fc_image_previous *ret);

/** Whether nobody has changed it since. */
bool fc_image_previous_holds(const struct fc_image_previous *previous);

/** Close it. */
void fc_image_previous_release(struct fc_image_previous *previous);
static inline void fc_image_previous_release_auto(struct fc_image_previous *p) { fc_image_previous_release(p); }

#endif
