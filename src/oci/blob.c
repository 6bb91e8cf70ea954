/* SPDX-License-Identifier: Apache-2.0 */
/* Write blobs into an image layout. */
#include "oci/blob.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *fc_oci_blob_path(const char *dir, const struct fc_digest *digest)
{
    char text[FC_DIGEST_TEXT], *path;

    return asprintf(&path, "%s/blobs/sha256/%s", dir, fc_digest_format(digest, text) + 7) < 0 ? NULL : path;
}

int fc_oci_blob_begin(struct fc_oci_blob_writer *w, const char *dir, struct fc_error *err)
{
    fc_auto(fc_free) char *folder = NULL, *path = NULL;
    int r;

    *w = (struct fc_oci_blob_writer){.file = {.fd = -1}, .sha256 = fc_hasher_new()};
    if (asprintf(&folder, "%s/blobs/sha256", dir) < 0)
        folder = NULL;
    if (asprintf(&path, "%s/blobs/sha256/new", dir) < 0)
        path = NULL;
    r = folder && path && w->sha256 ? fc_mkdir_all(folder, err) : fc_fail_errno(err, ENOMEM, "%s", dir);
    if (r == 0)
        r = fc_atomic_begin(&w->file, path, err);
    if (r < 0)
        fc_oci_blob_release(w);
    return r;
}

int fc_oci_blob_add(void *writer, const void *data, size_t size, struct fc_error *err)
{
    struct fc_oci_blob_writer *w = writer;
    int r = fc_write_full(w->file.fd, data, size);

    if (r == 0)
        r = fc_hasher_add(w->sha256, data, size);
    w->size += size;
    return r < 0 ? fc_fail_errno(err, -r, "cannot write %s", w->file.path) : 0;
}

int fc_oci_blob_digest(struct fc_oci_blob_writer *w, struct fc_digest *ret, struct fc_error *err)
{
    return fc_hasher_finish(w->sha256, ret) < 0 ? fc_fail(err, EIO, "cannot digest %s", w->file.path) : 0;
}

int fc_oci_blob_commit(struct fc_oci_blob_writer *w, const struct fc_digest *digest, struct fc_error *err)
{
    char text[FC_DIGEST_TEXT], *path;
    int len = (int)(strrchr(w->file.path, '/') - w->file.path);

    if (asprintf(&path, "%.*s/%s", len, w->file.path, fc_digest_format(digest, text) + 7) < 0)
        return fc_fail_errno(err, ENOMEM, "%s", w->file.path);
    free(w->file.path);
    w->file.path = path;
    return fc_atomic_commit(&w->file, false, err);
}

void fc_oci_blob_release(struct fc_oci_blob_writer *w)
{
    fc_atomic_release(&w->file);
    fc_hasher_free(w->sha256);
    w->sha256 = NULL;
}

int fc_oci_blob_read(int fd, const char *label, const struct fc_oci_descriptor *d, struct fc_buf *ret,
                     struct fc_error *err)
{
    ssize_t n = fc_buf_reserve(ret, d->size) < 0 ? -ENOMEM : fc_read_full(fd, ret->data, d->size);

    if (n < 0)
        return fc_fail_errno(err, (int)-n, "%s: %s", label, d->digest);
    ret->len = (size_t)n;
    ret->data[n] = '\0';
    return 0;
}
