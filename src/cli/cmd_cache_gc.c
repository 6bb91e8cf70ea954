/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose cache gc: remove from the cache what nothing keeps alive. */
#include <errno.h>
#include <string.h>

#include "cli/cache.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "oci/oci.h"
#include "workspace/collect.h"

#define DAY (24 * 3600)
#define UNUSED_DAYS 14

enum { OPT_OLDER = CLI_LONG_ONLY, OPT_ALL, OPT_MAX_SIZE, OPT_FORGET };

static const struct cli_option options[] = {
    {OPT_OLDER, 0, "older-than", "TIME", "take what nobody used for so long: 14d (the default), 12h, 30m or 0", 0},
    {OPT_ALL, 0, "all", NULL, "take all that nothing keeps alive, however new", 0},
    {OPT_MAX_SIZE, 0, "max-size", "SIZE",
     "then take more, the longest unused first, until no more than SIZE is left (what is kept alive stays)", 0},
    {OPT_FORGET, 0, "forget", "DIR", "the workspace in DIR keeps nothing alive any more (may be given again)",
     CLI_WORD_DIR},
    {'n', 'n', "dry-run", NULL, "remove nothing, say what would go", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* What the callback prints to. */
struct report {
    json_t *list;
};

static void print_taken(void *arg, const struct fc_stored *what, const char *path, uint64_t bytes)
{
    const struct report *p = arg;
    const char *kind = !what ? "leftover" : what->is_blob ? "blob" : "layer";
    char digest[FC_DIGEST_TEXT], size[32];

    if (what)
        fc_digest_format(&what->digest, digest);
    if (p->list) {
        json_t *o = json_pack("{s:s, s:I}", "kind", kind, "bytes", (json_int_t)bytes);

        cli_json_name(o, what ? "digest" : "path", what ? digest : path, strlen(what ? digest : path));
        json_array_append_new(p->list, o);
        return;
    }
    printf("%-8s  %10s  ", kind, cli_size(size, bytes));
    cli_put_name(what ? digest : path, strlen(what ? digest : path), false);
    putchar('\n');
}

static int parse_time(const char *text, int64_t *ret, struct fc_error *err)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY}, {'w', 7 * DAY}};
    size_t len = strlen(text);
    struct fc_error why;
    char number[24];
    uint64_t n;

    for (size_t i = 0; i < FC_LENGTH(units) && len > 1 && len < sizeof(number); i++) {
        if (text[len - 1] != units[i].unit)
            continue;
        memcpy(number, text, len - 1);
        number[len - 1] = '\0';
        if (cli_parse_number("--older-than", number, 1000000, &n, &why) < 0)
            break;
        *ret = (int64_t)n * units[i].seconds;
        return 0;
    }
    if (strcmp(text, "0") == 0)
        return *ret = 0;
    return cli_usage(err, "--older-than: %s: expected a time such as 14d, 12h, 30m or 0", text);
}

static int parse(const struct cli_args *args, struct fc_collect_options *o, struct fc_error *err)
{
    int r = 0;

    o->unused_s = UNUSED_DAYS * DAY;
    o->dry_run = cli_has(args, 'n');
    if (cli_has(args, OPT_ALL) && cli_has(args, OPT_OLDER))
        return cli_usage(err, "--all and --older-than exclude each other");
    if (cli_has(args, OPT_ALL))
        o->unused_s = 0;
    if (cli_has(args, OPT_OLDER))
        r = parse_time(cli_value(args, OPT_OLDER), &o->unused_s, err);
    if (r == 0 && cli_has(args, OPT_MAX_SIZE)) {
        o->have_max = true;
        r = cli_parse_size("--max-size", cli_value(args, OPT_MAX_SIZE), &o->max_bytes, err);
    }
    return r;
}

static int finish(struct cli *cli, const struct fc_collect_options *o, const struct fc_collected *done, json_t *list,
                  struct fc_error *err)
{
    char size[32], left[32];

    if (done->blobs_busy)
        cli_warn("the blobs are left as they are: a process is downloading");
    if (list)
        return cli_json_print(json_pack("{s:o, s:b, s:I, s:I, s:b}", "removed", list, "dry_run", o->dry_run, "bytes",
                                        (json_int_t)done->bytes, "left_bytes", (json_int_t)done->left, "blobs_busy",
                                        done->blobs_busy),
                              err);
    cli_say(cli, "%s %zu things, %s; %s %s", o->dry_run ? "would remove" : "removed", done->n,
            cli_size(size, done->bytes), cli_size(left, done->left), o->dry_run ? "would be left" : "left");
    return cli_flush(err);
}

static int collect(struct cli *cli, const struct fc_collect_options *given, struct fc_error *err)
{
    struct fc_collect_options o = *given;
    fc_auto(cli_cache_release) struct cli_cache c = {0};
    struct report report = {.list = cli->json ? json_array() : NULL};
    struct fc_collected done;
    int r = cli_cache_open(&c, err);

    o.taken = print_taken;
    o.arg = &report;
    if (r == 0)
        r = fc_cache_collect(c.cache, c.blobs, &o, &done, err);
    if (r == 0 && !o.dry_run)
        r = fc_oci_tags_prune(c.blobs, err);
    if (r < 0) {
        json_decref(report.list);
        if (r != -ENOMEM)
            cli_hint(cli, "next: repair it with fccompose fsck, or give up what it has with: cache gc --forget DIR");
        return r;
    }
    return finish(cli, &o, &done, report.list, err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_collect_options o = {0};
    const char **forget;
    int r = parse(args, &o, err);

    if (r < 0)
        return r;
    forget = cli_values(args, OPT_FORGET, &o.n_forget);
    if (!forget)
        return fc_fail(err, ENOMEM, "out of memory");
    o.forget = forget;
    r = collect(cli, &o, err);
    free(forget);
    return r;
}

static const struct cli_example examples[] = {
    {"See what would go", "fccompose cache gc -n"},
    {"Keep the cache below 20 GiB", "fccompose cache gc --max-size 20G"},
    {0},
};

const struct cli_command cmd_cache_gc = {
    .name = "cache gc",
    .group = CLI_GROUP_STACK,
    .summary = "Remove from the cache what nothing keeps alive",
    .usage = "[--older-than TIME | --all] [--max-size SIZE] [--forget DIR]... [-n] [--json]",
    .options = options,
    .about =
        "A layer is kept alive by the workspaces whose stack or edits need it, and by every process that has it open, "
        "such as a mount; a blob by the workspaces whose layers were made of it, and by every download that runs. All "
        "else "
        "goes when nobody used it for 14 days, together with what broken downloads and damaged entries left. Other "
        "processes may use the cache meanwhile, and collect it.\n\n"
        "The cache knows the workspaces that were opened with it, by their path. One that is not there any more is "
        "forgotten; one that is there and cannot be read stops the collection before anything is removed.",
    .examples = examples,
    .max_operands = 0,
    .run = run,
};
