/* SPDX-License-Identifier: Apache-2.0 */
/* The partial file of a download: locked, digested as it grows, gone on with after a cut, renamed when it is right. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "fetch/blob.h"

static int new_hashers(struct fc_part *p, bool sha512)
{
    fc_hasher_free(fc_steal(&p->sha256));
    fc_hasher_free(fc_steal(&p->sha512));
    p->sha256 = fc_hasher_new();
    p->sha512 = sha512 ? fc_hasher_new_sha512() : NULL;
    return p->sha256 && (p->sha512 || !sha512) ? 0 : -ENOMEM;
}

static int feed(struct fc_part *p, const void *data, size_t size)
{
    int r = fc_hasher_add(p->sha256, data, size);

    return r == 0 && p->sha512 ? fc_hasher_add(p->sha512, data, size) : r;
}

/* Whether @path still names what @fd is: it may have been renamed while we waited. */
static bool is_still(const char *path, int fd)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Open and lock the part. Waits for another process that downloads the same, so long as nobody cancels. Returns it or -errno. */
static int open_locked(struct fc_blob *b, const char *path)
{
    const struct timespec pause = {0, 100 * 1000 * 1000};
    bool said = false;

    for (;;) {
        fc_auto(fc_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (is_still(path, fd))
                return fc_steal_fd(&fd);
            continue;
        }
        if (errno != EWOULDBLOCK)
            return -errno;
        if (!said)
            fc_log(FC_LOG_INFO, "%s: another process is downloading it: waiting", b->label);
        said = true;
        if (fc_fetcher_canceled(b->f))
            return -ECANCELED;
        nanosleep(&pause, NULL);
    }
}

static int digest_beginning(struct fc_blob *b, uint64_t size)
{
    fc_auto(fc_free) char *buffer = malloc(1u << 20);
    uint64_t at = 0;

    if (!buffer)
        return -ENOMEM;
    while (at < size) {
        ssize_t n = fc_pread_full(b->part.fd, buffer, 1u << 20, at);

        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        if (feed(&b->part, buffer, (size_t)n) < 0)
            return -EIO;
        if (fc_fetcher_canceled(b->f))
            return -ECANCELED;
        at += (uint64_t)n;
    }
    return 0;
}

/* Whether what is there may be the beginning of what is wanted. */
static bool is_usable(const struct fc_blob *b, uint64_t size)
{
    const struct fc_part *p = &b->part;

    if (size == 0 || (b->want.have_size && size > b->want.size))
        return false;
    return b->want.sum.kind != FC_SUM_NONE || p->from.etag || p->from.modified;
}

static void from_name(const struct fc_part *p, char name[FC_KEY_TEXT + 8])
{
    snprintf(name, FC_KEY_TEXT + 8, "%s.from", p->key);
}

int fc_part_open(struct fc_blob *b, struct fc_error *err)
{
    struct fc_part *p = &b->part;
    char from[FC_KEY_TEXT + 8];
    struct stat st;
    int r;

    memcpy(p->key, b->key, sizeof(p->key));
    p->path = fc_layout_path(b->f, ".parts", p->key);
    if (!p->path || new_hashers(p, b->want.sum.kind == FC_SUM_SHA512) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    p->fd = open_locked(b, p->path);
    if (p->fd == -ECANCELED)
        return fc_fail(err, ECANCELED, "canceled");
    if (p->fd < 0 || fstat(p->fd, &st) < 0)
        return fc_fail_errno(err, p->fd < 0 ? -p->fd : errno, "cannot write into the cache: %s", p->path);
    from_name(p, from);
    fc_note_read(b->f, ".parts", from, &p->from);
    if (is_usable(b, (uint64_t)st.st_size)) {
        r = digest_beginning(b, (uint64_t)st.st_size);
        b->received = (uint64_t)st.st_size;
        b->resumed = true;
    } else {
        r = ftruncate(p->fd, 0) < 0 ? -errno : 0;
    }
    return r < 0 ? fc_fail_errno(err, -r, "cannot go on with %s", p->path) : 0;
}

int fc_part_rewind(struct fc_blob *b)
{
    int r = new_hashers(&b->part, b->part.sha512 != NULL);

    fc_note_release(&b->part.from);
    pthread_mutex_lock(&b->f->lock);
    b->resumed = false;
    if (b->received) {
        b->received = b->measured = 0;
        b->generation++;
    }
    pthread_mutex_unlock(&b->f->lock);
    return r < 0 ? r : ftruncate(b->part.fd, 0) < 0 ? -errno : 0;
}

int fc_part_add(struct fc_blob *b, const void *data, size_t size, struct fc_error *err)
{
    const struct fc_fetch_want *w = &b->want;
    uint64_t max = w->have_size ? w->size : w->request.max_bytes ? w->request.max_bytes : UINT64_C(1) << 40;
    int r;

    if (size > max - (b->received < max ? b->received : max)) {
        if (!w->have_size)
            return fc_fail(err, EFBIG, "%s: longer than the allowed %llu bytes", b->label, (unsigned long long)max);
        return fc_fail(err, EBADMSG, "%s: longer than the %llu bytes that it should have", b->label,
                       (unsigned long long)max);
    }
    r = fc_pwrite_full(b->part.fd, data, size, b->received);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot write into the cache: %s", b->part.path);
    if (feed(&b->part, data, size) < 0)
        return fc_fail(err, EIO, "cannot compute a digest");
    pthread_mutex_lock(&b->f->lock);
    b->received += size;
    pthread_cond_broadcast(&b->f->changed);
    pthread_mutex_unlock(&b->f->lock);
    return 0;
}

static char *value_of(const struct fc_buf *headers, const char *name)
{
    struct fc_buf value = {0};

    if (fc_headers_find(headers, name, 0, &value) <= 0)
        fc_buf_release(&value);
    return value.data;
}

void fc_part_note(struct fc_blob *b, const struct fc_buf *headers, const char *url)
{
    struct fc_note *from = &b->part.from;
    char name[FC_KEY_TEXT + 8], key[FC_KEY_TEXT];

    fc_note_release(from);
    from->etag = value_of(headers, "ETag");
    from->modified = value_of(headers, "Last-Modified");
    if (fc_layout_key(url, key) == 0)
        from->url = strdup(key);
    from_name(&b->part, name);
    (void)fc_note_write(b->f, ".parts", name, from);
}

void fc_part_remove(struct fc_blob *b)
{
    fc_auto(fc_free) char *from = NULL;

    if (!b->part.path)
        return;
    (void)unlink(b->part.path);
    if (asprintf(&from, "%s.from", b->part.path) >= 0)
        (void)unlink(from);
}

static int check(struct fc_blob *b, struct fc_digest *ret, struct fc_error *err)
{
    struct fc_part *p = &b->part;
    char want[FC_SUM_TEXT], is[FC_SUM_TEXT];
    struct fc_sum sha256, sha512 = {0};

    if (fc_hasher_finish_sum(p->sha256, &sha256) < 0 || (p->sha512 && fc_hasher_finish_sum(p->sha512, &sha512) < 0))
        return fc_fail(err, EIO, "cannot compute a digest");
    memcpy(ret->bytes, sha256.bytes, sizeof(ret->bytes));
    if (b->want.have_size && b->received != b->want.size)
        return fc_fail(err, EBADMSG, "%s: %llu bytes, not %llu as it should have", b->label,
                       (unsigned long long)b->received, (unsigned long long)b->want.size);
    if (b->want.sum.kind == FC_SUM_NONE || fc_sum_equal(&b->want.sum, p->sha512 ? &sha512 : &sha256))
        return 0;
    return fc_fail(err, EBADMSG, "%s: its digest is %s, and not %s as it should be; the file was removed", b->label,
                   fc_sum_format(p->sha512 ? &sha512 : &sha256, is), fc_sum_format(&b->want.sum, want));
}

int fc_part_finish(struct fc_blob *b, struct fc_digest *ret_digest, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    struct fc_digest digest;
    int r = check(b, &digest, err);

    if (r < 0)
        return r;
    path = fc_fetch_blob_path(b->f, &digest);
    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    /* Not synced: a blob that a power failure tears is found by its digest when it is read, and fetched again. */
    if (rename(b->part.path, path) < 0)
        return fc_fail_errno(err, errno, "cannot put %s into the cache", b->label);
    if (b->want.sum.kind != FC_SUM_SHA256) {
        struct fc_note note = b->part.from;

        note.have_digest = true;
        note.digest = digest;
        (void)fc_note_write(b->f, ".notes", b->key, &note);
    }
    fc_part_remove(b);
    *ret_digest = digest;
    return 0;
}

void fc_part_close(struct fc_blob *b)
{
    struct fc_part *p = &b->part;
    struct stat st;

    /* One that can never be gone on with is not kept. */
    if (p->fd >= 0 && p->path && !b->here && fstat(p->fd, &st) == 0 && !is_usable(b, (uint64_t)st.st_size))
        fc_part_remove(b);
    if (p->fd >= 0)
        close(fc_steal_fd(&p->fd));
    fc_hasher_free(fc_steal(&p->sha256));
    fc_hasher_free(fc_steal(&p->sha512));
    fc_note_release(&p->from);
    free(fc_steal(&p->path));
}
