/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads in one directory: nobody knows who comes first, but each outcome must be one that could be. */
#ifndef LIVE_MODEL_RACE_H
#define LIVE_MODEL_RACE_H

#include "model.h"

enum { RACE_NAMES = 6, RACE_TOKENS = 4, RACE_PLACES = 5, RACE_PAIRS = 16, RACE_BLOCKS = 40, RACE_SLICES = 8 };

/** What all threads share. */
struct race {
    struct stage *s;
    uint64_t dir, places[2], links, holey, sliced, tokens[RACE_TOKENS], pair_dir;
    unsigned n_threads;
};

/** One thread's part: what it has done, for the reckoning. */
struct racer {
    struct race *race;
    struct run *run; /* for messages, and its own model */
    unsigned number;
    long made[RACE_NAMES]; /* minus removed */
    uint64_t pair[2], version;
    uint64_t slices[RACE_SLICES]; /* what this thread wrote last */
};

/** Make the shared directory. */
void race_init(struct race *race, struct stage *s, unsigned n_threads);
/** Make what thread @number has of its own there. */
void racer_init(struct racer *k, struct race *race, struct run *run, unsigned number);
/** One random operation. */
void race_step(struct racer *k, struct dice *d);
/** When all threads have ended: the sums must come out. */
void race_check(struct race *race, struct racer *racers);

#endif
