/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of a database as SQLite would see them: the file, and over it the committed part of its log. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "edit/check_private.h"

/** What is read of a damaged database at most. */
#define IMAGE_MAX (UINT64_C(8) << 30)
/** The log's header and the header of each of its frames (https://www.sqlite.org/fileformat2.html#walformat). */
enum { WAL_HEADER = 32, WAL_FRAME = 24, DEFAULT_PAGE = 4096 };

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool good_page_size(uint32_t n) { return n >= 512 && n <= 65536 && (n & (n - 1)) == 0; }

/* From the header, or, when that is damaged, the size that every store has. */
static uint32_t page_size_of(const struct fc_buf *b)
{
    uint32_t n;

    if (b->len < 100 || memcmp(b->data, "SQLite format 3", 16) != 0)
        return DEFAULT_PAGE;
    n = (uint32_t)(unsigned char)b->data[16] << 8 | (unsigned char)b->data[17];
    n = n == 1 ? 65536 : n;
    return good_page_size(n) ? n : DEFAULT_PAGE;
}

struct wal {
    const unsigned char *at;
    size_t len;
    uint32_t page_size, sum[2];
    bool big_endian; /* of the checksum's words */
};

static void add_sum(struct wal *w, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint32_t a = be32(p + i), b = be32(p + i + 4);

        if (!w->big_endian) {
            a = __builtin_bswap32(a);
            b = __builtin_bswap32(b);
        }
        w->sum[0] += a + w->sum[1];
        w->sum[1] += b + w->sum[0];
    }
}

static bool wal_begin(struct wal *w)
{
    if (w->len < WAL_HEADER || (be32(w->at) & ~1u) != 0x377f0682)
        return false;
    w->big_endian = be32(w->at) & 1;
    w->page_size = be32(w->at + 8);
    add_sum(w, w->at, 24);
    return good_page_size(w->page_size) && w->sum[0] == be32(w->at + 24) && w->sum[1] == be32(w->at + 28);
}

/* Whether the frame at @f belongs to the log; its sum then covers it. */
static bool wal_frame(struct wal *w, const unsigned char *f)
{
    if (memcmp(f + 8, w->at + 16, 8) != 0)
        return false;
    add_sum(w, f, 8);
    add_sum(w, f + WAL_FRAME, w->page_size);
    return w->sum[0] == be32(f + 16) && w->sum[1] == be32(f + 20) && be32(f) != 0;
}

static int put_page(struct check_image *image, uint32_t n, const unsigned char *page)
{
    uint64_t end = (uint64_t)n * image->page_size;
    int r = 0;

    if (end > IMAGE_MAX)
        return -EFBIG;
    if (end > image->bytes.len) {
        size_t extra = (size_t)end - image->bytes.len;

        r = fc_buf_reserve(&image->bytes, extra);
        if (r < 0)
            return r;
        memset(image->bytes.data + image->bytes.len, 0, extra + 1);
        image->bytes.len += extra;
    }
    memcpy(image->bytes.data + end - image->page_size, page, image->page_size);
    return 0;
}

/* Lay the frames up to the last commit over the file's pages. */
static int apply_wal(struct check_image *image, const struct fc_buf *log)
{
    struct wal w = {.at = (const unsigned char *)log->data, .len = log->len};
    size_t each, n = 0, committed = 0;
    int r = 0;

    if (!wal_begin(&w))
        return 0;
    /* The log knows the size of a page better than a damaged header. */
    image->page_size = w.page_size;
    each = WAL_FRAME + w.page_size;
    while (WAL_HEADER + (n + 1) * each <= w.len && wal_frame(&w, w.at + WAL_HEADER + n * each)) {
        n++;
        if (be32(w.at + WAL_HEADER + (n - 1) * each + 4))
            committed = n;
    }
    for (size_t i = 0; i < committed && r == 0; i++) {
        const unsigned char *f = w.at + WAL_HEADER + i * each;

        r = put_page(image, be32(f), f + WAL_FRAME);
        if (r == -EFBIG) /* a number that no page of ours has */
            r = 0;
    }
    return r;
}

int check_image_load(const char *path, struct check_image *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *wal = NULL;
    fc_auto(fc_buf_release) struct fc_buf log = {0};
    int r = fc_read_file(AT_FDCWD, path, IMAGE_MAX, &ret->bytes);

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s", path);
    if (asprintf(&wal, "%s-wal", path) < 0) {
        wal = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    ret->page_size = page_size_of(&ret->bytes);
    r = fc_read_file(AT_FDCWD, wal, IMAGE_MAX, &log);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = apply_wal(ret, &log);
    return r < 0 ? fc_fail_errno(err, -r, "cannot read %s", wal) : 0;
}

const unsigned char *check_image_page(const struct check_image *image, uint32_t n)
{
    if (n == 0 || (uint64_t)n * image->page_size > image->bytes.len)
        return NULL;
    return (const unsigned char *)image->bytes.data + (uint64_t)(n - 1) * image->page_size;
}
