/* SPDX-License-Identifier: Apache-2.0 */
/* Make the edits a layer on top of the stack. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "workspace/internal.h"

int fc_workspace_commit(struct fc_workspace *ws, const char *name, struct fc_digest *ret_diffid, struct fc_error *err)
{
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    fc_auto(fc_free) struct ws_slot *slots = NULL;
    fc_auto(fc_free) char *locator = NULL;
    struct fc_workspace_new_layer add;
    const struct fc_edits_source edits = {ws->view->live, ws->view->tree, ws->cache, ws->store};
    int r = ws_need_write(ws, "commit", err);

    if (r == 0)
        r = fc_edits_layer(&edits, name, &layer, err);
    if (r < 0)
        return r;
    slots = calloc(ws->n_stack + 1, sizeof(*slots));
    if (!slots || asprintf(&locator, "commit:%s", name) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    add = (struct fc_workspace_new_layer){.layer = layer, .locator = locator, .name = name};
    for (uint32_t i = 0; i < ws->n_stack; i++)
        slots[i].id = ws->view->ids[i];
    slots[ws->n_stack].add = &add;
    r = ws_restack(ws, slots, ws->n_stack + 1, true, err);
    if (r == 0 && ret_diffid)
        *ret_diffid = *fc_layer_diffid(layer);
    return r;
}
