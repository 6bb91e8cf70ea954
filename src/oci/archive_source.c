/* SPDX-License-Identifier: Apache-2.0 */
/* An archive that was read as a source of blobs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/sum.h"
#include "fetch/fetch.h"
#include "oci/archive.h"
#include "oci/blob.h"

struct archive_source {
    struct fc_oci_source source; /* first */
    struct fc_archive_blobs blobs;
    struct fc_buf root;
    bool is_docker; /* @root is a manifest made from manifest.json */
};

static int archive_root(struct fc_oci_source *s, struct fc_buf *ret, const char **ret_type, struct fc_error *err)
{
    const struct archive_source *a = (struct archive_source *)s;

    *ret_type = a->is_docker ? FC_OCI_TYPE_MANIFEST : NULL;
    return fc_buf_add(ret, a->root.data, a->root.len) < 0 ? fc_fail_errno(err, ENOMEM, "%s", s->label) : 0;
}

/* Whether the blob @d was in this archive: what else the cache has does not count. Sets *ret to its SHA-256. */
static int blob_digest(const struct archive_source *a, const struct fc_oci_descriptor *d, struct fc_digest *ret,
                       struct fc_error *err)
{
    char name[16 + FC_SUM_TEXT];
    const struct fc_archive_member *m;
    struct fc_digest wanted;

    snprintf(name, sizeof(name), "blobs/%.6s/%s", d->digest, d->digest + 7);
    m = fc_archive_find(&a->blobs, name);
    if (!m && fc_digest_parse(d->digest, &wanted) == 0)
        for (size_t i = 0; i < a->blobs.n && !m; i++)
            if (!a->blobs.members[i].target && memcmp(&a->blobs.members[i].digest, &wanted, sizeof(wanted)) == 0)
                m = &a->blobs.members[i];
    if (!m)
        return fc_fail(err, ENOENT, "%s: %s is not in the archive", a->source.label, d->digest);
    if (m->size != d->size)
        return fc_fail(err, EBADMSG, "%s: %s is %llu bytes long, not %llu", a->source.label, d->digest,
                       (unsigned long long)m->size, (unsigned long long)d->size);
    *ret = m->digest;
    return 0;
}

static int archive_open(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_oci_blob *ret,
                        struct fc_error *err)
{
    const struct archive_source *a = (struct archive_source *)s;
    fc_auto(fc_free) char *path = NULL;
    struct fc_digest digest;
    int fd, r = blob_digest(a, d, &digest, err);

    if (r < 0)
        return r;
    path = fc_oci_blob_path(a->blobs.layout, &digest);
    if (!path)
        return fc_fail_errno(err, ENOMEM, "%s", s->label);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fc_fail_errno(err, errno, "%s: %s", s->label, path);
    *ret = (struct fc_oci_blob){.fd = fd};
    return 0;
}

static int archive_document(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_buf *ret,
                            struct fc_error *err)
{
    struct fc_oci_blob blob;
    int r = archive_open(s, d, &blob, err);

    if (r < 0)
        return r;
    r = fc_oci_blob_read(blob.fd, s->label, d, ret, err);
    close(blob.fd);
    return r;
}

static void archive_free(struct fc_oci_source *s)
{
    struct archive_source *a = (struct archive_source *)s;

    fc_archive_release(&a->blobs);
    fc_buf_release(&a->root);
    free(a);
}

/* Which document says what is in it: with a name of docker's kind manifest.json, else index.json if there is one. */
static int find_root(struct archive_source *a, enum fc_oci_archive_kind kind, const char *ref, struct fc_error *err)
{
    const struct fc_archive_member *index = fc_archive_find(&a->blobs, "index.json"),
                                   *list = fc_archive_find(&a->blobs, "manifest.json");

    if (index && index->text.data && (kind == FC_OCI_ARCHIVE_OCI || !list || !ref))
        return fc_buf_add(&a->root, index->text.data, index->text.len) < 0
                   ? fc_fail_errno(err, ENOMEM, "%s", a->source.label)
                   : 0;
    if (kind == FC_OCI_ARCHIVE_OCI)
        return fc_fail(err, EBADMSG, "%s: no index.json in it: not an archive of an image layout%s", a->source.label,
                       list ? "; read it as docker-archive:" : "");
    a->is_docker = true;
    return fc_archive_docker_manifest(&a->blobs, ref, &a->root, err);
}

int fc_oci_archive_open(struct fc_fetcher *f, struct fc_byte_source *bytes, const char *label,
                        const struct fc_oci_archive_options *options, struct fc_oci_source **ret, struct fc_error *err)
{
    struct archive_source *a = calloc(1, sizeof(*a));
    fc_auto(fc_oci_source_free) struct fc_oci_source *owned = (struct fc_oci_source *)a;
    struct fc_digest digest;
    int r;

    if (!a)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    a->source = (struct fc_oci_source){archive_root, archive_document, archive_open, archive_free, NULL};
    a->source.label = a->blobs.label = strdup(label);
    if (!a->blobs.label)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    r = fc_archive_read(&a->blobs, f, bytes, options->progress, err);
    if (r == 0)
        r = find_root(a, options->kind, options->ref, err);
    if (r == 0) /* the cache has the whole image then, and its layout is one */
        r = fc_fetch_store(f, a->root.data, a->root.len, &digest, err);
    if (r == 0)
        *ret = fc_steal(&owned);
    return r;
}
