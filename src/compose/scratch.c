/* SPDX-License-Identifier: Apache-2.0 */
/* Make and remove the live tree of a step. */
#include "compose/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "layer/layer.h"
#include "live/changes.h"

#define PREFIX "tmp-"

FC_DEFINE_AUTO(struct fc_live_changes *, fc_live_changes_free)

/* Remove folders that nobody holds. The lock on @folder keeps out who has made one and not locked it yet. */
static void remove_stale(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *d;

    while (dir && (d = readdir(dir)) != NULL) {
        fc_auto(fc_close) int fd = -1;

        if (strncmp(d->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fc_remove_all(dirfd(dir), d->d_name) == 0)
            fc_log(FC_LOG_INFO, "removed %s/%s, left by a build that was killed", folder, d->d_name);
    }
    if (dir)
        closedir(dir);
}

static int make_dir(struct fc_cache *cache, struct fc_scratch *s, struct fc_error *err)
{
    fc_auto(fc_free) char *folder = NULL, *path = NULL, *lock_path = NULL;
    fc_auto(fc_close) int guard = -1;
    int r;

    if (asprintf(&folder, "%s/build", fc_cache_dir(cache)) < 0 || asprintf(&path, "%s/" PREFIX "XXXXXX", folder) < 0 ||
        asprintf(&lock_path, "%s/.lock", folder) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_mkdir_all(folder, err);
    if (r < 0)
        return r;
    guard = fc_lock_file(lock_path, true, true);
    if (guard < 0)
        return fc_fail_errno(err, -guard, "cannot lock %s", lock_path);
    remove_stale(folder);
    if (!mkdtemp(path))
        return fc_fail_errno(err, errno, "cannot make a folder in %s", folder);
    s->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s->dir = fc_steal(&path);
    if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) < 0)
        return fc_fail_errno(err, errno, "cannot lock %s", s->dir);
    return 0;
}

/* The layers as rows of the store, and the tree that they make. */
static int put_stack(struct fc_scratch *s, struct fc_layer *const *layers, uint32_t *ids, struct fc_tree_layer *stack,
                     size_t n, struct fc_error *err)
{
    const struct fc_edit_layer *rows;
    size_t n_rows;
    int r = fc_edit_begin(s->edit, err);

    for (size_t i = 0; i < n && r == 0; i++)
        r = fc_edit_layer_add(s->edit, fc_layer_diffid(layers[i]), "", "", fc_layer_view(layers[i])->header->n_inodes,
                              &ids[i], err);
    if (r == 0)
        r = fc_edit_stack_set(s->edit, ids, n, err);
    if (r == 0)
        r = fc_edit_commit(s->edit, false, err);
    if (r < 0)
        return r;
    rows = fc_edit_layers(s->edit, &n_rows);
    for (size_t i = 0; i < n; i++)
        stack[i] = (struct fc_tree_layer){layers[i], rows[i].first_ino};
    return fc_tree_fold(stack, (uint32_t)n, NULL, &s->tree, err);
}

static int open_tree(struct fc_scratch *s, struct fc_layer *const *layers, size_t n, bool for_run, struct fc_error *err)
{
    fc_auto(fc_free) uint32_t *ids = calloc(n + 1, sizeof(*ids));
    fc_auto(fc_free) struct fc_tree_layer *stack = calloc(n + 1, sizeof(*stack));
    fc_auto(fc_free) char *store = NULL;
    struct fc_live_options live = {.layer_ids = ids, .count_refs = for_run, .no_writer = !for_run};
    int r = 0;

    if (!ids || !stack || asprintf(&store, "%s/store", s->dir) < 0) {
        store = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    r = fc_edit_create(store, err);
    if (r == 0)
        r = fc_edit_open(store, FC_EDIT_WRITE, &s->edit, err);
    if (r == 0)
        r = put_stack(s, layers, ids, stack, n, err);
    live.tree = s->tree;
    live.edit = s->edit;
    return r == 0 ? fc_live_open(&live, &s->live, err) : r;
}

int fc_scratch_open(struct fc_cache *cache, struct fc_layer *const *layers, size_t n, bool for_run,
                    struct fc_scratch *ret, struct fc_error *err)
{
    struct fc_scratch s = {.lock = -1};
    int r = make_dir(cache, &s, err);

    if (r == 0)
        r = open_tree(&s, layers, n, for_run, err);
    if (r < 0) {
        fc_scratch_release(&s);
        return r;
    }
    *ret = s;
    return 0;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec >= b->tv_nsec;
}

int fc_scratch_settle_times(struct fc_scratch *s, const struct timespec *began, bool all_new, int64_t epoch,
                            struct fc_error *err)
{
    fc_auto(fc_live_changes_free) struct fc_live_changes *changes = NULL;
    const struct fc_attr attr = {.mtime = {.tv_sec = epoch}};
    const struct fc_snap_inode *inodes;
    uint32_t n;
    int r = fc_live_changes(s->live, NULL, 0, &changes, err);

    if (r < 0)
        return r;
    inodes = fc_snapshot_inodes(changes->snapshot, &n);
    for (uint32_t i = 0; i < n && r == 0; i++) {
        bool is_new = all_new && fc_tree_by_ino(s->tree, inodes[i].ino) == FC_TREE_NONE;

        if (changes->whole[i] && (is_new || is_later(&inodes[i].mtime, began)))
            r = fc_live_setattr(s->live, inodes[i].ino, &attr, FC_SET_MTIME, NULL);
    }
    return r < 0 ? fc_fail_errno(err, -r, "cannot set times") : 0;
}

void fc_scratch_release(struct fc_scratch *s)
{
    fc_live_free(s->live);
    fc_edit_free(s->edit);
    fc_tree_free(s->tree);
    if (s->dir)
        fc_remove_all(AT_FDCWD, s->dir);
    if (s->lock >= 0)
        close(s->lock);
    free(s->dir);
    *s = (struct fc_scratch){.lock = -1};
}
