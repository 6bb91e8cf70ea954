/* SPDX-License-Identifier: Apache-2.0 */
/* Remember which blob of a layout holds which layer: small files ".diffids/HEX", a line each. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "oci/assemble.h"
#include "oci/blob.h"

static const char *const types[] = {FC_OCI_TYPE_LAYER_GZIP, FC_OCI_TYPE_LAYER_ZSTD, FC_OCI_TYPE_LAYER};

static char *note_path(const char *dir, const struct fc_digest *diffid)
{
    char text[FC_DIGEST_TEXT], *path;

    return asprintf(&path, "%s/.diffids/%s", dir, fc_digest_format(diffid, text) + 7) < 0 ? NULL : path;
}

/* "BLOB SIZE TYPE DIFFID" lines, one for each form that the layer has. */
static bool read_line(const char *line, struct fc_oci_layer *ret)
{
    char digest[FC_DIGEST_TEXT], type[100], diffid[FC_DIGEST_TEXT];
    unsigned long long size;

    if (sscanf(line, "%71s %llu %99s %71s", digest, &size, type, diffid) != 4 ||
        fc_digest_parse(digest, &ret->blob) < 0 || fc_digest_parse(diffid, &ret->diffid) < 0)
        return false;
    ret->size = size;
    for (size_t i = 0; i < FC_LENGTH(types); i++)
        if (strcmp(type, types[i]) == 0)
            ret->media_type = types[i];
    return ret->media_type != NULL;
}

static bool is_there(const char *dir, const struct fc_oci_layer *l)
{
    fc_auto(fc_free) char *path = fc_oci_blob_path(dir, &l->blob);
    struct stat st;

    return path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == l->size;
}

bool fc_oci_blob_recall(const char *dir, const struct fc_digest *diffid, const char *media_type,
                        struct fc_oci_layer *ret)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *path = note_path(dir, diffid);

    if (!path || fc_read_file(AT_FDCWD, path, 4096, &text) < 0 || !text.data)
        return false;
    for (const char *line = text.data; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        struct fc_oci_layer l = {0};

        if (read_line(line, &l) && (!media_type || strcmp(l.media_type, media_type) == 0) && is_there(dir, &l)) {
            *ret = l;
            return true;
        }
    }
    return false;
}

void fc_oci_blob_remember(const char *dir, const struct fc_digest *diffid, const struct fc_oci_layer *l)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *path = note_path(dir, diffid), *folder = NULL;
    char digest[FC_DIGEST_TEXT], own[FC_DIGEST_TEXT];
    struct fc_oci_layer known;

    if (!path || fc_oci_blob_recall(dir, diffid, l->media_type, &known) || asprintf(&folder, "%s/.diffids", dir) < 0)
        return;
    if (fc_mkdir_all(folder, NULL) < 0)
        return;
    (void)fc_read_file(AT_FDCWD, path, 2048, &text);
    if (fc_buf_addf(&text, "%s %llu %s %s\n", fc_digest_format(&l->blob, digest), (unsigned long long)l->size,
                    l->media_type, fc_digest_format(&l->diffid, own)) == 0)
        (void)fc_atomic_write(path, text.data, text.len, false, NULL);
}
