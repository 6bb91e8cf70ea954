/* SPDX-License-Identifier: Apache-2.0 */
/* Find what a copy step reads, and tell by digests whether it is what it was. */
#include "compose/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "compose/hash.h"
#include "entry/entry.h"
#include "entry/glob.h"
#include "stack/seen.h"

/* Files from this size on are remembered each by itself: a change beside them does not make them be read. */
#define LARGE (UINT64_C(1) << 20)

static int add(struct fc_sources *s, const char *path)
{
    if (fc_grow(&s->paths, &s->cap, s->n + 1, sizeof(*s->paths)) < 0)
        return -ENOMEM;
    s->paths[s->n] = strdup(path);
    return s->paths[s->n] ? (s->n++, 0) : -ENOMEM;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int expand(const char *pattern, struct fc_sources *ret, struct fc_error *err)
{
    struct stat st;
    glob_t found = {0};
    int r;

    if (!strpbrk(pattern, "*?[") || lstat(pattern, &st) == 0)
        return add(ret, pattern) < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
    r = glob(pattern, GLOB_NOSORT, NULL, &found);
    if (r == GLOB_NOMATCH)
        r = fc_fail(err, ENOENT, "%s: nothing matches", pattern);
    else if (r != 0)
        r = fc_fail_errno(err, r == GLOB_NOSPACE ? ENOMEM : EIO, "%s", pattern);
    if (r == 0 && found.gl_pathc)
        qsort(found.gl_pathv, found.gl_pathc, sizeof(char *), by_bytes);
    for (size_t i = 0; i < found.gl_pathc && r == 0; i++) {
        const char *name = strrchr(found.gl_pathv[i], '/');

        if (fc_glob_excluded(ret->excludes, ret->n_excludes, name ? name + 1 : found.gl_pathv[i]))
            continue;
        if (add(ret, found.gl_pathv[i]) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
    }
    globfree(&found);
    return r;
}

int fc_sources_expand(const struct fc_recipe_list *from, struct fc_sources *ret, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < from->n && r == 0; i++)
        r = expand(from->items[i], ret, err);
    return r;
}

void fc_sources_release(struct fc_sources *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->paths[i]);
    free(s->paths);
    *s = (struct fc_sources){0};
}

int fc_source_open(const struct fc_sources *s, size_t i, struct fc_error *err)
{
    const char *path = s->paths[i];
    struct stat st;
    int flags = O_CLOEXEC | O_NONBLOCK | (s->no_follow ? O_NOFOLLOW : 0), fd;

    if (fstatat(AT_FDCWD, path, &st, s->no_follow ? AT_SYMLINK_NOFOLLOW : 0) < 0)
        return fc_fail_errno(err, errno, "%s", path);
    fd = open(path, flags | (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? O_RDONLY : O_PATH));
    return fd < 0 ? fc_fail_errno(err, errno, "%s", path) : fd;
}

/* A walk over all that stat(2) says. */
struct walk {
    const struct fc_sources *s;
    int (*fn)(void *arg, const FTSENT *e, const char *below); /* @below: its path in the source, "" for that itself */
    void *arg;
};

static int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

static int walk_entry(const struct walk *w, FTS *fts, FTSENT *e, size_t root_len, struct fc_error *err)
{
    const char *below = e->fts_path + root_len;
    int r;

    below += *below == '/';
    if (e->fts_info == FTS_DP)
        return 0;
    if (e->fts_info == FTS_ERR || e->fts_info == FTS_NS || e->fts_info == FTS_DNR)
        return fc_fail_errno(err, e->fts_errno, "%s", e->fts_path);
    if (*below && fc_glob_excluded(w->s->excludes, w->s->n_excludes, below)) {
        fts_set(fts, e, FTS_SKIP);
        return 0;
    }
    r = w->fn(w->arg, e, below);
    return r < 0 ? fc_fail_errno(err, -r, "%s", e->fts_path) : r;
}

static int walk(const struct walk *w, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < w->s->n && r == 0; i++) {
        char *roots[] = {w->s->paths[i], NULL};
        size_t len = strlen(w->s->paths[i]);
        FTS *fts =
            fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV | (w->s->no_follow ? 0 : FTS_COMFOLLOW), by_name);
        FTSENT *e;

        if (!fts)
            return fc_fail_errno(err, errno, "%s", w->s->paths[i]);
        while (r == 0 && (errno = 0, e = fts_read(fts)) != NULL)
            r = walk_entry(w, fts, e, len, err);
        if (r == 0 && errno)
            r = fc_fail_errno(err, errno, "%s", w->s->paths[i]);
        fts_close(fts);
    }
    return r;
}

struct stat_walk {
    struct fc_hasher *hasher;
    bool clean, settled;
    dev_t dev;
    int on_dev; /* something on that device, to ask about its file system */
};

/* What was stored through a mapping shows in the times only from its way to the disk on. */
static bool clean(const FTSENT *e)
{
    fc_auto(fc_close) int fd = open(e->fts_accpath, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    return fd >= 0 && sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE) == 0;
}

static int take_stat(void *arg, const FTSENT *e, const char *below)
{
    struct stat_walk *w = arg;
    struct stat st = *e->fts_statp;
    uint64_t numbers[9];
    int r;

    if (w->clean && S_ISREG(st.st_mode)) {
        w->settled &= clean(e);
        if (fstatat(AT_FDCWD, e->fts_accpath, &st, e->fts_level ? AT_SYMLINK_NOFOLLOW : 0) < 0)
            return -errno;
    }
    if (w->on_dev < 0 || st.st_dev != w->dev) {
        if (w->on_dev >= 0)
            close(w->on_dev);
        w->on_dev = open(e->fts_accpath, O_PATH | O_CLOEXEC);
        w->dev = st.st_dev;
    }
    if (w->settled)
        w->settled = w->on_dev >= 0 && fc_seen_is_settled(w->on_dev, &st);
    numbers[0] = st.st_dev;
    numbers[1] = st.st_ino;
    numbers[2] = st.st_mode;
    numbers[3] = (uint64_t)st.st_size;
    numbers[4] = (uint64_t)st.st_mtim.tv_sec;
    numbers[5] = (uint64_t)st.st_mtim.tv_nsec;
    numbers[6] = (uint64_t)st.st_ctim.tv_sec;
    numbers[7] = (uint64_t)st.st_ctim.tv_nsec;
    numbers[8] = st.st_nlink;
    r = fc_hash_bytes(w->hasher, below, strlen(below));
    return r < 0 ? r : fc_hash_bytes(w->hasher, numbers, sizeof(numbers));
}

/* With @make_clean the answer can be relied on for what is remembered. */
static int digest_stats(const struct fc_sources *s, bool make_clean, struct fc_digest *ret, bool *ret_settled,
                        struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = fc_hasher_new();
    struct stat_walk w = {.hasher = hasher, .clean = make_clean, .settled = true, .on_dev = -1};
    const struct walk all = {s, take_stat, &w};
    int r = hasher ? fc_hash_text(hasher, "stat of copied files") : -ENOMEM;

    for (size_t i = 0; i < s->n && r == 0; i++)
        r = fc_hash_text(hasher, s->paths[i]);
    for (size_t i = 0; i < s->n_excludes && r == 0; i++)
        r = fc_hash_text(hasher, s->excludes[i]);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot digest what is copied");
    r = walk(&all, err);
    if (w.on_dev >= 0)
        close(w.on_dev);
    if (r == 0 && fc_hasher_finish(hasher, ret) < 0)
        r = fc_fail(err, EIO, "cannot digest what is copied");
    *ret_settled = w.settled;
    return r;
}

int fc_sources_stat(const struct fc_sources *s, struct fc_digest *ret, bool *ret_settled, struct fc_error *err)
{
    return digest_stats(s, false, ret, ret_settled, err);
}

/* The digest of a large file, remembered by its own identity. */
static int digest_large(struct fc_cache *cache, int root, const struct fc_entry *e, struct fc_digest *ret,
                        struct fc_error *err)
{
    fc_auto(fc_seen_free) struct fc_seen *seen = NULL;
    fc_auto(fc_close) int fd = *e->path ? openat(root, e->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : dup(root);
    int r;

    if (fd < 0)
        return fc_fail_errno(err, errno, "%s", e->path);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return fc_fail_errno(err, errno, "%s", e->path);
    r = fc_seen_new(cache, fd, e->path, &seen, err);
    if (r < 0 || !seen)
        return r < 0 ? r : fc_fail(err, EIO, "%s is no file any more", e->path);
    if (fc_seen_same(seen, ret))
        return 0;
    r = fc_seen_digest(seen, NULL, ret, err);
    if (r == 0)
        fc_seen_remember(seen, ret);
    return r;
}

static int digest_small(struct fc_entry_iter *it, struct fc_digest *ret, struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    static const char zeros[4096];
    uint64_t at = 0;
    struct fc_block b;
    int r = h ? 0 : -ENOMEM;

    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    while ((r = fc_entry_read(it, &b, err)) > 0) {
        while (at < b.offset && r > 0) {
            size_t n = b.offset - at < sizeof(zeros) ? (size_t)(b.offset - at) : sizeof(zeros);

            r = fc_hasher_add(h, zeros, n) < 0 ? -EIO : 1;
            at += n;
        }
        if (r < 0 || fc_hasher_add(h, b.data, b.size) < 0)
            return fc_fail(err, EIO, "cannot digest what is copied");
        at += b.size;
    }
    return r < 0 ? r : fc_hasher_finish(h, ret);
}

static int digest_entry(struct fc_cache *cache, struct fc_hasher *h, int root, struct fc_entry_iter *it,
                        const struct fc_entry *e, struct fc_error *err)
{
    const uint64_t numbers[] = {e->op, e->mode, e->rdev_major, e->rdev_minor, e->size, e->n_xattrs};
    struct fc_digest content;
    int r = fc_hash_text(h, e->path);

    if (r == 0)
        r = fc_hash_bytes(h, numbers, sizeof(numbers));
    if (r == 0)
        r = fc_hash_text(h, e->target);
    for (size_t i = 0; i < e->n_xattrs && r == 0; i++) {
        r = fc_hash_text(h, e->xattrs[i].name);
        if (r == 0)
            r = fc_hash_bytes(h, e->xattrs[i].value, e->xattrs[i].size);
    }
    if (r < 0)
        return fc_fail(err, EIO, "cannot digest what is copied");
    if (e->op != FC_ENTRY_ADD || !S_ISREG(e->mode))
        return 0;
    r = e->size >= LARGE ? digest_large(cache, root, e, &content, err) : digest_small(it, &content, err);
    return r < 0 ? r : fc_hash_bytes(h, &content, sizeof(content));
}

static int digest_source(struct fc_cache *cache, const struct fc_sources *s, size_t i, struct fc_hasher *h,
                         struct fc_error *err)
{
    const struct fc_dir_options options = {.excludes = s->excludes, .n_excludes = s->n_excludes};
    fc_auto(fc_close) int fd = fc_source_open(s, i, err);
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    const struct fc_entry *e;
    const char *slash = strrchr(s->paths[i], '/');
    int r = fd < 0 ? fd : fc_hash_text(h, slash ? slash + 1 : s->paths[i]);

    if (r == 0)
        r = fc_dir_iter(fd, s->paths[i], &options, &it, err);
    while (r == 0 && (r = fc_entry_next(it, &e, err)) > 0)
        r = digest_entry(cache, h, fd, it, e, err);
    return r;
}

static int digest_all(struct fc_cache *cache, const struct fc_sources *s, struct fc_digest *ret, struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    int r = h ? fc_hash_text(h, "copied files") : -ENOMEM;

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot digest what is copied");
    for (size_t i = 0; i < s->n && r == 0; i++)
        r = digest_source(cache, s, i, h, err);
    if (r == 0 && fc_hasher_finish(h, ret) < 0)
        r = fc_fail(err, EIO, "cannot digest what is copied");
    return r;
}

int fc_sources_digest(struct fc_cache *cache, const struct fc_sources *s, struct fc_digest *ret, struct fc_error *err)
{
    struct fc_digest before, after;
    bool settled, ignored;
    int r = digest_stats(s, false, &before, &settled, err);

    if (r < 0)
        return r;
    if (settled && fc_cache_recall(cache, &before, ret) == 0)
        return 0;
    r = digest_stats(s, true, &before, &settled, err);
    if (r == 0)
        r = digest_all(cache, s, ret, err);
    if (r == 0)
        r = digest_stats(s, false, &after, &ignored, err);
    /* What cannot be relied on is digested again the next time. */
    if (r == 0 && settled && memcmp(&before, &after, sizeof(before)) == 0)
        (void)fc_cache_remember(cache, &before, ret);
    return r;
}

/* For the caller of fc_sources_each(). */
struct each {
    int (*fn)(void *arg, const char *path);
    void *arg;
};

static int take_path(void *arg, const FTSENT *e, const char *below)
{
    const struct each *each = arg;

    (void)below;
    return each->fn(each->arg, e->fts_path);
}

int fc_sources_each(const struct fc_sources *s, int (*fn)(void *arg, const char *path), void *arg, struct fc_error *err)
{
    struct each each = {fn, arg};
    const struct walk all = {s, take_path, &each};

    return walk(&all, err);
}
