/* SPDX-License-Identifier: Apache-2.0 */
/* Know the workspaces that use the cache, and what each of them needs. */
#include "workspace/roots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "base/log.h"
#include "stack/stack.h"
#include "workspace/internal.h"

enum { PATH_LIMIT = 64 * 1024 };

static char *roots_dir(const struct fc_cache *cache)
{
    char *path;

    return asprintf(&path, "%s/workspaces", fc_cache_dir(cache)) < 0 ? NULL : path;
}

void fc_roots_add(struct fc_cache *cache, const char *dir)
{
    fc_auto(fc_free) char *folder = roots_dir(cache), *path = NULL;
    char text[FC_DIGEST_TEXT];
    struct fc_digest key;
    int r = folder ? fc_digest_of(dir, strlen(dir), &key) : -ENOMEM;

    if (r == 0 && asprintf(&path, "%s/%s", folder, strchr(fc_digest_format(&key, text), ':') + 1) < 0) {
        path = NULL;
        r = -ENOMEM;
    }
    if (r == 0 && access(path, F_OK) == 0)
        return;
    if (r == 0)
        r = mkdir(folder, 0700) < 0 && errno != EEXIST ? -errno : fc_atomic_write(path, dir, strlen(dir), true, NULL);
    /* Who may not write into the cache may not collect it; its owner may, and will not know of us. */
    if (r < 0 && r != -EROFS)
        fc_log(FC_LOG_WARN, "the cache %s does not get to know the workspace %s, so cache gc may remove its layers: %s",
               fc_cache_dir(cache), dir, strerror(-r));
}

int fc_roots_known(const struct fc_cache *cache)
{
    fc_auto(fc_free) char *folder = roots_dir(cache);

    if (!folder)
        return -ENOMEM;
    if (access(folder, F_OK) == 0)
        return 1;
    return errno == ENOENT ? 0 : -errno;
}

void fc_roots_release(struct fc_roots *roots)
{
    for (size_t i = 0; i < roots->n; i++) {
        free(roots->list[i].dir);
        free(roots->list[i].layers);
        free(roots->list[i].blobs);
        free(roots->list[i].only);
    }
    free(roots->list);
    *roots = (struct fc_roots){0};
}

static int need(struct fc_digest **list, size_t *n, size_t *cap, const struct fc_digest *digest)
{
    if (fc_grow(list, cap, *n + 1, sizeof(**list)) < 0)
        return -ENOMEM;
    (*list)[(*n)++] = *digest;
    return 0;
}

static int need_blob(struct fc_root *root, const char *text)
{
    struct fc_digest d;

    return text && fc_digest_parse(text, &d) == 0 ? need(&root->blobs, &root->n_blobs, &root->cap_blobs, &d) : 0;
}

/* The blobs of a layer's source; a note that cannot be read names none. */
static int need_source(struct fc_root *root, struct fc_edit *edit, const struct fc_edit_layer *row,
                       struct fc_error *err)
{
    fc_auto(fc_lock_entry_release) struct fc_lock_entry e = {0};
    fc_auto(fc_free) char *source = NULL;
    char key[WS_SOURCE_KEY];
    int r = fc_edit_meta_get(edit, ws_source_key(key, row->id), &source, err);

    if (r < 0 || !source || fc_lock_entry_parse(source, row->locator, &e, NULL) < 0)
        return r;
    r = need_blob(root, e.index);
    if (r == 0)
        r = need_blob(root, e.manifest);
    if (r == 0)
        r = need_blob(root, e.config);
    for (size_t i = 0; i < e.n_layers && r == 0; i++)
        if (e.layers[i].have_digest)
            r = need(&root->blobs, &root->n_blobs, &root->cap_blobs, &e.layers[i].digest);
    return r < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

static int read_store(struct fc_root *root, struct fc_error *err)
{
    fc_auto(fc_edit_free) struct fc_edit *edit = NULL;
    fc_auto(fc_free) char *store = NULL;
    const struct fc_edit_layer *rows;
    size_t n;
    int r;

    if (asprintf(&store, "%s/" FC_WORKSPACE_FOLDER, root->dir) < 0) {
        store = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    r = fc_edit_open(store, FC_EDIT_READ, &edit, err);
    if (r < 0)
        return r;
    rows = fc_edit_layers(edit, &n);
    for (size_t i = 0; i < n && r == 0; i++) {
        r = need(&root->layers, &root->n_layers, &root->cap_layers, &rows[i].diffid);
        if (r == 0 && fc_stack_only_in_cache(rows[i].locator))
            r = need(&root->only, &root->n_only, &root->cap_only, &rows[i].diffid);
        r = r < 0 ? fc_fail(err, ENOMEM, "out of memory") : need_source(root, edit, &rows[i], err);
    }
    return r;
}

static bool is_listed(const char *dir, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fc_auto(fc_free) char *abs = fc_abspath(list[i]);

        if (abs && strcmp(abs, dir) == 0)
            return true;
    }
    return false;
}

/* Whether the workspace is there: 1; 0: it is gone; or -errno when nobody can tell. */
static int is_there(const char *dir)
{
    fc_auto(fc_free) char *path = NULL;
    struct stat st;

    if (asprintf(&path, "%s/" FC_WORKSPACE_FOLDER "/workspace.db", dir) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (lstat(path, &st) == 0)
        return 1;
    return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

/* One that is just being made or removed cannot be read for a moment. */
static int read_patiently(struct fc_root *root, struct fc_error *err)
{
    const struct timespec pause = {0, 100 * 1000 * 1000};
    int r = read_store(root, err);

    for (int i = 0; i < 5 && r < 0 && r != -ENOMEM; i++) {
        nanosleep(&pause, NULL);
        root->n_layers = root->n_blobs = root->n_only = 0;
        r = is_there(root->dir) == 0 ? 0 : read_store(root, err);
    }
    return r;
}

/* How the roots are read. */
struct reading {
    const char *const *forget;
    size_t n_forget;
    bool write;
    struct fc_roots *ret;
};

static int read_root(const struct reading *in, const char *path, struct fc_error *err)
{
    struct fc_roots *roots = in->ret;
    struct fc_buf dir = {0};
    struct fc_error why = {0};
    struct fc_root *root;
    int r = fc_read_file(AT_FDCWD, path, PATH_LIMIT, &dir);

    if (r == -ENOENT)
        return 0;
    if (r < 0 || !dir.len) {
        fc_buf_release(&dir);
        return fc_fail_errno(err, r < 0 ? -r : EIO, "cannot read %s, which names a workspace", path);
    }
    r = is_listed(dir.data, in->forget, in->n_forget) ? 0 : is_there(dir.data);
    if (r == 0) {
        if (in->write)
            (void)unlink(path);
        fc_buf_release(&dir);
        return 0;
    }
    if (fc_grow(&roots->list, &roots->cap, roots->n + 1, sizeof(*roots->list)) < 0) {
        fc_buf_release(&dir);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    root = &roots->list[roots->n++];
    *root = (struct fc_root){.dir = dir.data};
    r = r < 0 ? fc_fail_errno(&why, -r, "cannot look at it") : read_patiently(root, &why);
    return r < 0 ? fc_fail(err, -r, "what the workspace %s needs cannot be told: %s", root->dir, why.msg) : 0;
}

int fc_roots_read(struct fc_cache *cache, const char *const *forget, size_t n_forget, bool write, struct fc_roots *ret,
                  struct fc_error *err)
{
    const struct reading in = {forget, n_forget, write, ret};
    fc_auto(fc_free) char *folder = roots_dir(cache);
    DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *d;
    int r = 0;

    if (!dir)
        return errno == ENOENT ? 0 : fc_fail_errno(err, errno, "cannot read %s/workspaces", fc_cache_dir(cache));
    while (r == 0 && (d = readdir(dir)) != NULL) {
        fc_auto(fc_free) char *path = NULL;

        if (d->d_name[0] == '.')
            continue;
        if (asprintf(&path, "%s/%s", folder, d->d_name) < 0) {
            path = NULL;
            r = fc_fail(err, ENOMEM, "out of memory");
        } else {
            r = read_root(&in, path, err);
        }
    }
    closedir(dir);
    if (r < 0)
        fc_roots_release(ret);
    return r;
}

static bool is_among(const struct fc_digest *list, size_t n, const struct fc_digest *digest)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&list[i], digest, sizeof(*digest)) == 0)
            return true;
    return false;
}

bool fc_root_needs(const struct fc_root *root, bool is_blob, const struct fc_digest *digest)
{
    return is_blob ? is_among(root->blobs, root->n_blobs, digest) : is_among(root->layers, root->n_layers, digest);
}

bool fc_roots_need_copy(const struct fc_roots *roots, const struct fc_digest *digest)
{
    for (size_t i = 0; i < roots->n; i++)
        if (is_among(roots->list[i].only, roots->list[i].n_only, digest))
            return true;
    return false;
}

bool fc_roots_need(const struct fc_roots *roots, bool is_blob, const struct fc_digest *digest)
{
    for (size_t i = 0; i < roots->n; i++)
        if (fc_root_needs(&roots->list[i], is_blob, digest))
            return true;
    return false;
}
