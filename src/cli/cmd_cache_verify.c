/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose cache verify: read everything, name what is damaged, set aside what can be fetched again. */
#include <errno.h>
#include <string.h>

#include "cli/cache.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "fetch/collect.h"
#include "layer/gc.h"
#include "workspace/collect.h"

/* One verification. */
struct verification {
    struct cli *cli;
    struct cli_cache cache;
    struct fc_inventory all;
    json_t *whole; /* NULL: they are printed */
    size_t n_bad, n_kept;
};

static void release(struct verification *v)
{
    fc_inventory_release(&v->all);
    cli_cache_release(&v->cache);
    json_decref(v->whole);
}

/* Whether the layer stays although bytes of it are damaged: what is whole of it is nowhere else. In doubt it does. */
static bool stays(const struct verification *v, const struct fc_digest *diffid)
{
    fc_auto(fc_roots_release) struct fc_roots roots = {0};

    return fc_roots_read(v->cache.cache, NULL, 0, false, &roots, NULL) < 0 || fc_roots_need_copy(&roots, diffid);
}

static int verify_layer(struct verification *v, const struct fc_digest *diffid, struct fc_error *err)
{
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    struct fc_error why = {0};
    int r = fc_layer_peek(v->cache.cache, diffid, &layer, err);

    if (r == 0)
        r = fc_layer_verify(layer, v->cli->progress, err);
    if (r != -EBADMSG)
        return r;
    if (layer && stays(v, diffid)) {
        v->n_kept++;
        why = *err;
        return fc_fail(
            err, EBADMSG,
            "%s; nothing but the cache has this layer (it was made by commit, or came through a pipe), so it "
            "stays: its damaged files cannot be read, all others can",
            why.msg);
    }
    if (fc_layer_set_aside(v->cache.cache, diffid, &why) < 0)
        cli_warn("%s", why.msg);
    return r;
}

static void verify_one(struct verification *v, const struct fc_stored *s)
{
    char digest[FC_DIGEST_TEXT];
    struct fc_error why = {0};
    int r = s->is_blob ? fc_blob_verify(v->cache.blobs, &s->digest, &why) : verify_layer(v, &s->digest, &why);

    fc_digest_format(&s->digest, digest);
    if (r < 0 && r != -ENOENT) { /* what another process collected meanwhile is no damage */
        v->n_bad++;
        cli_warn("%s: %s", digest, why.msg);
    } else if (r == 0 && v->whole) {
        json_array_append_new(v->whole, json_string(digest));
    } else if (r == 0) {
        printf("%s  ok\n", digest);
    }
}

static int verify_all(struct verification *v, struct fc_error *err)
{
    const char *dir = fc_cache_dir(v->cache.cache);
    int r;

    for (size_t i = 0; i < v->all.n; i++)
        verify_one(v, &v->all.list[i]);
    r = v->whole ? cli_json_print(json_incref(v->whole), err) : cli_flush(err);
    if (r < 0 || !v->n_bad)
        return r;
    if (v->n_bad > v->n_kept)
        cli_hint(
            v->cli,
            "next: in each workspace that needs them: fccompose pull (what was set aside is in %s/layers/.damaged-* "
            "and %s/.damaged)",
            dir, v->cache.blobs);
    return fc_fail(err, EBADMSG, "%s: %zu of %zu layers and blobs are damaged", dir, v->n_bad, v->all.n);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct verification v __attribute__((cleanup(release))) = {.cli = cli, .whole = cli->json ? json_array() : NULL};
    int r = cli_cache_open(&v.cache, err);

    (void)args;
    if (r == 0)
        r = fc_inventory_read(v.cache.cache, v.cache.blobs, &v.all, err);
    return r < 0 ? r : verify_all(&v, err);
}

static const struct cli_example examples[] = {
    {"After a crash or a doubtful disk", "fccompose cache verify"},
    {0},
};

const struct cli_command cmd_cache_verify = {
    .name = "cache verify",
    .group = CLI_GROUP_STACK,
    .summary = "Read everything in the cache and check its digests",
    .usage = "[--json]",
    .about = "Prints the layers and blobs that are whole; damaged ones are named on standard error, set aside, and "
             "make the exit "
             "status 1. `fccompose pull` brings layers back; blobs are fetched again when they are needed. A layer "
             "that nothing "
             "can bring back, as one made by commit, stays in its place: its damaged files cannot be read, all others "
             "can.\n\n"
             "Damage is also found when bytes are read for the first time in a process: an index whenever a layer is "
             "opened, a "
             "layer's contents in a mount and by the commands that read files. freeze has the kernel copy contents, "
             "which checks "
             "nothing: verify before it where the disk is in doubt.",
    .examples = examples,
    .max_operands = 0,
    .run = run,
};
