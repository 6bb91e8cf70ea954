/* SPDX-License-Identifier: Apache-2.0 */
/* How long work reports how far it is: the library calls, the program shows. */
#ifndef FCCOMPOSE_PROGRESS_H
#define FCCOMPOSE_PROGRESS_H

#include <stdint.h>

/** Unit of a step's numbers. */
enum fc_progress_unit { FC_PROGRESS_BYTES, FC_PROGRESS_ITEMS };

/**
 * A listener. All functions may be NULL, and so may the listener. The library calls from the thread that does
 * the work, one step at a time: begin, any number of updates (cheap: call as often as convenient), end.
 */
struct fc_progress {
    /** A step starts. @total is 0 when unknown. @what is borrowed for the call. */
    void (*begin)(struct fc_progress *p, const char *what, uint64_t total, enum fc_progress_unit unit);
    /** The step has done @done units so far. */
    void (*update)(struct fc_progress *p, uint64_t done);
    /** The step is over; @ok is 0 when it failed. */
    void (*end)(struct fc_progress *p, int ok);
};

#endif
