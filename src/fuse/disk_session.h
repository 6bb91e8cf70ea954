/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the virtual disk share.
 *
 * Two mutexes, taken in this order: @planning is held while an image is planned, @lock for a few instructions on the
 * tables. An open file's node and image stand still, so reading takes neither.
 */
#ifndef FC_FUSE_DISK_SESSION_H
#define FC_FUSE_DISK_SESSION_H

#include "fuse/disk.h"
#include "fuse/session.h"

/** The kernel's number of the directory; those of the disk's inodes follow. */
#define DISK_ROOT FUSE_ROOT_ID
/**
 * What st_ino says, of every moment: cp refuses a file that has another number when it opens it than when it looked. What
 * asks whether two files are one (cmp does) sees other times.
 */
#define DISK_INO 2
/** For how long a plan that nobody has open is kept, in seconds: stat(2) is often followed by open(2). */
#define DISK_GRACE 2

/** A plan, in the node that it belongs to or in a list of those to be let go. */
struct disk_plan {
    struct disk_plan *next;
    struct fc_disk_image image;
};

/** One moment of the disk: an inode. It knows its size also when the plan is gone. */
struct disk_node {
    struct disk_node *next;
    uint64_t id, version, size, data_bytes;
    struct timespec time;
    uint64_t lookups; /* the kernel's references */
    unsigned opens;
    struct disk_plan *plan;     /* NULL while nobody needs it; and with an overlay */
    struct timespec idle_since; /* monotonic: when it was used last, unless open */
    atomic_bool complained;     /* of a read that failed */
};

/** So many threads that a reader is answered while others wait for a plan. */
#define DISK_THREADS 4

struct fc_disk {
    struct fc_disk_options options;
    struct fuse_service service;
    char *path;
    uint32_t uid, gid;
    struct timespec began;

    pthread_mutex_t planning;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the keeper: a plan became idle, or stop */
    struct disk_node *nodes;
    struct disk_node *current; /* the newest, or NULL */
    uint64_t last_id;
    bool stop, keeping;
    pthread_t keeper;
    void *buffers[DISK_THREADS]; /* of FUSE_IO_MAX bytes, not in use: with the lock */
};

/* disk_node.c */

/** Make a node with the version, size, data_bytes and plan of @like; it is the current one. 0 or -errno with words. */
int disk_node_add(struct fc_disk *d, const struct disk_node *like, struct disk_node **ret, struct fc_error *err);
/** The node of now, planned if it has to be, with a reference of the kernel's. Returns 0 or -errno with words. */
int disk_node_lookup(struct fc_disk *d, struct disk_node **ret, struct fc_error *err);
/** Open a node: plan it again if its plan is gone. -ESTALE if it is of the past. */
int disk_node_open(struct fc_disk *d, uint64_t id, struct disk_node **ret, struct fc_error *err);
void disk_node_close(struct fc_disk *d, struct disk_node *node);
/** Drop @n references of the kernel's. */
void disk_node_forget(struct fc_disk *d, uint64_t id, uint64_t n);
/** Copy what is known about node @id. -ESTALE. */
int disk_node_stat(struct fc_disk *d, uint64_t id, struct stat *ret);
/** Something was written through the overlay now. */
void disk_node_touch(struct fc_disk *d, struct disk_node *node);
/** Start and stop the thread that lets go of idle plans. */
int disk_keeper_start(struct fc_disk *d, struct fc_error *err);
void disk_keeper_stop(struct fc_disk *d);
/** Free all nodes. */
void disk_nodes_release(struct fc_disk *d);

/* disk_ops.c */

/** The table of operations. */
void disk_operations(struct fuse_lowlevel_ops *ret);

#endif
