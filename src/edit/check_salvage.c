/* SPDX-License-Identifier: Apache-2.0 */
/* Read what rows there are in the pages of a database that SQLite refuses, telling the tables apart by the rows' shape. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "edit/check_private.h"

struct salvage {
    struct fc_check *c;
    uint64_t n;
};

static bool is(const struct check_cell *cells, int n, const char *types)
{
    static const char letters[] = {'n', 'i', 'r', 't', 'b'};

    for (int i = 0; i < n; i++)
        if (types[i] != letters[cells[i].type])
            return false;
    return types[n] == '\0';
}

static bool is_inode(const struct check_cell *cells, int n)
{
    for (int i = 0; i < 17 && n == CHECK_COLUMNS; i++)
        if (cells[i].type != CHECK_INT)
            return false;
    return n == CHECK_COLUMNS && (cells[17].type == CHECK_NULL || cells[17].type == CHECK_BLOB);
}

static int take_sequence(struct fc_check *c, const struct check_cell *cells)
{
    if (cells[0].size == 5 && memcmp(cells[0].data, "layer", 5) == 0 && cells[1].i > c->rows.layer_seq)
        c->rows.layer_seq = cells[1].i;
    return 0;
}

/* Deleted rows are not met: they are in no page's list, and SQLite overwrites free pages or they are left out. */
static int take_row(void *arg, bool rowid, const struct check_cell *cells, int n)
{
    struct salvage *s = arg;
    int (*take)(struct fc_check * c, const struct check_cell *cells) = NULL;

    if (rowid && is_inode(cells, n))
        take = check_take_inode;
    else if (rowid && n == 7 && is(cells, n, "iibttii"))
        take = check_take_layer;
    else if (rowid && n == 3 && is(cells, n, "ibt"))
        take = check_take_conflict;
    else if (rowid && n == 2 && is(cells, n, "ti"))
        take = take_sequence;
    else if (!rowid && n == 2 && is(cells, n, "tt"))
        take = check_take_meta;
    else if (!rowid && n == 3 && is(cells, n, "ibb"))
        take = check_take_xattr;
    else if (!rowid && n == 3 && is(cells, n, "ibi"))
        take = check_take_dentry;
    else if (!rowid && n == 5 && is(cells, n, "iiiii"))
        take = check_take_extent;
    s->n += take != NULL;
    return take ? take(s->c, cells) : 0;
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The pages that the list of free ones names: what they hold was deleted. A list that is damaged says nothing. */
static int free_pages(const struct check_image *image, struct fc_map *ret)
{
    const unsigned char *p = check_image_page(image, 1);
    uint32_t at = p ? be32(p + 32) : 0, total = p ? be32(p + 36) : 0;
    int r = 0;

    for (; r == 0 && at && (p = check_image_page(image, at)) && !fc_map_get(ret, at, NULL); at = be32(p)) {
        uint32_t n = be32(p + 4);

        r = fc_map_set(ret, at, 1);
        for (uint32_t i = 0; i < n && i < image->page_size / 4 - 2 && r == 0; i++)
            r = fc_map_set(ret, be32(p + 8 + 4 * i), 1);
    }
    if (r == 0 && ret->len != total)
        fc_map_release(ret);
    return r;
}

int check_salvage(struct fc_check *c, uint64_t *ret_n, struct fc_error *err)
{
    struct check_image image = {0};
    struct salvage s = {.c = c};
    struct fc_map unused = {0};
    fc_auto(fc_free) char *path = NULL;
    uint64_t n_pages;
    int r;

    if (asprintf(&path, "%s/workspace.db", c->e->dir) < 0) {
        path = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    r = check_image_load(path, &image, err);
    n_pages = r == 0 ? image.bytes.len / image.page_size : 0;
    if (r == 0 && free_pages(&image, &unused) < 0)
        r = fc_fail(err, ENOMEM, "out of memory");
    for (uint64_t n = 1; n <= n_pages && n < UINT32_MAX && r == 0; n++)
        if (!fc_map_get(&unused, n, NULL))
            r = check_page_rows(&image, (uint32_t)n, take_row, &s);
    if (r == -ENOMEM)
        fc_fail(err, ENOMEM, "out of memory");
    fc_map_release(&unused);
    fc_buf_release(&image.bytes);
    *ret_n = s.n;
    return r;
}
