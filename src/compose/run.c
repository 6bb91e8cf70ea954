/* SPDX-License-Identifier: Apache-2.0 */
/* Do a run step: the command sees its secrets and caches, and what was made for these to be bound to goes again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/digest.h"
#include "compose/apply.h"
#include "compose/hash.h"
#include "live/verb.h"

/* What is bound, and which of the places are not the tree's own. */
struct binds {
    struct fc_recipe_build_bind *list;
    char **sources, **targets;
    size_t n;
};

static void binds_release(struct binds *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free(b->sources[i]);
        free(b->targets[i]);
    }
    free(b->list);
    free(b->sources);
    free(b->targets);
}

static int add(struct binds *b, char *source, char *target, bool read_only, struct fc_error *err)
{
    b->sources[b->n] = source;
    b->targets[b->n] = target;
    b->list[b->n++] = (struct fc_recipe_build_bind){source, target, read_only};
    return source && target ? 0 : fc_fail(err, ENOMEM, "out of memory");
}

/* A folder that is kept for this recipe, architecture and directory of the guest. */
static int cache_folder(const struct fc_step_work *w, const char *path, char **ret, struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    char hex[FC_DIGEST_TEXT];
    struct fc_digest d;
    int r = h ? fc_hash_text(h, w->o->recipe->dir) : -ENOMEM;

    if (r == 0)
        r = fc_hash_text(h, w->o->recipe->arch);
    if (r == 0)
        r = fc_hash_text(h, path);
    if (r == 0)
        r = fc_hasher_finish(h, &d);
    if (r == 0 &&
        asprintf(ret, "%s/build/kept/%s", fc_cache_dir(w->o->cache), strchr(fc_digest_format(&d, hex), ':') + 1) < 0) {
        *ret = NULL;
        r = -ENOMEM;
    }
    return r < 0 ? fc_fail_errno(err, -r, "the folder kept for %s", path) : fc_mkdir_all(*ret, err);
}

static int make_binds(const struct fc_step_work *w, struct binds *b, struct fc_error *err)
{
    const struct fc_recipe_step *s = w->step;
    size_t n = s->n_secrets + s->cache.n;
    int r = 0;

    b->list = calloc(n + 1, sizeof(*b->list));
    b->sources = calloc(n + 1, sizeof(*b->sources));
    b->targets = calloc(n + 1, sizeof(*b->targets));
    if (!b->list || !b->sources || !b->targets)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < s->n_secrets && r == 0; i++) {
        char *target;

        if (asprintf(&target, "/run/secrets/%s", s->secrets[i].id) < 0)
            target = NULL;
        r = add(b, strdup(s->secrets[i].file), target, true, err);
    }
    for (size_t i = 0; i < s->cache.n && r == 0; i++) {
        char *source = NULL;

        r = cache_folder(w, s->cache.items[i], &source, err);
        if (r == 0)
            r = add(b, source, strdup(s->cache.items[i]), false, err);
    }
    return r;
}

int fc_step_run(const struct fc_step_work *w, struct fc_error *err)
{
    struct binds b __attribute__((cleanup(binds_release))) = {0};
    const char *const script[] = {"/bin/sh", "-ec", w->step->text, NULL};
    const struct fc_recipe_build_command command = {
        .step = w->step,
        .argv = w->step->argv.n ? (const char *const *)w->step->argv.items : script,
        .live = w->live,
        .dir = w->dir,
        .n_binds = w->step->n_secrets + w->step->cache.n,
    };
    struct fc_recipe_build_command with = command;
    struct fc_error why = {0};
    int r = w->o->run ? make_binds(w, &b, err) : fc_fail(err, EOPNOTSUPP, "nothing here runs commands");

    if (r < 0)
        return r;
    with.binds = b.list;
    r = w->o->run(w->o->arg, &with, &why);
    if (r == 0)
        return 0;
    if (r < 0 || why.msg[0]) {
        fc_fail(err, r < 0 ? -r : EIO, "%s", why.msg);
        return r < 0 ? r : -EIO;
    }
    if (r > 128)
        return fc_fail(err, EIO, "the command was ended by signal %d", r - 128);
    return fc_fail(err, EIO, "the command ended with status %d", r);
}
