/* SPDX-License-Identifier: Apache-2.0 */
/* Progress without a terminal: plain lines for a log, JSON lines for a program. */
#include <string.h>

#include <jansson.h>

#include "base/path.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/progress.h"

static void begin_plain(struct cli_progress *p) { (void)p; }

static void count(const struct cli_progress *p, uint64_t n, char *out, size_t size)
{
    char bytes[32];

    if (p->unit == FC_PROGRESS_BYTES)
        snprintf(out, size, "%s", cli_size(bytes, n));
    else
        snprintf(out, size, "%llu", (unsigned long long)n);
}

static void heartbeat(struct cli_progress *p, double now)
{
    char name[200], done[40], total[40];

    fc_name_show(name, sizeof(name), p->what, strlen(p->what));
    count(p, p->done, done, sizeof(done));
    count(p, p->total, total, sizeof(total));
    fprintf(stderr, "%s: %s%s%s after %.0f s\n", name, done, p->total ? " of " : "", p->total ? total : "",
            now - p->began_at);
}

static void end_plain(struct cli_progress *p, bool ok, double seconds)
{
    char name[200], done[40];

    fc_name_show(name, sizeof(name), p->what, strlen(p->what));
    count(p, p->done ? p->done : p->total, done, sizeof(done));
    if (ok)
        fprintf(stderr, "%s: done (%s, %.1f s)\n", name, done, seconds);
    else
        fprintf(stderr, "%s: failed after %.1f s\n", name, seconds);
}

static void downloads_plain(struct cli_progress *p, const struct fc_fetch_item *items, size_t n, double now)
{
    char done[32], total[32], rate[32], name[200];

    if (n == 0 || p->listed_at == 0)
        p->listed_at = n ? now : 0;
    if (n == 0 || now - p->listed_at < p->form->interval || (n == 1 && p->running))
        return;
    p->listed_at = now;
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "downloading %s: %s of %s, %s/s\n",
                fc_name_show(name, sizeof(name), items[i].what, strlen(items[i].what)), cli_size(done, items[i].done),
                items[i].total ? cli_size(total, items[i].total) : "an unknown length",
                cli_size(rate, (uint64_t)items[i].rate));
}

const struct cli_progress_form cli_progress_plain = {10, begin_plain, heartbeat, end_plain, NULL, downloads_plain};

static void put(const struct cli_progress *p, const char *event, json_t *extra)
{
    json_t *o = json_pack("{s:s, s:s}", "event", event, "unit", p->unit == FC_PROGRESS_BYTES ? "bytes" : "items");

    cli_json_name(o, "step", p->what, strlen(p->what));
    if (p->total)
        json_object_set_new(o, "total", json_integer((json_int_t)p->total));
    json_object_update(o, extra);
    json_decref(extra);
    json_dumpf(o, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(o);
}

static void begin_json(struct cli_progress *p) { put(p, "begin", json_object()); }

static void show_json(struct cli_progress *p, double now)
{
    put(p, "update", json_pack("{s:I, s:f}", "done", (json_int_t)p->done, "seconds", now - p->began_at));
}

static void end_json(struct cli_progress *p, bool ok, double seconds)
{
    put(p, "end", json_pack("{s:I, s:f, s:b}", "done", (json_int_t)p->done, "seconds", seconds, "ok", (int)ok));
}

static void downloads_json(struct cli_progress *p, const struct fc_fetch_item *items, size_t n, double now)
{
    if (now - p->listed_at < p->form->interval)
        return;
    p->listed_at = now;
    for (size_t i = 0; i < n; i++) {
        json_t *o =
            json_pack("{s:s, s:I, s:f}", "event", "download", "done", (json_int_t)items[i].done, "rate", items[i].rate);

        cli_json_name(o, "step", items[i].what, strlen(items[i].what));
        if (items[i].total)
            json_object_set_new(o, "total", json_integer((json_int_t)items[i].total));
        json_dumpf(o, stderr, JSON_COMPACT);
        fputc('\n', stderr);
        json_decref(o);
    }
}

const struct cli_progress_form cli_progress_json = {0.25, begin_json, show_json, end_json, NULL, downloads_json};
