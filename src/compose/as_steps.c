/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write a difference down as steps. First goes what is not there any more, or is another object than it was; then, in path order,
 * what is new and what is changed; last what would have a say in what is made (default ACLs).
 */
#include "compose/as_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"

/* As much stands in the recipe itself. */
enum { TEXT_MAX = 4096, BASE64_MAX = 65536 };

struct work {
    const struct fc_as_steps *in;
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    const struct fc_snap_extent *extents;
    const struct fc_snap_source *sources;
    const struct fc_xattr *xattrs;
    const struct fc_tree_inode *lower;
    const char **name_of; /* by inode of the snapshot: a path that it has by now; NULL: none yet */
    char **kept;          /* those of them that are ours */
    bool *done;           /* by inode of the snapshot: what is to be changed of it was */
    struct fc_buf out, last;
    struct fc_buf *to;
    unsigned n_files;
    int n;
    struct fc_error *err;
};

static bool is_dir(const struct work *w, const struct fc_change *c)
{
    return c->now != FC_TREE_NONE && S_ISDIR(w->inodes[c->now].mode);
}

/* Whether the path is to have an object that is not the one that it had. */
static bool is_new(const struct work *w, const struct fc_change *c)
{
    if (c->kind != FC_CHANGE_MODIFIED)
        return true;
    if (is_dir(w, c))
        return false;
    return w->lower[c->lower].ino != w->inodes[c->now].ino || (c->what & FC_CHANGED_RDEV) ||
           (S_ISLNK(w->inodes[c->now].mode) && (c->what & FC_CHANGED_CONTENT));
}

static int quote(struct work *w, const char *what, const char *text, size_t size)
{
    char show[256];
    int r = fc_yaml_quote(w->to, text, size);

    if (r == -EILSEQ)
        return fc_fail(
            w->err, EOPNOTSUPP,
            "the %s \"%s\" is not UTF-8, and a recipe cannot say it: keep the edits as a layer (fccompose commit)",
            what, fc_name_show(show, sizeof(show), text, size));
    return r < 0 ? fc_fail(w->err, ENOMEM, "out of memory") : 0;
}

/* "  - VERB: {path: "/PATH"", to be closed. */
static int begin(struct work *w, const char *verb, const char *path)
{
    fc_auto(fc_free) char *whole = NULL;

    if (fc_buf_addf(w->to, "  - %s: {path: ", verb) < 0 || asprintf(&whole, "/%s", path) < 0) {
        whole = NULL;
        return fc_fail(w->err, ENOMEM, "out of memory");
    }
    w->n++;
    return quote(w, "path", whole, strlen(whole));
}

static int add(struct work *w, const char *text)
{
    return fc_buf_adds(w->to, text) < 0 ? fc_fail(w->err, ENOMEM, "out of memory") : 0;
}

static int end(struct work *w) { return add(w, "}\n"); }

static int add_owner(struct work *w, const struct fc_snap_inode *i)
{
    return fc_buf_addf(w->to, ", owner: \"%u:%u\"", i->uid, i->gid) < 0 ? fc_fail(w->err, ENOMEM, "out of memory") : 0;
}

static int add_mode(struct work *w, const struct fc_snap_inode *i)
{
    return fc_buf_addf(w->to, ", mode: \"0%04o\"", i->mode & 07777) < 0 ? fc_fail(w->err, ENOMEM, "out of memory") : 0;
}

/* rm takes globs: what looks like one is said literally. */
static int remove_path(struct work *w, const char *path)
{
    struct fc_buf b __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = 0;

    for (const char *p = path; *p && r == 0;) {
        size_t len = strcspn(p, "/");
        bool globs = strcspn(p, "*?[") < len;

        for (size_t i = 0; i < len && r == 0; i++) {
            if (globs && strchr("*?[\\", p[i]))
                r = fc_buf_add(&b, "\\", 1);
            if (r == 0)
                r = fc_buf_add(&b, p + i, 1);
        }
        p += len;
        if (r == 0 && *p)
            r = fc_buf_add(&b, p++, 1);
    }
    if (r < 0)
        return fc_fail(w->err, ENOMEM, "out of memory");
    r = begin(w, "rm", b.data ? b.data : "");
    if (r == 0)
        r = add(w, ", recursive: true");
    return r == 0 ? end(w) : r;
}

static int change_owner(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    int r = begin(w, "chown", path);

    if (r == 0)
        r = add_owner(w, i);
    if (r == 0)
        r = add(w, ", no_follow: true");
    return r == 0 ? end(w) : r;
}

static int change_mode(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    int r = begin(w, "chmod", path);

    if (r == 0)
        r = add_mode(w, i);
    return r == 0 ? end(w) : r;
}

static int one_xattr(struct work *w, const char *path, const char *name, const struct fc_xattr *value)
{
    int r = begin(w, "xattr", path);

    if (r == 0)
        r = add(w, ", no_follow: true, name: ");
    if (r == 0)
        r = quote(w, "attribute", name, strlen(name));
    if (r == 0)
        r = add(w, value ? ", hex: \"" : ", remove: true");
    for (size_t i = 0; value && i < value->size && r == 0; i++)
        r = fc_buf_addf(w->to, "%02x", ((const unsigned char *)value->value)[i]) < 0 ? -ENOMEM : 0;
    if (r == 0 && value)
        r = add(w, "\"");
    return r == 0 ? end(w) : r;
}

static const struct fc_xattr *find_xattr(const struct fc_xattr *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

/* The attributes that the object has, where they are not those of @lower; @again: the capabilities in any case. */
static int set_xattrs(struct work *w, const char *path, uint32_t now, uint32_t lower, bool again)
{
    const struct fc_snap_inode *i = &w->inodes[now];
    const struct fc_xattr *list = w->xattrs + i->first_xattr;
    struct fc_buf *before = w->to;
    struct fc_xattr x;
    int r = 0;

    for (uint32_t k = 0; k < i->n_xattrs && r == 0; k++) {
        bool same = false;

        for (uint32_t m = 0; lower != FC_TREE_NONE && fc_tree_xattr(w->in->tree, lower, m, &x); m++)
            same |= strcmp(x.name, list[k].name) == 0 && x.size == list[k].size &&
                    (x.size == 0 || memcmp(x.value, list[k].value, x.size) == 0);
        if (same && !(again && strcmp(list[k].name, "security.capability") == 0))
            continue;
        w->to = strcmp(list[k].name, "system.posix_acl_default") == 0 ? &w->last : before;
        r = one_xattr(w, path, list[k].name, &list[k]);
    }
    w->to = before;
    for (uint32_t m = 0; r == 0 && lower != FC_TREE_NONE && fc_tree_xattr(w->in->tree, lower, m, &x); m++)
        if (!find_xattr(list, i->n_xattrs, x.name) && !(again && strcmp(x.name, "security.capability") == 0))
            r = one_xattr(w, path, x.name, NULL);
    return r;
}

/* The content to @fd; what no extent covers stays a hole. */
static int write_content(struct work *w, const struct fc_snap_inode *i, int fd)
{
    int r = ftruncate(fd, (off_t)i->size) < 0 ? -errno : 0;

    for (uint32_t k = 0; k < i->n_extents && r == 0; k++) {
        const struct fc_snap_extent *e = &w->extents[i->first_extent + k];

        r = fc_copy_range(w->sources[e->source].fd, e->source_offset, fd, e->offset, e->length);
    }
    return r;
}

static int read_content(struct work *w, const struct fc_snap_inode *i, char *to)
{
    memset(to, 0, i->size);
    for (uint32_t k = 0; k < i->n_extents; k++) {
        const struct fc_snap_extent *e = &w->extents[i->first_extent + k];
        ssize_t n = fc_pread_full(w->sources[e->source].fd, to + e->offset, e->length, e->source_offset);

        if (n < 0)
            return (int)n;
    }
    return 0;
}

static bool has_holes(const struct work *w, const struct fc_snap_inode *i)
{
    uint64_t sum = 0;

    for (uint32_t k = 0; k < i->n_extents; k++)
        sum += w->extents[i->first_extent + k].length;
    return sum < i->size;
}

/* The content in a file of the folder, which the step names as @key. */
static int add_file(struct work *w, const struct fc_snap_inode *i, const char *key)
{
    fc_auto(fc_free) char *path = NULL, *name = NULL;
    struct fc_atomic a __attribute__((cleanup(fc_atomic_release_auto))) = {0};
    int r = 0;

    if (asprintf(&path, "%s/content-%u", w->in->files, ++w->n_files) < 0)
        return fc_fail(w->err, ENOMEM, "out of memory");
    if (asprintf(&name, "%s/content-%u", w->in->files_name, w->n_files) < 0)
        return fc_fail(w->err, ENOMEM, "out of memory");
    r = fc_atomic_begin(&a, path, w->err);
    if (r < 0)
        return r;
    r = write_content(w, i, a.fd);
    if (r < 0)
        return fc_fail_errno(w->err, -r, "cannot write %s", path);
    r = fc_atomic_commit(&a, false, w->err);
    if (r == 0 && fc_buf_addf(w->to, ", %s: ", key) < 0)
        r = fc_fail(w->err, ENOMEM, "out of memory");
    return r == 0 ? quote(w, "folder", name, strlen(name)) : r;
}

static int add_base64(struct work *w, const char *data, size_t size)
{
    int r = fc_buf_adds(w->to, ", base64: \"");

    if (r == 0)
        r = fc_base64_encode(w->to, data, size);
    if (r == 0)
        r = fc_buf_adds(w->to, "\"");
    return r < 0 ? fc_fail(w->err, ENOMEM, "out of memory") : 0;
}

/* The content as a text, or in base64, or in a file beside the recipe. */
static int add_content(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    fc_auto(fc_free) char *data = NULL;
    size_t at;
    int r;

    if (i->size > (w->in->files ? TEXT_MAX : BASE64_MAX) || has_holes(w, i)) {
        if (w->in->files)
            return add_file(w, i, "file");
        if (i->size > BASE64_MAX)
            return fc_fail(w->err, EFBIG,
                           "the content of \"/%s\" is too long for a recipe: give a folder for it with --files", path);
    }
    data = malloc(i->size + 1);
    if (!data)
        return fc_fail(w->err, ENOMEM, "out of memory");
    r = read_content(w, i, data);
    if (r < 0)
        return fc_fail_errno(w->err, -r, "cannot read \"/%s\"", path);
    at = w->to->len;
    if (fc_buf_adds(w->to, ", text: ") < 0)
        return fc_fail(w->err, ENOMEM, "out of memory");
    if (i->size <= TEXT_MAX && fc_yaml_quote(w->to, data, i->size) == 0)
        return 0;
    w->to->len = at;
    return w->in->files ? add_file(w, i, "file") : add_base64(w, data, i->size);
}

/* A file with holes is copied, which keeps them. */
static int copy_file(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    fc_auto(fc_free) char *whole = NULL;
    int r = add(w, "  - copy: {to: ");

    if (asprintf(&whole, "/%s", path) < 0) {
        whole = NULL;
        return fc_fail(w->err, ENOMEM, "out of memory");
    }
    w->n++;
    if (r == 0)
        r = quote(w, "path", whole, strlen(whole));
    return r == 0 ? add_file(w, i, "from") : r;
}

static int make_file(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    bool copy = w->in->files && has_holes(w, i);
    int r = copy ? copy_file(w, path, i) : begin(w, "write", path);

    if (r == 0 && !copy)
        r = add_content(w, path, i);
    if (r == 0)
        r = add_owner(w, i);
    if (r == 0)
        r = add_mode(w, i);
    return r == 0 ? end(w) : r;
}

static int make_node(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    char type = S_ISBLK(i->mode) ? 'b' : S_ISCHR(i->mode) ? 'c' : S_ISFIFO(i->mode) ? 'p' : 's';
    int r = begin(w, "mknod", path);

    if (r == 0)
        r = fc_buf_addf(w->to, ", type: %c", type);
    if (r == 0 && (type == 'b' || type == 'c'))
        r = fc_buf_addf(w->to, ", major: %u, minor: %u", i->rdev_major, i->rdev_minor);
    if (r == 0)
        r = add_owner(w, i);
    if (r == 0)
        r = add_mode(w, i);
    return r == 0 ? end(w) : r;
}

static int make_symlink(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    int r = begin(w, "symlink", path);

    if (r == 0)
        r = add(w, ", target: ");
    if (r == 0)
        r = quote(w, "link's text", i->target, strlen(i->target));
    if (r == 0)
        r = end(w);
    return r == 0 && (i->uid || i->gid) ? change_owner(w, path, i) : r;
}

static int make_directory(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    int r = begin(w, "mkdir", path);

    if (r == 0)
        r = add_owner(w, i);
    if (r == 0)
        r = add_mode(w, i);
    return r == 0 ? end(w) : r;
}

static int make_link(struct work *w, const char *path, const char *target)
{
    fc_auto(fc_free) char *whole = NULL;
    int r = begin(w, "ln", path);

    if (r == 0 && asprintf(&whole, "/%s", target) < 0) {
        whole = NULL;
        r = fc_fail(w->err, ENOMEM, "out of memory");
    }
    if (r == 0)
        r = add(w, ", target: ");
    if (r == 0)
        r = quote(w, "path", whole, strlen(whole));
    return r == 0 ? end(w) : r;
}

/* A directory with the set-group-ID bit gives its group, and that bit, to what is made in it by name. */
static int undo_inheritance(struct work *w, const char *path, const struct fc_snap_inode *i)
{
    const char *slash = strrchr(path, '/');
    fc_auto(fc_free) char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
    uint32_t dir = parent ? fc_snapshot_find(w->in->snapshot, parent) : FC_TREE_NONE;
    int r = 0;

    if (dir == FC_TREE_NONE || !(w->inodes[dir].mode & S_ISGID) || S_ISREG(i->mode))
        return 0;
    r = change_owner(w, path, i);
    return r == 0 && !S_ISLNK(i->mode) ? change_mode(w, path, i) : r;
}

static int make(struct work *w, const struct fc_change *c)
{
    const struct fc_snap_inode *i = &w->inodes[c->now];
    int r;

    if (!S_ISDIR(i->mode) && w->name_of[c->now])
        return make_link(w, c->path, w->name_of[c->now]);
    r = S_ISDIR(i->mode)   ? make_directory(w, c->path, i)
        : S_ISLNK(i->mode) ? make_symlink(w, c->path, i)
        : S_ISREG(i->mode) ? make_file(w, c->path, i)
                           : make_node(w, c->path, i);
    if (r == 0)
        r = undo_inheritance(w, c->path, i);
    w->name_of[c->now] = c->path;
    return r == 0 ? set_xattrs(w, c->path, c->now, FC_TREE_NONE, false) : r;
}

/* The object that was there, with other attributes or another content. */
static int modify(struct work *w, const struct fc_change *c)
{
    const struct fc_snap_inode *i = &w->inodes[c->now];
    bool content = S_ISREG(i->mode) && (c->what & FC_CHANGED_CONTENT), owner = c->what & FC_CHANGED_OWNER;
    int r = 0;

    if (content) {
        r = begin(w, "write", c->path);
        if (r == 0)
            r = add_content(w, c->path, i);
        if (r == 0)
            r = end(w);
    }
    if (r == 0 && owner)
        r = change_owner(w, c->path, i);
    if (r == 0 && !S_ISLNK(i->mode) && (owner || (c->what & FC_CHANGED_MODE)))
        r = change_mode(w, c->path, i);
    if (r == 0 && (owner || content || (c->what & FC_CHANGED_XATTRS)))
        r = set_xattrs(w, c->path, c->now, c->lower, owner || content);
    return r;
}

/* A directory that both sides have. */
struct pair {
    uint32_t lower, now;
    char *path;
};

static int push(struct pair **list, size_t *n, size_t *cap, uint32_t lower, uint32_t now, const char *dir,
                const struct fc_snap_dentry *e)
{
    struct pair p = {lower, now, NULL};

    if (fc_grow(list, cap, *n + 1, sizeof(**list)) < 0 ||
        asprintf(&p.path, "%s%s%.*s", dir, *dir ? "/" : "", e ? (int)e->name_len : 0, e ? e->name : "") < 0)
        return -ENOMEM;
    (*list)[(*n)++] = p;
    return 0;
}

static int keep_names(struct work *w, const struct pair *p, struct pair **list, size_t *n, size_t *cap)
{
    const struct fc_snap_inode *dir = &w->inodes[p->now];
    int r = 0;

    for (uint32_t k = 0; k < dir->n_dentries && r == 0; k++) {
        const struct fc_snap_dentry *e = &w->dentries[dir->first_dentry + k];
        const struct fc_tree_dentry *t = fc_tree_lookup(w->in->tree, p->lower, e->name, e->name_len);
        const struct fc_snap_inode *i = &w->inodes[e->inode];

        if (!t || (w->lower[t->inode].mode & S_IFMT) != (i->mode & S_IFMT))
            continue;
        if (S_ISDIR(i->mode)) {
            r = push(list, n, cap, t->inode, e->inode, p->path, e);
        } else if (i->nlink > 1 && w->lower[t->inode].ino == i->ino && !w->name_of[e->inode]) {
            r = asprintf(&w->kept[e->inode], "%s%s%.*s", p->path, *p->path ? "/" : "", (int)e->name_len, e->name);
            w->kept[e->inode] = r < 0 ? NULL : w->kept[e->inode];
            w->name_of[e->inode] = w->kept[e->inode];
            r = r < 0 ? -ENOMEM : 0;
        }
    }
    return r;
}

/* Of objects with several names, one that stays: of it the others can be made. */
static int find_kept(struct work *w)
{
    struct pair *list = NULL;
    size_t n = 0, cap = 0;
    int r = push(&list, &n, &cap, 0, 0, "", NULL);

    while (r == 0 && n) {
        struct pair p = list[--n];

        r = keep_names(w, &p, &list, &n, &cap);
        free(p.path);
    }
    while (n)
        free(list[--n].path);
    free(list);
    return r < 0 ? fc_fail(w->err, ENOMEM, "out of memory") : 0;
}

static int write_all(struct work *w)
{
    size_t n;
    const struct fc_change *c = fc_diff_changes(w->in->diff, &n);
    int r = find_kept(w);

    for (size_t i = 0; i < n && r == 0; i++)
        if (c[i].kind == FC_CHANGE_DELETED || (c[i].kind != FC_CHANGE_ADDED && is_new(w, &c[i])))
            r = remove_path(w, c[i].path);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (c[i].kind == FC_CHANGE_DELETED)
            continue;
        if (is_new(w, &c[i])) {
            r = make(w, &c[i]);
        } else if (!w->done[c[i].now]) { /* once for all names of it */
            w->done[c[i].now] = true;
            r = modify(w, &c[i]);
        }
    }
    if (r == 0 && w->last.len && fc_buf_add(&w->out, w->last.data, w->last.len) < 0)
        r = fc_fail(w->err, ENOMEM, "out of memory");
    return r;
}

int fc_as_steps(const struct fc_as_steps *in, struct fc_buf *ret, struct fc_error *err)
{
    struct work w = {
        .in = in,
        .dentries = fc_snapshot_dentries(in->snapshot, NULL),
        .extents = fc_snapshot_extents(in->snapshot, NULL),
        .sources = fc_snapshot_sources(in->snapshot, NULL),
        .xattrs = fc_snapshot_xattrs(in->snapshot, NULL),
        .lower = fc_tree_inodes(in->tree, NULL),
        .err = err,
    };
    uint32_t n;
    int r;

    w.inodes = fc_snapshot_inodes(in->snapshot, &n);
    w.name_of = calloc(n, sizeof(*w.name_of));
    w.kept = calloc(n, sizeof(*w.kept));
    w.done = calloc(n, sizeof(*w.done));
    w.to = &w.out;
    r = w.name_of && w.kept && w.done ? write_all(&w) : fc_fail(err, ENOMEM, "out of memory");
    if (r == 0 && fc_buf_addf(ret, "steps:%s\n%s", w.out.len ? "" : " []", w.out.data ? w.out.data : "") < 0)
        r = fc_fail(err, ENOMEM, "out of memory");
    for (uint32_t i = 0; w.kept && i < n; i++)
        free(w.kept[i]);
    free(w.kept);
    free(w.done);
    free(w.name_of);
    fc_buf_release(&w.out);
    fc_buf_release(&w.last);
    return r < 0 ? r : w.n;
}
