/* SPDX-License-Identifier: Apache-2.0 */
/* A step of work as it is shown, and the forms of showing it. Private to the progress files of cli/. */
#ifndef FC_CLI_PROGRESS_H
#define FC_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <fccompose/fetch.h>
#include <fccompose/progress.h>

struct cli_progress;

/** A way of showing. */
struct cli_progress_form {
    double interval; /**< seconds between two shows */
    void (*begin)(struct cli_progress *p);
    void (*show)(struct cli_progress *p, double now);
    void (*end)(struct cli_progress *p, bool ok, double seconds);
    void (*hide)(struct cli_progress *p); /**< may be NULL */
    /** Downloads beside the step that runs, if any (@p->running); @n 0: none any more. */
    void (*downloads)(struct cli_progress *p, const struct fc_fetch_item *items, size_t n, double now);
};

/** The step that runs. */
struct cli_progress {
    struct fc_progress base;
    const struct cli_progress_form *form;
    char what[256];
    uint64_t total, done;
    enum fc_progress_unit unit;
    double began_at, shown_at, measured_at;
    uint64_t measured; /**< done at measured_at */
    double rate;       /**< units a second, smoothed */
    bool visible;      /**< a bar is on the screen */
    bool running;      /**< between begin and end */
    unsigned above;    /**< lines of downloads on the screen above the bar's */
    double listed_at;  /**< when downloads were shown last */
};

/** A bar that moves, about ten times a second. */
extern const struct cli_progress_form cli_progress_tty;
/** A line for each finished step, and one every ten seconds. */
extern const struct cli_progress_form cli_progress_plain;
/** An object a line. */
extern const struct cli_progress_form cli_progress_json;

/** Seconds of a clock that only goes forward. */
double cli_progress_now(void);

#endif
