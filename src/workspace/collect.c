/* SPDX-License-Identifier: Apache-2.0 */
/* Collect garbage in the cache while others use it: choose, lock, ask the workspaces again, remove. */
#include "workspace/collect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "fetch/collect.h"
#include "layer/gc.h"

/** So many layers are locked at once: a descriptor each. */
enum { BATCH = 128 };

void fc_inventory_release(struct fc_inventory *i)
{
    free(i->list);
    *i = (struct fc_inventory){0};
}

/* What the callbacks of a reading need. */
struct reading {
    struct fc_cache *cache;
    struct fc_inventory *ret;
};

static int put(struct fc_inventory *i, const struct fc_stored *s)
{
    if (fc_grow(&i->list, &i->cap, i->n + 1, sizeof(*i->list)) < 0)
        return -ENOMEM;
    i->list[i->n++] = *s;
    return 0;
}

static int put_layer(void *arg, const struct fc_digest *diffid)
{
    const struct reading *in = arg;
    struct fc_layer_room room;
    int r = fc_layer_room(in->cache, diffid, &room);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return put(in->ret, &(struct fc_stored){false, *diffid, room.bytes, room.used, room.in_use});
}

static int put_blob(void *arg, const struct fc_blob_room *b)
{
    const struct reading *in = arg;

    return put(in->ret, &(struct fc_stored){true, b->digest, b->bytes, b->used, false});
}

static int by_digest(const void *a, const void *b)
{
    const struct fc_stored *x = a, *y = b;

    if (x->is_blob != y->is_blob)
        return x->is_blob - y->is_blob;
    return memcmp(&x->digest, &y->digest, sizeof(x->digest));
}

int fc_inventory_read(struct fc_cache *cache, const char *blobs, struct fc_inventory *ret, struct fc_error *err)
{
    struct reading in = {cache, ret};
    int r = fc_cache_each(cache, put_layer, &in);

    if (r == 0)
        r = fc_blobs_each(blobs, put_blob, &in);
    if (r < 0) {
        fc_inventory_release(ret);
        return fc_fail_errno(err, -r, "cannot read the cache %s", fc_cache_dir(cache));
    }
    if (ret->n)
        qsort(ret->list, ret->n, sizeof(*ret->list), by_digest);
    return 0;
}

/* One collection. */
struct collection {
    struct fc_cache *cache;
    const char *blobs;
    const struct fc_collect_options *o;
    struct fc_stored *take; /* what is to go: the longest unused first */
    size_t n_take, cap_take;
    const struct fc_roots *roots; /* while leftovers are removed */
    struct fc_collected done;
};

static int by_use(const void *a, const void *b)
{
    const struct fc_stored *x = a, *y = b;

    return x->used != y->used ? (x->used < y->used ? -1 : 1) : by_digest(a, b);
}

static int read_roots(const struct collection *c, struct fc_roots *ret, struct fc_error *err)
{
    return fc_roots_read(c->cache, c->o->forget, c->o->n_forget, !c->o->dry_run, ret, err);
}

/* What goes: all that is old enough, then more until the rest is small enough. */
static int choose(struct collection *c, struct fc_inventory *all, int64_t before, struct fc_error *err)
{
    fc_auto(fc_roots_release) struct fc_roots roots = {0};
    uint64_t left = 0;
    int r = read_roots(c, &roots, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < all->n; i++)
        left += all->list[i].bytes;
    c->done.left = left;
    if (all->n)
        qsort(all->list, all->n, sizeof(*all->list), by_use);
    for (size_t i = 0; i < all->n; i++) {
        const struct fc_stored *s = &all->list[i];

        if (s->in_use || fc_roots_need(&roots, s->is_blob, &s->digest) ||
            (s->used > before && !(c->o->have_max && left > c->o->max_bytes)))
            continue;
        if (fc_grow(&c->take, &c->cap_take, c->n_take + 1, sizeof(*c->take)) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        c->take[c->n_take++] = *s;
        left -= s->bytes;
    }
    return 0;
}

static void took(struct collection *c, const struct fc_stored *s)
{
    c->done.n++;
    c->done.bytes += s->bytes;
    c->done.left -= s->bytes;
    if (c->o->taken)
        c->o->taken(c->o->arg, s, NULL, s->bytes);
}

static void took_leftover(void *arg, const char *path, uint64_t bytes)
{
    struct collection *c = arg;

    c->done.n++;
    c->done.bytes += bytes;
    if (c->o->taken)
        c->o->taken(c->o->arg, NULL, path, bytes);
}

static bool is_needed(void *arg, const struct fc_digest *diffid)
{
    return fc_roots_need(((const struct collection *)arg)->roots, false, diffid);
}

static int remove_leftovers(struct collection *c, int64_t before, struct fc_error *err)
{
    const struct fc_leftover_options options = {
        .before = before, .dry_run = c->o->dry_run, .is_needed = is_needed, .fn = took_leftover, .arg = c};
    fc_auto(fc_roots_release) struct fc_roots roots = {0};
    int r = read_roots(c, &roots, err);

    c->roots = &roots;
    if (r == 0)
        r = fc_cache_leftovers(c->cache, &options, err);
    c->roots = NULL;
    return r;
}

/* Layers that are locked, and so cannot come into use any more. */
struct batch {
    const struct fc_stored *list[BATCH];
    int locks[BATCH];
    size_t n;
};

static void batch_release(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        close(b->locks[i]);
    b->n = 0;
}

/*
 * A process that puts a layer into a workspace has it open from before it is found until the workspace names it. So of a layer
 * that we could lock, either the workspaces say so now, or whoever wants it waits for us and finds it gone.
 */
static int remove_batch(struct collection *c, struct batch *b, struct fc_error *err)
{
    fc_auto(fc_roots_release) struct fc_roots roots = {0};
    int r = read_roots(c, &roots, err);

    for (size_t i = 0; i < b->n && r == 0; i++) {
        if (fc_roots_need(&roots, false, &b->list[i]->digest))
            continue;
        r = c->o->dry_run ? 0 : fc_layer_discard(c->cache, &b->list[i]->digest, err);
        if (r == 0)
            took(c, b->list[i]);
    }
    batch_release(b);
    return r;
}

static int remove_layers(struct collection *c, struct fc_error *err)
{
    struct batch b = {.n = 0};
    int r = 0;

    for (size_t i = 0; i < c->n_take && r == 0; i++) {
        int lock = c->take[i].is_blob ? -ENOENT : fc_layer_claim(c->cache, &c->take[i].digest);

        if (lock < 0) /* in use, or somebody else removed it */
            continue;
        b.list[b.n] = &c->take[i];
        b.locks[b.n++] = lock;
        if (b.n == BATCH)
            r = remove_batch(c, &b, err);
    }
    return r == 0 && b.n ? remove_batch(c, &b, err) : r;
}

static int remove_blobs(struct collection *c, int64_t before, struct fc_error *err)
{
    fc_auto(fc_roots_release) struct fc_roots roots = {0};
    fc_auto(fc_close) int lock = fc_blobs_claim(c->blobs);
    int r;

    if (lock == -ENOENT)
        return 0;
    c->done.blobs_busy = lock == -EWOULDBLOCK;
    if (lock < 0)
        return c->done.blobs_busy ? 0 : fc_fail_errno(err, -lock, "cannot lock %s", c->blobs);
    r = read_roots(c, &roots, err);
    for (size_t i = 0; i < c->n_take && r == 0; i++) {
        const struct fc_stored *s = &c->take[i];

        if (!s->is_blob || fc_roots_need(&roots, true, &s->digest))
            continue;
        r = c->o->dry_run ? 0 : fc_blob_remove(c->blobs, &s->digest);
        if (r < 0)
            return fc_fail_errno(err, -r, "cannot remove a blob of %s", c->blobs);
        took(c, s);
    }
    return r < 0 ? r : fc_blobs_leftovers(c->blobs, before, c->o->dry_run, took_leftover, c, err);
}

/* A cache that was made before caches knew their workspaces: removing what none of them needs would remove everything. */
static int know_workspaces(const struct fc_cache *cache, struct fc_error *err)
{
    const char *dir = fc_cache_dir(cache);
    int r = fc_roots_known(cache);

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s/workspaces", dir);
    return r ? 0
             : fc_fail(
                   err, ENODATA,
                   "nothing is removed: which workspaces need the layers in %s is not known, because it has no folder "
                   "workspaces; open each workspace once (fccompose -C DIR status), or, if there is none, make that "
                   "folder: mkdir %s/workspaces",
                   dir, dir);
}

int fc_cache_collect(struct fc_cache *cache, const char *blobs, const struct fc_collect_options *options,
                     struct fc_collected *ret, struct fc_error *err)
{
    fc_auto(fc_inventory_release) struct fc_inventory all = {0};
    struct collection c = {.cache = cache, .blobs = blobs, .o = options};
    int64_t before = options->unused_s ? (int64_t)time(NULL) - options->unused_s : INT64_MAX;
    int r = know_workspaces(cache, err);

    if (r == 0)
        r = fc_inventory_read(cache, blobs, &all, err);
    if (r == 0)
        r = choose(&c, &all, before, err);
    if (r == 0)
        r = remove_layers(&c, err);
    if (r == 0)
        r = remove_blobs(&c, before, err);
    if (r == 0)
        r = remove_leftovers(&c, before, err);
    free(c.take);
    if (r == 0)
        *ret = c.done;
    return r;
}
