/* SPDX-License-Identifier: Apache-2.0 */
/* What a run would have on this machine: each thing is tried, in a process of its own, and leaves nothing. */
#ifndef FC_RUN_PROBE_H
#define FC_RUN_PROBE_H

#include <stdbool.h>

#include <fccompose/error.h>

/** Ids of a run, as fc_run_probe() finds them. */
struct fc_run_probe_ids {
    bool single;           /**< only 0 */
    char how[320];         /**< in words, as fc_run_options.mapped hears them */
    struct fc_error words; /**< not empty: why the ranges that there are cannot be had */
};

/**
 * Make the namespaces of a run, with the ids that it would have, and mount something in them.
 *
 * Returns 0, or -errno with words that say what would help. *ret_ids is filled in any case. For a single-threaded caller.
 */
int fc_run_probe(struct fc_run_probe_ids *ret_ids, struct fc_error *err);
/** Whether the kernel can have device nodes and attributes made in the tree for a command (seccomp). Returns 0 or -errno with words. */
int fc_run_probe_supervision(struct fc_error *err);

#endif
