/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual disk: an image that is planned when somebody opens it, as the only file of a FUSE mount of its own.
 *
 * Each open shows one moment until it is closed. Two moments are two inodes of the kernel with one name, so that its
 * page cache never mixes them, and what fstat(2) says is about what that open file shows.
 */
#ifndef FC_FUSE_DISK_H
#define FC_FUSE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include <fccompose/image.h>

#include "base/cleanup.h"
#include "image/overlay.h"

/** The file's name. */
#define FC_DISK_NAME "disk.ext4"

/** A planned image and what it borrows from. */
struct fc_disk_image {
    const struct fc_image *image;
    void (*release)(void *owner); /**< frees the image and what is behind it */
    void *owner;
};

/** What to serve where. All zero but the pointers is the default. */
struct fc_disk_options {
    const char *mountpoint;
    /** A number that is another one whenever plan() could give other bytes. Returns 0 or -errno with words. */
    int (*version)(void *arg, uint64_t *ret, struct fc_error *err);
    /** Plan the image of now. Never called by two threads at once. Returns 0 or -errno with words. */
    int (*plan)(void *arg, struct fc_disk_image *ret, struct fc_error *err);
    void *arg;
    struct fc_overlay *overlay; /**< serve this, writable, instead; borrowed */
    bool allow_other, debug;
};

/** A served disk. */
struct fc_disk;

/**
 * Mount it and answer in threads of its own. An empty directory is wanted at the mount point; a dead mount of ours
 * there is cleaned up. Returns 0 or -errno with words.
 */
int fc_disk_new(const struct fc_disk_options *options, struct fc_disk **ret, struct fc_error *err);
/** The file. Borrowed. */
const char *fc_disk_path(const struct fc_disk *d);
/** Whether it is served still: it may have been unmounted by others. */
bool fc_disk_is_served(const struct fc_disk *d);
/** How often it is open now. */
unsigned fc_disk_opens(struct fc_disk *d);
/** Wait until it is unmounted or SIGINT/SIGTERM/SIGHUP comes; then it is unmounted, in use or not. Returns 0 or -errno. */
int fc_disk_wait(struct fc_disk *d, struct fc_error *err);
/** End: detach the mount and stop answering; who has the file open reads no more of it. Any thread. */
void fc_disk_end(struct fc_disk *d);
/** End it and free it, and every plan with it. NULL is allowed. */
void fc_disk_free(struct fc_disk *d);
FC_DEFINE_AUTO(struct fc_disk *, fc_disk_free)

#endif
