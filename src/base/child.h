/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes. The only place that forks. */
#ifndef FC_BASE_CHILD_H
#define FC_BASE_CHILD_H

#include <sys/types.h>

#include <fccompose/error.h>

#include "base/buf.h"

/**
 * Where @program is found: itself if it has a slash, else in the folders of PATH and then of @also ("/sbin:/usr/sbin", or NULL).
 * Caller frees; NULL if it is nowhere, may not be executed, or memory is short.
 */
char *fc_child_find(const char *program, const char *also);

/**
 * Run @argv (searched in PATH) and wait; its output goes where ours does, or into @ret_output when that is not NULL
 * (stdout and stderr together, at most 1 MiB kept).
 *
 * Returns the exit status (128 + signal when killed), or -ENOENT when there is no such program, or -errno.
 */
int fc_child_run(const char *const argv[], struct fc_buf *ret_output, struct fc_error *err);

/**
 * Run @argv with the @size bytes @input on its standard input; what it writes to its standard output is appended to
 * @ret_output (at most 1 MiB kept), its standard error is ours. Returns as fc_child_run() does.
 */
int fc_child_ask(const char *const argv[], const void *input, size_t size, struct fc_buf *ret_output,
                 struct fc_error *err);

/** How to run a program whose output is read line by line. All zero is the default. */
struct fc_child_options {
    const char *dir;        /**< NULL: the current folder */
    const char *const *env; /**< "K=V" added to the environment, "K" taken out of it; NULL-terminated; may be NULL */
    /** Hears of each line of stdout and stderr, without its end; may be NULL. Longer ones than 64 KiB come in pieces. */
    void (*line)(void *arg, const char *line);
    void *arg;
};

/**
 * Run @argv with nothing on its standard input and hear of its output while it comes. The child is told to end (SIGTERM)
 * when this thread ends before it. Returns as fc_child_run() does.
 */
int fc_child_lines(const char *const argv[], const struct fc_child_options *options, struct fc_error *err);

/**
 * Start @argv (searched in PATH) in a session of its own with the terminal @terminal_fd as its controlling terminal and standard
 * streams, with no signal blocked or ignored, and do not wait. Returns its pid, which is its process group too, or -ENOENT when
 * there is no such program, or -errno.
 */
pid_t fc_child_start(const char *const argv[], int terminal_fd, struct fc_error *err);

/**
 * Go on in the background: fork, new session, standard streams to /dev/null (stderr to @log_fd if >= 0).
 *
 * In the parent returns the child's pid and sets *ret_ready_fd to a pipe from which fc_child_wait_ready() reads. In the
 * child returns 0 and sets *ret_ready_fd to its end of that pipe, for fc_child_say_ready(). Or -errno.
 */
pid_t fc_child_background(int log_fd, int *ret_ready_fd, struct fc_error *err);
/** In the child: tell the parent what failed, or with NULL that all is well, and close the pipe. */
void fc_child_say_ready(int ready_fd, const struct fc_error *err);
/** In the parent: wait for the child's word. Returns 0, the child's failure (err has its words), or -EPIPE if it died. */
int fc_child_wait_ready(int ready_fd, struct fc_error *err);

#endif
