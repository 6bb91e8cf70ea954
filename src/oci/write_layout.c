/* SPDX-License-Identifier: Apache-2.0 */
/* Write an image into an image layout. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "oci/assemble.h"
#include "oci/blob.h"
#include "oci/tags.h"

/* Put a file of these bytes at @path unless there is one. */
static int put_file(const char *path, const void *data, size_t size, struct fc_error *err)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size)
        return 0;
    return fc_atomic_write(path, data, size, true, err);
}

static int put_document(const char *dir, const struct fc_buf *bytes, const struct fc_digest *digest,
                        struct fc_error *err)
{
    fc_auto(fc_free) char *path = fc_oci_blob_path(dir, digest);

    return path ? put_file(path, bytes->data, bytes->len, err) : fc_fail_errno(err, ENOMEM, "%s", dir);
}

static int copy_blob(const char *from, const char *dir, const struct fc_oci_layer *l, struct fc_error *err)
{
    fc_auto(fc_free) char *source = fc_oci_blob_path(from, &l->blob), *target = fc_oci_blob_path(dir, &l->blob);
    struct fc_atomic file __attribute__((cleanup(fc_atomic_release_auto))) = {.fd = -1};
    fc_auto(fc_close) int fd = -1;
    struct stat st;
    int r;

    if (!source || !target)
        return fc_fail_errno(err, ENOMEM, "%s", dir);
    if (stat(target, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == l->size)
        return 0;
    fd = open(source, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fc_fail_errno(err, errno, "%s", source);
    r = fc_atomic_begin(&file, target, err);
    if (r < 0)
        return r;
    if (ioctl(file.fd, FICLONE, fd) < 0) {
        r = fc_copy_range(fd, 0, file.fd, 0, l->size);
        if (r < 0)
            return fc_fail_errno(err, -r, "%s", target);
    }
    return fc_atomic_commit(&file, true, err);
}

static int prepare(const char *dir, struct fc_error *err)
{
    static const char marker[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    fc_auto(fc_free) char *path = NULL, *folder = NULL;
    int r;

    if (asprintf(&path, "%s/oci-layout", dir) < 0)
        path = NULL;
    if (asprintf(&folder, "%s/blobs/sha256", dir) < 0)
        folder = NULL;
    if (!path || !folder)
        return fc_fail_errno(err, ENOMEM, "%s", dir);
    r = fc_mkdir_all(folder, err);
    if (r == 0) /* others' tags are in it: what cannot be read is not written over */
        r = fc_oci_tags_check(dir, err);
    return r < 0 ? r : put_file(path, marker, sizeof(marker) - 1, err);
}

int fc_oci_write_layout(const struct fc_oci_made *made, const char *from, const char *dir, const char *tag,
                        struct fc_error *err)
{
    char text[FC_DIGEST_TEXT];
    int r = prepare(dir, err);

    for (size_t i = 0; i < made->n_layers && r == 0; i++)
        r = copy_blob(from, dir, &made->layers[i], err);
    if (r == 0)
        r = put_document(dir, &made->config, &made->config_digest, err);
    if (r == 0)
        r = put_document(dir, &made->manifest, &made->manifest_digest, err);
    if (r < 0)
        return r;
    return fc_oci_tags_set(dir, tag,
                           &(struct fc_oci_descriptor){.media_type = FC_OCI_TYPE_MANIFEST,
                                                       .digest = fc_digest_format(&made->manifest_digest, text),
                                                       .size = made->manifest.len},
                           err);
}
