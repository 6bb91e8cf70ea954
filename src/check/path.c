/* SPDX-License-Identifier: Apache-2.0 */
/* Look into the tree as the guest will see it: paths through symlinks, contents, directories. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <fccompose/entry.h>

#include "check/internal.h"

/* As many links as the kernel follows; and how much of a file is looked at. */
enum { MAX_LINKS = 40, CONTENT_MAX = 1 << 20 };

/* A walk: where it is ("usr/bin"), and what is left. */
struct walk {
    struct fc_buf here, rest;
    size_t at;
    int links;
};

static const struct fc_snap_inode *inode_of(const struct fc_preflight *c, uint32_t i)
{
    return i == FC_TREE_NONE ? NULL : &fc_snapshot_inodes(c->s, NULL)[i];
}

static void go_up(struct walk *w)
{
    char *slash = w->here.len ? strrchr(w->here.data, '/') : NULL;

    w->here.len = slash ? (size_t)(slash - w->here.data) : 0;
    if (w->here.data)
        w->here.data[w->here.len] = '\0';
}

static int follow(struct walk *w, const char *text)
{
    struct fc_buf rest = {0};
    int r = ++w->links > MAX_LINKS || !*text ? -ELOOP : fc_buf_addf(&rest, "%s%s", text, w->rest.data + w->at);

    if (r == 0 && rest.len > FC_PATH_MAX)
        r = -ENAMETOOLONG;
    if (r < 0) {
        fc_buf_release(&rest);
        return r;
    }
    go_up(w);
    if (*text == '/')
        fc_buf_clear(&w->here);
    fc_buf_release(&w->rest);
    w->rest = rest;
    w->at = 0;
    return 0;
}

/* One component. -ENOENT: it is not there. */
static int step(struct fc_preflight *c, struct walk *w, const char *name, size_t len)
{
    const struct fc_snap_inode *i;
    int r;

    if (len == 1 && *name == '.')
        return 0;
    if (len == 2 && memcmp(name, "..", 2) == 0) {
        go_up(w);
        return 0;
    }
    if (w->here.len + len > FC_PATH_MAX)
        return -ENAMETOOLONG;
    r = w->here.len ? fc_buf_add(&w->here, "/", 1) : 0;
    if (r == 0)
        r = fc_buf_add(&w->here, name, len);
    if (r < 0)
        return r;
    i = inode_of(c, fc_snapshot_find(c->s, w->here.data));
    if (!i)
        return -ENOENT;
    return S_ISLNK(i->mode) ? follow(w, i->target) : 0;
}

static int walk(struct fc_preflight *c, struct walk *w)
{
    int r = 0;

    while (r == 0) {
        size_t start = w->at + strspn(w->rest.data + w->at, "/"), len = strcspn(w->rest.data + start, "/");

        if (!len)
            return 0;
        w->at = start + len;
        r = step(c, w, w->rest.data + start, len);
    }
    return r;
}

struct preflight_place preflight_find(struct fc_preflight *c, const char *path)
{
    struct preflight_place place = {.inode = FC_TREE_NONE, .path = "/"};
    struct walk w = {0};
    int r = fc_buf_adds(&w.rest, path);

    if (r == 0)
        r = walk(c, &w);
    place.path = preflight_textf(c, "/%s", w.here.data ? w.here.data : "");
    if (r == 0)
        place.inode = fc_snapshot_find(c->s, w.here.data ? w.here.data : "");
    else if (r == -ENOMEM)
        preflight_fail(c, ENOMEM, path);
    if (place.inode != FC_TREE_NONE) {
        place.mode = inode_of(c, place.inode)->mode;
        place.size = inode_of(c, place.inode)->size;
    }
    fc_buf_release(&w.here);
    fc_buf_release(&w.rest);
    return place;
}

bool preflight_has(struct fc_preflight *c, const char *path, uint32_t type)
{
    return (preflight_find(c, path).mode & S_IFMT) == type;
}

const char *preflight_link(struct fc_preflight *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct preflight_place dir = preflight_find(c, slash ? preflight_textf(c, "%.*s", (int)(slash - path), path) : "");
    const char *whole = preflight_textf(c, "%s/%s", dir.path + 1, slash ? slash + 1 : path);
    const struct fc_snap_inode *i =
        S_ISDIR(dir.mode) ? inode_of(c, fc_snapshot_find(c->s, whole + (*whole == '/'))) : NULL;

    return i && S_ISLNK(i->mode) ? i->target : NULL;
}

size_t preflight_read(struct fc_preflight *c, uint32_t inode, void *to, size_t size, uint64_t offset)
{
    const struct fc_snap_inode *o = inode_of(c, inode);
    const struct fc_snap_extent *x = fc_snapshot_extents(c->s, NULL) + o->first_extent;

    if (!S_ISREG(o->mode) || offset >= o->size)
        return 0;
    if (size > o->size - offset)
        size = o->size - offset;
    memset(to, 0, size);
    for (uint32_t i = 0; i < o->n_extents; i++) {
        uint64_t from = x[i].offset > offset ? x[i].offset : offset;
        uint64_t end = x[i].offset + x[i].length < offset + size ? x[i].offset + x[i].length : offset + size;
        ssize_t n;

        if (from >= end)
            continue;
        n = fc_snap_source_read(&fc_snapshot_sources(c->s, NULL)[x[i].source], (char *)to + (from - offset), end - from,
                                x[i].source_offset + (from - x[i].offset));
        if (n < 0) {
            preflight_fail(c, (int)-n, "content of the tree");
            return 0;
        }
    }
    return size;
}

char *preflight_content(struct fc_preflight *c, const char *path)
{
    struct preflight_place at = preflight_find(c, path);
    size_t size = at.size > CONTENT_MAX ? CONTENT_MAX : at.size;
    char *text;

    if (!S_ISREG(at.mode))
        return NULL;
    text = fc_arena_alloc(&c->arena, size + 1);
    if (!text) {
        preflight_fail(c, ENOMEM, path);
        return NULL;
    }
    text[preflight_read(c, at.inode, text, size, 0)] = '\0';
    return text;
}

char *preflight_line(char **text)
{
    char *line = *text, *end;

    if (!line || !*line)
        return NULL;
    end = line + strcspn(line, "\n");
    *text = *end ? end + 1 : end;
    *end = '\0';
    return line;
}

const struct fc_snap_dentry *preflight_list(struct fc_preflight *c, const char *path, uint32_t *ret_n)
{
    struct preflight_place at = preflight_find(c, path);
    const struct fc_snap_inode *i = inode_of(c, at.inode);

    *ret_n = i && S_ISDIR(i->mode) ? i->n_dentries : 0;
    return *ret_n ? fc_snapshot_dentries(c->s, NULL) + i->first_dentry : NULL;
}

const char *preflight_which(struct fc_preflight *c, const char *name)
{
    static const char *const folders[] = {"/usr/sbin", "/usr/bin",        "/sbin",
                                          "/bin",      "/usr/local/sbin", "/usr/local/bin"};

    for (size_t i = 0; i < FC_LENGTH(folders); i++) {
        const char *path = preflight_textf(c, "%s/%s", folders[i], name);

        if (preflight_has(c, path, S_IFREG))
            return path;
    }
    return NULL;
}
