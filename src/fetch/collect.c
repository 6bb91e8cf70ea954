/* SPDX-License-Identifier: Apache-2.0 */
/* What the blobs of the layout take on the disk, whether they are whole, and removing them. */
#include "fetch/collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fetch/layout.h"

static char *join(const char *dir, const char *folder, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s/%s", dir, folder, name) < 0 ? NULL : path;
}

static char *blob_path(const char *dir, const struct fc_digest *digest)
{
    char text[FC_DIGEST_TEXT];

    return join(dir, "blobs/sha256", strchr(fc_digest_format(digest, text), ':') + 1);
}

int fc_blobs_each(const char *dir, int (*fn)(void *arg, const struct fc_blob_room *blob), void *arg)
{
    fc_auto(fc_free) char *path = join(dir, "blobs", "sha256");
    DIR *d = path ? opendir(path) : NULL;
    const struct dirent *e;
    int r = 0;

    if (!d)
        return !path ? -ENOMEM : errno == ENOENT ? 0 : -errno;
    while (r == 0 && (e = readdir(d)) != NULL) {
        struct fc_blob_room b;
        struct stat st;

        if (strlen(e->d_name) != 64 || fc_digest_parse(e->d_name, &b.digest) < 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        b.bytes = (uint64_t)st.st_blocks * 512;
        b.used = st.st_mtim.tv_sec;
        r = fn(arg, &b);
    }
    closedir(d);
    return r;
}

int fc_blobs_claim(const char *dir)
{
    fc_auto(fc_free) char *path = join(dir, ".", ".lock");

    return path ? fc_lock_file(path, true, false) : -ENOMEM;
}

int fc_blob_remove(const char *dir, const struct fc_digest *digest)
{
    fc_auto(fc_free) char *path = blob_path(dir, digest);

    if (!path)
        return -ENOMEM;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int fc_blob_verify(const char *dir, const struct fc_digest *digest, struct fc_error *err)
{
    fc_auto(fc_free) char *path = blob_path(dir, digest);
    fc_auto(fc_close) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    fc_auto(fc_free) char *aside = NULL;
    struct fc_digest is;
    int r;

    if (fd < 0)
        return fc_fail_errno(err, path ? errno : ENOMEM, "cannot open %s", path ? path : "a blob");
    r = fc_layout_digest(fd, &is);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s", path);
    if (memcmp(&is, digest, sizeof(is)) == 0)
        return 0;
    aside = join(dir, ".damaged", strrchr(path, '/') + 1);
    (void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW); /* the time since when it lies there */
    if (!aside || rename(path, aside) < 0)
        return fc_fail(err, EBADMSG, "%s is damaged: its bytes are not those of its digest; it cannot be set aside",
                       path);
    return fc_fail(err, EBADMSG, "%s is damaged: its bytes are not those of its digest; set aside as %s", path, aside);
}

/* One pass over a folder. */
struct sweep {
    const char *dir, *folder;
    bool (*is_left)(const struct sweep *s, int folder, const char *name);
    int64_t before;
    bool dry_run;
    void (*fn)(void *arg, const char *path, uint64_t bytes);
    void *arg;
};

static bool always(const struct sweep *s, int folder, const char *name)
{
    (void)s;
    (void)folder;
    (void)name;
    return true;
}

/* A note has the digest of its blob behind "digest: ", or at its beginning. */
static bool lost_its_blob(const struct sweep *s, int folder, const char *name)
{
    struct fc_buf text = {0};
    bool lost = true;

    if (fc_read_file(folder, name, 64u * 1024, &text) == 0 && text.data)
        for (const char *at = text.data; lost && (at = strstr(at, "sha256:")) != NULL; at++) {
            fc_auto(fc_free) char *path = NULL;
            char digest[FC_DIGEST_TEXT];
            struct fc_digest d;

            snprintf(digest, sizeof(digest), "%.71s", at);
            path = fc_digest_parse(digest, &d) == 0 ? blob_path(s->dir, &d) : NULL;
            lost = !path || access(path, F_OK) < 0;
        }
    fc_buf_release(&text);
    return lost;
}

static int sweep(const struct sweep *s, struct fc_error *err)
{
    fc_auto(fc_free) char *path = join(s->dir, s->folder, ".");
    DIR *d = path ? opendir(path) : NULL;
    const struct dirent *e;
    int r = 0;

    if (!d)
        return errno == ENOENT ? 0 : fc_fail_errno(err, errno, "cannot read %s/%s", s->dir, s->folder);
    while (r == 0 && (e = readdir(d)) != NULL) {
        fc_auto(fc_free) char *one = join(s->dir, s->folder, e->d_name);
        struct stat st;

        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode) ||
            st.st_mtim.tv_sec > s->before || !s->is_left(s, dirfd(d), e->d_name))
            continue;
        if (!s->dry_run && unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != ENOENT)
            r = fc_fail_errno(err, errno, "cannot remove %s/%s/%s", s->dir, s->folder, e->d_name);
        else if (one)
            s->fn(s->arg, one, (uint64_t)st.st_blocks * 512);
    }
    closedir(d);
    return r;
}

int fc_blobs_leftovers(const char *dir, int64_t before, bool dry_run,
                       void (*fn)(void *arg, const char *path, uint64_t bytes), void *arg, struct fc_error *err)
{
    const struct sweep sweeps[] = {
        {dir, ".parts", always, before, dry_run, fn, arg},
        {dir, ".damaged", always, before, dry_run, fn, arg},
        {dir, ".notes", lost_its_blob, before, dry_run, fn, arg},
        {dir, ".diffids", lost_its_blob, before, dry_run, fn, arg},
    };
    int r = 0;

    for (size_t i = 0; i < FC_LENGTH(sweeps) && r == 0; i++)
        r = sweep(&sweeps[i], err);
    return r;
}
