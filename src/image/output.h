/* SPDX-License-Identifier: Apache-2.0 */
/* A regular file that has no name, or a temporary one, until it is complete. */
#ifndef FC_IMAGE_OUTPUT_H
#define FC_IMAGE_OUTPUT_H

#include <stdbool.h>
#include <sys/stat.h>

#include <fccompose/error.h>

/** An output on its way. All zero but fd -1 is empty. */
struct fc_image_output {
    int fd;
    char *path; /**< where it will be */
    char *dir;  /**< folder of @path */
    char *temp; /**< name that it has now, or NULL: none */
};

/**
 * Open a new file for what will be @path, with the mode of @old (may be NULL: none is there).
 *
 * The file has no name where the host's file system offers that; else it is .NAME.PID-N beside @path, and locked
 * (flock) while its maker lives. Files of that form that nobody has locked are what killed writers left: they are
 * removed. Returns 0, or a negative errno with words.
 */
int fc_image_output_open(struct fc_image_output *ret, const char *path, const struct stat *old, struct fc_error *err);

/** Put the complete file in its place, over what is there. Does not sync. Returns 0 or a negative errno with words. */
int fc_image_output_place(struct fc_image_output *o, struct fc_error *err);

/** Close and forget; a file that was not put in its place is gone. */
void fc_image_output_release(struct fc_image_output *o);
static inline void fc_image_output_release_auto(struct fc_image_output *o) { fc_image_output_release(o); }

#endif
