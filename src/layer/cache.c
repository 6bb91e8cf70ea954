/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's folders: where it is, what is in it, which tar bytes gave which layer, what dead builders left. */
#include "layer/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/io.h"
#include "base/log.h"

static char *join(const char *dir, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static int lock_path(const struct fc_cache *cache, int operation)
{
    fc_auto(fc_free) char *path = join(cache->layers, ".lock");

    return path ? fc_lock_file(path, operation == LOCK_EX, operation == LOCK_SH) : -ENOMEM;
}

/* Whether a builder still holds the folder's pack. */
static bool builder_lives(int layers_fd, const char *name)
{
    char path[300];
    fc_auto(fc_close) int fd = -1;

    snprintf(path, sizeof(path), "%.255s/pack", name);
    fd = openat(layers_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/*
 * Remove what killed builders left. The exclusive lock keeps away builders between making a folder and locking its
 * pack; when somebody has it, it is their turn to clean. A cache that cannot be written is left as it is.
 */
static void remove_stale(const struct fc_cache *cache)
{
    fc_auto(fc_close) int lock = -1;
    DIR *dir = opendir(cache->layers);
    const struct dirent *d;
    bool any = false;

    while (dir && !any && (d = readdir(dir)) != NULL)
        any = strncmp(d->d_name, FC_CACHE_TEMP, strlen(FC_CACHE_TEMP)) == 0;
    if (any)
        lock = lock_path(cache, LOCK_EX);
    if (lock >= 0) {
        rewinddir(dir);
        while ((d = readdir(dir)) != NULL) {
            if (strncmp(d->d_name, FC_CACHE_TEMP, strlen(FC_CACHE_TEMP)) != 0 || builder_lives(dirfd(dir), d->d_name))
                continue;
            if (fc_remove_all(dirfd(dir), d->d_name) == 0)
                fc_log(FC_LOG_INFO, "removed %s/%s, left by a build that was killed", cache->layers, d->d_name);
        }
    }
    if (dir)
        closedir(dir);
}

static int make_folder(const char *path, mode_t mode, struct fc_error *err)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return fc_fail_errno(err, errno, "cannot make the folder %s", path);
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return fc_fail(err, ENOTDIR, "%s is in the cache's way: it is not a folder", path);
    return 0;
}

/*
 * A new cache knows all its workspaces from the beginning. One that has layers and no such folder was made before caches knew
 * any, or has lost it: what its layers are needed for cannot be told, and garbage collection says so.
 */
static void begin_workspaces(const struct fc_cache *cache)
{
    fc_auto(fc_free) char *path = join(cache->dir, "workspaces");

    if (path && access(cache->layers, F_OK) < 0)
        (void)mkdir(path, 0700);
}

int fc_cache_open(const char *path, struct fc_cache **ret_cache, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = calloc(1, sizeof(*cache));
    int r = 0;

    if (!cache)
        return fc_fail(err, ENOMEM, "out of memory");
    if (path)
        cache->dir = fc_abspath(path);
    else
        r = fc_dir_cache(&cache->dir, err);
    if (r < 0)
        return r;
    if (cache->dir) {
        cache->layers = join(cache->dir, "layers");
        cache->sources = join(cache->dir, "layers/.sources");
    }
    if (!cache->layers || !cache->sources)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_mkdir_all(cache->dir, err);
    if (r == 0)
        begin_workspaces(cache);
    /* Contents of layers, whatever modes they have inside, are for this user alone unless shared on purpose. */
    if (r == 0)
        r = make_folder(cache->layers, 0700, err);
    if (r < 0)
        return r == -ENOMEM ? r : fc_wrap(err, "the cache (FCCOMPOSE_CACHE names another place for it)");
    (void)mkdir(cache->sources, 0777);
    remove_stale(cache);
    *ret_cache = fc_steal(&cache);
    return 0;
}

void fc_cache_free(struct fc_cache *cache)
{
    if (!cache)
        return;
    free(cache->dir);
    free(cache->layers);
    free(cache->sources);
    free(cache);
}

const char *fc_cache_dir(const struct fc_cache *cache) { return cache->dir; }

int fc_cache_lock_shared(const struct fc_cache *cache) { return lock_path(cache, LOCK_SH); }

int fc_cache_temp(struct fc_cache *cache, char **ret_path, int *ret_pack_fd, struct fc_error *err)
{
    fc_auto(fc_close) int lock = lock_path(cache, LOCK_SH);
    fc_auto(fc_free) char *path = join(cache->layers, FC_CACHE_TEMP "XXXXXX");
    fc_auto(fc_free) char *pack = NULL;
    fc_auto(fc_close) int fd = -1;

    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    if (lock < 0 || !mkdtemp(path))
        return fc_fail_errno(err, lock < 0 ? -lock : errno, "cannot write into the cache %s", cache->dir);
    pack = join(path, "pack");
    if (pack)
        fd = open(pack, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int code = pack ? errno : ENOMEM;

        fc_remove_all(AT_FDCWD, path);
        return fc_fail_errno(err, code, "cannot write into the cache %s", cache->dir);
    }
    *ret_path = fc_steal(&path);
    *ret_pack_fd = fc_steal_fd(&fd);
    return 0;
}

static char *hex_path(const char *dir, const struct fc_digest *d)
{
    char text[FC_DIGEST_TEXT];

    return join(dir, strchr(fc_digest_format(d, text), ':') + 1);
}

char *fc_cache_layer_path(const struct fc_cache *cache, const struct fc_digest *diffid)
{
    return hex_path(cache->layers, diffid);
}

int fc_cache_remember(struct fc_cache *cache, const struct fc_digest *blob, const struct fc_digest *diffid)
{
    fc_auto(fc_free) char *path = hex_path(cache->sources, blob);
    char text[FC_DIGEST_TEXT];

    if (!path)
        return -ENOMEM;
    fc_digest_format(diffid, text);
    /* Not synced: what a power failure tears does not parse, and the tar is then imported once more. */
    return fc_atomic_write(path, text, strlen(text), false, NULL);
}

int fc_cache_recall(struct fc_cache *cache, const struct fc_digest *blob, struct fc_digest *ret_diffid)
{
    fc_auto(fc_free) char *path = hex_path(cache->sources, blob);
    fc_auto(fc_close) int fd = -1;
    char text[FC_DIGEST_TEXT + 1];
    ssize_t n;

    if (!path)
        return -ENOMEM;
    /* Anything but a note of ours is no note, and nothing to wait for. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    n = fd < 0 ? -1 : fc_read_full(fd, text, FC_DIGEST_TEXT);
    if (n < 0)
        return -ENOENT;
    text[n] = '\0';
    return fc_digest_parse(text, ret_diffid) < 0 ? -ENOENT : 0;
}

static int compare_digests(const void *a, const void *b) { return memcmp(a, b, sizeof(struct fc_digest)); }

static int list_layers(const struct fc_cache *cache, struct fc_buf *ret)
{
    DIR *dir = opendir(cache->layers);
    const struct dirent *d;
    int r = dir ? 0 : -errno;

    while (r == 0 && (d = readdir(dir)) != NULL) {
        struct fc_digest digest;

        if (strlen(d->d_name) == 64 && fc_digest_parse(d->d_name, &digest) == 0)
            r = fc_buf_add(ret, &digest, sizeof(digest));
    }
    if (dir)
        closedir(dir);
    return r;
}

int fc_cache_each(struct fc_cache *cache, int (*fn)(void *arg, const struct fc_digest *diffid), void *arg)
{
    fc_auto(fc_buf_release) struct fc_buf list = {0};
    int r = list_layers(cache, &list);

    if (list.len)
        qsort(list.data, list.len / sizeof(struct fc_digest), sizeof(struct fc_digest), compare_digests);
    for (size_t i = 0; r == 0 && i < list.len; i += sizeof(struct fc_digest)) {
        struct fc_digest digest;

        memcpy(&digest, list.data + i, sizeof(digest));
        r = fn(arg, &digest);
    }
    return r;
}
