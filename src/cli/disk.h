/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual disk of the program: where its images come from. The one place where ext4/ and fuse/ meet. */
#ifndef FC_CLI_DISK_H
#define FC_CLI_DISK_H

#include <fccompose/fccompose.h>

#include "cli/cli.h"
#include "fuse/disk.h"
#include "fuse/fuse.h"
#include "live/live.h"

/** What the disk shows. All zero but a tree is the default; pointers are borrowed until cli_disk_stop(). */
struct cli_disk {
    struct fc_live *live;               /**< what is planned, as it is at each open; or */
    const struct fc_snapshot *snapshot; /**< this, which never changes */
    struct fc_mount *mount;             /**< to be flushed before the live tree is looked at; NULL: none */
    struct fc_ext4_options ext4;
    bool allow_other;
    const char *rw;         /**< FILE of a writable overlay, absolute; NULL: none. The disk then shows one moment */
    struct fc_digest stack; /**< with @rw: a digest of the layers' diffIDs, lowest first */

    struct fc_disk *disk; /* the rest belongs to cli_disk_start() */
    struct fc_overlay *overlay;
    struct fc_disk_image base;
    struct fc_error last; /* of the last plan that failed */
};

/** The folder of a workspace's disk: inside the workspace in @dir. Caller frees; NULL when out of memory. */
char *cli_disk_dir(const char *workspace);
/** Mount it on @dir, which is made if it is missing. Stop @d also after a failure. Returns 0 or a failure with words. */
int cli_disk_start(struct cli_disk *d, const char *dir, struct fc_error *err);
/** Look at the file once, so that what cannot be planned has words now, and the first open need not wait. */
int cli_disk_try(struct cli_disk *d, struct fc_error *err);
/** End it and free what it has. */
void cli_disk_stop(struct cli_disk *d);

#endif
