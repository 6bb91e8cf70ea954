/* SPDX-License-Identifier: Apache-2.0 */
/* Plan the image for `fccompose freeze`: over the one that is there where that will do, else whole. */
#include "cli/freeze_plan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "workspace/workspace.h"

/* A file remembers what is written to it, if its workspace does. */
static bool is_remembered(const struct cli_view *v, const struct freeze_request *f)
{
    struct stat st;

    return v->ws && f->write.records && strcmp(f->out, "-") != 0 && fc_ext4_can_save(&f->ext4) &&
           (stat(f->out, &st) < 0 || S_ISREG(st.st_mode));
}

/* Returns 1 when @ret is planned over the image that is there. */
static int plan_over(struct cli_view *v, const struct freeze_request *f, bool whole, struct freeze_plan *ret)
{
    const uint64_t *before = NULL;
    size_t n = 0;

    if (!is_remembered(v, f))
        return 0;
    if (!whole && !f->write.fresh && fc_image_previous_open(f->write.records, f->out, &ret->previous) == 1)
        before = fc_ext4_edited_before(&ret->previous, &n);
    /* A failure here is told by the snapshot of the whole. */
    if (fc_live_changes(fc_workspace_live(v->ws), before, n, &ret->changes, NULL) < 0 || ret->previous.fd < 0)
        return 0;
    ret->n_objects = ret->changes->n_objects;
    ret->over = fc_ext4_plan_again(ret->changes, &ret->previous, f->write.records, &f->ext4, &ret->image, &ret->summary,
                                   &ret->note) == 1;
    return ret->over;
}

int freeze_plan(struct cli_view *v, const struct freeze_request *f, bool whole, struct freeze_plan *ret,
                struct fc_error *err)
{
    int r;

    if (plan_over(v, f, whole, ret) == 1)
        return 0;
    r = cli_view_snapshot(v, err);
    if (r < 0)
        return r;
    fc_snapshot_inodes(v->snapshot, &ret->n_objects);
    r = fc_ext4_plan_made(v->snapshot, &f->ext4, &ret->image, &ret->summary, &ret->made, err);
    if (r == 0 && ret->changes && fc_ext4_made_note(ret->made, ret->changes, &ret->note) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    if (!ret->changes) { /* nothing will be remembered: the tables are not needed any more */
        fc_ext4_made_free(ret->made);
        ret->made = NULL;
    }
    return r;
}

void freeze_plan_save(const struct freeze_plan *plan, const struct freeze_request *f)
{
    if (plan->made && plan->changes)
        (void)fc_ext4_made_save(plan->made, f->write.records);
}

void freeze_plan_release(struct freeze_plan *plan)
{
    fc_image_free(plan->image);
    fc_ext4_made_free(plan->made);
    fc_live_changes_free(plan->changes);
    fc_image_previous_release(&plan->previous);
    fc_buf_release(&plan->note);
    *plan = (struct freeze_plan){.previous.fd = -1};
}
