/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a recipe: imported as it says, checked, and locked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "cli/build.h"
#include "cli/fetch.h"
#include "cli/lock.h"
#include "layer/layer.h"
#include "stack/stack.h"

/* A path below the recipe's folder is recorded relative to that, so that the lock is true in any checkout. */
static int relative(const struct fc_recipe *recipe, const char *locator, char **ret)
{
    size_t dir = strlen(recipe->dir);
    struct fc_locator l;
    int r;

    if (fc_locator_parse(locator, &l, NULL) == 0 && fc_locator_has_path(&l) && strncmp(l.rest, recipe->dir, dir) == 0 &&
        l.rest[dir] == '/')
        r = asprintf(ret, "%.*s%s", (int)(l.rest - locator), locator, l.rest + dir + 1);
    else
        r = asprintf(ret, "%s", locator);
    return r < 0 ? -ENOMEM : 0;
}

static int read_sha512(struct fc_cache *cache, const char *locator, const struct fc_digest *blob, struct fc_sum *ret,
                       struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new_sha512();
    fc_auto(fc_free) char *path = NULL, *buffer = malloc(1 << 20);
    fc_auto(fc_close) int fd = -1;
    char text[FC_DIGEST_TEXT];
    struct fc_locator l;
    ssize_t n;
    int r;

    fc_digest_format(blob, text);
    if (fc_locator_parse(locator, &l, NULL) == 0 && fc_locator_has_path(&l))
        r = asprintf(&path, "%s", l.rest);
    else
        r = asprintf(&path, "%s/oci/blobs/sha256/%s", fc_cache_dir(cache), strchr(text, ':') + 1);
    if (r < 0 || !h || !buffer)
        return fc_fail(err, ENOMEM, "out of memory");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fc_fail_errno(err, errno, "%s", path);
    while ((n = fc_read_full(fd, buffer, 1 << 20)) > 0)
        if (fc_hasher_add(h, buffer, (size_t)n) < 0)
            return fc_fail(err, EIO, "cannot digest %s", path);
    return n < 0 ? fc_fail_errno(err, (int)-n, "%s", path) : fc_hasher_finish_sum(h, ret);
}

/* That a file of this SHA-256 has that SHA-512 is remembered: it is read once. */
static int check_sha512(struct fc_cache *cache, const char *locator, const char *want, const struct fc_digest *blob,
                        struct fc_error *err)
{
    fc_auto(fc_free) char *note = NULL;
    struct fc_sum wanted, have;
    struct fc_digest key, known;
    char text[FC_SUM_TEXT];
    int r;

    if (asprintf(&note, "sha512:%s", want) < 0) {
        note = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    if (fc_digest_of(note, strlen(note), &key) < 0 || fc_sum_parse(note, &wanted) < 0)
        return fc_fail(err, EINVAL, "%s is no SHA-512", want);
    if (fc_cache_recall(cache, &key, &known) == 0 && memcmp(&known, blob, sizeof(known)) == 0)
        return 0;
    r = read_sha512(cache, locator, blob, &have, err);
    if (r < 0)
        return r;
    if (!fc_sum_equal(&have, &wanted))
        return fc_fail(err, EBADMSG, "%s is %s, not what the recipe says", locator, fc_sum_format(&have, text));
    (void)fc_cache_remember(cache, &key, blob);
    return 0;
}

/* The bytes of the file must be those that the recipe says. */
static int check_sums(const struct build_job *job, const struct fc_recipe_layer *want, const struct cli_layers *have,
                      struct fc_error *err)
{
    fc_auto(fc_lock_entry_release) struct fc_lock_entry e = {0};
    struct fc_digest sha256;
    char text[FC_DIGEST_TEXT];

    if (!want->sha256 && !want->sha512)
        return 0;
    if (have->n != 1 || !have->list[0].source ||
        fc_lock_entry_parse(have->list[0].source, want->locator, &e, NULL) < 0 || e.n_layers != 1 ||
        !e.layers[0].have_digest)
        return fc_fail(err, EINVAL, "%s is no file that has a digest", want->locator);
    if (want->sha256 &&
        (fc_digest_parse(want->sha256, &sha256) < 0 || memcmp(&sha256, &e.layers[0].digest, sizeof(sha256)) != 0))
        return fc_fail(err, EBADMSG, "%s is %s, not what the recipe says", want->locator,
                       fc_digest_format(&e.layers[0].digest, text));
    return want->sha512 ? check_sha512(job->cache, want->locator, want->sha512, &e.layers[0].digest, err) : 0;
}

/* Put *more, which is empty afterwards, on top of @all. */
static int append(struct cli_layers *all, struct cli_layers *more, struct fc_error *err)
{
    struct cli_layer *list = realloc(all->list, (all->n + more->n + 1) * sizeof(*list));

    if (!list)
        return fc_fail(err, ENOMEM, "out of memory");
    all->list = list;
    if (more->n)
        memcpy(list + all->n, more->list, more->n * sizeof(*list));
    all->n += more->n;
    more->n = 0;
    if (more->config) {
        free(all->config);
        all->config = fc_steal(&more->config);
    }
    return 0;
}

static int import_layer(struct cli *cli, struct build_job *job, const struct fc_recipe_layer *l, struct fc_error *err)
{
    const struct fc_import_options import = {
        .force_owner = l->force_owner,
        .uid = l->uid,
        .gid = l->gid,
        .excludes = (const char *const *)l->exclude.items,
        .n_excludes = l->exclude.n,
        .to = l->to,
    };
    fc_auto(cli_layers_release) struct cli_layers layers = {0};
    fc_auto(fc_free) char *locator = NULL;
    int r;

    if (l->keyring)
        return fc_fail(err, EOPNOTSUPP, "verify: build checks sha256 and sha512, not signatures");
    if (relative(job->recipe, l->locator, &locator) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    r = cli_import(cli, job->cache, (const char *const[]){locator}, 1, &import, &layers, err);
    if (r == 0)
        r = check_sums(job, l, &layers, err);
    return r == 0 ? append(&job->layers, &layers, err) : r;
}

int build_layers(struct cli *cli, struct build_job *job, struct fc_error *err)
{
    bool quiet = cli->quiet;
    int r = cli_lock_for_recipe(cli, err);

    cli->quiet = quiet || !cli->verbose; /* steps are told; layers that are in the cache need no line each time */
    for (size_t i = 0; i < job->recipe->n_layers && r == 0; i++) {
        const struct fc_recipe_layer *l = &job->recipe->layers[i];

        r = import_layer(cli, job, l, err);
        if (r < 0 && r != -CLI_EUSAGE)
            r = fc_recipe_build_fail_at(&l->place, err);
    }
    cli->quiet = quiet;
    return r;
}

/* An entry for each locator; an image has several layers and one entry. */
static int make_lock(const struct build_job *job, struct fc_lock *lock, struct fc_error *err)
{
    for (size_t i = 0; i < job->layers.n; i++) {
        const struct cli_layer *l = &job->layers.list[i];
        fc_auto(fc_lock_entry_release) struct fc_lock_entry e = {0};
        int r;

        if (!l->source || fc_lock_find(lock, l->locator))
            continue;
        r = fc_lock_entry_parse(l->source, l->locator, &e, err);
        if (r < 0)
            return r;
        free(e.locator);
        e.locator = strdup(l->locator);
        if (!e.locator || fc_lock_add(lock, &e) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

int build_lock(struct cli *cli, const struct build_job *job, struct fc_error *err)
{
    fc_auto(fc_lock_release) struct fc_lock lock = {0};
    struct fc_buf now __attribute__((cleanup(fc_buf_release_auto))) = {0},
                      old __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = make_lock(job, &lock, err);

    if (r == 0)
        r = fc_lock_format(&lock, &now, err);
    if (r < 0)
        return r;
    r = fc_read_file(AT_FDCWD, FC_LOCK_NAME, 64u << 20, &old);
    if (r < 0 && r != -ENOENT)
        return fc_fail_errno(err, -r, "%s", FC_LOCK_NAME);
    if (r == 0 && old.len == now.len && memcmp(old.data, now.data, now.len) == 0)
        return 0;
    if (!cli_fetch_is_locked(cli))
        return job->dry_run ? 0 : fc_lock_write(&lock, FC_LOCK_NAME, err);
    cli_hint(cli, "next: fccompose build without --locked, which writes it");
    return fc_fail(err, ESTALE, "%s/%s would change", job->recipe->dir, FC_LOCK_NAME);
}
