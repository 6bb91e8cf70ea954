/* SPDX-License-Identifier: Apache-2.0 */
/* Take rows of the edits as they are found, and say what is wrong with each by itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/path.h"
#include "edit/check_private.h"

/* A number of a row within its bounds; anything else is said, and @fallback taken. */
struct field {
    const char *name;
    int64_t min, max, fallback;
    const char *repair;
};

static int64_t take_number(struct fc_check *c, const struct fc_finding *head, const struct check_cell *cell,
                           const struct field *f)
{
    if (cell->type != CHECK_INT) {
        fc_findings_add(c->found, head, f->repair, "its %s is no number", f->name);
        return f->fallback;
    }
    if (cell->i >= f->min && cell->i <= f->max)
        return cell->i;
    fc_findings_add(c->found, head, f->repair, "its %s %lld is out of range", f->name, (long long)cell->i);
    return f->fallback;
}

static uint32_t take_u32(struct fc_check *c, const struct fc_finding *head, const struct check_cell *cell,
                         const char *name)
{
    uint32_t low = cell->type == CHECK_INT ? (uint32_t)cell->i : 0;
    char repair[80];

    /* What the kernel calls no owner becomes nobody's. */
    low = low == UINT32_MAX ? 65534 : low;
    snprintf(repair, sizeof(repair), "makes it %u", low);
    return (uint32_t)take_number(c, head, cell, &(struct field){name, 0, UINT32_MAX, low, repair});
}

static struct timespec take_time(struct fc_check *c, const struct fc_finding *head, const struct check_cell *cells,
                                 const char *name)
{
    char ns[40];
    struct timespec t;

    snprintf(ns, sizeof(ns), "%s (nanoseconds)", name);
    t.tv_sec = take_number(c, head, &cells[0], &(struct field){name, INT64_MIN, INT64_MAX, 0, "sets it to 1970"});
    t.tv_nsec = take_number(c, head, &cells[1], &(struct field){ns, 0, 999999999, 0, "sets the nanoseconds to 0"});
    return t;
}

static bool known_type(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return true;
    default:
        return false;
    }
}

/* A mode with an unknown type keeps its permissions and type 0: workspace/ or check_inode_types() find one. */
static uint32_t take_mode(struct fc_check *c, const struct fc_finding *head, const struct check_cell *cell)
{
    uint32_t low = cell->type == CHECK_INT ? (uint32_t)cell->i : 0, type = known_type(low) ? low & S_IFMT : 0;

    if (cell->type == CHECK_INT && type && cell->i >= 0 && !(cell->i & ~(int64_t)(S_IFMT | 07777)))
        return low;
    if (type)
        fc_findings_add(c->found, head, "keeps its type and permission bits", "its mode %llo has bits that no mode has",
                        (unsigned long long)cell->i);
    else
        fc_findings_add(c->found, head, "finds its type from what else is known of it",
                        "its mode %llo has no valid type",
                        cell->type == CHECK_INT ? (unsigned long long)cell->i : 0ull);
    return type | (low & 07777);
}

/* Text up to its first NUL. Returns 0, or -ENOMEM. */
static int take_target(struct fc_check *c, const struct fc_finding *head, const struct check_cell *cell,
                       struct fc_edit_inode *i)
{
    size_t size = cell->type == CHECK_BLOB || cell->type == CHECK_TEXT ? cell->size : 0;
    size_t len = size ? strnlen(cell->data, size < FC_TARGET_MAX ? size : FC_TARGET_MAX) : 0;

    if (!len)
        return 0; /* check_inode_types() says it */
    if (len != size)
        fc_findings_add(c->found, head, "keeps the text up to there", "its symlink text is damaged behind byte %zu",
                        len);
    i->target = fc_arena_copy(&c->rows.arena, cell->data, len);
    if (i->size != len)
        fc_findings_add(c->found, head, "sets the size", "its size is %llu, its symlink text has %zu bytes",
                        (unsigned long long)i->size, len);
    i->size = len;
    return i->target ? 0 : -ENOMEM;
}

int check_take_inode(struct fc_check *c, const struct check_cell *cells)
{
    struct fc_edit_inode i = {.ino = (uint64_t)cells[0].i};
    const struct fc_finding head = {.error = true, .code = "inode", .table = "inode", .ino = i.ino};
    size_t before = c->found->n_errors;
    int r = 0;

    if (cells[0].type != CHECK_INT || cells[0].i <= 0) {
        fc_findings_add(c->found, &(struct fc_finding){.error = true, .code = "inode", .table = "inode"},
                        "removes the row", "a row has the number %lld, which no object can have",
                        (long long)cells[0].i);
        c->rows.changed |= FC_ROWS_INODES;
        return 0;
    }
    i.mode = take_mode(c, &head, &cells[1]);
    i.uid = take_u32(c, &head, &cells[2], "owner");
    i.gid = take_u32(c, &head, &cells[3], "group");
    i.rdev_major = take_u32(c, &head, &cells[4], "device number");
    i.rdev_minor = take_u32(c, &head, &cells[5], "device number");
    i.nlink = take_u32(c, &head, &cells[6], "link count");
    i.size = (uint64_t)take_number(c, &head, &cells[7],
                                   &(struct field){"size", 0, S_ISREG(i.mode) ? (int64_t)FC_EDIT_FILE_MAX : INT64_MAX,
                                                   -1, "takes the size from its content"});
    i.atime = take_time(c, &head, &cells[8], "time of access");
    i.mtime = take_time(c, &head, &cells[10], "time of modification");
    i.ctime = take_time(c, &head, &cells[12], "time of change");
    i.crtime = take_time(c, &head, &cells[14], "time of birth");
    i.lower_content = take_number(
        c, &head, &cells[16], &(struct field){"mark for content of a layer", 0, 1, cells[16].i != 0, "sets it to 1"});
    if (S_ISLNK(i.mode) && !i.lower_content)
        r = take_target(c, &head, &cells[17], &i);
    if (c->found->n_errors != before)
        c->rows.changed |= FC_ROWS_INODES;
    return r == 0 && fc_rows_add_inode(&c->rows, &i) ? 0 : -ENOMEM;
}

int check_take_xattr(struct fc_check *c, const struct check_cell *cells)
{
    struct fc_rows *rows = &c->rows;
    const struct fc_finding head = {
        .error = true, .code = "xattr", .table = "xattr", .ino = cells[0].i > 0 ? (uint64_t)cells[0].i : 0};
    struct fc_row_xattr *to;
    char shown[128];

    fc_name_show(shown, sizeof(shown), cells[1].data ? cells[1].data : "", cells[1].size);
    if (cells[0].type != CHECK_INT || cells[0].i <= 0 || cells[1].type != CHECK_BLOB || !cells[1].size ||
        cells[1].size > FC_NAME_MAX || memchr(cells[1].data, '\0', cells[1].size)) {
        fc_findings_add(c->found, &head, "removes the attribute", "the attribute name \"%s\" is none", shown);
        rows->changed |= FC_ROWS_XATTRS;
        return 0;
    }
    if (cells[2].type != CHECK_BLOB || cells[2].size > FC_EDIT_XATTR_MAX) {
        fc_findings_add(c->found, &head, "removes the attribute", "the value of attribute %s is %s", shown,
                        cells[2].type != CHECK_BLOB ? "lost" : "longer than 65536 bytes");
        rows->changed |= FC_ROWS_XATTRS;
        return 0;
    }
    if (fc_grow(&rows->xattrs, &rows->cap_xattrs, rows->n_xattrs + 1, sizeof(*rows->xattrs)) < 0)
        return -ENOMEM;
    to = &rows->xattrs[rows->n_xattrs++];
    *to = (struct fc_row_xattr){.ino = (uint64_t)cells[0].i, .x.size = cells[2].size};
    to->x.name = fc_arena_copy(&rows->arena, cells[1].data, cells[1].size);
    to->x.value = fc_arena_copy(&rows->arena, cells[2].data ? cells[2].data : "", cells[2].size);
    return to->x.name && to->x.value ? 0 : -ENOMEM;
}

static const char *extent_fault(const struct check_cell *cells)
{
    for (int i = 0; i < 5; i++)
        if (cells[i].type != CHECK_INT || cells[i].i < 0)
            return "holds what is no number";
    if (cells[1].i % FC_EDIT_BLOCK || cells[3].i % FC_EDIT_BLOCK)
        return "is not on a block's boundary";
    if (!cells[2].i || cells[1].i > (int64_t)FC_EDIT_FILE_MAX || cells[2].i > (int64_t)FC_EDIT_FILE_MAX - cells[1].i)
        return "is longer than a file can be";
    if (cells[3].i > (INT64_C(1) << 62) || cells[2].i > (INT64_C(1) << 62) - cells[3].i)
        return "lies where no data can be";
    return cells[4].i > UINT32_MAX ? "comes from a layer that there cannot be" : NULL;
}

int check_take_extent(struct fc_check *c, const struct check_cell *cells)
{
    const char *fault = extent_fault(cells);
    uint64_t ino = (uint64_t)cells[0].i;
    struct fc_edit_extent x = {.offset = (uint64_t)cells[1].i,
                               .length = (uint64_t)cells[2].i,
                               .source_offset = (uint64_t)cells[3].i,
                               .source = (uint32_t)cells[4].i};

    if (!fault && ino)
        return fc_rows_add_extent(&c->rows, ino, &x) ? 0 : -ENOMEM;
    fc_findings_add(
        c->found,
        &(struct fc_finding){.error = true, .code = "extent", .table = "extent", .ino = cells[0].i > 0 ? ino : 0},
        "makes these bytes of the file a hole (zeros)",
        "the place of its content from byte %lld (%lld bytes) %s: it is lost", (long long)cells[1].i,
        (long long)cells[2].i, fault ? fault : "belongs to no file");
    c->rows.changed |= FC_ROWS_EXTENTS;
    return 0;
}

/* A name that can be, from one that cannot: each bad byte becomes "_". Returns the length, 0: nothing is left. */
static size_t mend_name(const struct check_cell *cell, char *out)
{
    size_t n = cell->size < FC_NAME_MAX ? cell->size : FC_NAME_MAX;

    for (size_t i = 0; i < n; i++)
        out[i] = cell->data[i] == '/' || cell->data[i] == '\0' ? '_' : cell->data[i];
    if ((n == 1 && out[0] == '.') || (n == 2 && out[0] == '.' && out[1] == '.'))
        memset(out, '_', n);
    return n;
}

static bool good_name(const struct check_cell *cell)
{
    char mended[FC_NAME_MAX];

    return cell->type == CHECK_BLOB && cell->size && mend_name(cell, mended) == cell->size &&
           memcmp(mended, cell->data, cell->size) == 0;
}

int check_take_dentry(struct fc_check *c, const struct check_cell *cells)
{
    struct fc_rows *rows = &c->rows;
    struct fc_finding head = {
        .error = true, .code = "name", .table = "dentry", .ino = cells[0].i > 0 ? (uint64_t)cells[0].i : 0};
    bool numbers = cells[0].type == CHECK_INT && cells[0].i > 0 && cells[2].type == CHECK_INT && cells[2].i >= 0;
    bool bytes = cells[1].type == CHECK_BLOB || cells[1].type == CHECK_TEXT;
    char mended[FC_NAME_MAX], shown[300];
    const char *copy;
    size_t len;

    len = bytes ? mend_name(&cells[1], mended) : 0;
    fc_name_show(shown, sizeof(shown), bytes && cells[1].data ? cells[1].data : "", bytes ? cells[1].size : 0);
    if (!numbers || (!good_name(&cells[1]) && (!len || !cells[2].i))) {
        fc_findings_add(c->found, &head, "removes the name", "the name \"%s\" %s", shown,
                        numbers ? "cannot be" : "belongs to no directory or no object");
        rows->changed |= FC_ROWS_DENTRIES;
        return 0;
    }
    if (!good_name(&cells[1])) {
        fc_findings_add(c->found, &head, "replaces the bytes that cannot be by \"_\"",
                        "the name \"%s\" (of inode %lld) cannot be", shown, (long long)cells[2].i);
        rows->changed |= FC_ROWS_DENTRIES;
    }
    copy = fc_arena_copy(&rows->arena, mended, len);
    if (!copy)
        return -ENOMEM;
    return fc_rows_add_dentry(rows, (uint64_t)cells[0].i, copy, len, (uint64_t)cells[2].i) ? 0 : -ENOMEM;
}

/* Inside one file the rows come in order, so an overlap shows between neighbours. */
void check_extent_order(struct fc_check *c)
{
    struct fc_rows *r = &c->rows;
    uint64_t ino = 0, end = 0;

    for (size_t i = 0; i < r->n_extents; i++) {
        struct fc_row_extent *x = &r->extents[i];
        uint64_t length = (x->x.length + FC_EDIT_BLOCK - 1) & ~(uint64_t)(FC_EDIT_BLOCK - 1), cut;

        if (x->ino != ino)
            end = 0;
        ino = x->ino;
        if (x->x.offset < end) {
            cut = end - x->x.offset;
            fc_findings_add(
                c->found, &(struct fc_finding){.error = true, .code = "extent-twice", .table = "extent", .ino = ino},
                "keeps the first of the two contents there", "bytes %llu to %llu of it have two different contents",
                (unsigned long long)x->x.offset, (unsigned long long)(cut < length ? end : x->x.offset + length));
            r->changed |= FC_ROWS_EXTENTS;
            x->drop = cut >= length;
            x->x.offset += cut;
            x->x.source_offset += cut;
            x->x.length = x->drop ? 0 : x->x.length - cut;
            length = x->drop ? 0 : length - cut;
        }
        if (x->x.offset + length > end)
            end = x->x.offset + length;
    }
}
