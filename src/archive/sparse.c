/* SPDX-License-Identifier: Apache-2.0 */
/* Read the maps of sparse files: old GNU headers and the 1.0 form. (0.0 and 0.1 are PAX records.) */
#include "archive/sparse.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

/* A map of this many runs has 32 MiB of text at most; more is not believed. */
#define MAX_RUNS (4u << 20)

/* GNU tar's continuation of a map, and the place of the first four runs in its header. */
#define GNU_HEADER_MAP 386u
#define GNU_HEADER_RUNS 4u
#define GNU_BLOCK_RUNS 21u
#define GNU_RUN_SIZE 24u

int fc_sparse_add(struct fc_sparse_map *map, uint64_t offset, uint64_t length, struct fc_error *err)
{
    uint64_t end = map->n ? map->runs[map->n - 1].offset + map->runs[map->n - 1].length : 0;

    if (offset > INT64_MAX || length > INT64_MAX - offset)
        return fc_fail(err, EBADMSG, "sparse map with an absurd offset or length");
    if (length == 0)
        return 0;
    if (offset < end)
        return fc_fail(err, EBADMSG, "sparse map whose runs overlap or are out of order");
    if (map->n >= MAX_RUNS)
        return fc_fail(err, EBADMSG, "sparse map of more than %u runs", MAX_RUNS);
    if (fc_grow(&map->runs, &map->cap, map->n + 1, sizeof(*map->runs)) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    map->runs[map->n++] = (struct fc_tar_extent){offset, length};
    return 0;
}

int fc_sparse_check(const struct fc_sparse_map *map, uint64_t file_size, uint64_t stored, struct fc_error *err)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < map->n; i++)
        sum += map->runs[i].length; /* no overflow: the runs do not overlap and end below 2^63 */
    if (map->n && map->runs[map->n - 1].offset + map->runs[map->n - 1].length > file_size)
        return fc_fail(err, EBADMSG, "sparse map that goes beyond the end of its file");
    if (sum != stored)
        return fc_fail(err, EBADMSG, "sparse map of %llu bytes for %llu bytes of data", (unsigned long long)sum,
                       (unsigned long long)stored);
    return 0;
}

/* Add @n runs at @p. Returns 1 to go on, 0 at the first empty one, or -errno. */
static int add_gnu_runs(struct fc_sparse_map *map, const char *p, unsigned n, struct fc_error *err)
{
    for (unsigned i = 0; i < n; i++, p += GNU_RUN_SIZE) {
        int64_t offset, length;
        int r;

        if (!p[0] && !p[12])
            return 0;
        if (fc_tar_number(p, 12, &offset) < 0 || fc_tar_number(p + 12, 12, &length) < 0 || offset < 0 || length < 0)
            return fc_fail(err, EBADMSG, "sparse map with a damaged number");
        r = fc_sparse_add(map, (uint64_t)offset, (uint64_t)length, err);
        if (r < 0)
            return r;
    }
    return 1;
}

int fc_sparse_read_gnu(struct fc_sparse_map *map, const struct fc_tar_raw *raw, struct fc_stream *s, uint64_t *ret_size,
                       struct fc_error *err)
{
    const char *h = (const char *)raw;
    char extended = h[GNU_HEADER_MAP + GNU_HEADER_RUNS * GNU_RUN_SIZE];
    int64_t size;
    int r;

    if (fc_tar_number(h + GNU_HEADER_MAP + GNU_HEADER_RUNS * GNU_RUN_SIZE + 1, 12, &size) < 0 || size < 0)
        return fc_fail(err, EBADMSG, "sparse file with a damaged or negative size");
    r = add_gnu_runs(map, h + GNU_HEADER_MAP, GNU_HEADER_RUNS, err);
    while (r >= 0 && extended) {
        char block[FC_TAR_BLOCK];
        ssize_t n = fc_stream_read(s, block, sizeof(block), err);

        if (n < 0)
            return (int)n;
        if (n < (ssize_t)sizeof(block))
            return fc_fail(err, EBADMSG, "truncated in a sparse map");
        r = add_gnu_runs(map, block, GNU_BLOCK_RUNS, err);
        extended = block[GNU_BLOCK_RUNS * GNU_RUN_SIZE];
    }
    if (r < 0)
        return r;
    *ret_size = (uint64_t)size;
    return 0;
}

/* Reads the numbers of a 1.0 map block by block. */
struct map_reader {
    struct fc_stream *s;
    uint64_t limit, used;
    char block[FC_TAR_BLOCK];
    size_t at; /* == FC_TAR_BLOCK: read another */
};

static int map_number(struct map_reader *m, uint64_t *ret, struct fc_error *err)
{
    uint64_t v = 0;

    for (unsigned digits = 0;; digits++) {
        char c;

        if (m->at == FC_TAR_BLOCK) {
            ssize_t n;

            if (m->limit - m->used < FC_TAR_BLOCK)
                return fc_fail(err, EBADMSG, "sparse map longer than its file");
            n = fc_stream_read(m->s, m->block, FC_TAR_BLOCK, err);
            if (n < 0)
                return (int)n;
            if (n < (ssize_t)FC_TAR_BLOCK)
                return fc_fail(err, EBADMSG, "truncated in a sparse map");
            m->used += FC_TAR_BLOCK;
            m->at = 0;
        }
        c = m->block[m->at++];
        if (c == '\n' && digits > 0)
            break;
        if (c < '0' || c > '9' || digits > 18)
            return fc_fail(err, EBADMSG, "sparse map with a damaged number");
        v = v * 10 + (uint64_t)(c - '0');
    }
    *ret = v;
    return 0;
}

int fc_sparse_read_1_0(struct fc_sparse_map *map, struct fc_stream *s, uint64_t limit, uint64_t *ret_used,
                       struct fc_error *err)
{
    struct map_reader m = {.s = s, .limit = limit, .at = FC_TAR_BLOCK};
    uint64_t n, offset, length;
    int r = map_number(&m, &n, err);

    while (r == 0 && n-- > 0) {
        r = map_number(&m, &offset, err);
        if (r == 0)
            r = map_number(&m, &length, err);
        if (r == 0)
            r = fc_sparse_add(map, offset, length, err);
    }
    if (r == 0)
        *ret_used = m.used;
    return r;
}
