/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's OCI image layout: its folders, its blobs, and notes about where they came from. */
#include "fetch/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"

#define NOTE_MAX (64u * 1024)

char *fc_layout_path(const struct fc_fetcher *f, const char *folder, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s/%s", f->layout, folder, name) < 0 ? NULL : path;
}

char *fc_fetch_blob_path(const struct fc_fetcher *f, const struct fc_digest *digest)
{
    char text[FC_DIGEST_TEXT];

    return fc_layout_path(f, "blobs/sha256", strchr(fc_digest_format(digest, text), ':') + 1);
}

int fc_layout_key(const char *text, char ret[FC_KEY_TEXT])
{
    char hex[FC_DIGEST_TEXT];
    struct fc_digest d;
    int r = fc_digest_of(text, strlen(text), &d);

    if (r == 0)
        memcpy(ret, strchr(fc_digest_format(&d, hex), ':') + 1, FC_KEY_TEXT);
    return r;
}

/* A file of the layout that is the same in all, unless somebody has written one already. */
static int put_file(const struct fc_fetcher *f, const char *name, const char *text, struct fc_error *err)
{
    fc_auto(fc_free) char *path = fc_layout_path(f, ".", name);

    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    return access(path, F_OK) == 0 ? 0 : fc_atomic_write(path, text, strlen(text), false, err);
}

void fc_layout_hold(struct fc_fetcher *f)
{
    fc_auto(fc_free) char *path = fc_layout_path(f, ".", ".lock");
    fc_auto(fc_close) int lock = path ? fc_lock_file(path, false, true) : -1;

    pthread_mutex_lock(&f->lock);
    if (lock >= 0 && f->layout_lock < 0)
        f->layout_lock = fc_steal_fd(&lock);
    pthread_mutex_unlock(&f->lock);
}

int fc_layout_prepare(struct fc_fetcher *f, struct fc_error *err)
{
    static const char *const folders[] = {"blobs/sha256", ".parts", ".notes", ".damaged"};
    bool was;
    int r;

    pthread_mutex_lock(&f->lock);
    was = f->laid_out;
    pthread_mutex_unlock(&f->lock);
    if (was)
        return 0;
    r = fc_mkdir_all(f->cache, err);
    /* What was fetched with somebody's credentials is for this user alone, as the layers are. */
    if (r == 0 && mkdir(f->layout, 0700) < 0 && errno != EEXIST)
        r = fc_fail_errno(err, errno, "cannot make the folder %s", f->layout);
    if (r == 0)
        fc_layout_hold(f);
    for (size_t i = 0; i < FC_LENGTH(folders) && r == 0; i++) {
        fc_auto(fc_free) char *path = fc_layout_path(f, folders[i], "");

        r = path ? fc_mkdir_all(path, err) : fc_fail(err, ENOMEM, "out of memory");
    }
    if (r == 0)
        r = put_file(
            f, "index.json",
            "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}\n", err);
    if (r == 0)
        r = put_file(f, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}\n", err);
    if (r < 0)
        return r == -ENOMEM ? r : fc_wrap(err, "the cache (FCCOMPOSE_CACHE names another place for it)");
    pthread_mutex_lock(&f->lock);
    f->laid_out = true;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

int fc_layout_digest(int fd, struct fc_digest *ret)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    fc_auto(fc_free) char *buffer = malloc(1u << 20);
    uint64_t at = 0;
    ssize_t n = 0;

    if (!h || !buffer)
        return -ENOMEM;
    while ((n = fc_pread_full(fd, buffer, 1u << 20, at)) > 0) {
        if (fc_hasher_add(h, buffer, (size_t)n) < 0)
            return -EIO;
        at += (uint64_t)n;
    }
    return n < 0 ? (int)n : fc_hasher_finish(h, ret);
}

static void set_aside(const struct fc_fetcher *f, const char *path)
{
    fc_auto(fc_free) char *aside = fc_layout_path(f, ".damaged", strrchr(path, '/') + 1);

    fc_log(FC_LOG_WARN, "%s is damaged: its bytes are not those of its digest; set aside as %s", path,
           aside ? aside : "nothing");
    if (!aside || rename(path, aside) < 0)
        (void)unlink(path);
}

int fc_layout_open(struct fc_fetcher *f, const struct fc_digest *digest, bool check, int *ret_fd, uint64_t *ret_size,
                   struct fc_error *err)
{
    fc_auto(fc_free) char *path = fc_fetch_blob_path(f, digest);
    fc_auto(fc_close) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    struct fc_digest is;
    struct stat st;
    int r;

    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    if (fd < 0 || fstat(fd, &st) < 0)
        return fc_fail_errno(err, errno, "cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return fc_fail(err, ENOENT, "%s is no file", path);
    r = check ? fc_layout_digest(fd, &is) : 0;
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s", path);
    if (check && memcmp(&is, digest, sizeof(is)) != 0) {
        set_aside(f, path);
        return fc_fail(err, ENOENT, "%s was damaged", path);
    }
    /* The time of its last use, to the hour. */
    if (st.st_mtim.tv_sec < time(NULL) - 3600)
        (void)futimens(fd, NULL);
    *ret_size = (uint64_t)st.st_size;
    *ret_fd = fc_steal_fd(&fd);
    return 0;
}

int fc_fetch_store(struct fc_fetcher *f, const void *data, size_t size, struct fc_digest *ret_digest,
                   struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    struct fc_digest digest;
    int r = fc_layout_prepare(f, err);

    if (r < 0)
        return r;
    if (fc_digest_of(data, size, &digest) < 0)
        return fc_fail(err, EIO, "cannot compute a digest");
    path = fc_fetch_blob_path(f, &digest);
    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_atomic_write(path, data, size, true, err);
    if (r == 0)
        *ret_digest = digest;
    return r;
}

void fc_note_read(const struct fc_fetcher *f, const char *folder, const char *key, struct fc_note *ret)
{
    fc_auto(fc_free) char *path = fc_layout_path(f, folder, key);
    struct fc_buf text = {0}, value = {0};

    *ret = (struct fc_note){0};
    if (path && fc_read_file(AT_FDCWD, path, NOTE_MAX, &text) == 0 && text.len && !memchr(text.data, '\0', text.len)) {
        if (fc_headers_find(&text, "digest", 0, &value) > 0)
            ret->have_digest = fc_digest_parse(value.data, &ret->digest) == 0;
        if (fc_headers_find(&text, "etag", 0, &value) > 0)
            ret->etag = strdup(value.data);
        if (fc_headers_find(&text, "modified", 0, &value) > 0)
            ret->modified = strdup(value.data);
        if (fc_headers_find(&text, "url", 0, &value) > 0)
            ret->url = strdup(value.data);
    }
    fc_buf_release(&text);
    fc_buf_release(&value);
}

int fc_note_write(const struct fc_fetcher *f, const char *folder, const char *key, const struct fc_note *note)
{
    fc_auto(fc_free) char *path = fc_layout_path(f, folder, key);
    char digest[FC_DIGEST_TEXT];
    struct fc_buf text = {0};
    int r = path ? 0 : -ENOMEM;

    if (r == 0 && note->have_digest)
        r = fc_buf_addf(&text, "digest: %s\n", fc_digest_format(&note->digest, digest));
    if (r == 0 && note->etag)
        r = fc_buf_addf(&text, "etag: %s\n", note->etag);
    if (r == 0 && note->modified)
        r = fc_buf_addf(&text, "modified: %s\n", note->modified);
    if (r == 0 && note->url)
        r = fc_buf_addf(&text, "url: %s\n", note->url);
    if (r == 0)
        r = fc_atomic_write(path, text.data ? text.data : "", text.len, false, NULL);
    fc_buf_release(&text);
    return r;
}

void fc_note_release(struct fc_note *n)
{
    free(n->etag);
    free(n->modified);
    free(n->url);
    *n = (struct fc_note){0};
}
