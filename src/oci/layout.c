/* SPDX-License-Identifier: Apache-2.0 */
/* An image layout in a folder as a source of blobs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "base/io.h"
#include "base/sum.h"
#include "oci/blob.h"
#include "oci/image.h"

struct layout {
    struct fc_oci_source source; /* first */
    char *label;
    int dir;
};

static int fail_read(const char *label, const char *name, int r, struct fc_error *err)
{
    if (r == -ENOTSUP)
        return fc_fail(err, EBADMSG, "%s/%s: not a regular file", label, name);
    return fc_fail_errno(err, -r, "%s/%s", label, name);
}

static int layout_root(struct fc_oci_source *s, struct fc_buf *ret, const char **ret_type, struct fc_error *err)
{
    const struct layout *l = (struct layout *)s;
    int r = fc_read_regular(l->dir, "index.json", FC_OCI_DOCUMENT_MAX, ret);

    *ret_type = NULL;
    return r < 0 ? fail_read(s->label, "index.json", r, err) : 0;
}

/* Open the file of @d's digest, which has been checked to be letters and digits. Only a regular file of the right length. */
static int open_blob(struct layout *l, const struct fc_oci_descriptor *d, struct fc_error *err)
{
    char path[7 + FC_SUM_TEXT];
    fc_auto(fc_close) int fd = -1;
    struct stat st;

    snprintf(path, sizeof(path), "blobs/%.6s/%s", d->digest, d->digest + 7);
    fd = openat(l->dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fc_fail_errno(err, errno, "%s/%s", l->label, path);
    if (!S_ISREG(st.st_mode))
        return fc_fail(err, EBADMSG, "%s/%s: not a regular file", l->label, path);
    if ((uint64_t)st.st_size != d->size)
        return fc_fail(err, EBADMSG, "%s/%s is %llu bytes long, not %llu", l->label, path,
                       (unsigned long long)st.st_size, (unsigned long long)d->size);
    return fc_steal_fd(&fd);
}

static int layout_document(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_buf *ret,
                           struct fc_error *err)
{
    fc_auto(fc_close) int fd = open_blob((struct layout *)s, d, err);

    return fd < 0 ? fd : fc_oci_blob_read(fd, s->label, d, ret, err);
}

static int layout_open(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_oci_blob *ret,
                       struct fc_error *err)
{
    int fd = open_blob((struct layout *)s, d, err);

    if (fd < 0)
        return fd;
    *ret = (struct fc_oci_blob){.fd = fd};
    return 0;
}

static void layout_free(struct fc_oci_source *s)
{
    struct layout *l = (struct layout *)s;

    if (l->dir >= 0)
        close(l->dir);
    free(l->label);
    free(l);
}

/* The file that says "this is an image layout", and of which version. */
static int check_marker(const struct layout *l, struct fc_error *err)
{
    struct fc_buf bytes __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_read_regular(l->dir, "oci-layout", 4096, &bytes);
    json_t *json;
    const char *version;

    if (r == -ENOENT)
        return fc_fail(err, EBADMSG, "%s is not an image layout: it has no file \"oci-layout\"", l->label);
    if (r < 0)
        return fail_read(l->label, "oci-layout", r, err);
    json = json_loadb(bytes.data, bytes.len, 0, NULL);
    version = json_string_value(json_object_get(json, "imageLayoutVersion"));
    if (!version)
        r = fc_fail(err, EBADMSG, "%s/oci-layout: no imageLayoutVersion", l->label);
    else if (strncmp(version, "1.", 2) != 0)
        r = fc_fail(err, EOPNOTSUPP, "%s: image layout version %.40s; 1.x is what can be read", l->label, version);
    json_decref(json);
    return r;
}

int fc_oci_layout_open(const char *dir, const char *label, struct fc_oci_source **ret, struct fc_error *err)
{
    struct layout *l = calloc(1, sizeof(*l));
    fc_auto(fc_oci_source_free) struct fc_oci_source *owned = (struct fc_oci_source *)l;
    int r;

    if (!l)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    l->source = (struct fc_oci_source){layout_root, layout_document, layout_open, layout_free, NULL};
    l->dir = -1;
    l->source.label = l->label = strdup(label);
    if (!l->label)
        return fc_fail_errno(err, ENOMEM, "%s", label);
    l->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->dir < 0)
        return fc_fail_errno(err, errno, "%s", label);
    r = check_marker(l, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&owned);
    return 0;
}
