/* SPDX-License-Identifier: Apache-2.0 */
/* Decompress by magic: zlib for gzip, else exactly one of libarchive's filters with no archive format on top. */
#include "archive/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE (256u * 1024)
#define MAGIC_SIZE 6u

struct unpack {
    struct fc_unpack base;
    struct fc_byte_source *source;
    struct archive *archive; /* NULL: bytes pass as they are */
    struct fc_error source_error;
    uint8_t *buffer;
    size_t held; /* bytes in @buffer that were read to find the magic */
    bool source_end;
};

/* Give the bytes read for the magic, then those of the source. Returns the count, 0 at the end, or -errno. */
static ssize_t pull(struct unpack *u, struct fc_error *err)
{
    ssize_t n = (ssize_t)u->held;

    u->held = 0;
    if (n > 0 || u->source_end)
        return n;
    n = u->source->read(u->source, u->buffer, READ_SIZE, err);
    u->source_end = n <= 0;
    return n;
}

static ssize_t plain_next(struct fc_unpack *base, const void **ret_data, struct fc_error *err)
{
    struct unpack *u = (struct unpack *)base;

    *ret_data = u->buffer;
    return pull(u, err);
}

static la_ssize_t archive_pull(struct archive *a, void *arg, const void **ret_data)
{
    struct unpack *u = arg;
    ssize_t n = pull(u, &u->source_error);

    *ret_data = u->buffer;
    if (n < 0) {
        u->source_error.code = (int)-n;
        archive_set_error(a, (int)-n, "%s", u->source_error.msg);
    }
    return n < 0 ? -1 : n;
}

static int archive_fail(struct unpack *u, struct fc_error *err)
{
    const char *text = archive_error_string(u->archive);

    if (u->source_error.code) {
        if (err)
            *err = u->source_error;
        return -u->source_error.code;
    }
    if (archive_errno(u->archive) == ENOMEM)
        return fc_fail(err, ENOMEM, "out of memory");
    return fc_fail(err, EBADMSG, "damaged compressed data: %s", text ? text : "cannot be decompressed");
}

static ssize_t archive_next(struct fc_unpack *base, const void **ret_data, struct fc_error *err)
{
    struct unpack *u = (struct unpack *)base;

    for (;;) {
        la_int64_t offset;
        size_t size;
        int r = archive_read_data_block(u->archive, ret_data, &size, &offset);

        if (r == ARCHIVE_EOF)
            return 0;
        if (r != ARCHIVE_OK)
            return archive_fail(u, err);
        if (size > 0)
            return (ssize_t)size;
    }
}

static void unpack_free(struct fc_unpack *base)
{
    struct unpack *u = (struct unpack *)base;

    if (u->archive)
        archive_read_free(u->archive);
    free(u->buffer);
    free(u);
}

/* libarchive's number of the filter for the magic, or ARCHIVE_FILTER_NONE. */
static int choose_filter(const uint8_t *p, size_t n)
{
    if (n >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8)
        return ARCHIVE_FILTER_GZIP;
    if (n >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0)
        return ARCHIVE_FILTER_ZSTD;
    if (n >= 4 && (p[0] & 0xf0) == 0x50 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0) /* a skippable frame */
        return ARCHIVE_FILTER_ZSTD;
    if (n >= 6 && memcmp(p,
                         "\xfd"
                         "7zXZ\0",
                         6) == 0)
        return ARCHIVE_FILTER_XZ;
    if (n >= 4 && memcmp(p, "BZh", 3) == 0 && p[3] >= '1' && p[3] <= '9')
        return ARCHIVE_FILTER_BZIP2;
    return ARCHIVE_FILTER_NONE;
}

static int open_archive(struct unpack *u, int filter, struct fc_error *err)
{
    struct archive_entry *entry;
    int r;

    u->archive = archive_read_new();
    if (!u->archive)
        return fc_fail(err, ENOMEM, "out of memory");
    /* Exactly this filter: libarchive left to choose would also unpack what happens to be packed twice. */
    if (archive_read_append_filter(u->archive, filter) != ARCHIVE_OK ||
        archive_read_set_format(u->archive, ARCHIVE_FORMAT_RAW) != ARCHIVE_OK ||
        archive_read_open(u->archive, u, NULL, archive_pull, NULL) != ARCHIVE_OK)
        return archive_fail(u, err);
    r = archive_read_next_header(u->archive, &entry);
    return r == ARCHIVE_OK || r == ARCHIVE_EOF ? 0 : archive_fail(u, err);
}

int fc_unpack_new(struct fc_byte_source *source, struct fc_unpack **ret, struct fc_error *err)
{
    struct unpack *u = calloc(1, sizeof(*u));
    int filter, r = 0;

    if (!u || !(u->buffer = malloc(READ_SIZE))) {
        free(u);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    u->source = source;
    u->base = (struct fc_unpack){.next = plain_next, .free = unpack_free};
    while (r == 0 && u->held < MAGIC_SIZE && !u->source_end) {
        ssize_t n = source->read(source, u->buffer + u->held, READ_SIZE - u->held, err);

        r = n < 0 ? (int)n : 0;
        u->source_end = n <= 0;
        u->held += n > 0 ? (size_t)n : 0;
    }
    filter = r == 0 ? choose_filter(u->buffer, u->held) : ARCHIVE_FILTER_NONE;
    if (filter == ARCHIVE_FILTER_GZIP) {
        r = fc_gunzip_new(source, u->buffer, u->held, ret, err);
        unpack_free(&u->base);
        return r;
    }
    if (filter != ARCHIVE_FILTER_NONE) {
        u->base.next = archive_next;
        r = open_archive(u, filter, err);
    }
    if (r < 0) {
        unpack_free(&u->base);
        return r;
    }
    *ret = &u->base;
    return 0;
}
