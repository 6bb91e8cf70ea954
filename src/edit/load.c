/* SPDX-License-Identifier: Apache-2.0 */
/* Read all rows of the user's changes, and refuse what no store of ours can hold. */
#include "edit/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/** Where sizes and offsets end: what off_t can say. */
#define SIZE_END INT64_MAX

static int damaged(const struct fc_edit *e, struct fc_error *err, const char *what, uint64_t ino)
{
    return fc_fail(err, EBADMSG, "%s/workspace.db is damaged: %s of inode %llu" FC_EDIT_NEXT_STEP, e->dir, what,
                   (unsigned long long)ino);
}

static struct timespec column_time(sqlite3_stmt *s, int i)
{
    return (struct timespec){.tv_sec = sqlite3_column_int64(s, i), .tv_nsec = sqlite3_column_int64(s, i + 1)};
}

static bool time_is_good(struct timespec t) { return t.tv_nsec >= 0 && t.tv_nsec < 1000000000; }

static bool mode_is_good(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return (mode & ~(uint32_t)(S_IFMT | 07777)) == 0;
    default:
        return false;
    }
}

static bool name_is_good(const char *name, int len)
{
    if (len < 1 || len > (int)FC_NAME_MAX || memchr(name, '/', (size_t)len) || memchr(name, '\0', (size_t)len))
        return false;
    return !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

/* Bytes of a blob; never NULL. */
static const char *column_bytes(sqlite3_stmt *s, int i, int *ret_len)
{
    const void *data = sqlite3_column_blob(s, i);

    *ret_len = sqlite3_column_bytes(s, i);
    return data ? data : "";
}

/* The blob has no NUL at its end, the callback wants one. */
struct text_room {
    char text[FC_TARGET_MAX + 1];
};

static int load_inode(struct fc_edit *e, sqlite3_stmt *s, const struct fc_edit_loader *l, void *arg,
                      struct fc_error *err)
{
    struct fc_edit_inode i = {.ino = (uint64_t)sqlite3_column_int64(s, 0)};
    struct text_room room;
    const char *target;
    int len;

    i.mode = (uint32_t)sqlite3_column_int64(s, 1);
    i.uid = (uint32_t)sqlite3_column_int64(s, 2);
    i.gid = (uint32_t)sqlite3_column_int64(s, 3);
    i.rdev_major = (uint32_t)sqlite3_column_int64(s, 4);
    i.rdev_minor = (uint32_t)sqlite3_column_int64(s, 5);
    i.nlink = (uint32_t)sqlite3_column_int64(s, 6);
    i.size = (uint64_t)sqlite3_column_int64(s, 7);
    i.atime = column_time(s, 8);
    i.mtime = column_time(s, 10);
    i.ctime = column_time(s, 12);
    i.crtime = column_time(s, 14);
    i.lower_content = sqlite3_column_int(s, 16);
    if (!i.ino || i.ino > SIZE_END || i.size > SIZE_END || !mode_is_good(i.mode))
        return damaged(e, err, "type or size", i.ino);
    if (!time_is_good(i.atime) || !time_is_good(i.mtime) || !time_is_good(i.ctime) || !time_is_good(i.crtime))
        return damaged(e, err, "times", i.ino);
    if (S_ISLNK(i.mode) && !i.lower_content) {
        target = column_bytes(s, 17, &len);
        if (len > (int)FC_TARGET_MAX || memchr(target, '\0', (size_t)len))
            return damaged(e, err, "symlink text", i.ino);
        memcpy(room.text, target, (size_t)len);
        room.text[len] = '\0';
        i.target = room.text;
    }
    return l->inode ? l->inode(arg, &i) : 0;
}

static int load_xattr(struct fc_edit *e, sqlite3_stmt *s, const struct fc_edit_loader *l, void *arg,
                      struct fc_error *err)
{
    uint64_t ino = (uint64_t)sqlite3_column_int64(s, 0);
    char text[FC_NAME_MAX + 1];
    struct fc_xattr x;
    const char *name;
    int len, size;

    name = column_bytes(s, 1, &len);
    if (len < 1 || len > (int)FC_NAME_MAX || memchr(name, '\0', (size_t)len))
        return damaged(e, err, "xattr name", ino);
    memcpy(text, name, (size_t)len);
    text[len] = '\0';
    x.name = text;
    x.value = column_bytes(s, 2, &size);
    x.size = (size_t)size;
    return l->xattr ? l->xattr(arg, ino, &x) : 0;
}

static bool layer_exists(const struct fc_edit *e, uint64_t id)
{
    for (size_t i = 0; i < e->n_layers; i++)
        if (e->layers[i].id == id)
            return true;
    return false;
}

/* The file and the offset behind the last extent seen: the rows come in order, so overlaps show here. */
struct extent_walk {
    uint64_t ino, end;
};

static int load_extent(struct fc_edit *e, sqlite3_stmt *s, const struct fc_edit_loader *l, void *arg,
                       struct extent_walk *w, struct fc_error *err)
{
    uint64_t ino = (uint64_t)sqlite3_column_int64(s, 0), source = (uint64_t)sqlite3_column_int64(s, 4);
    struct fc_edit_extent x = {
        .offset = (uint64_t)sqlite3_column_int64(s, 1),
        .length = (uint64_t)sqlite3_column_int64(s, 2),
        .source_offset = (uint64_t)sqlite3_column_int64(s, 3),
        .source = (uint32_t)source,
    };

    if (ino != w->ino)
        *w = (struct extent_walk){.ino = ino};
    if (!x.length || x.offset > SIZE_END || x.source_offset > SIZE_END || x.length > SIZE_END - x.offset ||
        x.length > SIZE_END - x.source_offset || x.offset < w->end || x.offset % FC_EDIT_BLOCK ||
        x.source_offset % FC_EDIT_BLOCK)
        return damaged(e, err, "extents", ino);
    if (source && !layer_exists(e, source))
        return damaged(e, err, "the layer of an extent", ino);
    w->end = x.offset + x.length;
    return l->extent ? l->extent(arg, ino, &x) : 0;
}

static int load_dentry(struct fc_edit *e, sqlite3_stmt *s, const struct fc_edit_loader *l, void *arg,
                       struct fc_error *err)
{
    uint64_t parent = (uint64_t)sqlite3_column_int64(s, 0), ino = (uint64_t)sqlite3_column_int64(s, 2);
    const char *name;
    int len;

    name = column_bytes(s, 1, &len);
    if (!parent || parent > SIZE_END || ino > SIZE_END || !name_is_good(name, len))
        return damaged(e, err, "a name in directory", parent);
    return l->dentry ? l->dentry(arg, parent, name, (size_t)len, ino) : 0;
}

static int load_table(struct fc_edit *e, enum fc_store_stmt id, const struct fc_edit_loader *l, void *arg,
                      struct fc_error *err)
{
    struct extent_walk walk = {0};
    int r = 0, rc = SQLITE_DONE;
    sqlite3_stmt *s = fc_store_stmt(e, id, &r, err);

    if (!s)
        return r;
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (id == FC_STMT_INODES)
            r = load_inode(e, s, l, arg, err);
        else if (id == FC_STMT_XATTRS)
            r = load_xattr(e, s, l, arg, err);
        else if (id == FC_STMT_EXTENTS)
            r = load_extent(e, s, l, arg, &walk, err);
        else
            r = load_dentry(e, s, l, arg, err);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = fc_store_fail(e, err, "cannot read the edits");
    sqlite3_reset(s);
    return r;
}

int fc_edit_load(struct fc_edit *e, const struct fc_edit_loader *loader, void *arg, struct fc_error *err)
{
    static const enum fc_store_stmt tables[] = {FC_STMT_INODES, FC_STMT_XATTRS, FC_STMT_EXTENTS, FC_STMT_DENTRIES};
    int r = 0;

    for (size_t i = 0; i < FC_LENGTH(tables) && r == 0; i++)
        r = load_table(e, tables[i], loader, arg, err);
    return r;
}
