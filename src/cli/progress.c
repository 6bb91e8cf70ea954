/* SPDX-License-Identifier: Apache-2.0 */
/* Show how far work is: choose the form, count, and let one writer print. */
#include "cli/progress.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

/* The bar that may be on the screen; messages take it off first. The thread that works and the fetcher's write to it. */
static struct cli_progress *on_screen;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

double cli_progress_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Average over about two seconds, so that the time left does not jump. */
static void measure(struct cli_progress *p, double now)
{
    double span = now - p->measured_at, rate, weight;

    if (span < 0.05 || p->done < p->measured)
        return;
    rate = (double)(p->done - p->measured) / span;
    weight = p->rate > 0 ? (span > 2 ? 1 : span / 2) : 1;
    p->rate += (rate - p->rate) * weight;
    p->measured = p->done;
    p->measured_at = now;
}

static void begin(struct fc_progress *base, const char *what, uint64_t total, enum fc_progress_unit unit)
{
    struct cli_progress *p = (struct cli_progress *)base;

    pthread_mutex_lock(&writing);
    snprintf(p->what, sizeof(p->what), "%s", what);
    p->total = total;
    p->unit = unit;
    p->done = p->measured = 0;
    p->rate = 0;
    p->began_at = p->measured_at = cli_progress_now();
    p->shown_at = p->began_at;
    p->running = true;
    p->form->begin(p);
    pthread_mutex_unlock(&writing);
}

static void update(struct fc_progress *base, uint64_t done)
{
    struct cli_progress *p = (struct cli_progress *)base;
    double now = cli_progress_now();

    p->done = done;
    if (now - p->shown_at < p->form->interval)
        return;
    pthread_mutex_lock(&writing);
    measure(p, now);
    p->shown_at = now;
    p->form->show(p, now);
    pthread_mutex_unlock(&writing);
}

static void end(struct fc_progress *base, int ok)
{
    struct cli_progress *p = (struct cli_progress *)base;

    pthread_mutex_lock(&writing);
    p->running = false;
    p->form->end(p, ok != 0, cli_progress_now() - p->began_at);
    pthread_mutex_unlock(&writing);
}

/* In the fetcher's thread. */
static void on_downloads(struct fc_fetch_watch *watch, const struct fc_fetch_item *items, size_t n)
{
    struct cli_progress *p;

    (void)watch;
    pthread_mutex_lock(&writing);
    p = on_screen;
    if (p)
        p->form->downloads(p, items, n, cli_progress_now());
    pthread_mutex_unlock(&writing);
}

struct fc_fetch_watch *cli_progress_downloads(void)
{
    static struct fc_fetch_watch watch = {on_downloads};

    return &watch;
}

int cli_progress_parse(const char *text, enum cli_progress_mode *ret)
{
    static const char *const names[] = {"auto", "tty", "plain", "json", "quiet"};

    for (size_t i = 0; i < FC_LENGTH(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum cli_progress_mode)i;
            return 0;
        }
    }
    return -1;
}

static enum cli_progress_mode decide(enum cli_progress_mode mode)
{
    const char *ci = getenv("CI"), *term = getenv("TERM");

    if (mode != CLI_PROGRESS_AUTO)
        return mode;
    if (!isatty(2) || (ci && *ci && strcmp(ci, "false") != 0) || !term || strcmp(term, "dumb") == 0)
        return CLI_PROGRESS_PLAIN;
    return CLI_PROGRESS_TTY;
}

struct fc_progress *cli_progress_new(enum cli_progress_mode mode)
{
    struct cli_progress *p;

    mode = decide(mode);
    if (mode == CLI_PROGRESS_QUIET)
        return NULL;
    p = calloc(1, sizeof(*p));
    if (!p)
        return NULL; /* work goes on without being watched */
    p->base = (struct fc_progress){begin, update, end};
    p->form = mode == CLI_PROGRESS_TTY    ? &cli_progress_tty
              : mode == CLI_PROGRESS_JSON ? &cli_progress_json
                                          : &cli_progress_plain;
    on_screen = p;
    return &p->base;
}

void cli_progress_hide(void)
{
    pthread_mutex_lock(&writing);
    if (on_screen && on_screen->form->hide)
        on_screen->form->hide(on_screen);
    pthread_mutex_unlock(&writing);
}

void cli_progress_free(struct fc_progress *base)
{
    if (!base)
        return;
    cli_progress_hide();
    pthread_mutex_lock(&writing);
    on_screen = NULL;
    pthread_mutex_unlock(&writing);
    free(base);
}
