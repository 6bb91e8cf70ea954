/* SPDX-License-Identifier: Apache-2.0 */
/* Run a command inside a live tree, in namespaces of its own. Knows nothing of workspaces: the tree is a FUSE file system that
 * somebody serves on a descriptor handed over. */
#ifndef FC_RUN_RUN_H
#define FC_RUN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/error.h>

/** Network of a command. */
enum fc_run_net { FC_RUN_NET_NONE, FC_RUN_NET_HOST };

/** A directory or file of the host that the command sees. Borrowed. */
struct fc_run_bind {
    const char *source, *target; /**< target: absolute in the tree */
    bool read_only;
};

/** What a command may not do in its user namespace, and has done for it in the tree. */
enum fc_run_edit_kind {
    FC_RUN_EDIT_NODE,         /**< mknod(2) of a device, in directory @ino */
    FC_RUN_EDIT_XATTR,        /**< setxattr(2) of @ino */
    FC_RUN_EDIT_REMOVE_XATTR, /**< removexattr(2) of @ino */
    FC_RUN_EDIT_OWNER,        /**< chown(2) of @ino to ids that the namespace has no number for */
};

/** Such an edit. Borrowed for the call. */
struct fc_run_edit {
    enum fc_run_edit_kind kind;
    uint64_t ino;         /**< as stat(2) shows it in the tree */
    const char *name;     /**< node: its name in @ino, no slash; attributes: theirs */
    uint32_t mode, umask; /**< node; @umask is still to be applied, unless the directory has a default ACL */
    uint32_t rdev_major, rdev_minor;
    uint32_t uid, gid; /**< node: its owner; owner: the new one, UINT32_MAX leaves it */
    const void *value;
    size_t size;
    int flags; /**< XATTR_CREATE or XATTR_REPLACE */
};

/** A FUSE file system that was just mounted as the tree, inside the command's user namespace. */
struct fc_run_session {
    int fuse_fd;
    bool single_id; /**< the namespace has but one id: who owns what is to be shown as 0:0 */
};

/** A mount point that the tree lacks: an empty file or directory that only the session of the command shows. */
struct fc_run_place {
    uint64_t parent; /**< inode number of its directory, as stat(2) shows it in the tree */
    const char *name;
    bool directory;
};

/** What to run. All zero but serve and place is the default. Strings are borrowed for the call. */
struct fc_run_options {
    const char *const *argv; /**< NULL-terminated; argv[0] is searched in the tree's PATH. NULL: the user's shell */
    const char *const *env;  /**< "K=V" on top of the default ones; NULL-terminated; may be NULL */
    const char *user;        /**< "USER[:GROUP]", names of the tree or numbers; NULL: 0:0 */
    const char *workdir;     /**< NULL: / */
    enum fc_run_net net;
    const struct fc_run_bind *binds;
    size_t n_binds;
    bool new_terminal;  /**< connect through a pseudo-terminal of its own (when ours is one) */
    int out_fd, err_fd; /**< where its output goes; 0: ours */
    /**
     * Begin to answer requests on session->fuse_fd, in threads or another process, until it is unmounted, and return. The
     * descriptor stays the caller's. Returns 0 or -errno with words.
     */
    int (*serve)(void *arg, const struct fc_run_session *session, struct fc_error *err);
    /** From now on show such a name in that session. Returns 0 or -errno with words. */
    int (*place)(void *arg, const struct fc_run_place *place, struct fc_error *err);
    /**
     * Make an edit that the command may not make itself. Called in another thread, one at a time, while the command waits.
     * Returns 0 or a negative errno, which the command sees. NULL: the kernel refuses such calls.
     */
    int (*edit)(void *arg, const struct fc_run_edit *edit);
    void *arg;
    /** Hears once why @edit is not asked on this machine ("the kernel has no ..."); may be NULL. */
    void (*without)(void *arg, const char *why);
    /** Hears once how ids are mapped, in words ("0-65535 by newuidmap", "only 0: no ranges in /etc/subuid"); may be NULL. */
    void (*mapped)(void *arg, const char *how);
};

/**
 * Run it and wait. Returns its exit status (128 + signal when it was killed; 126 cannot be run, 127 not found, with words in @err), or a
 * negative errno with words when it could not be started by us.
 */
int fc_run(const struct fc_run_options *options, struct fc_error *err);

#endif
