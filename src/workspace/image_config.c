/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of the image that a workspace came from, kept for what is made of it. */
#include <errno.h>

#include "workspace/internal.h"

/* Its place among the store's settings. */
static const char key[] = "image_config";

int fc_workspace_config(struct fc_workspace *ws, char **ret_config, struct fc_error *err)
{
    return fc_edit_meta_get(ws->edit, key, ret_config, err);
}

int fc_workspace_config_set(struct fc_workspace *ws, const char *config, struct fc_error *err)
{
    int r = ws_need_write(ws, "config", err);

    if (r == 0)
        r = fc_edit_begin(ws->edit, err);
    if (r < 0)
        return r;
    r = fc_edit_meta_set(ws->edit, key, config, err);
    if (r == 0)
        r = fc_edit_commit(ws->edit, true, err);
    if (r < 0)
        fc_edit_rollback(ws->edit);
    return r;
}
