/* SPDX-License-Identifier: Apache-2.0 */
/* Decompress what is in memory, in any of the forms in which kernels are compressed. */
#include "archive/expand.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

/* A compression, libarchive's number of it, and how it begins. */
static const struct form {
    const char *name, *magic;
    unsigned char magic_len;
    int filter;
} forms[] = {
    {"gzip", "\x1f\x8b\x08", 3, ARCHIVE_FILTER_GZIP},
    {"xz",
     "\xfd"
     "7zXZ\0",
     6, ARCHIVE_FILTER_XZ},
    {"zstd", "\x28\xb5\x2f\xfd", 4, ARCHIVE_FILTER_ZSTD},
    {"lz4", "\x02\x21\x4c\x18", 4, ARCHIVE_FILTER_LZ4},
    {"lz4", "\x04\x22\x4d\x18", 4, ARCHIVE_FILTER_LZ4},
    {"bzip2", "BZh", 3, ARCHIVE_FILTER_BZIP2},
    {"lzo", "\x89LZO\0\r\n\x1a\n", 9, ARCHIVE_FILTER_LZOP},
    {"lzma", "\x5d\0\0", 3, ARCHIVE_FILTER_LZMA},
};

static const struct form *find(const void *data, size_t size)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (size >= forms[i].magic_len && memcmp(data, forms[i].magic, forms[i].magic_len) == 0)
            return &forms[i];
    return NULL;
}

const char *fc_expand_form(const void *data, size_t size)
{
    const struct form *f = find(data, size);

    return f ? f->name : NULL;
}

static int fail(struct archive *a, const char *form, const char *label, struct fc_error *err)
{
    const char *text = archive_error_string(a);

    if (archive_errno(a) == ENOMEM)
        return fc_fail(err, ENOMEM, "out of memory");
    return fc_fail(err, EBADMSG, "%s: damaged %s data: %.200s", label, form, text ? text : "cannot be decompressed");
}

static int pull(struct archive *a, const char *form, size_t max, const char *label, struct fc_buf *ret,
                struct fc_error *err)
{
    const void *data;
    size_t size, before = ret->len;
    la_int64_t offset;
    int r;

    while ((r = archive_read_data_block(a, &data, &size, &offset)) == ARCHIVE_OK) {
        if (size > max - (ret->len - before))
            return fc_fail(err, EFBIG, "%s: %s data that grow beyond %zu MiB", label, form, max >> 20);
        if (fc_buf_add(ret, data, size) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    return r == ARCHIVE_EOF ? 0 : fail(a, form, label, err);
}

int fc_expand(const void *data, size_t size, size_t max, const char *label, struct fc_buf *ret, struct fc_error *err)
{
    const struct form *f = find(data, size);
    struct archive *a = f ? archive_read_new() : NULL;
    struct archive_entry *entry;
    int r;

    if (!a)
        return f ? fc_fail(err, ENOMEM, "out of memory")
                 : fc_fail(err, EBADMSG, "%s: no compressed data that are known", label);
    /* What libarchive has no library for it leaves to a program, with a warning. */
    r = archive_read_append_filter(a, f->filter);
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
        r = fc_fail(err, EOPNOTSUPP, "%s: libarchive was built without %s", label, f->name);
    else if (archive_read_set_format(a, ARCHIVE_FORMAT_RAW) != ARCHIVE_OK ||
             archive_read_open_memory(a, data, size) != ARCHIVE_OK || archive_read_next_header(a, &entry) != ARCHIVE_OK)
        r = fail(a, f->name, label, err);
    else
        r = pull(a, f->name, max, label, ret, err);
    archive_read_free(a);
    return r;
}
