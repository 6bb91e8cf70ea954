/* SPDX-License-Identifier: Apache-2.0 */
/* Decompress by magic: gzip by our own reader, else exactly one of libarchive's filters with no archive format on top. */
#include "archive/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unpack {
    struct fc_unpack base;
    struct fc_feed *feed;
    struct archive *archive;
    struct fc_error source_error;
    const uint8_t *data; /* what is left of libarchive's block */
    size_t size;
};

static la_ssize_t archive_pull(struct archive *a, void *arg, const void **ret_data)
{
    struct unpack *u = arg;
    ssize_t n = fc_feed_next(u->feed, ret_data, &u->source_error);

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

/* Make sure of decompressed bytes. Returns 1, 0 at the end, or -errno. */
static int need_block(struct unpack *u, struct fc_error *err)
{
    while (u->size == 0) {
        const void *data;
        la_int64_t offset;
        int r = archive_read_data_block(u->archive, &data, &u->size, &offset);

        if (r != ARCHIVE_OK)
            u->size = 0;
        if (r == ARCHIVE_EOF)
            return 0;
        if (r != ARCHIVE_OK)
            return archive_fail(u, err);
        u->data = data;
    }
    return 1;
}

static ssize_t archive_next(struct fc_unpack *base, void *buffer, size_t size, struct fc_error *err)
{
    struct unpack *u = (struct unpack *)base;
    int r = need_block(u, err);
    size_t n;

    /* One block at a time: a failure behind it is told after it. */
    if (r <= 0)
        return r;
    n = u->size < size ? u->size : size;
    memcpy(buffer, u->data, n);
    u->data += n;
    u->size -= n;
    return (ssize_t)n;
}

static void unpack_free(struct fc_unpack *base)
{
    struct unpack *u = (struct unpack *)base;

    if (u->archive)
        archive_read_free(u->archive);
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

int fc_unpack_new(struct fc_feed *feed, struct fc_unpack **ret, struct fc_error *err)
{
    struct unpack *u;
    size_t n;
    const uint8_t *head = fc_feed_head(feed, &n);
    int filter = choose_filter(head, n), r;

    *ret = NULL;
    if (filter == ARCHIVE_FILTER_NONE)
        return 0;
    if (filter == ARCHIVE_FILTER_GZIP)
        return fc_gunzip_new(feed, ret, err);
    u = calloc(1, sizeof(*u));
    if (!u)
        return fc_fail(err, ENOMEM, "out of memory");
    *u = (struct unpack){.base = {.read = archive_next, .free = unpack_free}, .feed = feed};
    r = open_archive(u, filter, err);
    if (r < 0) {
        unpack_free(&u->base);
        return r;
    }
    *ret = &u->base;
    return 0;
}
