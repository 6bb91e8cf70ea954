/* SPDX-License-Identifier: Apache-2.0 */
/* A run of the random test: in a process of its own, repeatable, and made shorter when it fails. */
#ifndef LIVE_MODEL_PLAN_H
#define LIVE_MODEL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/** What to run. */
struct plan {
    uint64_t seed, ops;
    unsigned threads; /* 1: alone, with one model; more: each with a model of its own, and all in one directory */
    bool trace;
    bool *skip; /* by operation number, or NULL; only with one thread */
};

/** Run it in this process. Ends the process on failure. */
void plan_run(const struct plan *p, volatile uint64_t *progress);
/** Run it in a child. Returns whether it went well; if not *ret_last is the operation that failed, 0 after the last. */
bool plan_try(const struct plan *p, bool quiet, uint64_t *ret_last);
/** Leave operations out for as long as it still fails, at most @seconds; sets p->skip and p->ops. */
void plan_shrink(struct plan *p, uint64_t last, unsigned seconds);
/** The command that repeats it. */
void plan_print(const struct plan *p, const char *program);
/** Read what plan_print() printed behind --keep: "3,17,200-210". */
void plan_keep(struct plan *p, const char *list);

#endif
