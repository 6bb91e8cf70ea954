/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose freeze: write the tree as an ext4 image. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/freeze.h"
#include "cli/view.h"

/* A device that is written in place must not be where the contents are. */
static int refuse_itself(const char *image, const char *out, struct fc_error *err)
{
    struct stat from, to;

    if (!image || stat(image, &from) < 0 || stat(out, &to) < 0 || !S_ISBLK(to.st_mode))
        return 0;
    if (S_ISBLK(from.st_mode) ? from.st_rdev == to.st_rdev : from.st_dev == to.st_rdev)
        return fc_fail(err, EINVAL, "%s holds the image %s: freeze it into a file first", out, image);
    return 0;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct freeze_request f __attribute__((cleanup(freeze_request_release))) = {0};
    struct freeze_report report;
    struct cli_view v = {0};
    int r = freeze_take(cli, args, &f, err);

    if (r != 0)
        return r;
    if (f.is_virtual)
        return freeze_virtual(cli, &f, err);
    r = refuse_itself(cli_value(args, 'i'), f.out, err);
    if (r == 0)
        r = cli_view_open_lazy(cli, args, f.layers, f.n_layers, true, &v, err);
    if (r == 0)
        r = freeze_write(cli, &f, &v, &report, err);
    cli_view_release(&v);
    return r < 0 ? r : freeze_print(cli, &f, &report, err);
}

static const struct cli_example examples[] = {
    {"The workspace, with 64 MiB for the guest to write", "fccompose freeze --free 64M out.ext4"},
    {"Tarballs, with no workspace", "fccompose freeze -l base.tar.gz -l app.tar.zst --size 1G out.ext4"},
    {"An image, as small as it can be", "fccompose freeze -i big.ext4 small.ext4"},
    {"Read-only, checked by the guest's kernel block by block", "fccompose freeze --verity append --sha256 out.ext4"},
    {"Into another program", "fccompose freeze - | zstd > out.ext4.zst"},
    {"Not written at all: a machine reads it from the layers",
     "qemu-system-x86_64 ... -drive file=$(fccompose freeze --virtual),format=raw,readonly=on"},
    {"A machine that writes, and goes on where it was the next time",
     "qemu-system-x86_64 ... -drive file=$(fccompose freeze --virtual --free 1G --rw vm1.overlay),format=raw"},
    {0},
};

const struct cli_command cmd_freeze = {
    .name = "freeze",
    .group = CLI_GROUP_OUT,
    .summary = "Write the tree as an ext4 image",
    .usage = "[OPTIONS] OUT\n[OPTIONS] -l LAYER... OUT\n[OPTIONS] -i IMAGE OUT\n"
             "--virtual [OPTIONS]\n--virtual [OPTIONS] -l LAYER... DIR",
    .options = freeze_options,
    .about =
        "OUT is a file, which appears complete or not at all (one that is there is replaced), a block device, or - for "
        "standard output. The same layers, edits and options give the same bytes. The workspace may be mounted: the "
        "image "
        "shows one moment.\n\n"
        "With --virtual nothing is written: the same bytes are offered as the file .fccompose/disk/disk.ext4 (with -l: "
        "DIR/disk.ext4), whose path is printed, and which is there until `fccompose umount`. Each time that it is "
        "opened "
        "it is the tree as it is then, and stays that until it is closed. A mounted workspace has that file anyway. "
        "With --rw FILE it can be written to, by one machine at a time: what is written goes to FILE, and the next "
        "time "
        "the same FILE goes on from there, as long as the tree and the options are the same; the tree then shows as it "
        "was when the file was offered.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = -1,
    .completes = CLI_WORD_FILE,
    .run = run,
};
