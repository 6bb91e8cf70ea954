/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose export: write the tree as a tar. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/view.h"
#include "export/export.h"

static const struct cli_option options[] = {
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

static int export(const struct cli_view *v, struct output *o, struct fc_error *err)
{
    int r;

    if (o->progress)
        o->progress->begin(o->progress, "export", 0, FC_PROGRESS_BYTES);
    r = fc_export_tar(v->snapshot, sink, o, err);
    if (o->progress)
        o->progress->end(o->progress, r == 0);
    return r;
}

/* A device or FIFO is written to: it must not be replaced by a file. */
static int export_into(const struct cli_view *v, const char *out, struct output *o, struct fc_error *err)
{
    int r;

    o->fd = open(out, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (o->fd < 0)
        return fc_fail_errno(err, errno, "cannot write %s", out);
    r = export(v, o, err);
    if (close(o->fd) < 0 && r == 0)
        r = fc_fail_errno(err, errno, "cannot write %s", out);
    return r;
}

static int export_to(struct cli *cli, const struct cli_view *v, const char *out, struct fc_error *err)
{
    struct fc_atomic file __attribute__((cleanup(fc_atomic_release_auto))) = {0};
    struct output o = {.fd = STDOUT_FILENO, .progress = cli->progress};
    struct stat st;
    char size[32];
    int r;

    if (strcmp(out, "-") == 0)
        return export(v, &o, err);
    if (stat(out, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return export_into(v, out, &o, err);
    r = fc_atomic_begin(&file, out, err);
    if (r < 0)
        return r;
    o.fd = file.fd;
    r = export(v, &o, err);
    if (r == 0)
        r = fc_atomic_commit(&file, true, err);
    if (r == 0)
        cli_say(cli, "%s: tar, %s", out, cli_size(size, o.written));
    return r;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    const char *out = args->operands[args->n_operands - 1];
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
    r = cli_view_open_args(cli, args, layers, n, true, &v, err);
    if (r == 0)
        r = export_to(cli, &v, out, err);
    cli_view_release(&v);
    return r;
}

static const struct cli_example examples[] = {
    {"Into a file", "fccompose export rootfs.tar"},
    {"An image, back into a workspace", "fccompose export -i rootfs.ext4 - | fccompose init -"},
    {"Into a container engine", "fccompose export - | docker import - mytree"},
    {0},
};

const struct cli_command cmd_export = {
    .name = "export",
    .group = CLI_GROUP_OUT,
    .summary = "Write the tree as a tar",
    .usage = "OUT.tar\n-l LAYER... OUT.tar\n-i IMAGE OUT.tar",
    .options = options,
    .about = "The whole merged tree as one tar (PAX where that is needed), names in order; the same tree gives the "
             "same bytes. OUT "
             "is a file or - for standard output. Of an image /lost+found is left out when it is empty, and what is in "
             "its journal alone is not seen: there is a warning then.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = -1,
    .completes = CLI_WORD_FILE,
    .run = run,
};
