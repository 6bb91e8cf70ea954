/* SPDX-License-Identifier: Apache-2.0 */
/* Import what must be fetched: digested, decompressed and built while bytes arrive; recalled when it was imported before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "catalogue/catalogue.h"
#include "fetch/fetch.h"
#include "stack/stack.h"

static int import_download(const struct fc_import *im, struct fc_fetch *t, struct fc_layer **ret_layer,
                           struct fc_error *err)
{
    struct fc_fetch_info info;
    int r = fc_fetch_answered(t, err);

    if (r < 0)
        return r;
    if (r == 0)
        return fc_import_fetch(im, t, ret_layer, err);
    fc_fetch_info(t, &info);
    r = fc_import_recall_blob(im, &info.digest, info.size, ret_layer, err);
    return r == 0 ? fc_import_fetched(im, t, ret_layer, err) : r < 0 ? r : 0;
}

static int import_want(const struct fc_import *im, struct fc_fetcher *f, const struct fc_fetch_want *want,
                       struct fc_layer **ret_layer, struct fc_error *err)
{
    fc_auto(fc_fetch_free) struct fc_fetch *t = NULL;
    struct fc_digest digest;
    int r = 0;

    if (want->sum.kind == FC_SUM_SHA256) {
        memcpy(digest.bytes, want->sum.bytes, sizeof(digest.bytes));
        r = fc_import_recall_blob(im, &digest, want->size, ret_layer, err);
    }
    if (r != 0)
        return r < 0 ? r : 0;
    r = fc_fetch_start(f, want, &t, err);
    return r < 0 ? r : import_download(im, t, ret_layer, err);
}

/* Remember where the bytes are; of a distribution's name also what it stood for. */
static int note_url(const struct fc_import *im, const char *url, const char *resolved, struct fc_error *err)
{
    im->source->url = fc_url_bare(url);
    im->source->resolved = resolved ? strdup(resolved) : NULL;
    return im->source->url && (im->source->resolved || !resolved) ? 0 : fc_fail_errno(err, ENOMEM, "%s", im->label);
}

/* The bytes that the lock names, from where they were then. */
static int import_locked(const struct fc_import *im, struct fc_fetcher *f, const char *url, struct fc_layer **ret_layer,
                         struct fc_error *err)
{
    const struct fc_lock_entry *locked = im->options->locked;
    struct fc_fetch_want want = {.request = {.url = url},
                                 .label = locked->resolved,
                                 .sum = {.kind = FC_SUM_SHA256},
                                 .have_size = true,
                                 .size = locked->layers[0].size};
    int r = note_url(im, url, locked->resolved, err);

    memcpy(want.sum.bytes, locked->layers[0].digest.bytes, sizeof(locked->layers[0].digest.bytes));
    if (locked->resolved)
        snprintf(im->result->resolved, sizeof(im->result->resolved), "%.250s", locked->resolved);
    return r < 0 ? r : import_want(im, f, &want, ret_layer, err);
}

static int import_name(const struct fc_import *im, struct fc_fetcher *f, const char *text, struct fc_layer **ret_layer,
                       struct fc_error *err)
{
    const struct fc_catalogue_options options = {.require_signature = im->options->require_signature};
    __attribute__((cleanup(fc_catalogue_answer_release_auto))) struct fc_catalogue_answer answer = {0};
    fc_auto(fc_fetch_free) struct fc_fetch *t = NULL;
    struct fc_fetch_want want = {0};
    int r = fc_catalogue_resolve(f, text, &options, &answer, err);

    if (r < 0)
        return r;
    want = (struct fc_fetch_want){.request = {.url = answer.url},
                                  .label = answer.name,
                                  .sum = answer.sum,
                                  .have_size = answer.have_size,
                                  .size = answer.size};
    snprintf(im->result->resolved, sizeof(im->result->resolved), "%.250s", answer.name);
    r = note_url(im, answer.url, answer.name, err);
    if (r < 0)
        return r;
    if (answer.signature) {
        r = fc_fetch_start(f, &want, &t, err);
        if (r == 0)
            r = fc_catalogue_check_file(f, &answer, &options, t, err);
    }
    return r < 0 ? r : import_want(im, f, &want, ret_layer, err);
}

int fc_import_remote(const struct fc_import *im, const struct fc_locator *l, struct fc_layer **ret_layer,
                     struct fc_error *err)
{
    const struct fc_fetch_options options = {.cache = fc_cache_dir(im->cache)};
    fc_auto(fc_fetcher_free) struct fc_fetcher *own = NULL;
    struct fc_fetcher *f = im->options->fetcher;
    const struct fc_fetch_want want = {.request = {.url = l->rest, .max_bytes = im->options->max_bytes},
                                       .stale_ok = true};
    int r = f ? 0 : fc_fetcher_new(&options, &own, err);

    if (r < 0)
        return r;
    f = f ? f : own;
    if (im->options->locked && im->options->locked->url &&
        im->options->locked->layers[0].have_digest) /* a URL may have a password, which no lock has */
        return import_locked(im, f, l->kind == FC_LOCATOR_URL ? l->rest : im->options->locked->url, ret_layer, err);
    if (l->kind == FC_LOCATOR_URL)
        r = note_url(im, l->rest, NULL, err);
    if (r < 0)
        return r;
    return l->kind == FC_LOCATOR_NAME ? import_name(im, f, l->rest, ret_layer, err)
                                      : import_want(im, f, &want, ret_layer, err);
}

/* Downloads that were begun ahead of their imports. */
struct fc_stack_ahead {
    struct fc_fetch **list;
    size_t n;
};

/* Begin one; a failure is said when it is imported. */
static void begin(struct fc_stack_ahead *a, struct fc_fetcher *f, const struct fc_locator *l, bool require_signature)
{
    const struct fc_catalogue_options options = {.require_signature = require_signature};
    __attribute__((cleanup(fc_catalogue_answer_release_auto))) struct fc_catalogue_answer answer = {0};
    struct fc_fetch_want want = {.request = {.url = l->rest}, .stale_ok = true};

    if (l->kind == FC_LOCATOR_NAME) {
        if (fc_catalogue_resolve(f, l->rest, &options, &answer, NULL) < 0)
            return;
        want = (struct fc_fetch_want){.request = {.url = answer.url},
                                      .label = answer.name,
                                      .sum = answer.sum,
                                      .have_size = answer.have_size,
                                      .size = answer.size};
    }
    if (fc_fetch_start(f, &want, &a->list[a->n], NULL) == 0)
        a->n++;
}

int fc_stack_begin(const char *const *locators, size_t n, const struct fc_import_options *options,
                   struct fc_stack_ahead **ret, struct fc_error *err)
{
    struct fc_stack_ahead *a = calloc(1, sizeof(*a));

    if (a)
        a->list = calloc(n + 1, sizeof(struct fc_fetch *));
    if (!a || !a->list) {
        free(a);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        struct fc_locator l;

        if (fc_locator_parse(locators[i], &l, NULL) == 0 && (l.kind == FC_LOCATOR_URL || l.kind == FC_LOCATOR_NAME))
            begin(a, options->fetcher, &l, options->require_signature);
    }
    *ret = a;
    return 0;
}

void fc_stack_ahead_free(struct fc_stack_ahead *a)
{
    for (size_t i = 0; a && i < a->n; i++)
        fc_fetch_free(a->list[i]);
    if (a)
        free(a->list);
    free(a);
}
