/* SPDX-License-Identifier: Apache-2.0 */
/* Carry out a recipe's steps, each from the cache where that has it. */
#include "compose/build.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/log.h"
#include "compose/apply.h"
#include "compose/key.h"
#include "compose/scratch.h"
#include "layer/gc.h"
#include "workspace/workspace.h"

/* A file's time may come from the kernel's coarse clock, which is up to a tick behind. */
#define TICK_NS 20000000L

/* A build under way. */
struct build {
    const struct fc_recipe_build_options *o;
    struct fc_layer **stack; /* borrowed: of the options, then of @built */
    size_t n_stack;
    struct fc_digest below;
    struct fc_key_notes notes;
    struct fc_step_key *keys; /* by step */
    bool unknown;             /* dry run: a step below has to be done, so what follows cannot be told */
    struct fc_recipe_built *built;
};

void fc_recipe_built_release(struct fc_recipe_built *b)
{
    for (size_t i = 0; i < b->n_layers; i++)
        fc_layer_unref(b->layers[i].layer);
    free(b->layers);
    *b = (struct fc_recipe_built){0};
}

int fc_recipe_build_fail_at(const struct fc_recipe_place *place, struct fc_error *err)
{
    struct fc_error inner = {0};

    if (!err)
        return -EIO;
    inner = *err;
    return fc_fail(err, inner.code, "%s:%u:%u: %s", place->file, place->line, place->column, inner.msg);
}

static bool reads_host(const struct fc_recipe_step *s)
{
    return s->verb == FC_STEP_COPY || (s->verb == FC_STEP_WRITE && !s->text);
}

static int find_sources(const struct fc_recipe_step *s, struct fc_sources *ret, struct fc_error *err)
{
    if (!reads_host(s))
        return 0;
    ret->excludes = (const char *const *)s->exclude.items;
    ret->n_excludes = s->exclude.n;
    ret->no_follow = s->no_follow;
    return fc_sources_expand(&s->from, ret, err);
}

static void tell(const struct build *b, size_t i, enum fc_recipe_build_state state, const char *why,
                 struct fc_layer *layer)
{
    char what[200];
    const struct fc_recipe_build_event e = {
        .index = i,
        .what = fc_recipe_build_describe(b->o->recipe, &b->o->recipe->steps[i], what, sizeof(what)),
        .state = state,
        .why = why,
        .layer = layer,
    };

    if (b->o->event)
        b->o->event(b->o->arg, &e);
}

/* The layer of a step is on top now. A layer of nothing says that the step changed nothing, and is not. */
static int put(struct build *b, size_t i, struct fc_layer *layer, bool cached)
{
    struct fc_layer_stats stats;
    struct fc_recipe_built *built = b->built;

    fc_layer_stats(layer, &stats);
    built->n_cached += cached;
    built->n_done += !cached;
    tell(b, i, cached ? FC_BUILD_CACHED : FC_BUILD_DONE, NULL, stats.n_entries ? layer : NULL);
    if (stats.n_entries == 0)
        return 0;
    if (fc_grow(&built->layers, &built->cap_layers, built->n_layers + 1, sizeof(*built->layers)) < 0)
        return -ENOMEM;
    built->layers[built->n_layers++] = (struct fc_recipe_build_layer){i, fc_layer_ref(layer)};
    b->stack[b->n_stack++] = layer;
    return fc_key_stack(&b->below, layer);
}

/* Returns 1 and sets *ret_layer if the cache has it. */
static int recall(const struct build *b, const struct fc_step_key *key, struct fc_layer **ret_layer)
{
    struct fc_error why = {0};
    struct fc_digest diffid;
    int r;

    if (b->o->no_cache || fc_cache_recall(b->o->cache, &key->whole, &diffid) < 0)
        return 0;
    r = fc_layer_open(b->o->cache, &diffid, ret_layer, &why);
    if (r == -EBADMSG) {
        fc_log(FC_LOG_WARN, "doing a step again, because %s", why.msg);
        (void)fc_layer_set_aside(b->o->cache, &diffid, NULL);
    }
    return r == 0;
}

/* What the step did as a layer; of nothing if it did nothing. */
static int take_layer(const struct build *b, const struct fc_step_work *w, struct fc_scratch *s,
                      const struct timespec *began, const char *label, struct fc_layer **ret, struct fc_error *err)
{
    const struct fc_edits_source edits = {s->live, s->tree, b->o->cache, s->dir};
    int r = fc_scratch_settle_times(s, began, reads_host(w->step), b->o->epoch, err);

    if (r == 0)
        r = fc_edits_layer(&edits, label, ret, err);
    return r == -ENODATA ? fc_empty_layer(b->o->cache, ret, err) : r;
}

static int carry_out(const struct build *b, const struct fc_recipe_step *step, const struct fc_sources *sources,
                     const char *label, struct fc_layer **ret, struct fc_error *err)
{
    bool is_run = step->verb == FC_STEP_RUN;
    struct fc_scratch s = {.lock = -1};
    struct fc_step_work w = {b->o, step, sources, NULL, NULL};
    struct timespec began;
    int r = fc_scratch_open(b->o->cache, b->stack, b->n_stack, is_run, &s, err);

    if (r < 0)
        return r;
    w.live = s.live;
    w.dir = s.dir;
    clock_gettime(CLOCK_REALTIME, &began);
    began.tv_sec -= began.tv_nsec < TICK_NS;
    began.tv_nsec += began.tv_nsec < TICK_NS ? 1000000000L - TICK_NS : -TICK_NS;
    r = is_run ? fc_step_run(&w, err) : fc_step_apply(&w, err);
    if (r == 0)
        r = take_layer(b, &w, &s, &began, label, ret, err);
    fc_scratch_release(&s);
    return r;
}

/* What was copied must be what the key says. */
static int check_unchanged(const struct build *b, const struct fc_sources *sources, const struct fc_step_key *key,
                           struct fc_error *err)
{
    struct fc_digest now;
    int r = sources->n ? fc_sources_digest(b->o->cache, sources, &now, err) : 0;

    if (r == 0 && sources->n && memcmp(&now, &key->part[FC_KEY_FILES], sizeof(now)) != 0)
        return fc_fail(err, EAGAIN, "%s changed while it was copied: build again", sources->paths[0]);
    return r;
}

static int build_step(struct build *b, size_t i, struct fc_error *err)
{
    const struct fc_recipe_step *step = &b->o->recipe->steps[i];
    struct fc_sources sources __attribute__((cleanup(fc_sources_release_auto))) = {0};
    fc_auto(fc_layer_unref) struct fc_layer *layer = NULL;
    char label[200];
    int r = find_sources(step, &sources, err);

    if (r == 0)
        r = fc_step_key(b->o, step, &sources, &b->below, &b->keys[i], err);
    if (r < 0)
        return r;
    if (recall(b, &b->keys[i], &layer))
        return put(b, i, layer, true);
    tell(b, i, FC_BUILD_NEEDED, b->o->no_cache ? "--no-cache" : fc_key_why(&b->notes, i, &b->keys[i]), NULL);
    if (b->o->dry_run) {
        b->unknown = true;
        return 0;
    }
    fc_recipe_build_describe(b->o->recipe, step, label, sizeof(label));
    r = carry_out(b, step, &sources, label, &layer, err);
    if (r == 0)
        r = check_unchanged(b, &sources, &b->keys[i], err);
    if (r == 0)
        (void)fc_cache_remember(b->o->cache, &b->keys[i].whole, fc_layer_diffid(layer));
    return r < 0 ? r : put(b, i, layer, false);
}

static int build_all(struct build *b, struct fc_error *err)
{
    const struct fc_recipe *recipe = b->o->recipe;
    int r = 0;

    for (size_t i = 0; i < b->o->n_layers && r == 0; i++) {
        b->stack[b->n_stack++] = b->o->layers[i];
        r = fc_key_stack(&b->below, b->o->layers[i]);
    }
    for (size_t i = 0; i < recipe->n_steps && r == 0; i++) {
        if (b->unknown) {
            tell(b, i, FC_BUILD_UNKNOWN, NULL, NULL);
            continue;
        }
        r = build_step(b, i, err);
        if (r < 0)
            return err && err->msg[0] ? fc_recipe_build_fail_at(&recipe->steps[i].place, err) : r;
    }
    if (r == 0 && b->o->notes && !b->o->dry_run && recipe->n_steps != 0)
        r = fc_key_notes_write(b->o->notes, b->keys, recipe->n_steps, err);
    return r;
}

int fc_recipe_build(const struct fc_recipe_build_options *options, struct fc_recipe_built *ret, struct fc_error *err)
{
    struct fc_recipe_built built __attribute__((cleanup(fc_recipe_built_release_auto))) = {0};
    struct build b = {.o = options, .built = &built};
    int r;

    b.stack = calloc(options->n_layers + options->recipe->n_steps + 1, sizeof(*b.stack));
    b.keys = calloc(options->recipe->n_steps + 1, sizeof(*b.keys));
    if (options->notes)
        fc_key_notes_read(options->notes, &b.notes);
    r = b.stack && b.keys ? build_all(&b, err) : fc_fail(err, ENOMEM, "out of memory");
    free(b.stack);
    free(b.keys);
    fc_key_notes_release(&b.notes);
    if (r < 0)
        return r;
    *ret = built;
    built = (struct fc_recipe_built){0};
    return 0;
}

int fc_recipe_build_inputs(const struct fc_recipe *recipe, int (*fn)(void *arg, const char *path), void *arg,
                           struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < recipe->n_steps && r == 0; i++) {
        struct fc_sources sources __attribute__((cleanup(fc_sources_release_auto))) = {0};
        const struct fc_recipe_step *s = &recipe->steps[i];

        r = find_sources(s, &sources, err);
        if (r == 0)
            r = fc_sources_each(&sources, fn, arg, err);
        for (size_t k = 0; k < s->n_secrets && r == 0; k++)
            r = fn(arg, s->secrets[k].file);
    }
    return r;
}
