/* SPDX-License-Identifier: Apache-2.0 */
/* Get a kernel's sources, whatever names them, and patch them. */
#include "kernel/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/child.h"
#include "base/digest.h"
#include "base/io.h"
#include "kernel/preset.h"
#include "kernel/source_private.h"

static const char amazon_url[] = "https://github.com/amazonlinux/linux";

void fc_source_release(struct fc_source *s)
{
    free(s->dir);
    free(s->origin);
    free(s->digest);
    free(s->unpatched);
    free(s->signer);
    free(s->version);
    *s = (struct fc_source){0};
}

char *fc_source_text(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    return text;
}

char *fc_source_dir(const struct fc_source_request *q, const char *digest)
{
    char *dir = fc_source_text("%s/src/%s", q->cache, digest);

    for (size_t i = strlen(q->cache); dir && dir[i]; i++)
        if (dir[i] == ':')
            dir[i] = '-';
    return dir;
}

int fc_source_run(const char *const argv[], const char *what, struct fc_error *err)
{
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_child_run(argv, &said, err);

    if (r == 0)
        return 0;
    if (r < 0)
        return fc_wrap(err, "%s", what);
    return fc_fail(err, EIO, "%s: %s failed: %.350s", what, argv[0], said.data ? said.data : "it says nothing");
}

/* "NAME = VALUE" in the top Makefile. */
static char *variable(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
        const char *at = p + len;

        if (strncmp(p, name, len) != 0)
            continue;
        at += strspn(at, " \t");
        if (*at != '=')
            continue;
        at += 1 + strspn(at + 1, " \t");
        return strndup(at, strcspn(at, " \t\n"));
    }
    return strdup("");
}

/* What the sources say that they are. */
static int read_version(struct fc_source *s, struct fc_error *err)
{
    static const char *const names[] = {"VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION"};
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *path = fc_source_text("%s/Makefile", s->dir);
    char *v[4] = {NULL};
    int r = path ? fc_read_file(AT_FDCWD, path, 1 << 20, &text) : -ENOMEM;

    if (r < 0)
        return fc_fail(err, -r, "%s: no sources of a kernel: there is no Makefile (%s)", s->dir, strerror(-r));
    for (size_t i = 0; i < 4; i++)
        v[i] = variable(text.data ? text.data : "", names[i]);
    if (v[0] && v[1] && v[2] && v[3] && *v[0] && *v[1])
        s->version = fc_source_text("%s.%s%s%s%s", v[0], v[1], *v[2] ? "." : "", v[2], v[3]);
    else
        r = fc_fail(err, EBADMSG, "%s: no sources of a kernel: its Makefile has no VERSION", s->dir);
    for (size_t i = 0; i < 4; i++)
        free(v[i]);
    if (r == 0 && (!s->version || strchr(s->version, '/')))
        r = fc_fail(err, s->version ? EBADMSG : ENOMEM, "%s: its version cannot be a name", s->dir);
    return r;
}

/* nftw() has no argument for its function. */
static __thread struct fc_digest folded;

static int fold(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    struct fc_digest d;
    char facts[128];
    struct fc_hasher *h;

    if (type == FTW_D && strcmp(path + ftw->base, ".git") == 0)
        return FTW_SKIP_SUBTREE;
    if (type != FTW_F && type != FTW_SL)
        return FTW_CONTINUE;
    h = fc_hasher_new_fast();
    snprintf(facts, sizeof(facts), "%o %lld %lld.%09ld", st->st_mode, (long long)st->st_size,
             (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    if (!h || fc_hasher_add(h, path, strlen(path)) < 0 || fc_hasher_add(h, facts, strlen(facts)) < 0 ||
        fc_hasher_finish(h, &d) < 0) {
        fc_hasher_free(h);
        return FTW_STOP;
    }
    fc_hasher_free(h);
    /* The order in which a folder is read is anybody's. */
    for (size_t i = 0; i < sizeof(d.bytes); i++)
        folded.bytes[i] ^= d.bytes[i];
    return FTW_CONTINUE;
}

static int from_folder(const char *path, struct fc_source *s, struct fc_error *err)
{
    char hex[FC_DIGEST_TEXT];

    s->dir = fc_abspath(path);
    s->origin = fc_abspath(path);
    s->is_folder = true;
    if (!s->dir || !s->origin)
        return fc_fail(err, ENOMEM, "out of memory");
    folded = (struct fc_digest){{0}};
    if (nftw(s->dir, fold, 64, FTW_PHYS | FTW_ACTIONRETVAL) != 0)
        return fc_fail_errno(err, errno ? errno : EIO, "cannot read the sources in %s", s->dir);
    s->digest = fc_source_text("stat:%.32s", fc_digest_format(&folded, hex) + 7);
    return s->digest ? 0 : fc_fail(err, ENOMEM, "out of memory");
}

static int from_tar(const struct fc_source_request *q, const char *path, struct fc_source *s, struct fc_error *err)
{
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    char buffer[1 << 16], text[FC_DIGEST_TEXT];
    struct fc_digest d;
    ssize_t n = 0;

    if (fd < 0)
        return fc_fail_errno(err, errno, "cannot read the sources %s", path);
    while (h && (n = fc_read_full(fd, buffer, sizeof(buffer))) > 0)
        if (fc_hasher_add(h, buffer, (size_t)n) < 0)
            return fc_fail(err, EIO, "%s: cannot be digested", path);
    if (!h || n < 0 || fc_hasher_finish(h, &d) < 0)
        return fc_fail_errno(err, n < 0 ? (int)-n : ENOMEM, "cannot read the sources %s", path);
    return fc_source_unpack(q, path, path, fc_digest_format(&d, text), s, err);
}

static int is_patch(const struct dirent *e)
{
    size_t len = strlen(e->d_name);

    return len > 6 && strcmp(e->d_name + len - 6, ".patch") == 0;
}

/* The patches' names and bytes, digested: "sha256:..." */
static int digest_patches(const char *dir, struct dirent **list, int n, char text[FC_DIGEST_TEXT], struct fc_error *err)
{
    struct fc_buf all __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_digest d;
    int r = 0;

    for (int i = 0; i < n && r == 0; i++) {
        fc_auto(fc_free) char *path = fc_source_text("%s/%s", dir, list[i]->d_name);

        r = path && fc_buf_addf(&all, "%s\n", list[i]->d_name) == 0 ? fc_read_file(AT_FDCWD, path, 64u << 20, &all)
                                                                    : -ENOMEM;
        if (r < 0)
            return fc_fail_errno(err, -r, "cannot read the patch %s/%s", dir, list[i]->d_name);
    }
    if (fc_digest_of(all.data, all.len, &d) < 0)
        return fc_fail(err, EIO, "%s: cannot be digested", dir);
    fc_digest_format(&d, text);
    return 0;
}

static int apply(const char *dir, struct dirent **list, int n, const char *to, struct fc_error *err)
{
    for (int i = 0; i < n; i++) {
        fc_auto(fc_free) char *path = fc_source_text("%s/%s", dir, list[i]->d_name);
        fc_auto(fc_free) char *whole = path ? fc_abspath(path) : NULL;
        const char *argv[] = {"patch", "-p1", "-s", "-f", "-N", "-d", to, "-i", whole, NULL};
        int r = whole ? fc_source_run(argv, list[i]->d_name, err) : fc_fail(err, ENOMEM, "out of memory");

        if (r < 0)
            return r;
    }
    return 0;
}

/* A copy of the sources with the patches on it, made once. */
static int patched(const struct fc_source_request *q, struct dirent **list, int n, struct fc_source *s,
                   struct fc_error *err)
{
    char text[FC_DIGEST_TEXT];
    fc_auto(fc_free) char *key = NULL, *to = NULL, *part = NULL, *from = NULL;
    int r = digest_patches(q->patches, list, n, text, err);

    if (r < 0)
        return r;
    key = fc_source_text("%s+%.23s", s->digest, text);
    to = key ? fc_source_dir(q, key) : NULL;
    part = to ? fc_source_text("%s.part.%d", to, (int)getpid()) : NULL;
    from = fc_source_text("%s/.", s->dir);
    if (!part || !from)
        return fc_fail(err, ENOMEM, "out of memory");
    if (access(to, F_OK) < 0) {
        const char *argv[] = {"cp", "-a", "--reflink=auto", from, part, NULL};

        r = fc_mkdir_all(part, err);
        if (r == 0)
            r = fc_source_run(argv, "copying the sources", err);
        if (r == 0)
            r = apply(q->patches, list, n, part, err);
        if (r == 0 && rename(part, to) < 0 && errno != EEXIST && errno != ENOTEMPTY)
            r = fc_fail_errno(err, errno, "cannot make %s", to);
        fc_remove_all(AT_FDCWD, part);
    }
    if (r < 0)
        return r;
    free(s->dir);
    free(s->digest);
    s->dir = fc_steal(&to);
    s->digest = fc_steal(&key);
    s->is_folder = false;
    return 0;
}

static int add_patches(const struct fc_source_request *q, struct fc_source *s, struct fc_error *err)
{
    struct dirent **list = NULL;
    int n = scandir(q->patches, &list, is_patch, alphasort), r;

    if (n < 0)
        return fc_fail_errno(err, errno, "cannot read the patches in %s", q->patches);
    r = n == 0 ? fc_fail(err, ENOENT, "there is no *.patch in %s", q->patches) : patched(q, list, n, s, err);
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    return r;
}

static int by_source(struct fc_fetcher *f, const struct fc_source_request *q, struct fc_source *s, struct fc_error *err)
{
    struct stat st;

    if (strncmp(q->source, "git:", 4) == 0) {
        const char *hash = strrchr(q->source, '#');
        fc_auto(fc_free) char *url =
            strndup(q->source + 4, hash ? (size_t)(hash - q->source - 4) : strlen(q->source + 4));

        return url ? fc_source_git(q, url, hash ? hash + 1 : NULL, NULL, s, err)
                   : fc_fail(err, ENOMEM, "out of memory");
    }
    if (strstr(q->source, "://"))
        return fc_source_url(f, q, q->source, NULL, s, NULL, err);
    if (stat(q->source, &st) < 0)
        return fc_fail_errno(err, errno, "cannot find the sources %s", q->source);
    return S_ISDIR(st.st_mode) ? from_folder(q->source, s, err) : from_tar(q, q->source, s, err);
}

int fc_source_get(struct fc_fetcher *f, const struct fc_source_request *q, struct fc_source *ret, struct fc_error *err)
{
    __attribute__((cleanup(fc_source_release_auto))) struct fc_source s = {0};
    const struct fc_kernel_preset *p = q->version ? fc_kernel_preset_find(q->version) : NULL;
    int r;

    if (q->source)
        r = by_source(f, q, &s, err);
    else if (p)
        r = fc_source_git(q, amazon_url, NULL, p->tags, &s, err);
    else if (q->version)
        r = fc_source_kernel_org(f, q, q->version, &s, err);
    else
        r = fc_fail(err, EINVAL, "which kernel? Give a version, or --source");
    if (r == 0 && q->pin && strcmp(q->pin, s.digest) != 0)
        r = fc_fail(err, ESTALE, "%s is %s, the lock has %s", s.origin, s.digest, q->pin);
    if (r == 0 && !(s.unpatched = strdup(s.digest)))
        r = fc_fail(err, ENOMEM, "out of memory");
    if (r == 0 && q->patches)
        r = add_patches(q, &s, err);
    if (r == 0)
        r = read_version(&s, err);
    if (r < 0)
        return r;
    *ret = s;
    s = (struct fc_source){0};
    return 0;
}
