/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose cache: what is in the cache, and whether it is whole. */
#include <errno.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/view.h"
#include "layer/layer.h"

/* One pass over the cache. */
struct pass {
    struct cli *cli;
    struct fc_cache *cache;
    bool verify;
    json_t *list;
    uint64_t n_layers, n_bad, bytes;
    struct fc_error *err;
};

static int put_layer(struct pass *p, const char *digest, const struct fc_layer *layer)
{
    struct fc_layer_stats stats;
    char size[32];

    fc_layer_stats(layer, &stats);
    p->bytes += stats.pack_bytes + stats.index_bytes;
    if (p->list)
        return json_array_append_new(p->list,
                                     json_pack("{s:s, s:I, s:I, s:I}", "diffid", digest, "entries",
                                               (json_int_t)stats.n_entries, "data_bytes", (json_int_t)stats.data_bytes,
                                               "stored_bytes", (json_int_t)(stats.pack_bytes + stats.index_bytes)));
    printf("%s  %10llu  %10s\n", digest, (unsigned long long)stats.n_entries,
           cli_size(size, stats.pack_bytes + stats.index_bytes));
    return 0;
}

/* A bad layer is said and counted, and does not end the pass. */
static int visit(void *arg, const struct fc_digest *diffid)
{
    struct pass *p = arg;
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    struct fc_error err = {0};
    char digest[FC_DIGEST_TEXT];
    int r = fc_layer_open(p->cache, diffid, &layer, &err);

    p->n_layers++;
    fc_digest_format(diffid, digest);
    if (r == 0 && p->verify)
        r = fc_layer_verify(layer, p->cli->progress, &err);
    if (r < 0) {
        p->n_bad++;
        cli_warn("%s: %s", digest, err.msg);
        return 0;
    }
    if (!p->verify)
        return put_layer(p, digest, layer);
    if (p->list)
        json_array_append_new(p->list, json_string(digest));
    else
        printf("%s  ok\n", digest);
    return 0;
}

static int pass(struct cli *cli, bool verify, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    struct pass p = {.cli = cli, .verify = verify, .err = err};
    char size[32];
    int r = fc_cache_open(NULL, &cache, err);

    if (r < 0)
        return r;
    p.cache = cache;
    p.list = cli->json ? json_array() : NULL;
    r = fc_cache_each(cache, visit, &p);
    if (r < 0) {
        json_decref(p.list);
        return fc_fail_errno(err, -r, "%s", fc_cache_dir(cache));
    }
    r = p.list ? cli_json_print(p.list, err) : cli_flush(err);
    if (r < 0)
        return r;
    if (!verify)
        cli_say(cli, "%s: %llu layers, %s", fc_cache_dir(cache), (unsigned long long)p.n_layers,
                cli_size(size, p.bytes));
    if (p.n_bad)
        cli_hint(cli, "next: remove the folder of a damaged layer below %s/layers, then fccompose pull",
                 fc_cache_dir(cache));
    return p.n_bad ? fc_fail(err, EBADMSG, "%s: %llu of %llu layers are damaged", fc_cache_dir(cache),
                             (unsigned long long)p.n_bad, (unsigned long long)p.n_layers)
                   : 0;
}

static int run_ls(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    (void)args;
    return pass(cli, false, err);
}

static int run_verify(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    (void)args;
    return pass(cli, true, err);
}

static const struct cli_command cmd_cache_ls = {
    .name = "cache ls",
    .group = CLI_GROUP_STACK,
    .summary = "List the layers in the cache",
    .usage = "[--json]",
    .max_operands = 0,
    .run = run_ls,
};

static const struct cli_example cache_verify_examples[] = {
    {"After a crash or a doubtful disk", "fccompose cache verify"},
    {0},
};

static const struct cli_command cmd_cache_verify = {
    .name = "cache verify",
    .group = CLI_GROUP_STACK,
    .summary = "Read every layer in the cache and check its digests",
    .usage = "[--json]",
    .about = "Prints the layers that are whole; damaged ones are named on standard error and make the exit status 1.",
    .examples = cache_verify_examples,
    .max_operands = 0,
    .run = run_verify,
};

static const struct cli_command *const subs[] = {&cmd_cache_ls, &cmd_cache_verify, NULL};

const struct cli_command cmd_cache = {
    .name = "cache",
    .group = CLI_GROUP_STACK,
    .summary = "List and check the layers in the cache",
    .usage = "ls|verify",
    .about =
        "The cache is $FCCOMPOSE_CACHE, else $XDG_CACHE_HOME/fccompose, else ~/.cache/fccompose. Workspaces refer to "
        "what is in it. `fccompose pull` brings back the layers of files that are still there as they were; layers "
        "made by commit, from standard input, or imported with --owner or --exclude are in the cache alone, so "
        "remove it only with the workspaces that use them.",
    .subs = subs,
};
