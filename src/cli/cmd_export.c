/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose export: write the tree as a tar, or as an image of layers. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/image_out.h"
#include "export/export.h"
#include "fetch/fetch.h"
#include "layer/layer.h"

static const struct cli_option options[] = {
    {'f', 'f', "format", "tar|oci|oci-archive|docker-archive", "what to write (default: tar)", 0},
    {'t', 't', "tag", "TAG", "of the image: for oci and oci-archive (default: latest); NAME:TAG for docker-archive", 0},
    CLI_IMAGE_OUT_OPTIONS,
    {'l', 'l', "layer", "LAYER", "export these layers, with no workspace; may be repeated", CLI_WORD_FILE},
    CLI_IMAGE_OPTION("export this ext4 image, with no workspace"),
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

/* Where the bytes go, and how many have gone. */
struct output {
    int fd;
    uint64_t written;
    struct fc_progress *progress;
};

static int sink(void *arg, const void *data, size_t size, struct fc_error *err)
{
    struct output *o = arg;
    int r = fc_write_full(o->fd, data, size);

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot write the tar");
    o->written += size;
    if (o->progress && o->progress->update)
        o->progress->update(o->progress, o->written);
    return 0;
}

/* What is written. */
struct content {
    const struct cli_view *v;
    const struct fc_oci_made *image; /* NULL: the tree as a tar */
    const char *layout, *tag;
    bool docker;
    const char *name; /* for the report */
};

static int export(const struct content *c, struct output *o, struct fc_error *err)
{
    int r;

    if (o->progress)
        o->progress->begin(o->progress, "export", 0, FC_PROGRESS_BYTES);
    r = c->image ? fc_oci_write_archive(c->image, c->layout, c->docker, c->tag, sink, o, err)
                 : fc_export_tar(c->v->snapshot, sink, o, err);
    if (o->progress)
        o->progress->end(o->progress, r == 0);
    return r;
}

/* A device or FIFO is written to: it must not be replaced by a file. */
static int export_into(const struct content *c, const char *out, struct output *o, struct fc_error *err)
{
    int r;

    o->fd = open(out, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (o->fd < 0)
        return fc_fail_errno(err, errno, "cannot write %s", out);
    r = export(c, o, err);
    if (close(o->fd) < 0 && r == 0)
        r = fc_fail_errno(err, errno, "cannot write %s", out);
    return r;
}

static int export_to(struct cli *cli, const struct content *c, const char *out, struct fc_error *err)
{
    struct fc_atomic file __attribute__((cleanup(fc_atomic_release_auto))) = {0};
    struct output o = {.fd = STDOUT_FILENO, .progress = cli->progress};
    struct stat st;
    char size[32];
    int r;

    if (strcmp(out, "-") == 0)
        return export(c, &o, err);
    if (stat(out, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return export_into(c, out, &o, err);
    r = fc_atomic_begin(&file, out, err);
    if (r < 0)
        return r;
    o.fd = file.fd;
    r = export(c, &o, err);
    if (r == 0)
        r = fc_atomic_commit(&file, true, err);
    if (r == 0)
        cli_say(cli, "%s: %s, %s", out, c->name, cli_size(size, o.written));
    return r;
}

static int export_layout(const struct cli *cli, const struct content *c, const char *out, struct fc_error *err)
{
    int r = strcmp(out, "-") == 0
                ? cli_usage(err, "export: an image layout is a directory: give its name, or -f oci-archive")
                : fc_oci_write_layout(c->image, c->layout, out, c->tag, err);
    char digest[FC_DIGEST_TEXT];

    if (r == 0)
        cli_say(cli, "%s:%s: image layout, %zu layer%s, %s", out, c->tag, c->image->n_layers,
                c->image->n_layers == 1 ? "" : "s", fc_digest_format(&c->image->manifest_digest, digest));
    return r;
}

/* A tag that nobody could ask for is refused before the long work (image-spec, "Pre-Defined Annotation Keys"). */
static int check_tag(const char *tag, bool docker, struct fc_error *err)
{
    fc_auto(fc_oci_ref_release) struct fc_oci_ref ref = {0};
    char shown[160];

    if (!tag)
        return 0;
    if (docker)
        return fc_oci_ref_parse(tag, &ref, err);
    if (*tag && !tag[strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:@/+")])
        return 0;
    return cli_usage(err, "export: \"%s\" is not a tag: letters, digits and - . _ : @ / +",
                     fc_name_show(shown, sizeof(shown), tag, strlen(tag)));
}

/* The tree as an image in the cache first, then to where it is wanted. */
static int export_image(struct cli *cli, const struct cli_args *args, const struct cli_view *v, const char *format,
                        const char *out, struct fc_error *err)
{
    fc_auto(fc_oci_made_release) struct fc_oci_made made = {0};
    struct fc_fetcher *f = NULL;
    struct content c = {.v = v, .image = &made, .docker = strcmp(format, "docker-archive") == 0, .name = format};
    int r = cli_fetcher_new(cli, fc_cache_dir(v->cache), &f, err);

    c.tag = cli_value(args, 't') ? cli_value(args, 't') : c.docker ? NULL : "latest";
    if (r == 0) /* docker load takes compressed layers only from version 1.10 on */
        r = cli_image_make(cli, args, v, f, c.docker ? "none" : "gzip", &made, err);
    if (r == 0) {
        c.layout = fc_fetcher_layout(f);
        r = strcmp(format, "oci") == 0 ? export_layout(cli, &c, out, err) : export_to(cli, &c, out, err);
    }
    cli_fetcher_free(f);
    return r;
}

/* Options of images mean nothing for a tar of the tree. */
static int check_options(const struct cli_args *args, bool image, struct fc_error *err)
{
    static const int of_images[] = {'t', CLI_OPT_COMPRESSION, CLI_OPT_LEVEL, CLI_OPT_SQUASH, CLI_OPT_IMAGE_ARCH};

    for (size_t i = 0; i < FC_LENGTH(of_images) && !image; i++)
        if (cli_has(args, of_images[i]))
            return cli_usage(err, "export: --tag, --compression, --squash and --platform are for images: -f oci, "
                                  "oci-archive or docker-archive");
    return 0;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    const char *out = args->operands[args->n_operands - 1];
    const char *format = cli_value(args, 'f') ? cli_value(args, 'f') : "tar";
    bool image = strcmp(format, "tar") != 0;
    struct cli_view v = {0};
    size_t n = 0;
    fc_auto(fc_free) const char **layers = cli_layers_of(args, 'l', true, &n);
    int r;

    if (!layers)
        return fc_fail_errno(err, ENOMEM, "export");
    if (n && !cli_has(args, 'l'))
        return cli_usage(err, "export: unexpected argument %s (layers are given with -l)", out);
    if (strcmp(out, "-") == 0 && isatty(STDOUT_FILENO))
        return cli_usage(err, "export: a tar is not for a terminal; send it to a file or a pipe");
    r = check_options(args, image, err);
    if (r == 0)
        r = check_tag(cli_value(args, 't'), strcmp(format, "docker-archive") == 0, err);
    if (r == 0)
        r = cli_view_open_args(cli, args, layers, n, true, &v, err);
    if (r == 0)
        r = image ? export_image(cli, args, &v, format, out, err)
                  : export_to(cli, &(struct content){.v = &v, .name = "tar"}, out, err);
    cli_view_release(&v);
    return r;
}

static const struct cli_example examples[] = {
    {"Into a file", "fccompose export rootfs.tar"},
    {"An image, back into a workspace", "fccompose export -i rootfs.ext4 - | fccompose init -"},
    {"Into a container engine", "fccompose export -f docker-archive -t mytree:1 - | docker load"},
    {0},
};

const struct cli_command cmd_export = {
    .name = "export",
    .group = CLI_GROUP_OUT,
    .summary = "Write the tree as a tar or an OCI or Docker image",
    .usage = "[OPTIONS] OUT\n-l LAYER... OUT\n-i IMAGE OUT",
    .options = options,
    .about = "The whole merged tree as one tar (PAX where that is needed), names in order; the same tree gives the "
             "same bytes. OUT "
             "is a file or - for standard output. Of an image /lost+found is left out when it is empty, and what is in "
             "its journal alone is not seen: there is a warning then.\n\n"
             "With -f oci (OUT is a directory), oci-archive or docker-archive it is an image: a layer for each of the "
             "stack's and one for the edits, and a configuration (fccompose config). The same layers give the same "
             "bytes; SOURCE_DATE_EPOCH is the time of creation, and without it none is said.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = -1,
    .completes = CLI_WORD_FILE,
    .run = run,
};
