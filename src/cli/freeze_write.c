/* SPDX-License-Identifier: Apache-2.0 */
/* A view as an image in its place: planned, written, remembered for the next time. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "cli/freeze_plan.h"
#include "cli/progress.h"
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
static int find_records(const struct freeze_request *f, const struct cli_view *v, char **ret, struct fc_error *err)
{
    if (f->records) {
        *ret = strdup(f->records);
        return *ret ? 0 : fc_fail(err, ENOMEM, "out of memory");
    }
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

int freeze_write(struct cli *cli, struct freeze_request *f, struct cli_view *v, struct freeze_report *ret,
                 struct fc_error *err)
{
    fc_auto(fc_free) char *records = NULL;
    double began = cli_progress_now();
    int r = f->temporary ? 0 : find_records(f, v, &records, err);

    *ret = (struct freeze_report){0};
    f->write.records = records;
    if (r == 0)
        r = plan_and_write(cli, f, v, false, ret, err);
    if (r == -ESTALE) /* somebody wrote to the image that was there */
        r = plan_and_write(cli, f, v, true, ret, err);
    f->write.records = NULL;
    ret->seconds = cli_progress_now() - began;
    return r;
}
