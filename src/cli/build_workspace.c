/* SPDX-License-Identifier: Apache-2.0 */
/* The workspace beside a recipe gets the stack that was built; edits made by hand stay on top of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/build.h"
#include "edit/edit.h"
#include "layer/layer.h"
#include "stack/stack.h"
#include "workspace/workspace.h"

/* The stack as it is to be. Borrows from the job, but for what is in the arena. */
struct wanted {
    struct fc_workspace_new_layer *layers;
    size_t n;
    struct fc_arena arena;
};

static void wanted_release(struct wanted *w)
{
    free(w->layers);
    fc_arena_release(&w->arena);
}

static int add_step(struct wanted *w, const struct build_job *job, const struct fc_recipe_build_layer *l)
{
    char name[120], locator[160];

    fc_recipe_build_describe(job->recipe, &job->recipe->steps[l->step], name, sizeof(name));
    snprintf(locator, sizeof(locator), FC_STACK_STEP "%zu %s", l->step + 1, name);
    w->layers[w->n] = (struct fc_workspace_new_layer){
        .layer = l->layer,
        .locator = fc_arena_copy(&w->arena, locator, strlen(locator)),
        .name = fc_arena_copy(&w->arena, name, strlen(name)),
    };
    return w->layers[w->n].locator && w->layers[w->n].name ? (w->n++, 0) : -ENOMEM;
}

static int want(const struct build_job *job, struct wanted *ret, struct fc_error *err)
{
    int r = 0;

    ret->layers = calloc(job->layers.n + job->built.n_layers + 1, sizeof(*ret->layers));
    if (!ret->layers)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < job->layers.n; i++) {
        const struct cli_layer *l = &job->layers.list[i];

        ret->layers[ret->n++] = (struct fc_workspace_new_layer){l->layer, l->locator, l->name, l->source};
    }
    for (size_t i = 0; i < job->built.n_layers && r == 0; i++)
        r = add_step(ret, job, &job->built.layers[i]);
    return r < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

/* What the store says without its tree being opened. */
static int look(const struct wanted *w, bool *ret_same, bool *ret_edited, struct fc_error *err)
{
    fc_auto(fc_edit_free) struct fc_edit *edit = NULL;
    struct fc_edit_counts counts = {0};
    const struct fc_edit_layer *rows;
    size_t n, i = 0;
    int r = fc_edit_open(FC_WORKSPACE_FOLDER, FC_EDIT_READ, &edit, err);

    if (r == 0)
        r = fc_edit_counts(edit, &counts, err);
    if (r < 0)
        return r;
    rows = fc_edit_layers(edit, &n);
    while (i < n && i < w->n && rows[i].position >= 0 &&
           memcmp(&rows[i].diffid, fc_layer_diffid(w->layers[i].layer), sizeof(struct fc_digest)) == 0)
        i++;
    *ret_same = i == w->n && (i == n || rows[i].position < 0);
    *ret_edited = counts.inodes || counts.dentries;
    return 0;
}

static int exchange(struct fc_workspace *ws, const struct wanted *w, struct fc_error *err)
{
    uint32_t n, i = 0;
    const struct fc_workspace_layer *stack = fc_workspace_stack(ws, &n);

    while (i < n && i < w->n &&
           memcmp(&stack[i].diffid, fc_layer_diffid(w->layers[i].layer), sizeof(struct fc_digest)) == 0)
        i++;
    return fc_workspace_layers_replace(ws, i, n - i, w->layers + i, w->n - i, err);
}

static int set_config(struct fc_workspace *ws, const char *config, struct fc_error *err)
{
    fc_auto(fc_free) char *now = NULL;
    int r = config ? fc_workspace_config(ws, &now, err) : 0;

    if (r < 0 || !config || (now && strcmp(now, config) == 0))
        return r;
    return fc_workspace_config_set(ws, config, err);
}

/* Without edits nothing refers to the layers that are there: when the cache has lost one it need not come back. */
static int forget_stack(struct fc_error *err)
{
    fc_auto(fc_edit_free) struct fc_edit *edit = NULL;
    int r = fc_edit_open(FC_WORKSPACE_FOLDER, FC_EDIT_WRITE, &edit, err);

    if (r == 0)
        r = fc_edit_begin(edit, err);
    if (r == 0)
        r = fc_edit_stack_set(edit, NULL, 0, err);
    if (r == 0)
        r = fc_edit_layer_gc(edit, err);
    return r == 0 ? fc_edit_commit(edit, true, err) : r;
}

static int change(struct cli *cli, const struct build_job *job, const struct wanted *w, bool edited,
                  struct fc_error *err)
{
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    struct fc_workspace_status status = {0};
    struct fc_error busy = {0};
    int r = fc_workspace_open(".", job->cache, FC_WORKSPACE_WRITE, &ws, &busy);

    if (r == -ENOENT && !edited) {
        r = forget_stack(&busy);
        if (r == 0)
            r = fc_workspace_open(".", job->cache, FC_WORKSPACE_WRITE, &ws, &busy);
    }
    if (r == -EBUSY) {
        cli_warn("the workspace keeps its stack as it was: %s", busy.msg);
        return 0;
    }
    if (r < 0)
        return fc_fail(err, -r, "%s", busy.msg);
    r = exchange(ws, w, err);
    if (r == 0)
        r = set_config(ws, job->layers.config, err);
    if (r == 0 && fc_workspace_status(ws, &status, NULL) == 0 && status.n_conflicts)
        cli_say(cli, "%llu edits no longer fit the new stack; fccompose status shows them",
                (unsigned long long)status.n_conflicts);
    fc_workspace_status_release(&status);
    return r;
}

int build_workspace(struct cli *cli, const struct build_job *job, struct fc_error *err)
{
    struct wanted w __attribute__((cleanup(wanted_release))) = {0};
    bool same = false, edited = false;
    int r = want(job, &w, err);

    if (r == 0 && access(FC_WORKSPACE_FOLDER "/workspace.db", F_OK) < 0)
        r = fc_workspace_create(".", err);
    if (r == 0)
        r = look(&w, &same, &edited, err);
    if (r == 0 && edited)
        cli_warn("the workspace has edits made by hand; they stay, and are not in the image (fccompose diff --as-steps "
                 "prints them as steps)");
    return r < 0 || same ? r : change(cli, job, &w, edited, err);
}
