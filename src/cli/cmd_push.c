/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose push: put the tree into a registry, as an image. */
#include <errno.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/image_out.h"
#include "cli/json.h"
#include "layer/layer.h"
#include "oci/push.h"

enum { OPT_FROM = CLI_LONG_ONLY, OPT_CHUNK };

static const struct cli_option options[] = {
    {'l', 'l', "layer", "LAYER", "push these layers, with no workspace; may be repeated", CLI_WORD_LAYER},
    CLI_IMAGE_OPTION("push the tree of this ext4 image, with no workspace"),
    CLI_IMAGE_OUT_OPTIONS,
    {OPT_FROM, 0, "mount-from", "REPOSITORY", "another repository of that registry that may have layers already", 0},
    {OPT_CHUNK, 0, "chunk-size", "SIZE", "upload in pieces of this size (default: 64M)", 0},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int report(const struct cli *cli, const char *ref, const struct fc_oci_made *made,
                  const struct fc_oci_push_result *result, struct fc_error *err)
{
    char digest[FC_DIGEST_TEXT], size[32];

    fc_digest_format(&made->manifest_digest, digest);
    if (cli->json)
        return cli_json_print(json_pack("{s:s, s:s, s:i, s:i, s:I}", "reference", ref, "digest", digest, "sent",
                                        (int)result->n_sent, "present", (int)result->n_there, "bytes",
                                        (json_int_t)result->bytes),
                              err);
    cli_say(cli, "%s: %zu layer%s, %u blobs sent (%s), %u there already", ref, made->n_layers,
            made->n_layers == 1 ? "" : "s", result->n_sent, cli_size(size, result->bytes), result->n_there);
    cli_say(cli, "digest %s", digest);
    return 0;
}

static int push(struct cli *cli, const struct cli_args *args, const struct cli_view *v, const char *ref,
                struct fc_error *err)
{
    struct fc_oci_push_options o = {.from = cli_value(args, OPT_FROM), .progress = cli->progress};
    const char *chunk = cli_value(args, OPT_CHUNK);
    fc_auto(fc_oci_made_release) struct fc_oci_made made = {0};
    struct fc_fetcher *f = NULL;
    struct fc_oci_push_result result;
    int r = chunk ? cli_parse_size("--chunk-size", chunk, &o.chunk, err) : 0;

    if (r == 0 && chunk && o.chunk == 0)
        r = cli_usage(err, "--chunk-size: 0 is no size");
    if (r == 0)
        r = cli_fetcher_new(cli, fc_cache_dir(v->cache), &f, err);
    if (r == 0)
        r = cli_image_make(cli, args, v, f, "gzip", &made, err);
    if (r == 0)
        r = fc_oci_push(f, ref, &made, &o, &result, err);
    cli_fetcher_free(f);
    return r < 0 ? r : report(cli, ref, &made, &result, err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    const char *ref = args->operands[args->n_operands - 1];
    fc_auto(fc_oci_ref_release) struct fc_oci_ref parsed = {0};
    struct cli_view v = {0};
    size_t n = 0;
    fc_auto(fc_free) const char **layers = cli_layers_of(args, 'l', true, &n);
    int r;

    if (!layers)
        return fc_fail_errno(err, ENOMEM, "push");
    if (n && !cli_has(args, 'l'))
        return cli_usage(err, "push: unexpected argument %s (layers are given with -l)", ref);
    if (strncmp(ref, "docker://", 9) == 0)
        ref += 9;
    r = fc_oci_ref_parse(ref, &parsed, err); /* before a long export */
    if (r == 0)
        r = cli_view_open_args(cli, args, layers, n, true, &v, err);
    if (r == 0)
        r = push(cli, args, &v, ref, err);
    cli_view_release(&v);
    return r;
}

static const struct cli_example examples[] = {
    {"The workspace, edits included", "fccompose push docker://ghcr.io/me/rootfs:1"},
    {"A tar as an image, with no workspace", "fccompose push -l rootfs.tar.gz docker://localhost:5000/rootfs:1"},
    {0},
};

const struct cli_command cmd_push = {
    .name = "push",
    .group = CLI_GROUP_STACK,
    .summary = "Put the tree into a registry, as an image",
    .usage = "[OPTIONS] docker://REFERENCE\n-l LAYER... docker://REFERENCE\n-i IMAGE docker://REFERENCE",
    .options = options,
    .about =
        "The image has a layer for each of the stack's and, if there are edits, one of them on top. Layers that came "
        "from an image are pushed as they came, so that a registry that has them need not get them again; others "
        "are packed once and kept in the cache. Blobs that the registry has are not sent. What the image says of "
        "its entrypoint, environment and the like is shown and set by fccompose config.\n\n"
        "Credentials: fccompose login, or the files of docker and podman. Plain http is for this machine alone.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = -1,
    .run = run,
};
