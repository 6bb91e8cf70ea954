/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose freeze: write the tree as an ext4 image. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/view.h"

enum {
    OPT_SIZE = CLI_LONG_ONLY,
    OPT_FREE,
    OPT_LABEL,
    OPT_UUID,
    OPT_NO_JOURNAL,
    OPT_JOURNAL,
    OPT_INODE_SIZE,
    OPT_INODES,
    OPT_RESERVED,
    OPT_NO_SYNC,
    OPT_NO_CLONE
};

static const struct cli_option options[] = {
    {'l', 'l', "layer", "LAYER", "freeze these layers, with no workspace; may be repeated", CLI_WORD_FILE},
    {OPT_SIZE, 0, "size", "auto|N[KMGT]", "size of the image (default auto: as small as the content and --free allow)",
     0},
    {OPT_FREE, 0, "free", "N[KMGT]", "room for the guest to write (default none: it can then only make empty files)",
     0},
    {OPT_LABEL, 0, "label", "TEXT", "volume label, at most 16 bytes (default rootfs)", 0},
    {OPT_UUID, 0, "uuid", "UUID", "default: derived from the lowest layer and the label", 0},
    {OPT_JOURNAL, 0, "journal", "none|auto|N[KM]", "the journal (default auto)", 0},
    {OPT_NO_JOURNAL, 0, "no-journal", NULL, "the same as --journal none", 0},
    {OPT_INODE_SIZE, 0, "inode-size", "128|256|512|1024", "bytes of an inode (default 256)", 0},
    {OPT_INODES, 0, "inodes", "N", "at least so many inodes", 0},
    {OPT_RESERVED, 0, "reserved", "PERCENT", "blocks that only the guest's root may use (default 0)", 0},
    {OPT_NO_SYNC, 0, "no-sync", NULL, "do not wait until the image is on the disk", 0},
    {OPT_NO_CLONE, 0, "no-clone", NULL, "copy, do not share blocks with the cache", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int take_journal(const struct cli_args *args, struct fc_ext4_options *o, struct fc_error *err)
{
    const char *text = cli_value(args, OPT_JOURNAL);

    if (cli_has(args, OPT_NO_JOURNAL) || (text && strcmp(text, "none") == 0)) {
        o->journal = FC_EXT4_JOURNAL_NONE;
        return 0;
    }
    if (!text || strcmp(text, "auto") == 0)
        return 0;
    o->journal = FC_EXT4_JOURNAL_SIZE;
    return cli_parse_size("--journal", text, &o->journal_bytes, err);
}

/* "5" or "0.5" to thousandths. */
static int take_reserved(const char *text, uint32_t *ret, struct fc_error *err)
{
    char *end;
    double percent = strtod(text, &end);

    if (end == text || *end || !(percent >= 0 && percent <= 50))
        return cli_usage(err, "--reserved: %s: expected 0 to 50", text);
    *ret = (uint32_t)(percent * 10 + 0.5);
    return 0;
}

static int take_options(const struct cli_args *args, struct fc_ext4_options *o, struct fc_error *err)
{
    const char *size = cli_value(args, OPT_SIZE), *free_text = cli_value(args, OPT_FREE);
    const char *uuid = cli_value(args, OPT_UUID), *inode_size = cli_value(args, OPT_INODE_SIZE);
    const char *inodes = cli_value(args, OPT_INODES), *reserved = cli_value(args, OPT_RESERVED);
    uint64_t n = 0;
    int r = cli_source_date_epoch(0, &o->epoch, err);

    o->label = cli_value(args, OPT_LABEL);
    if (r == 0 && o->label && strlen(o->label) > 16)
        r = cli_usage(err, "--label: %s: longer than 16 bytes", o->label);
    if (r == 0 && size && strcmp(size, "auto") != 0)
        r = cli_parse_size("--size", size, &o->size, err);
    if (r == 0 && free_text)
        r = cli_parse_size("--free", free_text, &o->free_bytes, err);
    if (r == 0 && uuid) {
        o->have_uuid = true;
        r = cli_parse_uuid("--uuid", uuid, o->uuid, err);
    }
    if (r == 0 && inode_size) {
        r = cli_parse_number("--inode-size", inode_size, 1024, &n, err);
        if (r == 0 && n != 128 && n != 256 && n != 512 && n != 1024)
            r = cli_usage(err, "--inode-size: %s: expected 128, 256, 512 or 1024", inode_size);
        o->inode_size = (uint32_t)n;
    }
    if (r == 0 && inodes)
        r = cli_parse_number("--inodes", inodes, UINT32_MAX, &o->n_inodes, err);
    if (r == 0 && reserved)
        r = take_reserved(reserved, &o->reserved_permille, err);
    return r < 0 ? r : take_journal(args, o, err);
}

static void uuid_text(const uint8_t uuid[16], char out[37])
{
    for (int i = 0, at = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        snprintf(out + at, 3, "%02x", uuid[i]);
        at += 2;
    }
}

static int report_json(const char *path, const struct fc_ext4_summary *s, const struct fc_image_write_result *w,
                       double seconds, struct fc_error *err)
{
    char uuid[37];
    json_t *o = json_object();

    uuid_text(s->uuid, uuid);
    cli_json_name(o, "path", path, strlen(path));
    json_object_set_new(o, "size", json_integer((json_int_t)s->size));
    json_object_set_new(o, "uuid", json_string(uuid));
    json_object_set_new(o, "needed", json_integer((json_int_t)s->needed));
    json_object_set_new(o, "free_bytes", json_integer((json_int_t)(s->free_blocks * 4096)));
    json_object_set_new(o, "inodes", json_integer((json_int_t)s->inodes));
    json_object_set_new(o, "free_inodes", json_integer((json_int_t)s->free_inodes));
    json_object_set_new(o, "groups", json_integer(s->groups));
    json_object_set_new(o, "journal_bytes", json_integer((json_int_t)s->journal_bytes));
    json_object_set_new(o, "data_bytes", json_integer((json_int_t)s->data_bytes));
    json_object_set_new(o, "cloned_bytes", json_integer((json_int_t)w->cloned));
    json_object_set_new(o, "copied_bytes", json_integer((json_int_t)w->copied));
    json_object_set_new(o, "seconds", json_real(seconds));
    return cli_json_print(o, err);
}

static void report(const struct cli *cli, const char *path, uint32_t n_objects, const struct fc_ext4_summary *s,
                   const struct fc_image_write_result *w, double seconds)
{
    char uuid[37], size[32], room[32], cloned[32], copied[32];

    uuid_text(s->uuid, uuid);
    cli_say(cli, "%s: ext4, %s, %u objects, %s free, UUID %s", path, cli_size(size, s->size), n_objects,
            cli_size(room, s->free_blocks * 4096), uuid);
    cli_say(cli, "%s shared with the cache, %s copied, %.2f s", cli_size(cloned, w->cloned),
            cli_size(copied, w->copied), seconds);
    if (s->free_blocks == 0)
        cli_say(cli, "full to the last block: --free N leaves the guest room to write");
    if (s->n_clamped_times)
        cli_warn("%u times are none that ext4 can hold; the nearest were taken", s->n_clamped_times);
    if (s->n_split_links)
        cli_warn("%u files have more than 65000 names; ext4 holds each as several files", s->n_split_links);
}

static int write_out(struct cli *cli, const struct cli_args *args, const struct fc_image *image, const char *out,
                     struct fc_image_write_result *ret, struct fc_error *err)
{
    struct fc_image_write_options o = {
        .no_sync = cli_has(args, OPT_NO_SYNC), .no_clone = cli_has(args, OPT_NO_CLONE), .progress = cli->progress};

    if (strcmp(out, "-") != 0)
        return fc_image_write(image, out, &o, ret, err);
    ret->copied = fc_image_size(image);
    return fc_image_stream(image, STDOUT_FILENO, &o, err);
}

static int freeze(struct cli *cli, const struct cli_args *args, const struct cli_view *v, const char *out,
                  const struct fc_ext4_options *o, struct fc_error *err)
{
    struct fc_ext4_summary summary = {0};
    struct fc_image_write_result result = {0};
    struct fc_image *image = NULL;
    double began = cli_progress_now();
    uint32_t n_objects;
    int r = fc_ext4_plan(v->snapshot, o, &image, &summary, err);

    if (r == -ENOSPC && summary.needed)
        cli_hint(cli, "next: --size %lluK or more, or --size auto", (unsigned long long)(summary.needed + 1023) / 1024);
    if (r < 0)
        return r;
    r = write_out(cli, args, image, out, &result, err);
    fc_image_free(image);
    if (r < 0)
        return r;
    fc_snapshot_inodes(v->snapshot, &n_objects);
    if (cli->json)
        return report_json(out, &summary, &result, cli_progress_now() - began, err);
    report(cli, out, n_objects, &summary, &result, cli_progress_now() - began);
    return 0;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    const char *out = args->operands[args->n_operands - 1];
    fc_auto(fc_free) const char **layers = NULL;
    struct fc_ext4_options o = {0};
    struct cli_view v = {0};
    size_t n = 0;
    int r = take_options(args, &o, err);

    if (r < 0)
        return r;
    layers = cli_layers_of(args, 'l', true, &n);
    if (!layers)
        return fc_fail_errno(err, ENOMEM, "freeze");
    if (n && !cli_has(args, 'l'))
        return cli_usage(err, "freeze: unexpected argument %s (layers are given with -l)", out);
    if (strcmp(out, "-") == 0 && isatty(STDOUT_FILENO))
        return cli_usage(err, "freeze: an image is not for a terminal; send it to a file or a pipe");
    if (strcmp(out, "-") == 0 && cli->json)
        return cli_usage(err, "freeze: standard output cannot hold both the image and --json");
    r = cli_view_open(cli, layers, n, &v, err);
    if (r == 0)
        r = freeze(cli, args, &v, out, &o, err);
    cli_view_release(&v);
    return r;
}

static const struct cli_example examples[] = {
    {"The workspace, with 64 MiB for the guest to write", "fccompose freeze --free 64M out.ext4"},
    {"Tarballs, with no workspace", "fccompose freeze -l base.tar.gz -l app.tar.zst --size 1G out.ext4"},
    {"Into another program", "fccompose freeze - | zstd > out.ext4.zst"},
    {0},
};

const struct cli_command cmd_freeze = {
    .name = "freeze",
    .group = CLI_GROUP_OUT,
    .summary = "Write the tree as an ext4 image",
    .usage = "[OPTIONS] OUT\n[OPTIONS] -l LAYER... OUT",
    .options = options,
    .about =
        "OUT is a file, which appears complete or not at all (one that is there is replaced), a block device, or - for "
        "standard output. The same layers, edits and options give the same bytes. The workspace may be mounted: the "
        "image "
        "shows one moment.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = -1,
    .completes = CLI_WORD_FILE,
    .run = run,
};
