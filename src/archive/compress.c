/* SPDX-License-Identifier: Apache-2.0 */
/* Compress a stream of bytes: libarchive's filters, around its raw format. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "archive/archive.h"

struct fc_compressor {
    struct archive *archive; /* NULL: bytes go through as they are */
    fc_tar_sink sink;
    void *arg;
    struct fc_error err; /* the sink's failure, which libarchive cannot carry */
};

static la_ssize_t written(struct archive *a, void *arg, const void *data, size_t size)
{
    struct fc_compressor *c = arg;
    int r = c->sink(c->arg, data, size, &c->err);

    if (r == 0)
        return (la_ssize_t)size;
    archive_set_error(a, -r, "the sink failed");
    return -1;
}

/* Words for what libarchive says, or rather for what the sink said to it. */
static int failed(struct fc_compressor *c, struct fc_error *err)
{
    int code = archive_errno(c->archive);

    if (c->err.code) {
        if (err)
            *err = c->err;
        return -c->err.code;
    }
    return fc_fail(err, code > 0 ? code : EIO, "cannot compress: %s", archive_error_string(c->archive));
}

static int set_up(struct fc_compressor *c, enum fc_compression kind, int level, struct fc_error *err)
{
    const char *name = kind == FC_COMPRESS_GZIP ? "gzip" : "zstd";
    struct archive_entry *entry;
    char text[16];
    int r = kind == FC_COMPRESS_GZIP ? archive_write_add_filter_gzip(c->archive)
                                     : archive_write_add_filter_zstd(c->archive);

    /* ARCHIVE_WARN: it would start a program of that name, which may be any version. */
    if (r != ARCHIVE_OK)
        return fc_fail(err, EOPNOTSUPP, "the libarchive of this machine cannot write %s", name);
    snprintf(text, sizeof(text), "%d", level);
    r = archive_write_set_format_raw(c->archive);
    if (r == ARCHIVE_OK && kind == FC_COMPRESS_GZIP)
        r = archive_write_set_filter_option(c->archive, name, "timestamp", NULL);
    if (r == ARCHIVE_OK && level)
        r = archive_write_set_filter_option(c->archive, name, "compression-level", text);
    if (r == ARCHIVE_OK) /* blocks of 64 KiB, the last one as it is */
        r = archive_write_set_bytes_per_block(c->archive, 65536);
    if (r == ARCHIVE_OK)
        r = archive_write_set_bytes_in_last_block(c->archive, 1);
    if (r == ARCHIVE_OK)
        r = archive_write_open(c->archive, c, NULL, written, NULL);
    if (r != ARCHIVE_OK)
        return failed(c, err);
    entry = archive_entry_new();
    if (!entry)
        return fc_fail_errno(err, ENOMEM, "cannot compress");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_pathname(entry, "data");
    r = archive_write_header(c->archive, entry);
    archive_entry_free(entry);
    return r == ARCHIVE_OK ? 0 : failed(c, err);
}

int fc_compressor_new(enum fc_compression kind, int level, fc_tar_sink sink, void *arg, struct fc_compressor **ret,
                      struct fc_error *err)
{
    fc_auto(fc_compressor_free) struct fc_compressor *c = calloc(1, sizeof(*c));
    int r = 0;

    if (!c)
        return fc_fail_errno(err, ENOMEM, "cannot compress");
    c->sink = sink;
    c->arg = arg;
    if (kind != FC_COMPRESS_NONE) {
        c->archive = archive_write_new();
        r = c->archive ? set_up(c, kind, level, err) : fc_fail_errno(err, ENOMEM, "cannot compress");
    }
    if (r == 0)
        *ret = fc_steal(&c);
    return r;
}

int fc_compressor_add(void *compressor, const void *data, size_t size, struct fc_error *err)
{
    struct fc_compressor *c = compressor;

    if (!c->archive)
        return c->sink(c->arg, data, size, err);
    while (size > 0) {
        la_ssize_t n = archive_write_data(c->archive, data, size);

        if (n <= 0)
            return failed(c, err);
        data = (const char *)data + n;
        size -= (size_t)n;
    }
    return 0;
}

int fc_compressor_finish(struct fc_compressor *c, struct fc_error *err)
{
    return !c->archive || archive_write_close(c->archive) == ARCHIVE_OK ? 0 : failed(c, err);
}

void fc_compressor_free(struct fc_compressor *c)
{
    if (!c)
        return;
    if (c->archive) {
        archive_write_fail(c->archive); /* what was not finished is not to be finished now */
        archive_write_free(c->archive);
    }
    free(c);
}
