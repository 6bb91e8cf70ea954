/* SPDX-License-Identifier: Apache-2.0 */
/* Take rows out of a single page of a database, trusting nothing in it (https://www.sqlite.org/fileformat2.html). */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "edit/check_private.h"

/** Types of pages that hold rows. */
enum { PAGE_INDEX_INTERIOR = 2, PAGE_INDEX_LEAF = 10, PAGE_TABLE_LEAF = 13 };

/** The largest row: an xattr of 64 KiB with its name, and more. */
#define ROW_MAX (1u << 20)

struct reader {
    const struct check_image *image;
    const unsigned char *page;
    uint32_t size; /* usable bytes of a page */
    struct fc_buf spilled;
};

/* A variable-length number at @at below @end. Returns its length, 0 if it does not fit. */
static unsigned varint(const unsigned char *p, size_t at, size_t end, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 9 && at + i < end; i++) {
        if (i == 8) {
            *ret = v << 8 | p[at + i];
            return 9;
        }
        v = v << 7 | (p[at + i] & 0x7f);
        if (!(p[at + i] & 0x80)) {
            *ret = v;
            return i + 1;
        }
    }
    return 0;
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t big_endian(const unsigned char *p, unsigned n)
{
    uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

/* The value of serial type @type at @p with @left bytes behind it. Returns its length or -1. */
static int64_t take_value(uint64_t type, const unsigned char *p, size_t left, struct check_cell *ret)
{
    static const unsigned char sizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    size_t n;

    *ret = (struct check_cell){.type = CHECK_NULL};
    if (type == 10 || type == 11)
        return -1;
    n = type < 12 ? sizes[type] : (size_t)((type - 12) / 2);
    if (n > left)
        return -1;
    if (type >= 12) {
        *ret = (struct check_cell){type & 1 ? CHECK_TEXT : CHECK_BLOB, 0, (const char *)p, n};
    } else if (type == 7) {
        ret->type = CHECK_REAL;
    } else if (type > 0) {
        ret->type = CHECK_INT;
        ret->i = type >= 8 ? (int64_t)type - 8 : big_endian(p, (unsigned)n);
    }
    return (int64_t)n;
}

/* Split a record into cells. Returns how many, 0 if it is damaged. */
static int take_record(const unsigned char *p, size_t size, struct check_cell *cells)
{
    uint64_t header, type;
    unsigned step = varint(p, 0, size, &header);
    size_t at = step, body;
    int n = 0;

    if (!step || header > size)
        return 0;
    for (body = (size_t)header; at < header; n++) {
        int64_t len;

        step = varint(p, at, (size_t)header, &type);
        if (!step || n == CHECK_COLUMNS)
            return 0;
        len = take_value(type, p + body, size - body, &cells[n]);
        if (len < 0)
            return 0;
        at += step;
        body += (size_t)len;
    }
    return body == size ? n : 0;
}

/* What lies on the page itself of a row of @size bytes. */
static uint64_t local_size(const struct reader *r, bool rowid, uint64_t size)
{
    uint64_t u = r->size, max = rowid ? u - 35 : (u - 12) * 64 / 255 - 23, min = (u - 12) * 32 / 255 - 23, k;

    if (size <= max)
        return size;
    k = min + (size - min) % (u - 4);
    return k <= max ? k : min;
}

/* The whole row: on the page, or gathered from the pages where it goes on. NULL if it is damaged. */
static const unsigned char *gather(struct reader *r, bool rowid, size_t at, uint64_t size)
{
    uint64_t local = local_size(r, rowid, size);
    uint32_t next;

    if (size > ROW_MAX || at + local + (local < size ? 4 : 0) > r->size)
        return NULL;
    if (local == size)
        return r->page + at;
    fc_buf_clear(&r->spilled);
    if (fc_buf_add(&r->spilled, r->page + at, (size_t)local) < 0)
        return NULL;
    next = be32(r->page + at + local);
    while (r->spilled.len < size) {
        const unsigned char *p = check_image_page(r->image, next);
        size_t n = size - r->spilled.len < r->size - 4 ? (size_t)size - r->spilled.len : r->size - 4;

        if (!p || fc_buf_add(&r->spilled, p + 4, n) < 0)
            return NULL;
        next = be32(p);
    }
    return (const unsigned char *)r->spilled.data;
}

/* The row at @at of the page; a damaged one is passed over. */
static int take_cell(struct reader *r, unsigned type, size_t at, check_row_fn fn, void *arg)
{
    struct check_cell cells[CHECK_COLUMNS];
    const unsigned char *record;
    uint64_t size, number = 0;
    bool rowid = type == PAGE_TABLE_LEAF;
    unsigned step;
    int n;

    if (type == PAGE_INDEX_INTERIOR)
        at += 4;
    step = varint(r->page, at, r->size, &size);
    if (!step)
        return 0;
    at += step;
    if (rowid) {
        step = varint(r->page, at, r->size, &number);
        if (!step)
            return 0;
        at += step;
    }
    record = gather(r, rowid, at, size);
    n = record ? take_record(record, (size_t)size, cells) : 0;
    if (n && rowid && cells[0].type == CHECK_NULL)
        cells[0] = (struct check_cell){.type = CHECK_INT, .i = (int64_t)number};
    return n ? fn(arg, rowid, cells, n) : 0;
}

int check_page_rows(const struct check_image *image, uint32_t n, check_row_fn fn, void *arg)
{
    struct reader r = {.image = image, .page = check_image_page(image, n), .size = image->page_size};
    size_t head = n == 1 ? 100 : 0;
    unsigned type, n_cells;
    int rc = 0;

    type = r.page ? r.page[head] : 0;
    if (type != PAGE_INDEX_INTERIOR && type != PAGE_INDEX_LEAF && type != PAGE_TABLE_LEAF)
        return 0;
    n_cells = (unsigned)r.page[head + 3] << 8 | r.page[head + 4];
    head += type == PAGE_INDEX_INTERIOR ? 12 : 8;
    for (unsigned i = 0; i < n_cells && head + 2 * i + 2 <= r.size && rc == 0; i++) {
        size_t at = (size_t)r.page[head + 2 * i] << 8 | r.page[head + 2 * i + 1];

        if (at >= head && at < r.size)
            rc = take_cell(&r, type, at, fn, arg);
    }
    fc_buf_release(&r.spilled);
    return rc;
}
