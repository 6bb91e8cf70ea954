/* SPDX-License-Identifier: Apache-2.0 */
/* Digest what a step depends on, and remember it for the next build. */
#include "compose/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "compose/hash.h"
#include "guest/guest.h"

enum { NOTES_MAX = 16 << 20, SECRET_MAX = 64 << 20, HEX = 64 };

/* A running digest that remembers a failure. */
struct part {
    struct fc_hasher *h;
    int r;
};

static void put_bytes(struct part *p, const void *data, size_t size)
{
    if (p->r == 0)
        p->r = fc_hash_bytes(p->h, data, size);
}

static void put_text(struct part *p, const char *text)
{
    if (p->r == 0)
        p->r = fc_hash_text(p->h, text);
}

static void put_number(struct part *p, uint64_t n) { put_bytes(p, &n, sizeof(n)); }

static void put_list(struct part *p, const struct fc_recipe_list *list)
{
    put_number(p, list->n);
    for (size_t i = 0; i < list->n; i++)
        put_text(p, list->items[i]);
}

static void put_guest(struct part *p, const struct fc_guest_options *g)
{
    put_number(p, g->init);
    put_number(p, g->net);
    put_text(p, g->console);
    put_number(p, g->autologin);
    put_text(p, g->hostname);
    for (size_t i = 0; g->ssh_keys && g->ssh_keys[i]; i++)
        put_text(p, g->ssh_keys[i]);
    put_text(p, NULL);
    put_text(p, g->password);
    put_number(p, g->hygiene);
    put_text(p, g->arch);
}

static void put_step(struct part *p, const struct fc_recipe_step *s)
{
    const bool flags[] = {s->parents, s->recursive, s->append, s->force, s->no_follow, s->keep_owner, s->no_clobber};

    put_number(p, s->verb);
    put_number(p, s->text != NULL);
    put_bytes(p, s->text, s->size);
    put_text(p, s->verb == FC_STEP_WRITE ? NULL : s->text);
    put_list(p, &s->argv);
    put_list(p, &s->env);
    put_text(p, s->user);
    put_text(p, s->workdir);
    put_number(p, s->net);
    put_list(p, &s->cache);
    for (size_t i = 0; i < s->n_secrets; i++)
        put_text(p, s->secrets[i].id);
    put_list(p, &s->exclude);
    put_list(p, &s->path);
    put_text(p, s->to);
    put_text(p, s->mode);
    put_text(p, s->owner);
    put_number(p, (uint64_t)s->type);
    put_number(p, s->major);
    put_number(p, s->minor);
    for (size_t i = 0; i < FC_LENGTH(flags); i++)
        put_number(p, flags[i]);
    for (size_t i = 0; i < s->n_xattrs; i++) {
        put_text(p, s->xattrs[i].name);
        put_number(p, s->xattrs[i].value != NULL);
        put_bytes(p, s->xattrs[i].value, s->xattrs[i].size);
    }
    if (s->guest)
        put_guest(p, s->guest);
}

/* A secret by its digest: it stands in no note and no layer. */
static int put_secret(struct part *p, const struct fc_recipe_secret *s, struct fc_error *err)
{
    struct fc_buf data __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_read_file(AT_FDCWD, s->file, SECRET_MAX, &data);

    if (r < 0)
        return fc_fail_errno(err, -r, "the secret %s: %s", s->id, s->file);
    put_bytes(p, data.data, data.len);
    explicit_bzero(data.data ? data.data : (char[1]){0}, data.len);
    return 0;
}

static int finish(struct part *p, struct fc_digest *ret) { return p->r < 0 ? p->r : fc_hasher_finish(p->h, ret); }

int fc_key_stack(struct fc_digest *below, const struct fc_layer *layer)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    struct part p = {h, h ? 0 : -ENOMEM};

    put_bytes(&p, below, sizeof(*below));
    put_bytes(&p, fc_layer_diffid(layer), sizeof(struct fc_digest));
    return finish(&p, below);
}

static int make_parts(struct part *p, const struct fc_recipe_build_options *o, const struct fc_recipe_step *step,
                      struct fc_step_key *key, struct fc_error *err)
{
    int r = 0;

    put_step(p, step);
    if (finish(p, &key->part[FC_KEY_STEP]) < 0)
        return fc_fail(err, EIO, "cannot digest the step");
    for (size_t i = 0; i < step->n_secrets && r == 0; i++)
        r = put_secret(p, &step->secrets[i], err);
    if (r < 0)
        return r;
    if (finish(p, &key->part[FC_KEY_SECRETS]) < 0)
        return fc_fail(err, EIO, "cannot digest the step");
    put_number(p, FC_BUILD_VERSION);
    put_number(p, (uint64_t)o->epoch);
    put_text(p, o->recipe->arch);
    put_text(p, step->verb == FC_STEP_GUEST ? o->config : NULL);
    return finish(p, &key->part[FC_KEY_CONTEXT]) < 0 ? fc_fail(err, EIO, "cannot digest the step") : 0;
}

int fc_step_key(const struct fc_recipe_build_options *o, const struct fc_recipe_step *step,
                const struct fc_sources *sources, const struct fc_digest *below, struct fc_step_key *ret,
                struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    struct part p = {h, h ? 0 : -ENOMEM};
    struct fc_step_key key = {.part[FC_KEY_BELOW] = *below};
    int r = make_parts(&p, o, step, &key, err);

    if (r == 0)
        r = fc_sources_digest(o->cache, sources, &key.part[FC_KEY_FILES], err);
    if (r < 0)
        return r;
    put_text(&p, "a step's layer");
    put_bytes(&p, key.part, sizeof(key.part));
    if (finish(&p, &key.whole) < 0)
        return fc_fail(err, EIO, "cannot digest the step");
    *ret = key;
    return 0;
}

static int parse_line(const char *line, size_t len, struct fc_step_key *ret)
{
    char hex[HEX + 1] = {0};

    if (len != (size_t)(FC_KEY_PARTS + 1) * (HEX + 1) - 1)
        return -EINVAL;
    for (size_t i = 0; i <= FC_KEY_PARTS; i++) {
        memcpy(hex, line + i * (HEX + 1), HEX);
        if (fc_digest_parse(hex, i < FC_KEY_PARTS ? &ret->part[i] : &ret->whole) < 0)
            return -EINVAL;
    }
    return 0;
}

void fc_key_notes_read(const char *path, struct fc_key_notes *ret)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    size_t cap = 0;

    if (fc_read_file(AT_FDCWD, path, NOTES_MAX, &text) < 0)
        return;
    for (const char *p = text.data; p && *p;) {
        size_t len = strcspn(p, "\n");

        if (fc_grow(&ret->keys, &cap, ret->n + 1, sizeof(*ret->keys)) < 0 || parse_line(p, len, &ret->keys[ret->n]) < 0)
            break;
        ret->n++;
        p += len + (p[len] == '\n');
    }
}

int fc_key_notes_write(const char *path, const struct fc_step_key *keys, size_t n, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char digest[FC_DIGEST_TEXT];
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        for (size_t k = 0; k <= FC_KEY_PARTS && r == 0; k++) {
            fc_digest_format(k < FC_KEY_PARTS ? &keys[i].part[k] : &keys[i].whole, digest);
            r = fc_buf_addf(&text, "%s%c", strchr(digest, ':') + 1, k < FC_KEY_PARTS ? ' ' : '\n');
        }
    }
    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    return fc_atomic_write(path, text.data ? text.data : "", text.len, false, err);
}

void fc_key_notes_release(struct fc_key_notes *notes)
{
    free(notes->keys);
    *notes = (struct fc_key_notes){0};
}

const char *fc_key_why(const struct fc_key_notes *notes, size_t i, const struct fc_step_key *now)
{
    static const char *const words[FC_KEY_PARTS] = {
        [FC_KEY_STEP] = "the step is another",
        [FC_KEY_FILES] = "the files have changed",
        [FC_KEY_SECRETS] = "a secret has changed",
        [FC_KEY_CONTEXT] = "the architecture, SOURCE_DATE_EPOCH, the image's configuration or fccompose is another",
        [FC_KEY_BELOW] = "what it stands on has changed",
    };
    static const enum fc_key_part order[] = {FC_KEY_STEP, FC_KEY_FILES, FC_KEY_SECRETS, FC_KEY_CONTEXT, FC_KEY_BELOW};

    if (i >= notes->n)
        return "it was not built before";
    for (size_t k = 0; k < FC_LENGTH(order); k++)
        if (memcmp(&notes->keys[i].part[order[k]], &now->part[order[k]], sizeof(struct fc_digest)) != 0)
            return words[order[k]];
    return "the cache has no layer for it any more";
}
