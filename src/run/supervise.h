/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command in a user namespace may not do to a file is done in the tree for it: device nodes, trusted.* and security.*
 * attributes, and owners for which its namespace has no number. Private to run/, but for the edits.
 *
 * Three take part. The command runs under a seccomp filter, which stops it in such calls. The watcher, a process in the same
 * user namespace (nobody outside may look into its FUSE mount), finds what the call is about in the way of the kernel: from
 * the caller's root, directory and descriptors. The parent, outside, has the edit made in the tree and answers. Whatever is
 * not to be done in the tree (another file system, a caller without the capability, a path that leads nowhere) goes on in
 * the kernel, which then answers in its own words.
 *
 * A signal that comes before the watcher has heard of a call restarts it (or, without SA_RESTART, ends it with EINTR, which
 * these calls do not know otherwise); later ones wait until it is done.
 *
 * In a namespace that has but one id, to become another one (setuid, setgroups...) succeeds without effect.
 *
 * The order of calls:
 *   parent     fc_supervise_open(), before it forks
 *   child      fc_supervise_watch(), in the user and mount namespace of the command, once the tree is mounted there
 *   command    fc_supervise_filter(), last before exec while it still has all capabilities (before USER is set)
 *   parent     fc_supervise_start() any time after the fork, fc_supervise_free() at the end
 */
#ifndef FC_RUN_SUPERVISE_H
#define FC_RUN_SUPERVISE_H

#include "base/cleanup.h"
#include "run/run.h"

/** How. All zero (but @edit) is the default. */
struct fc_supervise_options {
    /** Make it in the tree. Called in a thread of its own. Returns 0 or a negative errno, which the command sees. */
    int (*edit)(void *arg, const struct fc_run_edit *edit);
    /** Hears once, in that thread, why there is no supervision here; may be NULL. */
    void (*without)(void *arg, const char *why);
    void *arg;
};

/** Both ends of what the three talk through. */
struct fc_supervise;

/** Make it, before the fork; @options are copied. Returns 0 and sets *ret, or -errno with words. */
int fc_supervise_open(const struct fc_supervise_options *options, struct fc_supervise **ret, struct fc_error *err);
/**
 * In the child: fork the watcher. @tree_fd is the root of the tree as mounted there, @proc_fd a /proc of the caller's pid
 * namespace (both may be O_PATH, both stay the caller's). It keeps no other descriptor, and ends with the last process
 * under the filter, with the parent, or with the pid namespace if the caller is in the new one.
 *
 * The caller reaps it. Returns 0 or -errno with words; without a watcher fc_supervise_filter() has
 * nobody asked.
 */
int fc_supervise_watch(struct fc_supervise *s, int tree_fd, int proc_fd, struct fc_error *err);
/**
 * In the command, single-threaded: put the filter in force, for this process and all that it starts. The kernel may lack
 * it or refuse: then the parent's @without is told, and the command goes on without.
 */
void fc_supervise_filter(struct fc_supervise *s);
/** The descriptors that a child has to keep for the calls of its own: at most 4 into @ret. Returns how many. */
int fc_supervise_descriptors(const struct fc_supervise *s, int ret[4]);
/** In the parent: answer from now on, in a thread. Returns 0 or -errno with words. */
int fc_supervise_start(struct fc_supervise *s, struct fc_error *err);
/** Stop answering, wait for an edit that is being made, and free. In the child only what is the child's. NULL is allowed. */
void fc_supervise_free(struct fc_supervise *s);
FC_DEFINE_AUTO(struct fc_supervise *, fc_supervise_free)

/** Put such a filter in force that nobody listens to: a try, in a process that is to end. Returns 0 or -errno. */
int fc_supervise_try(void);
/** Why @code (of a try) keeps us from supervising: a text of ours, or in @buffer. */
const char *fc_supervise_explain(int code, char *buffer, size_t size);

#endif
