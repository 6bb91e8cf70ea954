/* SPDX-License-Identifier: Apache-2.0 */
/* What layers take on the disk, and removing them while others use the cache. */
#include "layer/gc.h"

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
#include "layer/cache.h"

#define ASIDE ".damaged-"

static uint64_t blocks(const struct stat *st) { return (uint64_t)st->st_blocks * 512; }

static char *part_path(const struct fc_cache *cache, const struct fc_digest *diffid, const char *part)
{
    fc_auto(fc_free) char *folder = fc_cache_layer_path(cache, diffid);
    char *path = NULL;

    return folder && asprintf(&path, "%s/%s", folder, part) >= 0 ? path : NULL;
}

/* Bytes of a folder and the files in it. */
static uint64_t folder_bytes(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *d;
    uint64_t sum = 0;
    struct stat st;

    while (dir && (d = readdir(dir)) != NULL)
        if (strcmp(d->d_name, "..") != 0 && fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            sum += blocks(&st);
    if (dir)
        closedir(dir);
    return sum;
}

int fc_layer_claim(struct fc_cache *cache, const struct fc_digest *diffid)
{
    fc_auto(fc_free) char *path = part_path(cache, diffid, "pack");
    fc_auto(fc_close) int fd = -1;
    struct stat a, b;

    if (!path)
        return -ENOMEM;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    /* It may have been removed, or exchanged, before the lock. */
    if (fstat(fd, &a) < 0 || lstat(path, &b) < 0 || a.st_ino != b.st_ino || a.st_dev != b.st_dev)
        return -ENOENT;
    return fc_steal_fd(&fd);
}

int fc_layer_room(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_layer_room *ret)
{
    fc_auto(fc_free) char *path = fc_cache_layer_path(cache, diffid);
    fc_auto(fc_close) int claim = -1;
    struct stat st;

    if (!path)
        return -ENOMEM;
    if (lstat(path, &st) < 0)
        return -errno;
    claim = fc_layer_claim(cache, diffid);
    *ret = (struct fc_layer_room){
        .bytes = folder_bytes(path), .used = st.st_mtim.tv_sec, .in_use = claim < 0 && claim != -ENOENT};
    return 0;
}

int fc_layer_discard(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_error *err)
{
    fc_auto(fc_free) char *path = fc_cache_layer_path(cache, diffid);
    fc_auto(fc_free) char *gone = NULL;
    int r;

    /* With the claim's lock on its pack nobody takes it for a dead builder's; when we die it is that, and goes. */
    if (!path || asprintf(&gone, "%s/" FC_CACHE_TEMP "gc-%s", cache->layers, strrchr(path, '/') + 1) < 0) {
        gone = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    r = rename(path, gone) < 0 ? -errno : fc_remove_all(AT_FDCWD, gone);
    return r < 0 ? fc_fail_errno(err, -r, "cannot remove %s", path) : 0;
}

int fc_layer_set_aside(struct fc_cache *cache, const struct fc_digest *diffid, struct fc_error *err)
{
    fc_auto(fc_free) char *path = fc_cache_layer_path(cache, diffid);
    fc_auto(fc_free) char *aside = NULL;

    if (!path || asprintf(&aside, "%s/" ASIDE "%s", cache->layers, strrchr(path, '/') + 1) < 0) {
        aside = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    (void)fc_remove_all(AT_FDCWD, aside);
    /* The time since when it lies there. */
    (void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
    if (rename(path, aside) < 0 && errno != ENOENT)
        return fc_fail_errno(err, errno, "cannot set %s aside", path);
    return 0;
}

/* One pass over a folder of leftovers. */
struct sweep {
    struct fc_cache *cache;
    const char *folder;
    bool (*is_left)(const struct sweep *s, const char *name);
    const struct fc_leftover_options *o;
};

static bool exists(char *path)
{
    bool there = path && access(path, F_OK) == 0;

    free(path);
    return there;
}

static bool is_aside(const struct sweep *s, const char *name)
{
    struct fc_digest diffid;

    if (strncmp(name, ASIDE, strlen(ASIDE)) != 0)
        return false;
    if (fc_digest_parse(name + strlen(ASIDE), &diffid) < 0 || exists(fc_cache_layer_path(s->cache, &diffid)) ||
        !s->o->is_needed(s->o->arg, &diffid))
        return true;
    fc_log(FC_LOG_WARN,
           "%s/%s stays: a workspace needs that layer, and there is no whole one; next: fccompose pull there",
           s->folder, name);
    return false;
}

/* A note leads to a layer, or to another note that does. */
static bool leads_nowhere(const struct sweep *s, const char *name)
{
    struct fc_digest key, value, next;

    if (fc_digest_parse(name, &key) < 0)
        return false;
    if (fc_cache_recall(s->cache, &key, &value) < 0)
        return true;
    return !exists(fc_cache_layer_path(s->cache, &value)) &&
           (fc_cache_recall(s->cache, &value, &next) < 0 || !exists(fc_cache_layer_path(s->cache, &next)));
}

static int sweep_one(const struct sweep *s, int dir, const char *name, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    struct stat st;
    uint64_t bytes;
    int r;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_mtim.tv_sec > s->o->before || !s->is_left(s, name))
        return 0;
    if (asprintf(&path, "%s/%s", s->folder, name) < 0) {
        path = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    bytes = S_ISDIR(st.st_mode) ? folder_bytes(path) : blocks(&st);
    r = s->o->dry_run ? 0 : fc_remove_all(dir, name);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot remove %s", path);
    s->o->fn(s->o->arg, path, bytes);
    return 0;
}

static int sweep(const struct sweep *s, struct fc_error *err)
{
    DIR *dir = opendir(s->folder);
    const struct dirent *d;
    int r = 0;

    if (!dir)
        return errno == ENOENT ? 0 : fc_fail_errno(err, errno, "cannot read %s", s->folder);
    while (r == 0 && (d = readdir(dir)) != NULL)
        r = sweep_one(s, dirfd(dir), d->d_name, err);
    closedir(dir);
    return r;
}

int fc_cache_leftovers(struct fc_cache *cache, const struct fc_leftover_options *options, struct fc_error *err)
{
    struct sweep s = {cache, cache->layers, is_aside, options};
    int r = sweep(&s, err);

    s.folder = cache->sources;
    s.is_left = leads_nowhere;
    return r < 0 ? r : sweep(&s, err);
}
