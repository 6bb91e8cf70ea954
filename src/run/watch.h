/* SPDX-License-Identifier: Apache-2.0 */
/* The watcher of a run: from reported system calls to edits. Private to run/. */
#ifndef FC_RUN_WATCH_H
#define FC_RUN_WATCH_H

#include <sys/types.h>

/** What the watcher works with. Descriptors stay the caller's. */
struct fc_watch {
    int proc_fd;  /**< /proc of its pid namespace */
    int edits;    /**< edits go out and answers come in here (wire.h) */
    int listener; /**< the command sends its listener here, or an errno (fc_wire_send_code()) */
    dev_t dev;    /**< of the tree */
};

/** Watch until the command, all that it started, or the parent is gone. Takes over other roots and directories. */
void fc_watch_run(const struct fc_watch *w);

#endif
