/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives of images (oci-archive, docker save) as a source of blobs: read once, front to back, every file into the layout of
 * the cache under its digest. So a pipe or a compressed archive will do, and nothing depends on the order of the files.
 */
#include "oci/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/sum.h"
#include "entry/entry.h"
#include "fetch/fetch.h"

/* An archive has some files for each layer; what has more is no archive of images. */
enum { MEMBERS_MAX = 65536, LINKS_MAX = 16 };

/* The files that say what the others are: kept in memory, no blobs. */
static const char *const documents[] = {"index.json", "manifest.json", "oci-layout", "repositories"};

static struct fc_archive_member *find(const struct fc_archive_blobs *a, const char *name)
{
    for (size_t i = a->n; i > 0; i--) /* the last one of a name counts */
        if (strcmp(a->members[i - 1].name, name) == 0)
            return &a->members[i - 1];
    return NULL;
}

/* Where the symlink @name leads inside the archive. Caller frees; NULL when it leads out of it or memory is short. */
static char *follow(const char *name, const char *target)
{
    const char *slash = strrchr(name, '/');
    fc_auto(fc_free) char *joined = NULL;
    struct fc_buf out = {0};

    if (asprintf(&joined, "%.*s%s", slash && target[0] != '/' ? (int)(slash - name + 1) : 0, name, target) < 0)
        return joined = NULL, NULL;
    for (char *save = NULL, *part = strtok_r(joined, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        int r = 0;

        if (strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") != 0) {
            r = fc_buf_addf(&out, "%s%s", out.len ? "/" : "", part);
        } else if (out.len == 0) {
            r = -EXDEV;
        } else {
            char *last = strrchr(out.data, '/');

            out.len = last ? (size_t)(last - out.data) : 0;
            out.data[out.len] = '\0';
        }
        if (r < 0) {
            fc_buf_release(&out);
            return NULL;
        }
    }
    return out.data;
}

struct fc_archive_member *fc_archive_find(const struct fc_archive_blobs *a, const char *name)
{
    struct fc_archive_member *m = find(a, name);

    for (int i = 0; m && m->target && i < LINKS_MAX; i++) {
        fc_auto(fc_free) char *to = m->hard ? strdup(m->target) : follow(m->name, m->target);

        m = to ? find(a, to) : NULL;
    }
    return m && !m->target ? m : NULL;
}

static struct fc_archive_member *add(struct fc_archive_blobs *a, const char *name, struct fc_error *err)
{
    struct fc_archive_member *m;

    if (a->n == MEMBERS_MAX) {
        fc_fail(err, EBADMSG, "%s: more than %d files: not an archive of images", a->label, MEMBERS_MAX);
        return NULL;
    }
    if (fc_grow(&a->members, &a->cap, a->n + 1, sizeof(*a->members)) < 0) {
        fc_fail_errno(err, ENOMEM, "%s", a->label);
        return NULL;
    }
    m = &a->members[a->n];
    *m = (struct fc_archive_member){.name = strdup(name)};
    if (!m->name) {
        fc_fail_errno(err, ENOMEM, "%s", a->label);
        return NULL;
    }
    a->n++;
    return m;
}

static int add_link(struct fc_archive_blobs *a, const struct fc_entry *e, struct fc_error *err)
{
    struct fc_archive_member *m = add(a, e->path, err);

    if (!m)
        return err ? -err->code : -ENOMEM;
    m->hard = e->op == FC_ENTRY_HARDLINK;
    m->target = strdup(e->target);
    return m->target ? 0 : fc_fail_errno(err, ENOMEM, "%s", a->label);
}

static int add_document(struct fc_archive_blobs *a, struct fc_entry_iter *it, const struct fc_entry *e,
                        struct fc_error *err)
{
    struct fc_archive_member *m;
    struct fc_block block;
    int r;

    if (e->size > FC_OCI_DOCUMENT_MAX)
        return fc_fail(err, EBADMSG, "%s: %s is longer than %u bytes", a->label, e->path, FC_OCI_DOCUMENT_MAX);
    m = add(a, e->path, err);
    if (!m)
        return err ? -err->code : -ENOMEM;
    while ((r = fc_entry_read(it, &block, err)) > 0)
        if (fc_buf_add(&m->text, block.data, block.size) < 0)
            return fc_fail_errno(err, ENOMEM, "%s", a->label);
    m->size = m->text.len;
    return r;
}

/* The bytes of a file on their way into a blob. */
struct sink {
    struct fc_hasher *sha256, *sha512; /* the latter only for what is named by it */
    int fd;
    uint64_t at;
    uint8_t head[8];
};

static void sink_release(struct sink *s)
{
    fc_hasher_free(s->sha256);
    fc_hasher_free(s->sha512);
}

static int sink_add(struct sink *s, const void *data, size_t size)
{
    int r = fc_pwrite_full(s->fd, data, size, s->at);

    if (r == 0)
        r = fc_hasher_add(s->sha256, data, size);
    if (r == 0 && s->sha512)
        r = fc_hasher_add(s->sha512, data, size);
    if (s->at < sizeof(s->head))
        memcpy(s->head + s->at, data, size < sizeof(s->head) - s->at ? size : sizeof(s->head) - s->at);
    s->at += size;
    return r;
}

/* What no block covers is zeros. */
static int sink_fill(struct sink *s, uint64_t until)
{
    static const uint8_t zeros[65536];
    int r = 0;

    while (r == 0 && s->at < until)
        r = sink_add(s, zeros, until - s->at < sizeof(zeros) ? (size_t)(until - s->at) : sizeof(zeros));
    return r;
}

static int sink_copy(struct sink *s, struct fc_entry_iter *it, const struct fc_entry *e, const char *label,
                     struct fc_error *err)
{
    struct fc_block block;
    int r, w = 0;

    while ((r = fc_entry_read(it, &block, err)) > 0 && w == 0) {
        w = sink_fill(s, block.offset);
        if (w == 0)
            w = sink_add(s, block.data, block.size);
    }
    if (r < 0)
        return r;
    if (w == 0)
        w = sink_fill(s, e->size);
    return w < 0 ? fc_fail_errno(err, -w, "%s: cannot keep %s in the cache", label, e->path) : 0;
}

/* A file called by a digest must have it. */
static int check_name(const char *label, const char *name, struct sink *s, const struct fc_sum *sha256,
                      struct fc_error *err)
{
    char expected[FC_SUM_TEXT], text[FC_SUM_TEXT];
    struct fc_sum named, sha512;
    const struct fc_sum *have = sha256;

    if (sscanf(name, "blobs/%6[a-z0-9]/%128[0-9a-f]", expected, text) != 2 || strlen(name) != 13 + strlen(text) ||
        strlen(expected) != 6)
        return 0;
    memcpy(expected + 6, ":", 2);
    strcat(expected, text);
    if (!fc_oci_digest_valid(expected) || fc_sum_parse(expected, &named) < 0)
        return 0;
    if (named.kind == FC_SUM_SHA512) {
        if (!s->sha512 || fc_hasher_finish_sum(s->sha512, &sha512) < 0)
            return fc_fail(err, EIO, "%s: %s cannot be digested", label, name);
        have = &sha512;
    }
    if (fc_sum_equal(have, &named))
        return 0;
    return fc_fail(err, EBADMSG, "%s: %s is damaged: its digest is %s", label, name, fc_sum_format(have, text));
}

/* Give the finished temporary file the name that its digest is. */
static int keep(struct fc_archive_blobs *a, struct fc_atomic *file, const struct fc_digest *digest,
                struct fc_error *err)
{
    char text[FC_DIGEST_TEXT];

    free(file->path);
    if (asprintf(&file->path, "%s/%s", a->folder, fc_digest_format(digest, text) + 7) < 0) {
        file->path = NULL;
        return fc_fail_errno(err, ENOMEM, "%s", a->label);
    }
    return fc_atomic_commit(file, false, err);
}

static int add_blob(struct fc_archive_blobs *a, struct fc_entry_iter *it, const struct fc_entry *e,
                    struct fc_error *err)
{
    struct fc_atomic file __attribute__((cleanup(fc_atomic_release_auto))) = {.fd = -1};
    struct sink s __attribute__((cleanup(sink_release))) = {.sha256 = fc_hasher_new()};
    struct fc_archive_member *m;
    fc_auto(fc_free) char *name = strdup(e->path), *path = NULL;
    struct fc_sum sum;
    int r;

    if (strncmp(e->path, "blobs/sha512/", 13) == 0)
        s.sha512 = fc_hasher_new_sha512();
    if (!name || !s.sha256 || asprintf(&path, "%s/archive", a->folder) < 0)
        return path = NULL, fc_fail_errno(err, ENOMEM, "%s", a->label);
    r = fc_atomic_begin(&file, path, err);
    s.fd = file.fd;
    if (r == 0)
        r = sink_copy(&s, it, e, a->label, err);
    if (r == 0 && fc_hasher_finish_sum(s.sha256, &sum) < 0)
        r = fc_fail(err, EIO, "%s: %s cannot be digested", a->label, name);
    if (r == 0)
        r = check_name(a->label, name, &s, &sum, err);
    if (r < 0)
        return r;
    m = add(a, name, err);
    if (!m)
        return err ? -err->code : -ENOMEM;
    m->size = s.at;
    memcpy(m->digest.bytes, sum.bytes, sizeof(m->digest.bytes));
    memcpy(m->head, s.head, sizeof(m->head));
    return keep(a, &file, &m->digest, err);
}

static int take(struct fc_archive_blobs *a, struct fc_entry_iter *it, const struct fc_entry *e, struct fc_error *err)
{
    if (e->op == FC_ENTRY_HARDLINK || (e->op == FC_ENTRY_ADD && S_ISLNK(e->mode)))
        return add_link(a, e, err);
    if (e->op != FC_ENTRY_ADD || !S_ISREG(e->mode))
        return 0;
    for (size_t i = 0; i < FC_LENGTH(documents); i++)
        if (strcmp(e->path, documents[i]) == 0)
            return add_document(a, it, e, err);
    return add_blob(a, it, e, err);
}

int fc_archive_read(struct fc_archive_blobs *a, struct fc_fetcher *f, struct fc_byte_source *bytes,
                    struct fc_progress *progress, struct fc_error *err)
{
    const struct fc_tar_options options = {.label = a->label, .progress = progress};
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    const struct fc_entry *e;
    int r;

    if (asprintf(&a->folder, "%s/blobs/sha256", fc_fetcher_layout(f)) < 0)
        return a->folder = NULL, fc_fail_errno(err, ENOMEM, "%s", a->label);
    r = fc_mkdir_all(a->folder, err);
    if (r == 0)
        r = fc_tar_iter(bytes, &options, &it, err);
    if (r < 0)
        return r;
    while ((r = fc_entry_next(it, &e, err)) > 0) {
        r = take(a, it, e, err);
        if (r < 0)
            return r;
    }
    return r;
}

void fc_archive_release(struct fc_archive_blobs *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->members[i].name);
        free(a->members[i].target);
        fc_buf_release(&a->members[i].text);
    }
    free(a->members);
    free(a->folder);
    free(a->label);
    *a = (struct fc_archive_blobs){0};
}
