/* SPDX-License-Identifier: Apache-2.0 */
/* Change the stack in one transaction and carry the edits over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "workspace/internal.h"

static const char *last_part(const char *locator)
{
    const char *slash = strrchr(locator, '/');

    return slash && slash[1] ? slash + 1 : locator;
}

/* The row of a layer that left the stack and is still referred to: with it the inode numbers come back. */
static uint32_t old_row(const struct fc_edit *edit, const struct fc_digest *diffid, const uint32_t *taken,
                        size_t n_taken)
{
    const struct fc_edit_layer *rows;
    size_t n;

    rows = fc_edit_layers(edit, &n);
    for (size_t i = 0; i < n; i++) {
        bool free_row = rows[i].position < 0 && memcmp(&rows[i].diffid, diffid, sizeof(*diffid)) == 0;

        for (size_t k = 0; k < n_taken && free_row; k++)
            free_row = taken[k] != rows[i].id;
        if (free_row)
            return rows[i].id;
    }
    return 0;
}

static int in_stack(const struct fc_workspace *ws, uint32_t position, struct fc_error *err)
{
    if (position < ws->n_stack)
        return 0;
    return fc_fail(err, ERANGE, "there is no layer %u: the stack has %u", position, ws->n_stack);
}

const char *ws_source_key(char key[WS_SOURCE_KEY], uint32_t id)
{
    snprintf(key, WS_SOURCE_KEY, "source/%u", id);
    return key;
}

static int set_source(struct fc_workspace *ws, uint32_t id, const char *source, struct fc_error *err)
{
    char key[WS_SOURCE_KEY];

    return fc_edit_meta_set(ws->edit, ws_source_key(key, id), source, err);
}

int fc_workspace_layer_source(struct fc_workspace *ws, uint32_t position, char **ret_source, struct fc_error *err)
{
    char key[WS_SOURCE_KEY];
    int r = in_stack(ws, position, err);

    return r < 0 ? r : fc_edit_meta_get(ws->edit, ws_source_key(key, ws->view->ids[position]), ret_source, err);
}

static int set_rows(struct fc_workspace *ws, const struct ws_slot *slots, size_t n, struct fc_error *err)
{
    fc_auto(fc_free) uint32_t *ids = calloc(n + 1, sizeof(*ids));
    int r = 0;

    if (!ids)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < n && r == 0; i++) {
        const struct fc_workspace_new_layer *add = slots[i].add;

        ids[i] = slots[i].id;
        if (!add)
            continue;
        ids[i] = old_row(ws->edit, fc_layer_diffid(add->layer), ids, i);
        if (!ids[i])
            r = fc_edit_layer_add(ws->edit, fc_layer_diffid(add->layer), add->locator,
                                  add->name ? add->name : last_part(add->locator),
                                  fc_layer_view(add->layer)->header->n_inodes, &ids[i], err);
        if (r == 0)
            r = set_source(ws, ids[i], add->source, err);
    }
    return r == 0 ? fc_edit_stack_set(ws->edit, ids, n, err) : r;
}

/* The new stack alone must give what stack and edits gave. Inode numbers differ, and with them FC_CHANGED_LINKS. */
static int check_same(const struct fc_tree *tree, const struct fc_snapshot *snapshot, struct fc_error *err)
{
    fc_auto(fc_diff_free) struct fc_diff *diff = NULL;
    const struct fc_change *c;
    char shown[200];
    size_t n;
    int r = fc_diff_new(tree, snapshot, &diff, err);

    if (r < 0)
        return r;
    c = fc_diff_changes(diff, &n);
    for (size_t i = 0; i < n; i++)
        if (c[i].kind != FC_CHANGE_MODIFIED || (c[i].what & ~(unsigned)FC_CHANGED_LINKS))
            return fc_fail(err, EIO, "the layer does not give the same tree (at /%s); nothing was changed",
                           fc_name_show(shown, sizeof(shown), c[i].path, strlen(c[i].path)));
    return 0;
}

/* Everything between begin and commit, which included. */
static int change(struct fc_workspace *ws, const struct ws_slot *slots, size_t n, bool absorbed,
                  const struct ws_rekey *rekey, struct ws_view *to, struct fc_error *err)
{
    int r = set_rows(ws, slots, n, err);

    if (r == 0)
        r = ws_view_fold(to, ws->cache, ws->edit, err);
    if (r == 0 && absorbed)
        r = check_same(to->tree, rekey->snapshot, err);
    if (r == 0 && absorbed)
        r = fc_edit_clear(ws->edit, err);
    if (r == 0 && absorbed)
        r = fc_edit_conflict_del(ws->edit, "", err);
    if (r == 0 && !absorbed)
        r = ws_rekey(rekey, err);
    if (r == 0)
        r = fc_edit_layer_gc(ws->edit, err);
    /* Opened before the commit: whatever could be wrong shows while everything can still be undone. */
    if (r == 0)
        r = ws_view_live(to, ws->edit, &ws->options, err);
    return r == 0 ? fc_edit_commit(ws->edit, false, err) : r;
}

static int try_restack(struct fc_workspace *ws, const struct ws_slot *slots, size_t n, bool absorbed,
                       struct ws_view *to, struct fc_error *err)
{
    fc_auto(fc_snapshot_free) struct fc_snapshot *snapshot = NULL;
    fc_auto(fc_diff_free) struct fc_diff *diff = NULL;
    struct ws_rekey rekey = {.edit = ws->edit, .from = ws->view, .to = to};
    int r = fc_live_sync(ws->view->live, true, err);

    if (r == 0)
        r = fc_live_snapshot(ws->view->live, &snapshot, err);
    if (r == 0)
        r = fc_diff_new(ws->view->tree, snapshot, &diff, err);
    if (r == 0)
        r = fc_edit_begin(ws->edit, err);
    if (r < 0)
        return r;
    rekey.snapshot = snapshot;
    rekey.diff = diff;
    r = change(ws, slots, n, absorbed, &rekey, to, err);
    if (r < 0)
        fc_edit_rollback(ws->edit);
    return r;
}

int ws_restack(struct fc_workspace *ws, const struct ws_slot *slots, size_t n, bool absorbed, struct fc_error *err)
{
    fc_auto(ws_view_free) struct ws_view *to = calloc(1, sizeof(*to));
    struct ws_view *old = ws->view;
    uint64_t n_lost = fc_live_lost(old->live);
    int r;

    /* They are in no snapshot, and so would not be carried over. */
    if (n_lost)
        return fc_fail(err, EBADMSG,
                       "%s: no name leads to %llu of the changed objects, and they would be lost for good: repair that "
                       "first with: fccompose fsck --repair",
                       ws->dir, (unsigned long long)n_lost);
    r = to ? try_restack(ws, slots, n, absorbed, to, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r < 0) {
        ws_stack_load(ws, NULL);
        return r;
    }
    ws->view = fc_steal(&to);
    ws_view_free(old);
    r = ws_stack_load(ws, err);
    /* Committed, and now durably; the new tree stands whatever comes of it. */
    if (r == 0)
        r = fc_edit_begin(ws->edit, err);
    if (r == 0)
        r = fc_edit_commit(ws->edit, true, err);
    if (r < 0)
        fc_edit_rollback(ws->edit);
    return r;
}

/* The ids of the stack as slots, with room for @extra more. */
static struct ws_slot *current(const struct fc_workspace *ws, size_t extra)
{
    struct ws_slot *slots = calloc(ws->n_stack + extra + 1, sizeof(*slots));

    for (uint32_t i = 0; slots && i < ws->n_stack; i++)
        slots[i].id = ws->view->ids[i];
    return slots;
}

int fc_workspace_layers_add(struct fc_workspace *ws, const struct fc_workspace_new_layer *layers, size_t n,
                            int position, struct fc_error *err)
{
    fc_auto(fc_free) struct ws_slot *slots = NULL;
    size_t at = position < 0 ? ws->n_stack : (size_t)position;
    int r = ws_need_write(ws, "add a layer", err);

    if (r < 0 || n == 0)
        return r;
    if (at > ws->n_stack)
        return fc_fail(err, ERANGE, "there is no place %d: the stack has %u layers", position, ws->n_stack);
    slots = current(ws, n);
    if (!slots)
        return fc_fail(err, ENOMEM, "out of memory");
    memmove(slots + at + n, slots + at, (ws->n_stack - at) * sizeof(*slots));
    for (size_t i = 0; i < n; i++)
        slots[at + i] = (struct ws_slot){.add = &layers[i]};
    return ws_restack(ws, slots, ws->n_stack + n, false, err);
}

int fc_workspace_layers_replace(struct fc_workspace *ws, uint32_t at, uint32_t n_old,
                                const struct fc_workspace_new_layer *layers, size_t n, struct fc_error *err)
{
    fc_auto(fc_free) struct ws_slot *slots = NULL;
    int r = ws_need_write(ws, "replace a layer", err);

    if (r == 0 && (n_old > ws->n_stack || at > ws->n_stack - n_old))
        r = fc_fail(err, ERANGE, "there are no layers %u to %u: the stack has %u", at, at + n_old, ws->n_stack);
    if (r < 0)
        return r;
    slots = current(ws, n);
    if (!slots)
        return fc_fail(err, ENOMEM, "out of memory");
    memmove(slots + at + n, slots + at + n_old, (ws->n_stack - at - n_old) * sizeof(*slots));
    for (size_t i = 0; i < n; i++)
        slots[at + i] = (struct ws_slot){.add = &layers[i]};
    return ws_restack(ws, slots, ws->n_stack - n_old + n, false, err);
}

int fc_workspace_layer_remove(struct fc_workspace *ws, uint32_t position, struct fc_error *err)
{
    fc_auto(fc_free) struct ws_slot *slots = NULL;
    int r = ws_need_write(ws, "remove a layer", err);

    if (r == 0)
        r = in_stack(ws, position, err);
    if (r < 0)
        return r;
    slots = current(ws, 0);
    if (!slots)
        return fc_fail(err, ENOMEM, "out of memory");
    memmove(slots + position, slots + position + 1, (ws->n_stack - position - 1) * sizeof(*slots));
    return ws_restack(ws, slots, ws->n_stack - 1, false, err);
}

int fc_workspace_layer_move(struct fc_workspace *ws, uint32_t from, uint32_t to, struct fc_error *err)
{
    fc_auto(fc_free) struct ws_slot *slots = NULL;
    struct ws_slot moved;
    int r = ws_need_write(ws, "move a layer", err);

    if (r == 0)
        r = in_stack(ws, from, err);
    if (r == 0)
        r = in_stack(ws, to, err);
    if (r < 0 || from == to)
        return r;
    slots = current(ws, 0);
    if (!slots)
        return fc_fail(err, ENOMEM, "out of memory");
    moved = slots[from];
    if (from < to)
        memmove(slots + from, slots + from + 1, (to - from) * sizeof(*slots));
    else
        memmove(slots + to + 1, slots + to, (from - to) * sizeof(*slots));
    slots[to] = moved;
    return ws_restack(ws, slots, ws->n_stack, false, err);
}

static bool is_meant(const struct fc_workspace_layer *l, uint32_t position, const char *text)
{
    char digest[FC_DIGEST_TEXT], number[16];
    size_t len = strlen(text);

    fc_digest_format(&l->diffid, digest);
    snprintf(number, sizeof(number), "%u", position);
    if (strcmp(text, l->name) == 0 || strcmp(text, l->locator) == 0 || strcmp(text, number) == 0)
        return true;
    return (len >= 6 && strncmp(digest + strlen("sha256:"), text, len) == 0) ||
           (len >= 13 && strncmp(digest, text, len) == 0);
}

int fc_workspace_layer_find(const struct fc_workspace *ws, const char *text, uint32_t *ret_position,
                            struct fc_error *err)
{
    uint32_t found = FC_TREE_NONE;

    for (uint32_t i = 0; i < ws->n_stack; i++) {
        if (!is_meant(&ws->stack[i], i, text))
            continue;
        if (found != FC_TREE_NONE)
            return fc_fail(err, ENOTUNIQ, "\"%s\" may be layer %u or layer %u: give the number", text, found, i);
        found = i;
    }
    if (found == FC_TREE_NONE)
        return fc_fail(err, ENOENT, "no layer of the stack is called \"%s\": see fccompose layer ls", text);
    *ret_position = found;
    return 0;
}
