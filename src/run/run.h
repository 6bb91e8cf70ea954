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

/** What to run. All zero (but argv) is the default. Strings are borrowed for the call. */
struct fc_run_options {
    const char *const *argv; /**< NULL-terminated; argv[0] is searched in the tree's PATH */
    const char *const *env;  /**< "K=V" on top of the default ones; NULL-terminated; may be NULL */
    const char *user;        /**< "USER[:GROUP]", names of the tree or numbers; NULL: 0:0 */
    const char *workdir;     /**< NULL: / */
    enum fc_run_net net;
    const struct fc_run_bind *binds;
    size_t n_binds;
    bool new_terminal;  /**< connect through a pseudo-terminal of its own (when ours is one) */
    int out_fd, err_fd; /**< where its output goes; 0: ours */
    /**
     * Take the /dev/fuse descriptor that was just mounted as the tree, and serve it until it is unmounted. Returns 0 or -errno with
     * words. The descriptor stays the caller's.
     */
    int (*serve)(void *arg, int fuse_fd, struct fc_error *err);
    void *arg;
    /** Hears once how ids are mapped, in words ("0-65535 by newuidmap", "only 0: no ranges in /etc/subuid"); may be NULL. */
    void (*mapped)(void *arg, const char *how);
};

/**
 * Run it and wait. Returns its exit status (128 + signal when it was killed; 126 cannot be run, 127 not found, with words in @err), or a
 * negative errno with words when it could not be started by us.
 */
int fc_run(const struct fc_run_options *options, struct fc_error *err);

#endif
