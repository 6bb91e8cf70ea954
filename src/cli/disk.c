/* SPDX-License-Identifier: Apache-2.0 */
/* Plan a virtual disk's images, name them for an overlay, and serve them. */
#include "cli/disk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "cli/disk_digest.h"
#include "workspace/workspace.h"

/** An image, and the snapshot that it borrows from (NULL: somebody else's). */
struct planned {
    struct fc_image *image;
    struct fc_snapshot *snapshot;
};

static void release_planned(void *owner)
{
    struct planned *p = owner;

    fc_image_free(p->image);
    fc_snapshot_free(p->snapshot);
    free(p);
}

/* What programs have stored into mappings belongs to the moment, too. */
static int get_version(void *arg, uint64_t *ret, struct fc_error *err)
{
    struct cli_disk *d = arg;
    int r = d->mount ? fc_mount_flush(d->mount, err) : 0;

    *ret = d->live ? fc_live_version(d->live) : 0;
    return r;
}

static int plan_with(struct cli_disk *d, struct fc_disk_image *ret, struct fc_ext4_summary *summary,
                     const struct fc_snapshot **ret_snapshot, struct fc_error *err)
{
    struct planned *p = calloc(1, sizeof(*p));
    int r = 0;

    if (!p)
        return fc_fail(err, ENOMEM, "out of memory");
    if (d->live)
        r = fc_live_snapshot(d->live, &p->snapshot, err);
    *ret_snapshot = p->snapshot ? p->snapshot : d->snapshot;
    if (r == 0)
        r = fc_ext4_plan(*ret_snapshot, &d->ext4, &p->image, summary, err);
    if (r < 0) {
        release_planned(p);
        return r;
    }
    *ret = (struct fc_disk_image){.image = p->image, .release = release_planned, .owner = p};
    return 0;
}

static int get_plan(void *arg, struct fc_disk_image *ret, struct fc_error *err)
{
    struct cli_disk *d = arg;
    struct fc_ext4_summary summary = {0};
    const struct fc_snapshot *snapshot;
    int r = plan_with(d, ret, &summary, &snapshot, err);

    if (r < 0)
        d->last = *err;
    return r;
}

/* With --rw the plan is made once: an overlay is worth something with this one only. */
static int open_overlay(struct cli_disk *d, struct fc_error *err)
{
    struct fc_ext4_summary summary = {0};
    const struct fc_snapshot *snapshot;
    struct fc_overlay_id id;
    int r = plan_with(d, &d->base, &summary, &snapshot, err);

    if (r < 0)
        return r;
    memcpy(id.uuid, summary.uuid, sizeof(id.uuid));
    r = cli_disk_digest(d->base.image, snapshot, &d->stack, &id.plan, err);
    return r < 0 ? r : fc_overlay_open(d->base.image, d->rw, &id, &d->overlay, err);
}

char *cli_disk_dir(const char *workspace)
{
    char *path;

    return asprintf(&path, "%s/" FC_WORKSPACE_FOLDER "/disk", workspace) < 0 ? NULL : path;
}

/* A dead mount cannot even be looked at, so it goes first. */
static int prepare_dir(const char *dir, struct fc_error *err)
{
    int r = fc_mount_probe(dir) == 2 ? fc_mount_undo(dir, true, err) : 0;

    return r < 0 ? r : fc_mkdir_all(dir, err);
}

int cli_disk_start(struct cli_disk *d, const char *dir, struct fc_error *err)
{
    struct fc_disk_options o = {
        .mountpoint = dir, .version = get_version, .plan = get_plan, .arg = d, .allow_other = d->allow_other};
    int r = prepare_dir(dir, err);

    if (r == 0 && d->rw)
        r = open_overlay(d, err);
    o.overlay = d->overlay;
    return r < 0 ? r : fc_disk_new(&o, &d->disk, err);
}

int cli_disk_try(struct cli_disk *d, struct fc_error *err)
{
    struct stat st;
    int code;

    if (stat(fc_disk_path(d->disk), &st) == 0)
        return 0;
    code = errno;
    if (d->last.code != code)
        return fc_fail_errno(err, code, "%s", fc_disk_path(d->disk));
    if (err)
        *err = d->last;
    return -code;
}

void cli_disk_stop(struct cli_disk *d)
{
    fc_disk_free(fc_steal(&d->disk));
    fc_overlay_free(fc_steal(&d->overlay));
    if (d->base.release)
        d->base.release(d->base.owner);
    d->base = (struct fc_disk_image){0};
}
