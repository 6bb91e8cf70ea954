/* SPDX-License-Identifier: Apache-2.0 */
/* A progress bar for a terminal: what, how much, how fast, how long still. */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/path.h"
#include "cli/cli.h"
#include "cli/progress.h"

enum { BAR_MAX = 30 };

static size_t width(void)
{
    struct winsize w;

    return ioctl(2, TIOCGWINSZ, &w) < 0 || w.ws_col < 20 ? 80 : w.ws_col;
}

static void amount(const struct cli_progress *p, char *out, size_t size)
{
    char done[32], total[32];

    if (p->unit == FC_PROGRESS_BYTES && p->total)
        snprintf(out, size, "%s / %s", cli_size(done, p->done), cli_size(total, p->total));
    else if (p->unit == FC_PROGRESS_BYTES)
        snprintf(out, size, "%s", cli_size(done, p->done));
    else if (p->total)
        snprintf(out, size, "%llu / %llu", (unsigned long long)p->done, (unsigned long long)p->total);
    else
        snprintf(out, size, "%llu", (unsigned long long)p->done);
}

static void speed(const struct cli_progress *p, char *out, size_t size)
{
    char rate[32];
    double left;
    int n;

    out[0] = '\0';
    if (p->rate <= 0)
        return;
    if (p->unit == FC_PROGRESS_BYTES)
        n = snprintf(out, size, "  %s/s", cli_size(rate, (uint64_t)p->rate));
    else
        n = snprintf(out, size, "  %.0f/s", p->rate);
    if (p->total <= p->done)
        return;
    left = (double)(p->total - p->done) / p->rate;
    if (left < 100 * 3600)
        snprintf(out + n, size - (size_t)n, left < 3600 ? "  %u:%02u left" : "  %u h %02u left",
                 (unsigned)(left < 3600 ? left / 60 : left / 3600),
                 (unsigned)(left < 3600 ? (unsigned)left % 60 : (unsigned)left / 60 % 60));
}

static void bar(const struct cli_progress *p, size_t room, char *out, size_t size)
{
    uint64_t done = p->done < p->total ? p->done : p->total;
    size_t cells = room < BAR_MAX ? room : BAR_MAX;
    size_t full = (size_t)((double)done / (double)p->total * (double)cells);
    char cell[BAR_MAX + 1];

    for (size_t i = 0; i < cells; i++)
        cell[i] = i < full ? '=' : i == full ? '>' : ' ';
    cell[cells] = '\0';
    snprintf(out, size, "  [%s] %3u%%", cell, (unsigned)((double)done / (double)p->total * 100));
}

static void show(struct cli_progress *p, double now)
{
    char name[160], numbers[80], tail[80], middle[64] = "  ";
    size_t columns = width(), used;

    (void)now;
    fc_name_show(name, sizeof(name), p->what, strlen(p->what));
    amount(p, numbers, sizeof(numbers));
    speed(p, tail, sizeof(tail));
    used = strlen(name) + strlen(numbers) + strlen(tail) + 4;
    if (p->total && used + 20 < columns)
        bar(p, columns - used - 12, middle, sizeof(middle));
    if (used > columns && columns > strlen(numbers) + 6)
        name[columns - strlen(numbers) - 6] = '\0';
    if (used > columns)
        tail[0] = '\0';
    fprintf(stderr, "\r%s%s  %s%s\033[K", name, middle, numbers, tail);
    fflush(stderr);
    p->visible = true;
}

/* Off the screen: the bar's line, then the lines above it, upwards. */
static void hide(struct cli_progress *p)
{
    if (!p->visible && !p->above)
        return;
    fputs("\r\033[K", stderr);
    for (; p->above; p->above--)
        fputs("\033[A\r\033[K", stderr);
    fflush(stderr);
    p->visible = false;
}

static void begin(struct cli_progress *p) { p->visible = false; }

/* What was done is said by the command itself; the bar only goes. */
static void end(struct cli_progress *p, bool ok, double seconds)
{
    (void)ok;
    (void)seconds;
    hide(p);
}

/* One download as a line of the bar's form, and the end of the line. */
static void put_line_of(const char *what, uint64_t done, uint64_t total, double rate)
{
    struct cli_progress line = {.total = total, .done = done, .unit = FC_PROGRESS_BYTES, .rate = rate};

    snprintf(line.what, sizeof(line.what), "%s", what);
    show(&line, 0);
    fputc('\n', stderr);
}

/*
 * Each download, and all together, above the bar of the step. One that is being imported while it arrives has that bar
 * already.
 */
static void downloads(struct cli_progress *p, const struct fc_fetch_item *items, size_t n, double now)
{
    uint64_t done = 0, total = 0;
    bool was = p->visible;
    double rate = 0;
    char all[40];

    hide(p);
    if (n > 1 || (n == 1 && !p->running)) {
        for (size_t i = 0; i < n; i++) {
            put_line_of(items[i].what, items[i].done, items[i].total, items[i].rate);
            done += items[i].done;
            total = items[i].total && (total || i == 0) ? total + items[i].total : 0;
            rate += items[i].rate;
        }
        p->above = (unsigned)n;
        snprintf(all, sizeof(all), "all %zu downloads", n);
        if (n > 1) {
            put_line_of(all, done, total, rate);
            p->above++;
        }
    }
    if (was && p->running)
        show(p, now);
}

const struct cli_progress_form cli_progress_tty = {0.1, begin, show, end, hide, downloads};
