/* SPDX-License-Identifier: Apache-2.0 */
/* Send edits to the workspace or to its mount process. */
#include "cli/editor.h"

#include <errno.h>
#include <string.h>

#include "fuse/fuse.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

/* Whether a mount process answers on @socket. */
static bool is_served(const char *socket)
{
    fc_auto(fc_close) int fd = fc_control_connect(socket, NULL);

    return fd >= 0;
}

int cli_editor_open(struct cli *cli, struct cli_editor *ret, struct fc_error *err)
{
    struct cli_editor e = {0};
    fc_auto(fc_free) char *dir = NULL;
    int r = fc_workspace_find(NULL, &dir, err);

    if (r < 0)
        return r;
    e.socket = fc_workspace_socket(dir);
    if (!e.socket)
        return fc_fail_errno(err, ENOMEM, "%s", dir);
    if (!is_served(e.socket)) {
        free(fc_steal(&e.socket));
        r = fc_cache_open(NULL, &e.cache, err);
        if (r == 0)
            r = fc_workspace_open(dir, e.cache, FC_WORKSPACE_WRITE, &e.ws, err);
    }
    if (r < 0) {
        cli_editor_release(&e);
        return r;
    }
    (void)cli;
    *ret = e;
    return 0;
}

static int apply_remote(const char *socket, const struct fc_verb *verb, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_close) int fd = -1;

    if (fc_verb_encode(verb, &text) < 0)
        return fc_fail_errno(err, ENOMEM, "%s", verb->path);
    fd = fc_control_connect(socket, err);
    return fd < 0 ? fd : fc_control_verb(fd, text.data, text.len, verb->fd, err);
}

int cli_editor_apply(struct cli_editor *e, const struct fc_verb *verb, struct fc_error *err)
{
    return e->socket ? apply_remote(e->socket, verb, err) : fc_verb_apply(fc_workspace_live(e->ws), verb, err);
}

int cli_editor_reset(struct cli_editor *e, const char *const *paths, size_t n, struct fc_error *err)
{
    fc_auto(fc_close) int fd = -1;

    if (!e->socket)
        return fc_workspace_reset(e->ws, paths, n, err);
    fd = fc_control_connect(e->socket, err);
    return fd < 0 ? fd : fc_control_reset(fd, paths, n, err);
}

int cli_editor_finish(struct cli_editor *e, struct fc_error *err)
{
    return e->ws ? fc_workspace_sync(e->ws, err) : 0; /* the mount process commits by itself */
}

void cli_editor_release(struct cli_editor *e)
{
    free(e->socket);
    fc_workspace_free(e->ws);
    fc_cache_free(e->cache);
    memset(e, 0, sizeof(*e));
}

int cli_edit_each(struct cli *cli, struct fc_verb *verb, const char *const *paths, size_t n, struct fc_error *err)
{
    struct cli_editor e __attribute__((cleanup(cli_editor_release_auto))) = {0};
    struct fc_error late = {0};
    int r = cli_editor_open(cli, &e, err), r2;

    for (size_t i = 0; i < n && r == 0; i++) {
        verb->path = paths[i];
        r = cli_editor_apply(&e, verb, err);
    }
    r2 = cli_editor_finish(&e, &late);
    if (r == 0 && r2 < 0)
        *err = late;
    return r < 0 ? r : r2;
}

int cli_verb_owner(const struct cli_args *args, int id, struct fc_verb *verb, struct fc_error *err)
{
    const char *owner = cli_value(args, id);
    bool have_uid = false, have_gid = false;
    int r = owner ? cli_parse_owner("--owner", owner, &have_uid, &verb->uid, &have_gid, &verb->gid, err) : 0;

    verb->flags |= (have_uid ? FC_VERB_SET_UID : 0u) | (have_gid ? FC_VERB_SET_GID : 0u);
    return r;
}
