/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose cache: what is in the cache and what keeps it there, whether it is whole, where it is. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/cache.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "fetch/collect.h"
#include "oci/oci.h"
#include "workspace/collect.h"

int cli_cache_open(struct cli_cache *ret, struct fc_error *err)
{
    int r = fc_cache_open(NULL, &ret->cache, err);

    if (r < 0)
        return r;
    if (asprintf(&ret->blobs, "%s/oci", fc_cache_dir(ret->cache)) < 0) {
        ret->blobs = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

void cli_cache_release(struct cli_cache *c)
{
    fc_cache_free(c->cache);
    free(c->blobs);
    *c = (struct cli_cache){0};
}

/* What keeps one thing, as texts. */
struct keepers {
    json_t *list;
    const char *digest; /* whose tags are wanted */
};

static void add_text(json_t *list, const char *kind, const char *text)
{
    json_t *o = json_object();

    cli_json_name(o, kind, text, strlen(text));
    json_array_append_new(list, o);
}

static void add_tag(void *arg, const char *ref, const char *digest)
{
    const struct keepers *k = arg;

    if (strcmp(digest, k->digest) == 0)
        add_text(k->list, "tag", ref);
}

static json_t *keepers_of(const struct cli_cache *c, const struct fc_roots *roots, const struct fc_stored *s,
                          const char *digest)
{
    struct keepers k = {json_array(), digest};

    if (s->in_use)
        add_text(k.list, "use", "in use");
    for (size_t i = 0; i < roots->n; i++)
        if (fc_root_needs(&roots->list[i], s->is_blob, &s->digest))
            add_text(k.list, "workspace", roots->list[i].dir);
    if (s->is_blob)
        fc_oci_tags_each(c->blobs, add_tag, &k);
    return k.list;
}

static void print_keepers(const json_t *list)
{
    json_t *entry, *value;
    const char *key;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        json_object_foreach(entry, key, value)
        {
            if (!json_is_string(value))
                continue;
            fputs(i ? ", " : "  ", stdout);
            if (strcmp(key, "tag") == 0)
                fputs("tag ", stdout);
            cli_put_name(json_string_value(value), json_string_length(value), false);
        }
    }
}

static void print_stored(const struct fc_stored *s, const char *digest, const json_t *keepers)
{
    char size[32], when[32] = "?";
    time_t used = (time_t)s->used;
    struct tm tm;

    if (localtime_r(&used, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d", &tm);
    printf("%-5s  %s  %10s  %s", s->is_blob ? "blob" : "layer", digest, cli_size(size, s->bytes), when);
    print_keepers(keepers);
    putchar('\n');
}

static int list_all(struct cli *cli, const struct cli_cache *c, const struct fc_inventory *all,
                    const struct fc_roots *roots, struct fc_error *err)
{
    json_t *list = cli->json ? json_array() : NULL;
    uint64_t bytes = 0;
    char digest[FC_DIGEST_TEXT], size[32];

    for (size_t i = 0; i < all->n; i++) {
        const struct fc_stored *s = &all->list[i];
        json_t *keepers = keepers_of(c, roots, s, fc_digest_format(&s->digest, digest));

        bytes += s->bytes;
        if (list) {
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:I, s:I, s:b, s:o}", "kind", s->is_blob ? "blob" : "layer",
                                            "digest", digest, "bytes", (json_int_t)s->bytes, "used",
                                            (json_int_t)s->used, "in_use", s->in_use, "kept_by", keepers));
            continue;
        }
        print_stored(s, digest, keepers);
        json_decref(keepers);
    }
    if (list)
        return cli_json_print(list, err);
    cli_say(cli, "%s: %zu layers and blobs, %s", fc_cache_dir(c->cache), all->n, cli_size(size, bytes));
    return cli_flush(err);
}

static int run_ls(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(cli_cache_release) struct cli_cache c = {0};
    fc_auto(fc_inventory_release) struct fc_inventory all = {0};
    fc_auto(fc_roots_release) struct fc_roots roots = {0};
    int r = cli_cache_open(&c, err);

    (void)args;
    if (r == 0)
        r = fc_inventory_read(c.cache, c.blobs, &all, err);
    if (r == 0)
        r = fc_roots_read(c.cache, NULL, 0, false, &roots, err);
    return r < 0 ? r : list_all(cli, &c, &all, &roots, err);
}

static int run_path(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(cli_cache_release) struct cli_cache c = {0};
    int r = cli_cache_open(&c, err);

    (void)args;
    (void)cli;
    if (r < 0)
        return r;
    puts(fc_cache_dir(c.cache));
    return cli_flush(err);
}

static const struct cli_command cmd_cache_ls = {
    .name = "cache ls",
    .group = CLI_GROUP_STACK,
    .summary = "List what is in the cache: sizes, last use, what keeps it",
    .usage = "[--json]",
    .about = "A line each: layer or blob, digest, size on the disk, the day of the last use, and who has it: \"in "
             "use\" when a "
             "process has it open, the workspaces that need it, the tags of an image. A tag alone keeps nothing.",
    .max_operands = 0,
    .run = run_ls,
};

static const struct cli_command cmd_cache_path = {
    .name = "cache path",
    .group = CLI_GROUP_STACK,
    .summary = "Print the cache's folder",
    .usage = "",
    .max_operands = 0,
    .run = run_path,
};

static const struct cli_command *const subs[] = {&cmd_cache_ls, &cmd_cache_verify, &cmd_cache_gc, &cmd_cache_path,
                                                 NULL};

const struct cli_command cmd_cache = {
    .name = "cache",
    .group = CLI_GROUP_STACK,
    .summary = "List, check and clean the cache",
    .usage = "ls|verify|gc|path",
    .about =
        "The cache is $FCCOMPOSE_CACHE, else $XDG_CACHE_HOME/fccompose, else ~/.cache/fccompose. Workspaces refer to "
        "what is in it. `fccompose pull` brings back the layers of files that are still there as they were; layers "
        "made by commit, from standard input, or imported with --owner or --exclude are in the cache alone, so "
        "remove it only with the workspaces that use them, and leave the rest to `fccompose cache gc`.",
    .subs = subs,
};
