/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives of images (oci-archive, docker save) as a source of blobs: read once, front to back, every file into the layout of
 * the cache under its digest. So a pipe or a compressed archive will do, and nothing depends on the order of the files.
 */
#include "oci/archive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "base/sum.h"
#include "entry/entry.h"
#include "fetch/fetch.h"
#include "oci/blob.h"

/* An archive has some files for each layer; what has more is no archive of images. */
enum { MEMBERS_MAX = 65536, LINKS_MAX = 16 };
/* Sparse files cost nothing in the archive, and their length in the cache. Of a blob, which is compressed or a tar, there is little to leave out. */
#define HOLES_MAX (UINT64_C(1) << 30)

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
    m = find(a, e->path);
    if (m) /* only the last one counts; a thousand of them would be a lot of memory */
        fc_buf_release(&m->text);
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
    struct fc_oci_blob_writer blob;
    struct fc_hasher *sha512; /* only for what is named by it */
    uint8_t head[8];
};

static void sink_release(struct sink *s)
{
    fc_oci_blob_release(&s->blob);
    fc_hasher_free(s->sha512);
}

static int sink_add(struct sink *s, const void *data, size_t size, struct fc_error *err)
{
    uint64_t at = s->blob.size;

    if (at < sizeof(s->head))
        memcpy(s->head + at, data, size < sizeof(s->head) - at ? size : sizeof(s->head) - (size_t)at);
    if (s->sha512 && fc_hasher_add(s->sha512, data, size) < 0)
        return fc_fail(err, EIO, "cannot digest");
    return fc_oci_blob_add(&s->blob, data, size, err);
}

/* What no block covers is zeros. */
static int sink_fill(struct fc_archive_blobs *a, struct sink *s, uint64_t until, struct fc_error *err)
{
    static const uint8_t zeros[65536];
    int r = 0;

    if (until > s->blob.size)
        a->holes += until - s->blob.size;
    if (a->holes > HOLES_MAX)
        return fc_fail(err, EFBIG,
                       "a sparse file: with it, %llu bytes of this archive are holes, more than an archive of "
                       "images may have (1 GiB)",
                       (unsigned long long)a->holes);

    while (r == 0 && s->blob.size < until) {
        uint64_t left = until - s->blob.size;

        r = sink_add(s, zeros, left < sizeof(zeros) ? (size_t)left : sizeof(zeros), err);
    }
    return r;
}

static int sink_copy(struct fc_archive_blobs *a, struct sink *s, struct fc_entry_iter *it, const struct fc_entry *e,
                     struct fc_error *err)
{
    struct fc_block block;
    int r;

    while ((r = fc_entry_read(it, &block, err)) > 0) {
        r = sink_fill(a, s, block.offset, err);
        if (r == 0)
            r = sink_add(s, block.data, block.size, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sink_fill(a, s, e->size, err);
}

/* Read "blobs/KIND/DIGITS". Returns whether @name is one. */
static bool named_digest(const char *name, struct fc_sum *ret)
{
    char digest[FC_SUM_TEXT];

    if (strncmp(name, "blobs/sha", 9) != 0 || strlen(name) < 13 || name[12] != '/')
        return false;
    snprintf(digest, sizeof(digest), "%.6s:%s", name + 6, name + 13);
    return fc_oci_digest_valid(digest) && fc_sum_parse(digest, ret) == 0;
}

/* A file called by a digest must have it. */
static int check_name(const char *label, const char *name, struct sink *s, const struct fc_digest *sha256,
                      struct fc_error *err)
{
    struct fc_sum named, have = {.kind = FC_SUM_SHA256};
    char text[FC_SUM_TEXT];

    if (!named_digest(name, &named))
        return 0;
    memcpy(have.bytes, sha256->bytes, sizeof(sha256->bytes));
    if (named.kind == FC_SUM_SHA512 && (!s->sha512 || fc_hasher_finish_sum(s->sha512, &have) < 0))
        return fc_fail(err, EIO, "%s: %s cannot be digested", label, name);
    if (fc_sum_equal(&have, &named))
        return 0;
    return fc_fail(err, EBADMSG, "%s: %s is damaged: its digest is %s", label, name, fc_sum_format(&have, text));
}

static int add_blob(struct fc_archive_blobs *a, struct fc_entry_iter *it, const struct fc_entry *e,
                    struct fc_error *err)
{
    struct sink s __attribute__((cleanup(sink_release))) = {.blob = {.file = {.fd = -1}}};
    fc_auto(fc_free) char *name = strdup(e->path);
    struct fc_archive_member *m;
    struct fc_digest digest;
    int r;

    if (strncmp(e->path, "blobs/sha512/", 13) == 0)
        s.sha512 = fc_hasher_new_sha512();
    if (!name)
        return fc_fail_errno(err, ENOMEM, "%s", a->label);
    r = fc_oci_blob_begin(&s.blob, a->layout, err);
    if (r == 0)
        r = sink_copy(a, &s, it, e, err);
    if (r == 0)
        r = fc_oci_blob_digest(&s.blob, &digest, err);
    if (r < 0)
        return fc_wrap(err, "%s: %s", a->label, name), r;
    r = check_name(a->label, name, &s, &digest, err);
    if (r < 0)
        return r;
    m = add(a, name, err);
    if (!m)
        return err ? -err->code : -ENOMEM;
    m->size = s.blob.size;
    m->digest = digest;
    memcpy(m->head, s.head, sizeof(m->head));
    return fc_oci_blob_commit(&s.blob, &digest, err);
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

    a->layout = fc_fetcher_layout(f);
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
    free(a->label);
    *a = (struct fc_archive_blobs){0};
}
