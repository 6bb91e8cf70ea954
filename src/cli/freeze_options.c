/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `fccompose freeze`: its options, and the request they make. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/freeze.h"
#include "cli/fetch.h"
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
    OPT_ALIGN,
    OPT_COMPACT,
    OPT_PROFILE,
    OPT_READ_ONLY,
    OPT_CLAMP_MTIME,
    OPT_SELINUX_CONTEXTS,
    OPT_INLINE_DATA,
    OPT_SHA256,
    OPT_CHUNKS,
    OPT_VERITY,
    OPT_FRESH,
    OPT_NO_SYNC,
    OPT_NO_CLONE,
    OPT_VIRTUAL,
    OPT_RW
};

const struct cli_option freeze_options[] = {
    {'l', 'l', "layer", "LAYER", "freeze these layers, with no workspace; may be repeated", CLI_WORD_FILE},
    CLI_IMAGE_OPTION("freeze the tree of this ext4 image, with no workspace: to shrink it, or change its options"),
    {OPT_SIZE, 0, "size", "auto|N[KMGT]", "size of the image (default auto: as small as the content and --free allow)",
     0},
    {OPT_FREE, 0, "free", "N[KMGT]", "room for the guest to write (default none: it can then only make empty files)",
     0},
    {OPT_LABEL, 0, "label", "TEXT", "volume label, at most 16 bytes (default rootfs)", 0},
    {OPT_UUID, 0, "uuid", "UUID", "default: derived from the lowest layer (or the image's UUID) and the label", 0},
    {OPT_JOURNAL, 0, "journal", "none|auto|N[KM]", "the journal (default auto)", 0},
    {OPT_NO_JOURNAL, 0, "no-journal", NULL, "the same as --journal none", 0},
    {OPT_INODE_SIZE, 0, "inode-size", "128|256|512|1024", "bytes of an inode (default 256)", 0},
    {OPT_INODES, 0, "inodes", "auto|N", "at least so many inodes (default auto: those of the tree and a tenth more)",
     0},
    {OPT_RESERVED, 0, "reserved", "PERCENT", "blocks that only the guest's root may use (default 0)", 0},
    {OPT_ALIGN, 0, "align", "N[KM]",
     "put large contents, and the image's end, on multiples of N: 2M for pmem, so that DAX can map large pages", 0},
    {OPT_COMPACT, 0, "compact", NULL,
     "place everything anew: smaller after deletions, but less in common with earlier images", 0},
    {OPT_PROFILE, 0, "profile", "5.10|6.1|6.18|compat",
     "the guest's kernel: features that it and its e2fsck know; compat: Linux 2.6.32 and e2fsck 1.42 (default 5.10)",
     0},
    {OPT_READ_ONLY, 0, "read-only", NULL,
     "the smallest image, which nobody can write to: no journal, nothing free, compact", 0},
    {OPT_INLINE_DATA, 0, "inline-data", NULL,
     "files and directories of up to 128 bytes (more with larger inodes) stand in their inodes", 0},
    {OPT_SELINUX_CONTEXTS, 0, "selinux-contexts", "FILE",
     "SELinux labels as the rules of this file_contexts file say (default: as the layers have them)", CLI_WORD_FILE},
    {OPT_CLAMP_MTIME, 0, "clamp-mtime", NULL, "times of files that are later than SOURCE_DATE_EPOCH become that time",
     0},
    {OPT_SHA256, 0, "sha256", NULL, "say the digest of all that was written", 0},
    {OPT_CHUNKS, 0, "chunks", "FILE", "write the digest of each 64 KiB of the image into FILE", CLI_WORD_FILE},
    {OPT_VERITY, 0, "verity", "append|FILE", "make a dm-verity hash tree: behind the image, or in FILE", CLI_WORD_FILE},
    {OPT_FRESH, 0, "fresh", NULL, "write all of it: do not start from the image that is there", 0},
    {OPT_NO_SYNC, 0, "no-sync", NULL, "do not wait until the image is on the disk", 0},
    {OPT_NO_CLONE, 0, "no-clone", NULL, "copy, do not share blocks with the cache", 0},
    {OPT_VIRTUAL, 0, "virtual", NULL,
     "write nothing: offer the image as a file that is read from the layers, until fccompose umount", 0},
    {OPT_RW, 0, "rw", "FILE", "with --virtual: let a guest write; what it writes goes to FILE", CLI_WORD_FILE},
    {'f', 'f', "foreground", NULL, "with --virtual: stay in the foreground until it is unmounted or interrupted", 0},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int take_journal(const struct cli_args *args, struct fc_ext4_options *o, struct fc_error *err)
{
    const char *text = cli_value(args, OPT_JOURNAL);

    if (cli_has(args, OPT_NO_JOURNAL) && text && strcmp(text, "none") != 0)
        return cli_usage(err, "--no-journal and --journal %s contradict each other", text);
    if (cli_has(args, OPT_NO_JOURNAL) || (text && strcmp(text, "none") == 0)) {
        o->journal = FC_EXT4_JOURNAL_NONE;
        return 0;
    }
    if (!text || strcmp(text, "auto") == 0)
        return 0;
    o->journal = FC_EXT4_JOURNAL_SIZE;
    return cli_parse_size("--journal", text, &o->journal_bytes, err);
}

static int take_labels(const struct cli_args *args, struct freeze_request *f, struct fc_error *err)
{
    const char *file = cli_value(args, OPT_SELINUX_CONTEXTS);
    int r = file ? fc_labels_open(file, &f->labels, err) : 0;

    if (f->labels) {
        f->ext4.label_of = fc_labels_find;
        f->ext4.label_context = f->labels;
    }
    return r;
}

static int take_features(const struct cli_args *args, struct fc_ext4_options *o, struct fc_error *err)
{
    const char *profile = cli_value(args, OPT_PROFILE), *epoch = getenv("SOURCE_DATE_EPOCH");

    if (profile && fc_ext4_profile_find(profile, &o->profile) < 0)
        return cli_usage(err, "--profile: %s: expected 5.10, 6.1, 6.18 or compat", profile);
    o->read_only = cli_has(args, OPT_READ_ONLY);
    o->inline_data = cli_has(args, OPT_INLINE_DATA);
    o->clamp_times = cli_has(args, OPT_CLAMP_MTIME);
    if (o->clamp_times && (!epoch || !*epoch))
        return cli_usage(err,
                         "--clamp-mtime: SOURCE_DATE_EPOCH is not set: set it to the latest time that files may have, "
                         "in seconds since 1970");
    return 0;
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

static int take_align(const char *text, struct fc_ext4_options *o, struct fc_error *err)
{
    int r = cli_parse_size("--align", text, &o->align, err);

    if (r == 0 && (o->align < 8192 || o->align > 128 << 20 || (o->align & (o->align - 1))))
        return cli_usage(err, "--align: %s: expected a power of two from 8K to 128M", text);
    if (r == 0 && o->size % o->align)
        return cli_usage(err, "--align: %s: --size is no multiple of it", text);
    return r;
}

static int take_ext4(const struct cli_args *args, struct fc_ext4_options *o, struct fc_error *err)
{
    const char *size = cli_value(args, OPT_SIZE), *free_text = cli_value(args, OPT_FREE);
    const char *uuid = cli_value(args, OPT_UUID), *inode_size = cli_value(args, OPT_INODE_SIZE);
    const char *inodes = cli_value(args, OPT_INODES), *reserved = cli_value(args, OPT_RESERVED);
    const char *align = cli_value(args, OPT_ALIGN);
    uint64_t n = 0;
    int r = cli_source_date_epoch(0, &o->epoch, err);

    o->label = cli_value(args, OPT_LABEL);
    o->compact = cli_has(args, OPT_COMPACT);
    if (r == 0 && o->label && strlen(o->label) > 16)
        r = cli_usage(err, "--label: %s: longer than 16 bytes", o->label);
    if (r == 0 && size && strcmp(size, "auto") != 0)
        r = cli_parse_size("--size", size, &o->size, err);
    if (r == 0 && align)
        r = take_align(align, o, err);
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
    if (r == 0 && inodes && strcmp(inodes, "auto") != 0)
        r = cli_parse_number("--inodes", inodes, UINT32_MAX, &o->n_inodes, err);
    if (r == 0 && reserved)
        r = take_reserved(reserved, &o->reserved_permille, err);
    if (r == 0)
        r = take_features(args, o, err);
    return r != 0 ? r : take_journal(args, o, err);
}

static int take_outputs(const struct cli_args *args, const struct freeze_request *f, struct fc_image_write_options *w,
                        struct fc_error *err)
{
    const char *verity = cli_value(args, OPT_VERITY), *out = f->out ? f->out : "";

    w->no_sync = cli_has(args, OPT_NO_SYNC);
    w->no_clone = cli_has(args, OPT_NO_CLONE);
    w->fresh = cli_has(args, OPT_FRESH);
    w->sha256 = cli_has(args, OPT_SHA256);
    w->chunks = cli_value(args, OPT_CHUNKS);
    w->verity.append = verity && strcmp(verity, "append") == 0;
    w->verity.path = w->verity.append ? NULL : verity;
    if (w->chunks && strcmp(w->chunks, out) == 0)
        return cli_usage(err, "--chunks: %s is the image", w->chunks);
    if (w->verity.path && strcmp(w->verity.path, out) == 0)
        return cli_usage(err, "--verity: %s is the image; a tree in the same file: --verity append", w->verity.path);
    if (w->verity.path && w->chunks && strcmp(w->verity.path, w->chunks) == 0)
        return cli_usage(err, "--verity: %s is also the file of --chunks", w->chunks);
    return 0;
}

int freeze_default_ext4(struct fc_ext4_options *ret, struct fc_error *err)
{
    const struct cli_args none = {0};

    *ret = (struct fc_ext4_options){0};
    return take_ext4(&none, ret, err);
}

/* The name of an option that only a written image has, or NULL. */
static const char *writing_option(const struct fc_image_write_options *w)
{
    if (w->no_sync || w->no_clone)
        return w->no_sync ? "no-sync" : "no-clone";
    if (w->fresh)
        return "fresh";
    if (w->sha256 || w->chunks)
        return w->sha256 ? "sha256" : "chunks";
    return w->verity.append || w->verity.path ? "verity" : NULL;
}

/* What goes with --virtual, and what goes without it. */
static int take_virtual(const struct cli_args *args, struct freeze_request *ret, struct fc_error *err)
{
    const char *for_writing = writing_option(&ret->write);

    ret->is_virtual = cli_has(args, OPT_VIRTUAL);
    ret->foreground = cli_has(args, 'f');
    ret->rw = cli_value(args, OPT_RW);
    for (size_t i = 0; i < args->n; i++)
        ret->has_options |= args->args[i].id != 0 && args->args[i].id != OPT_VIRTUAL && args->args[i].id != 'f';
    if (!ret->is_virtual && (ret->rw || ret->foreground))
        return cli_usage(err, "freeze: %s goes with --virtual only", ret->rw ? "--rw" : "--foreground");
    if (!ret->is_virtual && !args->n_operands)
        return cli_usage(err, "freeze: an argument is missing: the image to write");
    if (!ret->is_virtual)
        return 0;
    if (for_writing)
        return cli_usage(err, "freeze: --virtual writes no image, so --%s is not for it", for_writing);
    if (cli_has(args, 'i'))
        return cli_usage(err, "freeze: --virtual offers a workspace or layers; an image is there already");
    if (cli_has(args, 'l') && !args->n_operands)
        return cli_usage(err, "freeze: with --virtual and -l the directory has to be named");
    if (!cli_has(args, 'l') && args->n_operands)
        return cli_usage(err, "freeze: unexpected argument %s: --virtual offers the workspace's image in it",
                         args->operands[0]);
    return 0;
}

int freeze_take(struct cli *cli, const struct cli_args *args, struct freeze_request *ret, struct fc_error *err)
{
    int r = take_ext4(args, &ret->ext4, err);

    ret->out = args->n_operands ? args->operands[args->n_operands - 1] : NULL;
    ret->write = (struct fc_image_write_options){.progress = cli->progress};
    if (r == 0)
        r = take_outputs(args, ret, &ret->write, err);
    if (r == 0)
        r = take_virtual(args, ret, err);
    if (r < 0)
        return r;
    ret->layers = cli_layers_of(args, 'l', true, &ret->n_layers);
    if (!ret->layers)
        return fc_fail_errno(err, ENOMEM, "freeze");
    if (ret->n_layers && !cli_has(args, 'l'))
        return cli_usage(err, "freeze: unexpected argument %s (layers are given with -l)", ret->out);
    r = take_labels(args, ret, err);
    if (r < 0 || ret->is_virtual)
        return r;
    if (strcmp(ret->out, "-") == 0 && isatty(STDOUT_FILENO))
        return cli_usage(err, "freeze: an image is not for a terminal; send it to a file or a pipe");
    if (strcmp(ret->out, "-") == 0 && cli->json)
        return cli_usage(err, "freeze: standard output cannot hold both the image and --json");
    return 0;
}

void freeze_request_release(struct freeze_request *f)
{
    free(f->layers);
    fc_labels_free(f->labels);
}
