/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of fuse/ share: the session, the helpers of its request handlers, the queue of notifications.
 *
 * Locks: fuse/ holds none while it calls fc_live_*, libfuse or the kernel, but the mutexes of this header, each for a few
 * instructions. A thread that notifies the kernel of a name or of contents may wait for a request of ours to be answered,
 * so no thread that answers requests ever waits for such a notification.
 */
#ifndef FC_FUSE_SESSION_H
#define FC_FUSE_SESSION_H

/* Compiles with libfuse 3.10; newer operations are guarded by FUSE_VERSION, capabilities by #ifdef. */
#define FUSE_USE_VERSION 35

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "fuse/fuse.h"

/** For how long the kernel may believe us, in seconds: for ever, since we tell it of every change. */
#define FUSE_FOREVER 1e9
/** What stat(2) calls the best size of a read: the size of a block. */
#define FUSE_BLOCK 4096
/** Largest READ and WRITE. */
#define FUSE_IO_MAX (1u << 20)

/** A notification to send: of a name if @name is not NULL (allocated), else of an inode. */
struct fuse_note {
    uint64_t ino; /* the inode, or the parent of the name */
    char *name;
    size_t len;
    bool content;
};

/** The queue in front of the thread that notifies the kernel. */
struct fuse_notifier {
    pthread_mutex_t lock;
    pthread_cond_t more, drained;
    struct fuse_note *items;
    size_t n, cap;
    uint64_t queued, sent; /* since the beginning */
    bool stop, running;
    atomic_int waiting; /* threads that answer in this session and wait for other sessions to be told */
    pthread_t thread;
};

/** A thread that answers requests. */
struct fuse_worker;

/** A session with its threads, whatever it serves. */
struct fuse_service {
    struct fuse_session *se;
    char *mountpoint; /* absolute; NULL: not in our sight */
    int n_threads;
    struct fuse_worker *workers; /* NULL: not started */
    struct fc_mount *mark;       /* see fuse_notifier_mark(); may be NULL */
    /* Sees requests before libfuse does, and returns whether it has answered; may be NULL. */
    bool (*raw)(void *userdata, const struct fuse_buf *request, int fd);
    void *userdata;          /* of the operations and of raw() */
    int stop_fd;             /* eventfd: written when the session has ended */
    pthread_mutex_t leading; /* held by the thread that reads requests */
    bool slow;               /* any request may wait: no thread answers one while it leads */
    pthread_mutex_t lock;
    pthread_cond_t began; /* INIT was answered, or the session ended */
    bool inited;
    atomic_bool ended;      /* no request comes any more */
    atomic_bool read_ahead; /* it was asked for */
};

/** Who of the tree the mounting user is: @uid:@gid is shown as @shown_uid:@shown_gid. All zero: 0:0, shown as it is. */
struct fuse_alias {
    uint32_t uid, gid, shown_uid, shown_gid;
};

/** What the kernel has references to, by how many; only for a session that may end before the process does. */
struct fuse_known {
    bool on;
    pthread_mutex_t lock;
    struct fc_map counts;
};

/** A name that only one session shows. */
struct fuse_place {
    uint64_t parent; /* FUSE_PLACE_INO and up: in another place */
    char *name;
    bool directory;
};
/** Such names; the inode number of the first is FUSE_PLACE_INO, the others follow. They stay until the session ends. */
struct fuse_places {
    pthread_rwlock_t lock;
    struct fuse_place *items;
    size_t cap;
    atomic_size_t n;
};
/** No inode of a tree has such a number. */
#define FUSE_PLACE_INO (UINT64_C(1) << 62)

struct fc_mount {
    struct fc_live *live;
    struct fuse_service service;
    int host_fd;    /* O_PATH: where the free space of statfs(2) is counted */
    bool root_view; /* default_permissions, new files belong to the caller */
    bool own_as_set, classic_open;
    bool attached;    /* mounted by a command, in its user namespace: see fc_session_new() */
    bool single_id;   /* everything is shown as 0:0, since the kernel takes no other owner */
    bool batch_fsync; /* fsync(2) waits for nothing */
    bool kill_priv;   /* HANDLE_KILLPRIV_V2 was agreed upon */
    uint32_t own_uid, own_gid;
    struct fuse_alias me;
    struct fc_live_listener listener;
    struct fuse_notifier notifier;
    struct fuse_known known;
    struct fuse_places places;
    /* WRITEs of mapped pages: how many came so far, and how many are being answered. */
    atomic_uint_least64_t mapped_writes, mapped_writing;
};

/* mount.c */

/** Make the parts of an all-zero session; fc_mount_free() from now on. */
void fuse_mount_init(struct fc_mount *m, struct fc_live *live, bool attached);

/* init.c */

/** The table of operations. */
void fuse_operations(struct fuse_lowlevel_ops *ret);
/** Choose capabilities. */
void fuse_op_init(void *userdata, struct fuse_conn_info *conn);
void fuse_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fuse_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fuse_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void fuse_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* peek.c: what libfuse does not tell of the request that this thread is answering */

/** Look at a request that is about to be given to libfuse. The other functions answer for it, in the same thread. */
void fuse_request_peek(const struct fuse_buf *buf);
/** Whether its caller may not keep set-id bits of the file that it changes. */
bool fuse_request_kills(void);
/** Whether it is an INIT that offers HANDLE_KILLPRIV_V2. */
bool fuse_request_offers(void);
/** Whether answering it may wait for a disk, or take long. */
bool fuse_request_may_wait(void);

/* killpriv.c: set-id bits */

/** Before INIT: offer the kernel to clear set-id bits for it. Sets m->kill_priv when they agree. -ENOMEM. */
int fuse_kill_enable(struct fc_mount *m, struct fc_error *err);
/** Clear what the caller may not keep, if clearing is ours to do. Before the change itself, as on other file systems. */
void fuse_kill_priv(fuse_req_t req, fuse_ino_t ino);
/** The same before a SETATTR of @to_set, if it is one that clears them. */
void fuse_kill_setattr(fuse_req_t req, fuse_ino_t ino, int to_set);

/* entry.c: names and attributes */

struct fc_mount *fuse_mount_of(fuse_req_t req);
void fuse_stat_of(const struct fc_mount *m, const struct fc_attr *attr, struct stat *ret);
void fuse_entry_of(const struct fc_mount *m, const struct fc_attr *attr, struct fuse_entry_param *ret);
/** Who owns what the request creates. */
struct fc_cred fuse_cred_of(const struct fc_mount *m, fuse_req_t req);
struct fc_cred fuse_cred_for(const struct fc_mount *m, uint32_t uid, uint32_t gid);
void fuse_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void fuse_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n);
void fuse_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void fuse_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void fuse_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void fuse_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void fuse_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void fuse_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void fuse_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void fuse_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                    unsigned flags);

/* known.c */

/** Nothing is known yet; @on: keep account. */
void fuse_known_init(struct fuse_known *k, bool on);
/** An answer gives the kernel a reference to @ino that fc_live_* took. Before it is sent, since it may be dropped at once. */
void fuse_known_add(struct fc_mount *m, uint64_t ino);
/** Whether the kernel may have heard of @ino. */
bool fuse_known_has(struct fc_mount *m, uint64_t ino);
/** Drop @n references. */
void fuse_known_forget(struct fc_mount *m, uint64_t ino, uint64_t n);
/** Launder and drop the pages of everything that the kernel knows. Returns 0 or -errno. */
int fuse_known_launder(struct fc_mount *m);
/** The session has ended: drop all references. Free it. */
void fuse_known_release(struct fc_mount *m);

/* place.c */

void fuse_places_init(struct fuse_places *p);
void fuse_places_release(struct fuse_places *p);
/** Whether the session shows @name in @parent whatever the tree has. */
bool fuse_place_is(struct fc_mount *m, uint64_t parent, const char *name, size_t len);
/** The answer to a request about a place. */
struct fuse_place_reply {
    int code;       /* positive errno, or 0 */
    bool has_entry; /* LOOKUP: attr with a node id; else attributes alone */
    bool has_attr;
    uint64_t ino;
    bool directory;
};
/** Whether it is such a request; then *ret is the answer. FORGET is none: it is harmless. */
bool fuse_place_answer(struct fc_mount *m, uint32_t opcode, uint64_t nodeid, const void *body, size_t size,
                       struct fuse_place_reply *ret);

/* attr.c: attributes, symlinks, xattrs, statfs */

void fuse_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fuse_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi);
void fuse_op_readlink(fuse_req_t req, fuse_ino_t ino);
void fuse_op_statfs(fuse_req_t req, fuse_ino_t ino);
void fuse_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fuse_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void fuse_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void fuse_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* content.c: file contents and directory listings */

void fuse_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void fuse_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                   struct fuse_file_info *fi);
void fuse_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void fuse_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi);
void fuse_op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi);
void fuse_op_copy_file_range(fuse_req_t req, fuse_ino_t ino, off_t offset, struct fuse_file_info *fi,
                             fuse_ino_t out_ino, off_t out_offset, struct fuse_file_info *out_fi, size_t size,
                             int flags);
void fuse_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void fuse_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);

/* raw.c */

/** Answer a request that libfuse does not know; @userdata is a struct fc_mount. Returns false if it is none of those. */
bool fuse_raw(void *userdata, const struct fuse_buf *request, int fd);

/* groups.c */

enum { FUSE_GROUPS_MAX = 1024 };
/** Further groups of who asks; those behind the first FUSE_GROUPS_MAX are left out. */
struct fuse_groups {
    uint32_t ids[FUSE_GROUPS_MAX];
    uint32_t n;
};
void fuse_groups_of(fuse_req_t req, struct fuse_groups *ret);
/** Whether who asks is root or in group @gid. */
bool fuse_in_group_or_root(fuse_req_t req, uint32_t gid);

/* notify.c */

/** Begin to listen to @m->live and start the thread. Returns 0 or -errno. */
int fuse_notifier_start(struct fc_mount *m, struct fc_error *err);
/** Stop listening; what is queued is still sent. Does nothing if it was not started. */
void fuse_notifier_stop(struct fc_mount *m);
/** Wait until the kernel knows of every change made so far by this thread. */
void fuse_notifier_drain(struct fc_mount *m);
/** Make the kernel ask for the attributes of @ino again. Waits for nothing, so it may be called while a request is answered. */
void fuse_notifier_attr(struct fc_mount *m, uint64_t ino);
/** This thread answers requests of @m from now on (NULL: no longer): the kernel knows what it changes. */
void fuse_notifier_mark(struct fc_mount *m);

/* service.c */

/** What a session is to be. */
struct fuse_service_options {
    const char *mountpoint; /* NULL: @fd is /dev/fuse, opened and mounted by another; it becomes the session's */
    int fd;
    int threads;      /* 0: as many as CPUs, but 4 to 8 */
    const char *text; /* mount options, behind fsname= and subtype= */
    bool allow_other; /* for the words of a failure; it is in @text too */
    bool debug;
    const struct fuse_lowlevel_ops *operations;
    void *userdata;
};
/** Mount it; nobody answers yet. Release @s also after a failure. Returns 0 or -errno with words. */
int fuse_service_open(struct fuse_service *s, const struct fuse_service_options *options, struct fc_error *err);
/** INIT was answered: requests have their final size. */
void fuse_service_inited(struct fuse_service *s);
/** After INIT: have the kernel read far ahead, if we may; once. */
void fuse_service_read_ahead(struct fuse_service *s);
/** Unmount, if it is mounted still, and let go of the kernel. The threads have ended. */
void fuse_service_close(struct fuse_service *s);
/** Free the rest. All zero is allowed. */
void fuse_service_release(struct fuse_service *s);

/* serve.c */

/** Start the threads that answer. At least one starts, or -errno with words. */
int fuse_service_start(struct fuse_service *s, struct fc_error *err);
/** Start it, unless it is, and wait until it has ended. At SIGINT, SIGTERM or SIGHUP @on_signal is called, once; it may call fuse_service_end(). */
int fuse_service_wait(struct fuse_service *s, void (*on_signal)(void *arg), void *arg, struct fc_error *err);
/** Wait until the session has ended, and for its threads. It was started. */
void fuse_service_wait_end(struct fuse_service *s);
/** End the session: the threads that answer requests stop as soon as they can. Any thread may call it. */
void fuse_service_end(struct fuse_service *s);
/** Wait for the threads of a session that has ended. */
void fuse_service_join(struct fuse_service *s);

/* undo.c */

/** Whether the topmost mount at @path, a name as the mount table has it, is one of ours. */
bool fuse_is_ours(const char *path);
/** The same; if so, *ret is its device number, as in st_dev. */
bool fuse_device(const char *path, dev_t *ret);

/* explain.c */

/** Refuse a mount point that cannot be one, with words; a dead mount of ours there is cleaned up. */
int fuse_check_mountpoint(const char *path, struct fc_error *err);
/** Words for a mount on @path that failed; @said is what libfuse said. Returns -errno. */
int fuse_explain(const char *path, bool allow_other, const char *said, struct fc_error *err);

#endif
