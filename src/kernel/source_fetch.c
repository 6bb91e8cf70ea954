/* SPDX-License-Identifier: Apache-2.0 */
/* Sources that come over the network: tars by URL, kernel.org's, git repositories. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/child.h"
#include "base/io.h"
#include "base/log.h"
#include "fetch/signature.h"
#include "kernel/source_private.h"

static const char tars_url[] = "https://cdn.kernel.org/pub/linux/kernel/v";
static const char releases_url[] = "https://www.kernel.org/releases.json";

int fc_source_unpack(const struct fc_source_request *q, const char *path, const char *origin, const char *digest,
                     struct fc_source *s, struct fc_error *err)
{
    fc_auto(fc_free) char *part = NULL;
    int r = 0;

    s->origin = strdup(origin);
    s->digest = strdup(digest);
    s->dir = fc_source_dir(q, digest);
    part = s->dir ? fc_source_text("%s.part.%d", s->dir, (int)getpid()) : NULL;
    if (!s->origin || !s->digest || !s->dir || !part)
        return fc_fail(err, ENOMEM, "out of memory");
    if (access(s->dir, F_OK) < 0) {
        const char *argv[] = {"tar", "-x", "--no-same-owner", "--strip-components=1", "-C", part, "-f", path, NULL};

        r = fc_mkdir_all(part, err);
        if (r == 0)
            r = fc_source_run(argv, origin, err);
        if (r == 0 && rename(part, s->dir) < 0 && errno != EEXIST && errno != ENOTEMPTY)
            r = fc_fail_errno(err, errno, "cannot make %s", s->dir);
        fc_remove_all(AT_FDCWD, part);
    }
    return r;
}

int fc_source_url(struct fc_fetcher *f, const struct fc_source_request *q, const char *url, const struct fc_sum *sum,
                  struct fc_source *s, char **ret_path, struct fc_error *err)
{
    struct fc_fetch_want want = {.request = {.url = url}};
    fc_auto(fc_fetch_free) struct fc_fetch *t = NULL;
    fc_auto(fc_free) char *path = NULL, *bare = fc_url_bare(url);
    struct fc_fetch_info info = {0};
    char text[FC_DIGEST_TEXT];
    int r;

    if (sum)
        want.sum = *sum;
    r = fc_fetch_start(f, &want, &t, err);
    if (r == 0)
        r = fc_fetch_wait(t, err);
    if (r < 0)
        return r;
    fc_fetch_info(t, &info);
    path = fc_fetch_blob_path(f, &info.digest);
    if (!path || !bare)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_source_unpack(q, path, bare, fc_digest_format(&info.digest, text), s, err);
    if (r == 0 && ret_path)
        *ret_path = fc_steal(&path);
    return r;
}

/* "latest" and "lts" by kernel.org's list. Caller frees; NULL with words. */
static char *newest(struct fc_fetcher *f, bool lts, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_fetch_want want = {.request = {.url = releases_url}, .stale_ok = true};
    const char *best = NULL;
    json_t *all, *release;
    char *copy = NULL;
    size_t i;

    if (fc_fetch_document(f, &want, 4u << 20, &text, NULL, err) < 0)
        return NULL;
    all = json_loadb(text.data ? text.data : "", text.len, 0, NULL);
    if (!lts)
        best = json_string_value(json_object_get(json_object_get(all, "latest_stable"), "version"));
    json_array_foreach(json_object_get(all, "releases"), i, release)
    {
        const char *moniker = json_string_value(json_object_get(release, "moniker"));
        const char *version = json_string_value(json_object_get(release, "version"));

        if (lts && moniker && version && strcmp(moniker, "longterm") == 0 && (!best || strverscmp(version, best) > 0))
            best = version;
    }
    copy = best ? strdup(best) : NULL;
    json_decref(all);
    if (!copy)
        fc_fail(err, EBADMSG, "%s: says nothing of the %s kernel", releases_url, lts ? "newest longterm" : "latest");
    return copy;
}

/* The line of @name in a list of sha256sum(1)'s form. */
static int find_sum(const char *list, const char *name, struct fc_sum *ret)
{
    size_t len = strlen(name);

    for (const char *p = strstr(list, name); p; p = strstr(p + 1, name)) {
        char hex[65] = "";

        if ((p[len] != '\n' && p[len] != '\r' && p[len]) || p - list < 66 || p[-1] != ' ' || p[-2] != ' ')
            continue;
        memcpy(hex, p - 66, 64);
        return fc_sum_parse(hex, ret);
    }
    return -ENOENT;
}

static int unchecked(const struct fc_source_request *q, const char *what, const char *why, struct fc_error *err)
{
    if (q->require_signature)
        return fc_fail(err, EKEYREJECTED, "%s: its signature cannot be checked: %s", what, why);
    fc_log(FC_LOG_WARN, "%s: its signature was not checked: %s", what, why);
    return 0;
}

/* The signature is one of the tar before it was compressed. */
static int check_signature(struct fc_fetcher *f, const struct fc_source_request *q, const char *url, const char *packed,
                           struct fc_source *s, struct fc_error *err)
{
    __attribute__((cleanup(fc_keyrings_release_auto))) struct fc_keyrings keys = {0};
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *plain = fc_source_text("%s/src/check.%d.tar", q->cache, (int)getpid());
    fc_auto(fc_free) char *sign_url = fc_source_text("%.*s.sign", (int)strlen(url) - 3, url), *sign = NULL;
    struct fc_fetch_want want = {.request = {.url = sign_url}, .stale_ok = true};
    const char *argv[] = {"sh", "-c", "exec xz -dc <\"$1\" >\"$2\"", "sh", packed, plain, NULL};
    struct fc_fetch_info info;
    int r = fc_keyrings_find("kernel", NULL, &keys);

    if (r < 0 || !plain || !sign_url)
        return fc_fail(err, ENOMEM, "out of memory");
    if (keys.n == 0)
        return unchecked(q, url,
                         "there is no keyring: put kernel.org's keys into fccompose/keys/kernel.gpg or .asc of the "
                         "configuration folder",
                         err);
    r = fc_fetch_document(f, &want, 1u << 20, &text, &info, err);
    if (r == 0)
        sign = fc_fetch_blob_path(f, &info.digest);
    if (r == 0)
        r = sign ? fc_source_run(argv, url, err) : fc_fail(err, ENOMEM, "out of memory");
    if (r == 0) {
        r = fc_signature_check(&keys, sign, plain, url, &s->signer, err);
        r = r == -ENOENT ? unchecked(q, url, "neither sqv nor gpgv is installed", err) : r;
    }
    unlink(plain);
    return r;
}

static int by_version(struct fc_fetcher *f, const struct fc_source_request *q, const char *version, struct fc_source *s,
                      struct fc_error *err)
{
    struct fc_buf list __attribute__((cleanup(fc_buf_release_auto))) = {0};
    unsigned major = (unsigned)strtoul(version, NULL, 10);
    size_t len = strlen(version);
    fc_auto(fc_free) char *name = NULL, *sums = NULL, *url = NULL, *packed = NULL;
    struct fc_fetch_want want = {.stale_ok = true};
    struct fc_sum sum;
    int r;

    /* X.Y.0 is published as X.Y. */
    if (len > 2 && strcmp(version + len - 2, ".0") == 0 && strchr(version, '.') != version + len - 2)
        len -= 2;
    name = fc_source_text("linux-%.*s.tar.xz", (int)len, version);
    sums = fc_source_text("%s%u.x/sha256sums.asc", tars_url, major);
    url = name ? fc_source_text("%s%u.x/%s", tars_url, major, name) : NULL;
    if (!sums || !url)
        return fc_fail(err, ENOMEM, "out of memory");
    want.request.url = sums;
    r = fc_fetch_document(f, &want, 16u << 20, &list, NULL, err);
    if (r < 0)
        return r;
    if (find_sum(list.data ? list.data : "", name, &sum) < 0)
        return fc_fail(err, ENOENT, "there is no kernel %s: %s has no %s", version, sums, name);
    r = fc_source_url(f, q, url, &sum, s, &packed, err);
    return r < 0 ? r : check_signature(f, q, url, packed, s, err);
}

int fc_source_kernel_org(struct fc_fetcher *f, const struct fc_source_request *q, const char *version,
                         struct fc_source *s, struct fc_error *err)
{
    bool lts = strcmp(version, "lts") == 0;
    fc_auto(fc_free) char *named = NULL;

    if (lts || strcmp(version, "latest") == 0) {
        named = newest(f, lts, err);
        if (!named)
            return err ? -err->code : -EIO;
        version = named;
    }
    version += *version == 'v';
    if (!isdigit((unsigned char)*version) || strspn(version, "0123456789.-rc") != strlen(version) ||
        !strchr(version, '.'))
        return fc_fail(err, EINVAL,
                       "%s: expected a preset (`kernel ls` lists them), a version such as 6.1.167, latest or lts",
                       version);
    return by_version(f, q, version, s, err);
}

/* The newest tag of `git ls-remote --tags` by version, or the commit that @ref names. *ret_commit: caller frees. */
static int choose_ref(const char *said, char **ret_ref, char **ret_commit)
{
    const char *best = NULL;
    size_t best_len = 0;

    for (const char *p = said; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
        const char *name = p + 41;
        size_t len;
        fc_auto(fc_free) char *mine = NULL, *theirs = NULL;

        if (strspn(p, "0123456789abcdef") != 40 || p[40] != '\t')
            continue;
        len = strcspn(name, "\n");
        /* A peeled tag comes after the tag: the commit. */
        if (len > 3 && memcmp(name + len - 3, "^{}", 3) == 0)
            len -= 3;
        mine = strndup(name, len);
        theirs = best ? strndup(best + 41, best_len) : NULL;
        if (mine && (!theirs || strverscmp(mine, theirs) >= 0)) {
            best = p;
            best_len = len;
        }
    }
    if (!best)
        return -ENOENT;
    *ret_commit = strndup(best, 40);
    *ret_ref = strndup(best + 41, best_len);
    return *ret_commit && *ret_ref ? 0 : -ENOMEM;
}

static int fetch_commit(const char *url, const char *ref, const char *commit, const char *part, struct fc_error *err)
{
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *init[] = {"git", "init", "-q", part, NULL};
    const char *get[] = {"git", "-C", part, "fetch", "-q", "--depth", "1", url, ref, NULL};
    const char *out[] = {"git", "-C", part, "-c", "advice.detachedHead=false", "checkout", "-q", "FETCH_HEAD", NULL};
    const char *which[] = {"git", "-C", part, "rev-parse", "HEAD", NULL};
    int r = fc_mkdir_all(part, err);

    if (r == 0)
        r = fc_source_run(init, url, err);
    if (r == 0)
        r = fc_source_run(get, url, err);
    if (r == 0)
        r = fc_source_run(out, url, err);
    if (r == 0)
        r = fc_child_run(which, &said, err);
    if (r == 0 && (said.len < 40 || memcmp(said.data, commit, 40) != 0))
        r = fc_fail(err, ESTALE, "%s: %s is %.40s now, and was %s a moment ago", url, ref,
                    said.data ? said.data : "nothing", commit);
    return r;
}

int fc_source_git(const struct fc_source_request *q, const char *url, const char *ref, const char *pattern,
                  struct fc_source *s, struct fc_error *err)
{
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *want = pattern ? pattern : ref ? ref : "HEAD";
    fc_auto(fc_free) char *peeled = fc_source_text("%s^{}", want);
    const char *list[] = {"git", "ls-remote", pattern ? "--tags" : "-q", "--", url, want, peeled, NULL};
    fc_auto(fc_free) char *name = NULL, *commit = NULL, *part = NULL;
    int r = peeled ? fc_child_run(list, &said, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r > 0)
        return fc_fail(err, EIO, "%s: git ls-remote failed: %.300s", url, said.data ? said.data : "");
    if (r < 0)
        return r;
    if (choose_ref(said.data, &name, &commit) < 0)
        return fc_fail(err, ENOENT, "%s: there is no %s", url, want);
    s->origin = fc_source_text("git:%s#%s", url, name);
    s->digest = fc_source_text("git:%s", commit);
    s->dir = s->digest ? fc_source_dir(q, s->digest) : NULL;
    part = s->dir ? fc_source_text("%s.part.%d", s->dir, (int)getpid()) : NULL;
    if (!s->origin || !part)
        return fc_fail(err, ENOMEM, "out of memory");
    if (access(s->dir, F_OK) == 0)
        return 0;
    r = fetch_commit(url, name, commit, part, err);
    if (r == 0 && rename(part, s->dir) < 0 && errno != EEXIST && errno != ENOTEMPTY)
        r = fc_fail_errno(err, errno, "cannot make %s", s->dir);
    fc_remove_all(AT_FDCWD, part);
    return r;
}
