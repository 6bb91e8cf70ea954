/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE front end of a live tree, and the control socket of the mount process. The only door to libfuse. */
#ifndef FC_FUSE_FUSE_H
#define FC_FUSE_FUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "live/live.h"

/** How to mount. All zero but the pointers is the default. */
struct fc_mount_options {
    struct fc_live *live; /**< opened with count_refs; borrowed */
    const char *mountpoint;
    bool read_only, allow_other;
    bool own_as_set; /**< new files belong to @own_uid:@own_gid; else 0:0 for an ordinary user, the caller for root */
    uint32_t own_uid, own_gid;
    /**
     * @me_uid:@me_gid of the tree is shown as the calling process's own user and group, and what is given to these is
     * recorded as @me_uid:@me_gid. New files belong to it, unless @own_as_set. Not for root.
     */
    bool me_as_set;
    uint32_t me_uid, me_gid;
    int threads;       /**< 0: as many as CPUs, but 4 to 8 */
    bool classic_open; /**< answer OPEN and CREATE instead of no-open mode */
    bool debug;        /**< libfuse's debug output */
};

/** A mounted session. */
struct fc_mount;
/** A virtual disk (fuse/disk.h). */
struct fc_disk;

/** Mount (through fusermount3 unless root; as root with suid,dev and default_permissions). Returns 0 or -errno with words that say the next step. */
int fc_mount_new(const struct fc_mount_options *options, struct fc_mount **ret, struct fc_error *err);
/** Serve until unmounted or SIGINT/SIGTERM/SIGHUP, then unmount if need be. Returns 0 or -errno. */
int fc_mount_serve(struct fc_mount *m, struct fc_error *err);
/** Make the kernel write back every dirty page of the mount and wait for it. Called by the control thread. */
int fc_mount_flush(struct fc_mount *m, struct fc_error *err);
/** NULL is allowed. */
void fc_mount_free(struct fc_mount *m);
FC_DEFINE_AUTO(struct fc_mount *, fc_mount_free)

/** Whether a FUSE mount of ours is at @path: 1 alive, 2 dead (ENOTCONN), 0 none. */
int fc_mount_probe(const char *path);
/** Unmount @path (fusermount3 -u, or umount2 as root). @lazy detaches also when busy. -EBUSY with words. */
int fc_mount_undo(const char *path, bool lazy, struct fc_error *err);

/* The session of a command: mounted by another, in a user namespace of its own. Several may serve one live tree. */

/** How to serve it. All zero but the first three is the default. */
struct fc_session_options {
    struct fc_live *live; /**< opened with count_refs; borrowed */
    int fuse_fd;          /**< /dev/fuse, opened and mounted by the command; duplicated */
    const char *dir;      /**< on the file system whose free space is shown */
    bool single_id;       /**< the namespace has but one id: everything is shown as 0:0 */
    bool batch_fsync;     /**< fsync(2) is answered at once; who waits for the end syncs the tree */
    bool debug;
};

/** Begin to answer, in threads. Free it with fc_mount_free() after fc_session_wait(). Returns 0 or -errno with words. */
int fc_session_new(const struct fc_session_options *options, struct fc_mount **ret, struct fc_error *err);
/**
 * Show an empty file or directory as @name in the directory with inode number @parent (one of the tree, or a place), whatever
 * the tree has there, until the session ends. It is for being mounted over. Returns 0, -EINVAL or -ENOMEM with words.
 */
int fc_session_place(struct fc_mount *m, uint64_t parent, const char *name, bool directory, struct fc_error *err);
/** Wait until the command has unmounted it, or fc_session_end(). */
void fc_session_wait(struct fc_mount *m);
/** End it; the command's file system is dead then. Any thread. */
void fc_session_end(struct fc_mount *m);

/* The control socket: one request a connection, except PIN and SERVE, which last as long as the connection. */

/** What the socket is about; all borrowed until fc_control_free(). */
struct fc_control_options {
    const char *path;
    struct fc_live *live;
    struct fc_mount *mount; /**< NULL: none */
    struct fc_disk *disk;   /**< the virtual disk, NULL: none */
};
/** The server. */
struct fc_control;
/** Serve requests on the socket in a thread of its own until fc_control_free(). */
int fc_control_new(const struct fc_control_options *options, struct fc_control **ret, struct fc_error *err);
/** Finish requests in progress, hang up, remove the socket. Before the mount and the live tree are freed. NULL is allowed. */
void fc_control_free(struct fc_control *c);
FC_DEFINE_AUTO(struct fc_control *, fc_control_free)

/** Client: connect. -ENOENT / -ECONNREFUSED when nobody serves. Returns a descriptor. */
int fc_control_connect(const char *path, struct fc_error *err);
/** Client: flush, commit, pin. The server holds commits until fc_control_begun(); the pin ends when @fd is closed. */
int fc_control_pin(int fd, struct fc_error *err);
/** Client: the read transaction has begun. */
int fc_control_begun(int fd, struct fc_error *err);
/** Client: do @data (an encoded verb, see live/verb.h) with @source_fd (or -1) in the mount process; its error comes back whole. */
int fc_control_verb(int fd, const void *data, size_t size, int source_fd, struct fc_error *err);
/** Client: forget edits (fc_live_reset()). */
int fc_control_reset(int fd, const char *const *paths, size_t n, struct fc_error *err);
/** What a server serves. */
struct fc_control_info {
    int pid;
    char *mountpoint; /**< "": no mount */
    char *disk;       /**< the virtual disk's file; "": none */
    int n_sessions;   /**< commands that run in the tree */
};
/** Client: what the server is. Release *ret; also after a failure, when it is empty. */
int fc_control_info(int fd, struct fc_control_info *ret, struct fc_error *err);
/** Free the strings. All zero is allowed. */
void fc_control_info_release(struct fc_control_info *info);
static inline void fc_control_info_release_auto(struct fc_control_info *info) { fc_control_info_release(info); }
/** How a command's session is to be served. */
struct fc_control_session {
    bool single_id, batch_fsync; /**< see struct fc_session_options */
};
/** Client: serve a command's session on @fuse_fd, until it is unmounted or this connection is closed. One a connection. */
int fc_control_serve(int fd, const struct fc_control_session *options, int fuse_fd, struct fc_error *err);
/** Client: fc_session_place() in that session. */
int fc_control_place(int fd, uint64_t parent, const char *name, bool directory, struct fc_error *err);
/** Client: wait until the command's session has ended, the others know of all that it did, and that is durable. */
int fc_control_served(int fd, struct fc_error *err);
/** Client: unmount and exit; returns when the server has committed everything. */
int fc_control_stop(int fd, bool lazy, struct fc_error *err);

#endif
