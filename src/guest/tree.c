/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and contents of the tree as it will be after the actions planned so far. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "guest/internal.h"

enum { MAX_LINKS = 40 }; /* as many as the kernel follows */

/* A walk under way. */
struct walk {
    struct fc_guest_plan *p;
    struct fc_buf here, rest;
    uint32_t inode; /* of @here; FC_TREE_NONE below what is not there */
    size_t at;
    int links;
};

static const struct fc_snap_inode *inode_of(const struct fc_guest_plan *p, uint32_t i)
{
    return i == FC_TREE_NONE ? NULL : &fc_snapshot_inodes(p->s, NULL)[i];
}

static const struct guest_change *change_of(const struct fc_guest_plan *p, const char *path)
{
    for (size_t i = p->n_changes; i > 0; i--)
        if (strcmp(p->changes[i - 1].path, path) == 0)
            return &p->changes[i - 1];
    return NULL;
}

/* The inode called @name in directory @dir, or FC_TREE_NONE. */
static uint32_t child_of(const struct fc_guest_plan *p, uint32_t dir, const char *name, size_t len)
{
    const struct fc_snap_inode *d = inode_of(p, dir);
    const struct fc_snap_dentry *e;
    uint32_t low = 0, high;

    if (!d || !S_ISDIR(d->mode))
        return FC_TREE_NONE;
    e = fc_snapshot_dentries(p->s, NULL) + d->first_dentry;
    high = d->n_dentries;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        size_t n = e[mid].name_len < len ? e[mid].name_len : len;
        int c = memcmp(e[mid].name, name, n);

        if (c == 0)
            c = (e[mid].name_len > len) - (e[mid].name_len < len);
        if (c == 0)
            return e[mid].inode;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return FC_TREE_NONE;
}

static bool more_follows(const struct walk *w)
{
    return w->rest.data[w->at + strspn(w->rest.data + w->at, "/")] != '\0';
}

static void go_up(struct walk *w)
{
    const struct fc_snap_inode *d = inode_of(w->p, w->inode);
    char *slash = w->here.data ? strrchr(w->here.data, '/') : NULL;

    w->here.len = slash ? (size_t)(slash - w->here.data) : 0;
    if (w->here.data)
        w->here.data[w->here.len] = '\0';
    if (d)
        w->inode = d->parent == FC_TREE_NONE ? 0 : d->parent;
    else
        w->inode = w->here.len ? fc_snapshot_find(w->p->s, w->here.data) : 0;
}

/* Go on with the text of a symlink, then what is left of the path. */
static int follow_link(struct walk *w, const char *text)
{
    struct fc_buf rest = {0};
    int r = ++w->links > MAX_LINKS ? -ELOOP : fc_buf_addf(&rest, "%s%s", text, w->rest.data + w->at);

    if (r == 0 && !*text)
        r = -ENOENT;
    if (r < 0) {
        fc_buf_release(&rest);
        return r;
    }
    fc_buf_release(&w->rest);
    w->rest = rest;
    w->at = 0;
    if (*text == '/') {
        fc_buf_clear(&w->here);
        w->inode = 0;
    }
    return 0;
}

static int go_down(struct walk *w, const char *name, size_t len)
{
    int r = w->here.len ? fc_buf_add(&w->here, "/", 1) : 0;

    if (w->here.len + len > FC_PATH_MAX)
        return -ENAMETOOLONG;
    return r < 0 ? r : fc_buf_add(&w->here, name, len);
}

/* One component. */
static int step(struct walk *w, const char *name, size_t len, bool follow)
{
    const struct guest_change *change;
    const struct fc_snap_inode *o;
    size_t before = w->here.len;
    uint32_t child, mode;
    const char *target;
    int r;

    if (len == 1 && name[0] == '.')
        return 0;
    if (len == 2 && memcmp(name, "..", 2) == 0) {
        go_up(w);
        return 0;
    }
    child = child_of(w->p, w->inode, name, len);
    r = go_down(w, name, len);
    if (r < 0)
        return r;
    o = inode_of(w->p, child);
    change = change_of(w->p, w->here.data);
    mode = change ? change->mode : o ? o->mode : 0;
    target = change ? change->text : o ? o->target : NULL;
    if (S_ISLNK(mode) && (follow || more_follows(w))) {
        w->here.len = before;
        w->here.data[before] = '\0';
        return follow_link(w, target);
    }
    w->inode = change && !S_ISDIR(mode) ? FC_TREE_NONE : child;
    return mode && !S_ISDIR(mode) && more_follows(w) ? -ENOTDIR : 0;
}

static int arrive(struct walk *w, struct guest_place *ret)
{
    const char *path = fc_arena_copy(&w->p->arena, w->here.data ? w->here.data : "", w->here.len);
    const struct guest_change *change = path ? change_of(w->p, path) : NULL;

    if (!path)
        return -ENOMEM;
    *ret = (struct guest_place){.path = path, .inode = w->inode, .change = change};
    if (change)
        ret->mode = change->mode;
    else if (w->inode != FC_TREE_NONE)
        ret->mode = inode_of(w->p, w->inode)->mode;
    return 0;
}

int guest_find(struct fc_guest_plan *p, const char *path, bool follow, struct guest_place *ret, struct fc_error *err)
{
    struct walk w = {.p = p};
    int r = fc_buf_adds(&w.rest, path);

    while (r == 0 && more_follows(&w)) {
        size_t start = w.at + strspn(w.rest.data + w.at, "/");
        size_t len = strcspn(w.rest.data + start, "/");

        w.at = start + len;
        r = step(&w, w.rest.data + start, len, follow);
    }
    if (r == 0)
        r = arrive(&w, ret);
    fc_buf_release(&w.here);
    fc_buf_release(&w.rest);
    return r < 0 ? fc_fail_errno(err, -r, "guest: \"%s\" of the tree", path) : 0;
}

/* Content of a file of the snapshot. */
static int read_inode(const struct fc_guest_plan *p, const struct fc_snap_inode *o, struct fc_buf *ret)
{
    const struct fc_snap_extent *x = fc_snapshot_extents(p->s, NULL) + o->first_extent;
    size_t at = ret->len;
    int r = o->size > GUEST_FILE_MAX ? -EFBIG : fc_buf_reserve(ret, o->size);

    if (r < 0)
        return r;
    memset(ret->data + at, 0, o->size + 1);
    ret->len += o->size;
    for (uint32_t i = 0; i < o->n_extents; i++) {
        size_t len = x[i].offset + x[i].length <= o->size ? x[i].length : o->size - x[i].offset;
        ssize_t n = fc_pread_full(fc_snapshot_sources(p->s, NULL)[x[i].source].fd, ret->data + at + x[i].offset, len,
                                  x[i].source_offset);

        if (n < 0 || (size_t)n < len)
            return n < 0 ? (int)n : -EIO;
    }
    return 0;
}

int guest_content(struct fc_guest_plan *p, const char *path, struct fc_buf *ret, struct fc_error *err)
{
    struct guest_place place;
    int r = guest_find(p, path, true, &place, err);

    if (r < 0 || !place.mode)
        return r;
    if (!S_ISREG(place.mode))
        return fc_fail(err, EINVAL, "guest: \"%s\" of the tree is no regular file", path);
    r = place.change ? fc_buf_add(ret, place.change->text, place.change->len)
                     : read_inode(p, inode_of(p, place.inode), ret);
    return r < 0 ? fc_fail_errno(err, -r, "guest: cannot read \"%s\" of the tree", path) : 1;
}

bool guest_has(struct fc_guest_plan *p, const char *path, uint32_t type)
{
    struct guest_place place;

    return guest_find(p, path, true, &place, NULL) == 0 && place.mode && (place.mode & S_IFMT) == type;
}

const char *guest_program(struct fc_guest_plan *p, const char *name)
{
    static const char *const folders[] = {"/sbin",    "/usr/sbin",       "/bin",
                                          "/usr/bin", "/usr/local/sbin", "/usr/local/bin"};

    for (size_t i = 0; i < FC_LENGTH(folders); i++) {
        const char *path = guest_text(p, "%s/%s", folders[i], name);
        struct guest_place place;

        if (path && guest_find(p, path, true, &place, NULL) == 0 && S_ISREG(place.mode) && (place.mode & 0111))
            return path;
    }
    return NULL;
}

const char *guest_link_text(struct fc_guest_plan *p, const char *path)
{
    struct guest_place place;

    if (guest_find(p, path, false, &place, NULL) < 0 || !S_ISLNK(place.mode))
        return NULL;
    return place.change ? place.change->text : inode_of(p, place.inode)->target;
}

int guest_each(struct fc_guest_plan *p, const char *path,
               int (*fn)(struct fc_guest_plan *p, void *arg, const char *path, const struct fc_snap_inode *inode,
                         struct fc_error *err),
               void *arg, struct fc_error *err)
{
    struct guest_place place;
    const struct fc_snap_inode *d;
    int r = guest_find(p, path, true, &place, err);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    d = inode_of(p, place.inode);
    if (!d || !S_ISDIR(d->mode) || (place.change && !S_ISDIR(place.change->mode)))
        return 0;
    for (uint32_t i = 0; i < d->n_dentries && r == 0; i++) {
        const struct fc_snap_dentry *e = &fc_snapshot_dentries(p->s, NULL)[d->first_dentry + i];
        const char *child = guest_text(p, "/%s%s%.*s", place.path, *place.path ? "/" : "", (int)e->name_len, e->name);

        r = child ? fn(p, arg, child, inode_of(p, e->inode), err) : guest_no_memory(err);
    }
    return r;
}
