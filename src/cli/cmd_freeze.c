/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose freeze: write the tree as an ext4 image. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "cli/commands.h"
#include "cli/freeze.h"
#include "cli/freeze_plan.h"
#include "cli/progress.h"
#include "cli/view.h"
#include "workspace/workspace.h"

static int derive(const char *what, const uint8_t uuid[16], struct fc_digest *ret)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    int r = h ? fc_hasher_add(h, what, strlen(what) + 1) : -ENOMEM;

    if (r == 0)
        r = fc_hasher_add(h, uuid, 16);
    return r == 0 ? fc_hasher_finish(h, ret) : r;
}

/* The salt and the UUID of a hash tree come from the image's @uuid, so that the same image has the same tree. */
static int seed_verity(const uint8_t uuid[16], struct fc_image_verity_options *verity, struct fc_error *err)
{
    struct fc_digest salt, own;
    int r = derive("fccompose verity salt", uuid, &salt);

    if (r == 0)
        r = derive("fccompose verity UUID", uuid, &own);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot derive the salt");
    own.bytes[6] = (uint8_t)((own.bytes[6] & 0x0f) | 0x80); /* RFC 9562: version 8, of one's own making */
    own.bytes[8] = (uint8_t)((own.bytes[8] & 0x3f) | 0x80);
    memcpy(verity->salt, salt.bytes, sizeof(verity->salt));
    memcpy(verity->uuid, own.bytes, sizeof(verity->uuid));
    return 0;
}

static int write_out(const struct fc_image *image, const struct freeze_request *f, struct fc_image_write_result *ret,
                     struct fc_error *err)
{
    if (strcmp(f->out, "-") != 0)
        return fc_image_write(image, f->out, &f->write, ret, err);
    return fc_image_stream(image, STDOUT_FILENO, &f->write, ret, err);
}

/* Where a workspace remembers what it wrote to which path. Layers from the command line leave nothing behind. */
static int find_records(const struct cli_view *v, char **ret, struct fc_error *err)
{
    if (v->ws && asprintf(ret, "%s/%s/frozen", fc_workspace_dir(v->ws), FC_WORKSPACE_FOLDER) < 0) {
        *ret = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

static int write_plan(struct freeze_request *f, const struct freeze_plan *plan, struct fc_image_write_result *ret,
                      struct fc_error *err)
{
    int r = seed_verity(plan->summary.uuid, &f->write.verity, err);

    f->write.previous = plan->over ? &plan->previous : NULL;
    f->write.note = plan->note.data;
    f->write.n_note = plan->note.len;
    return r < 0 ? r : write_out(plan->image, f, ret, err);
}

static int plan_and_write(struct cli *cli, struct freeze_request *f, struct cli_view *v, bool whole,
                          struct freeze_report *report, struct fc_error *err)
{
    struct freeze_plan plan __attribute__((cleanup(freeze_plan_release))) = {.previous.fd = -1};
    int r = freeze_plan(v, f, whole, &plan, err);

    if (r == -ENOSPC && plan.summary.needed)
        cli_hint(cli, "next: --size %lluK or more, or --size auto",
                 (unsigned long long)(plan.summary.needed + 1023) / 1024);
    if (r == 0)
        r = write_plan(f, &plan, &report->result, err);
    if (r < 0)
        return r;
    freeze_plan_save(&plan, f);
    report->summary = plan.summary;
    report->n_objects = plan.n_objects;
    report->over = plan.over;
    return 0;
}

static int freeze(struct cli *cli, struct freeze_request *f, struct cli_view *v, struct fc_error *err)
{
    fc_auto(fc_free) char *records = NULL;
    double began = cli_progress_now();
    struct freeze_report report = {0};
    int r = find_records(v, &records, err);

    f->write.records = records;
    if (r == 0)
        r = plan_and_write(cli, f, v, false, &report, err);
    if (r == -ESTALE) /* somebody wrote to the image that was there */
        r = plan_and_write(cli, f, v, true, &report, err);
    if (r < 0)
        return r;
    report.seconds = cli_progress_now() - began;
    return freeze_print(cli, f, &report, err);
}

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
        r = freeze(cli, &f, &v, err);
    cli_view_release(&v);
    return r;
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
