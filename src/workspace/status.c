/* SPDX-License-Identifier: Apache-2.0 */
/* What the workspace is like, forgetting edits, and getting lost layers back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "fuse/fuse.h"
#include "layer/gc.h"
#include "stack/stack.h"
#include "workspace/internal.h"
#include "workspace/roots.h"

int ws_need_write(const struct fc_workspace *ws, const char *what, struct fc_error *err)
{
    if (ws->options.mode == FC_WORKSPACE_WRITE && !ws->options.read_only && !ws->options.for_mount)
        return 0;
    return fc_fail(err, EINVAL, "%s: cannot %s: the workspace is open for %s", ws->dir, what,
                   ws->options.for_mount ? "a mount" : "reading only");
}

int fc_workspace_reset(struct fc_workspace *ws, const char *const *paths, size_t n, struct fc_error *err)
{
    int r = ws_need_write(ws, "reset", err);

    if (r == 0)
        r = fc_live_reset(ws->view->live, paths, n, err);
    if (r == 0)
        r = fc_live_sync(ws->view->live, false, err);
    if (r == 0)
        r = fc_edit_begin(ws->edit, err);
    if (r < 0)
        return r;
    if (n == 0)
        r = fc_edit_conflict_del(ws->edit, "", err);
    for (size_t i = 0; i < n && r == 0; i++)
        r = fc_edit_conflict_del(ws->edit, paths[i], err);
    if (r == 0)
        r = fc_edit_commit(ws->edit, true, err);
    if (r < 0)
        fc_edit_rollback(ws->edit);
    return r;
}

int fc_workspace_status(struct fc_workspace *ws, struct fc_workspace_status *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *socket = NULL;
    fc_auto(fc_close) int fd = -1;
    struct fc_edit_counts counts;
    struct fc_workspace_status s = {0};
    int r = 0;

    if (ws->options.mode == FC_WORKSPACE_WRITE && !ws->options.read_only)
        r = fc_live_sync(ws->view->live, false, err);
    if (r == 0)
        r = fc_edit_counts(ws->edit, &counts, err);
    if (r < 0)
        return r;
    s.n_inodes = counts.inodes;
    s.n_names = counts.dentries;
    s.n_conflicts = counts.conflicts;
    s.data_bytes = counts.data_bytes;
    if (ws->control_fd >= 0) {
        struct fc_control_info info = {0};

        /* The pin has its connection to itself. That the mount ends between is no failure of ours. */
        socket = fc_workspace_socket(ws->dir);
        fd = socket ? fc_control_connect(socket, NULL) : -1;
        if (fd >= 0 && fc_control_info(fd, &info, NULL) == 0) {
            s.pid = info.pid;
            s.mounted = *info.mountpoint;
            s.mountpoint = fc_steal(&info.mountpoint);
            s.disk = fc_steal(&info.disk);
        }
    }
    *ret = s;
    return 0;
}

void fc_workspace_status_release(struct fc_workspace_status *s)
{
    free(s->mountpoint);
    free(s->disk);
    *s = (struct fc_workspace_status){0};
}

int fc_workspace_conflicts(struct fc_workspace *ws, int (*fn)(void *arg, const char *path, const char *what), void *arg,
                           struct fc_error *err)
{
    return fc_edit_conflicts(ws->edit, fn, arg, err);
}

/* Import what @row names; a relative path may have been meant from the workspace's directory. */
static int import_row(const char *dir, struct fc_cache *cache, const struct fc_edit_layer *row,
                      const struct fc_import_options *options, struct fc_imported *ret, struct fc_error *err)
{
    size_t prefix = fc_locator_prefix(row->locator);
    const char *rest = row->locator + prefix;
    fc_auto(fc_free) char *path = NULL;
    int r = fc_stack_import(cache, row->locator, options, ret, err);

    if (r != -ENOENT || *rest == '/' || (prefix == 0 && strchr(rest, ':')))
        return r;
    if (asprintf(&path, "%.*s%s/%s", (int)prefix, row->locator, dir, rest) < 0)
        return path = NULL, fc_fail(err, ENOMEM, "out of memory");
    return fc_stack_import(cache, path, options, ret, err);
}

/* The bytes that @row was made of, if that was remembered: a tag that moved since does not matter then. */
static int remembered(struct fc_edit *edit, const struct fc_edit_layer *row, struct fc_lock_entry *ret,
                      struct fc_error *err)
{
    fc_auto(fc_free) char *source = NULL;
    char key[WS_SOURCE_KEY];
    int r = fc_edit_meta_get(edit, ws_source_key(key, row->id), &source, err);

    if (r < 0 || !source)
        return r;
    return fc_lock_entry_parse(source, row->locator, ret, NULL) == 0;
}

/* Whether what @row's locator names now has its layer; of an image it is one of several. */
static int pull_row(const char *dir, struct fc_cache *cache, struct fc_edit *edit, const struct fc_edit_layer *row,
                    const struct fc_import_options *options, struct fc_error *err)
{
    fc_auto(fc_imported_release) struct fc_imported imported = {0};
    fc_auto(fc_lock_entry_release) struct fc_lock_entry locked = {0};
    struct fc_import_options exact = options ? *options : (struct fc_import_options){0};
    char want[FC_DIGEST_TEXT], got[FC_DIGEST_TEXT];
    int r = remembered(edit, row, &locked, err);

    exact.locked = r > 0 ? &locked : NULL;
    if (r >= 0)
        r = import_row(dir, cache, row, &exact, &imported, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < imported.n_layers; i++)
        if (memcmp(fc_layer_diffid(imported.layers[i]), &row->diffid, sizeof(row->diffid)) == 0)
            return 0;
    if (imported.n_layers > 1)
        return fc_fail(err, ESTALE, "%s no longer has the layer %s that the workspace was made with", row->locator,
                       fc_digest_format(&row->diffid, want));
    return fc_fail(
        err, ESTALE,
        "%s is now %s, the workspace was made with %s: it has changed since, or was imported with --owner or "
        "--exclude",
        row->locator, fc_digest_format(fc_layer_diffid(imported.layers[0]), got), fc_digest_format(&row->diffid, want));
}

/* A damaged layer that can be imported again. Returns -ENOENT: it is not there any more. */
static int set_aside(struct fc_cache *cache, const struct fc_edit_layer *row, struct fc_error *err)
{
    char text[FC_DIGEST_TEXT];
    int r;

    fc_log(FC_LOG_WARN, "the layer %s is damaged: set aside, importing it again from %s",
           fc_digest_format(&row->diffid, text), row->locator);
    r = fc_layer_set_aside(cache, &row->diffid, err);
    return r < 0 ? r : -ENOENT;
}

/*
 * Open a layer, -ENOENT when it is to be imported again. One that nothing can bring back stays as it is, and so does, until its
 * import has made another, one of which only bytes are damaged.
 */
static int open_again(struct fc_cache *cache, const struct fc_edit_layer *row, struct fc_layer **ret,
                      struct fc_error *err)
{
    int r = fc_layer_open(cache, &row->diffid, ret, err);

    if (r == -EBADMSG && !fc_stack_only_in_cache(row->locator))
        return set_aside(cache, row, err);
    if (r < 0 || fc_stack_only_in_cache(row->locator) || !fc_layer_is_damaged(*ret))
        return r;
    fc_log(FC_LOG_WARN, "bytes of the layer \"%s\" are damaged: importing it again from %s", row->name, row->locator);
    return -ENOENT;
}

int fc_workspace_pull(const char *dir, struct fc_cache *cache, const struct fc_import_options *options,
                      struct fc_error *err)
{
    fc_auto(fc_edit_free) struct fc_edit *edit = NULL;
    fc_auto(fc_free) char *found = NULL, *store = NULL;
    const struct fc_edit_layer *rows;
    size_t n;
    int done = 0, r = fc_workspace_find(dir, &found, err);

    if (r < 0)
        return r;
    if (asprintf(&store, "%s/" FC_WORKSPACE_FOLDER, found) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    fc_roots_add(cache, found);
    r = fc_edit_open(store, FC_EDIT_READ, &edit, err);
    if (r < 0)
        return r;
    rows = fc_edit_layers(edit, &n);
    for (size_t i = 0; i < n; i++) {
        fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;

        r = open_again(cache, &rows[i], &layer, err);
        if (r == -ENOENT) {
            r = pull_row(found, cache, edit, &rows[i], options, err);
            done += r == 0;
        }
        if (r < 0)
            return r;
    }
    return done;
}
