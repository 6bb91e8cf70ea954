/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forget edits below paths, so that the lower tree shows again.
 *
 * What it means, for a path P:
 *   - Lower names at and below P are there again, with the lower inodes; other names there are removed, with all below.
 *   - The inodes that the lower tree has there get their lower attributes, xattrs and content back. A hard link outside
 *     of P shows the same inode, so it shows this too; its name stays.
 *   - A lower directory that was moved out of P is moved back, as a directory has one name only. A file that was moved
 *     out keeps its new name too, and so has one more link than before.
 *   - If P is not in the lower tree, what is there is removed.
 *   - A folder in which this changes a name has new times. But when its names are all lower ones again, and nothing but
 *     names was changed in it, its times are the lower ones again too: then creating a file and resetting it leaves no
 *     trace, also not in an image. Where other changes remain, what the times were before is not known any more.
 *   - The folders above P are not touched otherwise: when one of them is not the lower one any more, it must be reset
 *     itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "live/reset.h"

static int todo(struct live_reset *r, uint32_t lower)
{
    int rc = fc_grow(&r->todo.items, &r->todo.cap, r->todo.n + 1, sizeof(*r->todo.items));

    if (rc == 0)
        r->todo.items[r->todo.n++] = lower;
    return rc;
}

/* The inode at lower index @lower, owned; one that had gone comes back without a name and, a directory, empty. */
static int revive(struct live_reset *r, uint32_t lower, struct live_node *ret)
{
    struct fc_live *live = r->live;
    uint64_t ino = live->lower[lower].ino;
    bool was_gone = fc_map_del(&live->gone, ino);
    int rc = live_node(live, ino, ret);

    if (rc == 0)
        rc = live_own(live, ret);
    if (rc == 0 && S_ISDIR(ret->own->attr.mode) && (was_gone || ret->own->attr.nlink == 0)) {
        rc = live_dir_own(live, ret->own);
        if (rc == 0)
            rc = live_dir_empty(ret->own);
        ret->own->attr.nlink = 2;
        ret->own->parent = 0;
    } else if (rc == 0 && was_gone) {
        ret->own->attr.nlink = 0;
    }
    return rc;
}

struct find_name {
    uint64_t ino;
    const char *name;
    size_t len;
};

static int is_it(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct find_name *f = arg;

    (void)cookie;
    if (ino != f->ino)
        return 0;
    f->name = name;
    f->len = len;
    return 1;
}

/* Take a directory from where it is, to be put where it was. */
static int take_away(struct live_reset *r, struct live_inode *child)
{
    struct find_name f = {.ino = child->attr.ino};
    fc_auto(fc_free) char *name = NULL;
    struct live_node dir;

    if (!child->parent || live_node(r->live, child->parent, &dir) < 0)
        return 0;
    if (live_dir_each(r->live, &dir, 0, is_it, &f) != 1)
        return 0;
    name = malloc(f.len + 1);
    if (!name)
        return -ENOMEM;
    memcpy(name, f.name, f.len);
    if (live_own(r->live, &dir) < 0 || live_dir_prepare(r->live, dir.own, name, f.len) < 0)
        return -ENOMEM;
    live_dir_remove(dir.own, name, f.len);
    dir.own->attr.nlink--;
    live_note_entry_copy(r->notes, dir.ino, name, f.len, 0);
    live_note_inode_more(r->notes, dir.ino, true);
    return live_reset_touch(r, dir.own);
}

/* @name of directory @parent is the lower inode again. */
static int restore_name(struct live_reset *r, uint64_t parent, const char *name, size_t len, uint32_t lower)
{
    struct fc_live *live = r->live;
    uint64_t want = live->lower[lower].ino, now;
    struct live_node dir, child;
    int rc = live_node_dir(live, parent, &dir);

    if (rc < 0)
        return rc;
    now = live_dir_find(live, &dir, name, len);
    if (now == want)
        return 0;
    if (now)
        rc = live_uproot(r, parent, name, len);
    if (rc == 0)
        rc = live_node_dir(live, parent, &dir);
    if (rc == 0)
        rc = live_own(live, &dir);
    if (rc == 0)
        rc = revive(r, lower, &child);
    if (rc == 0 && S_ISDIR(child.own->attr.mode))
        rc = take_away(r, child.own);
    if (rc == 0)
        rc = live_dir_prepare(live, dir.own, name, len);
    if (rc == 0)
        rc = live_dir_set(live, dir.own, name, len, want);
    if (rc < 0)
        return rc;
    if (S_ISDIR(child.own->attr.mode)) {
        child.own->parent = parent;
        dir.own->attr.nlink++;
    } else {
        child.own->attr.nlink++;
    }
    live_dirty(live, child.own, LIVE_DIRTY_ALL);
    live_note_entry_copy(r->notes, parent, name, len, want);
    return live_reset_touch(r, dir.own);
}

/* Names of a directory that the lower one does not have, or that are other inodes there. */
struct strangers {
    struct fc_live *live;
    uint32_t lower;
    struct live_names names;
};

static int is_stranger(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct strangers *s = arg;

    (void)cookie;
    if (live_dir_find_lower(s->live, s->lower, name, len) == ino)
        return 0;
    return live_names_add(&s->names, 0, name, len);
}

static int restore_dir(struct live_reset *r, uint32_t lower)
{
    struct fc_live *live = r->live;
    const struct fc_tree_inode *t = &live->lower[lower];
    struct strangers s = {.live = live, .lower = lower};
    struct live_node dir;
    int rc = live_node_dir(live, t->ino, &dir);

    if (rc == 0 && dir.own && dir.own->dir)
        rc = live_dir_each(live, &dir, 0, is_stranger, &s);
    for (size_t i = 0; i < s.names.n && rc == 0; i++)
        rc = live_uproot(r, t->ino, s.names.text.data + s.names.items[i].name, s.names.items[i].len);
    free(s.names.items);
    fc_buf_release(&s.names.text);
    for (uint32_t i = 0; i < t->n_dentries && rc == 0; i++) {
        const struct fc_tree_dentry *e = &live->lower_dentries[t->first_dentry + i];

        rc = restore_name(r, t->ino, e->name, e->name_len, e->inode);
        if (rc == 0)
            rc = todo(r, e->inode);
    }
    return rc;
}

/* Attributes, xattrs and content are the lower ones; the struct goes when nothing else is left in it. */
static int restore_inode(struct live_reset *r, uint32_t lower)
{
    struct fc_live *live = r->live;
    const struct fc_tree_inode *t = &live->lower[lower];
    struct live_node node, pristine = {.lower = lower, .ino = t->ino};
    uint32_t nlink;
    int rc = live_node(live, t->ino, &node);

    if (rc < 0 || !node.own)
        return rc;
    nlink = node.own->attr.nlink;
    live_inode_drop(live, node.own);
    live_note_inode_more(r->notes, t->ino, true);
    if (S_ISDIR(t->mode) || nlink == t->nlink)
        return 0;
    rc = live_own(live, &pristine);
    if (rc < 0)
        return rc;
    pristine.own->attr.nlink = nlink;
    /* The row that was to go is written anew: rows go first in a transaction. */
    live_dirty(live, pristine.own, LIVE_DIRTY_ALL);
    return 0;
}

/* First all names, then the inodes: a name that is still to go would count as one, and leave a new ctime when it goes. */
static int restore_all(struct live_reset *r)
{
    int rc = 0;

    for (size_t i = 0; i < r->todo.n && rc == 0; i++) /* grows on the way */
        if (S_ISDIR(r->live->lower[r->todo.items[i]].mode))
            rc = restore_dir(r, (uint32_t)r->todo.items[i]);
    for (size_t i = 0; i < r->todo.n && rc == 0; i++)
        rc = restore_inode(r, (uint32_t)r->todo.items[i]);
    return rc;
}

/* Where a path leads, in both trees. */
struct place {
    struct live_node dir; /* the parent, now */
    uint32_t lower_dir;   /* and in the lower tree, if the path down to it is the same there; else FC_TREE_NONE */
    const char *name;
    size_t len;
};

static int find_place(struct fc_live *live, const char *path, struct place *ret)
{
    bool same = true;
    int r = live_node(live, 1, &ret->dir);

    ret->lower_dir = 0;
    for (;;) {
        const struct fc_tree_dentry *e;
        uint64_t ino;

        ret->name = path;
        ret->len = strcspn(path, "/");
        if (r < 0 || !path[ret->len])
            break;
        e = ret->lower_dir == FC_TREE_NONE ? NULL : fc_tree_lookup(live->tree, ret->lower_dir, path, ret->len);
        ino = live_dir_find(live, &ret->dir, path, ret->len);
        if (!ino)
            return -ENOENT;
        r = live_node_dir(live, ino, &ret->dir);
        ret->lower_dir = e ? e->inode : FC_TREE_NONE;
        same = same && e && live->lower[e->inode].ino == ino;
        path += ret->len + 1;
    }
    if (r == 0 && ret->lower_dir != FC_TREE_NONE && !same)
        return -ESTALE;
    return r;
}

static int reset_path(struct live_reset *r, const char *path)
{
    struct fc_live *live = r->live;
    const struct fc_tree_dentry *e = NULL;
    struct place p;
    int rc;

    if (!*path) {
        rc = todo(r, 0);
        return rc < 0 ? rc : restore_all(r);
    }
    rc = find_place(live, path, &p);
    if (rc < 0)
        return rc;
    if (p.lower_dir != FC_TREE_NONE)
        e = fc_tree_lookup(live->tree, p.lower_dir, p.name, p.len);
    if (!e && !live_dir_find(live, &p.dir, p.name, p.len))
        return -ENOENT;
    if (!e)
        return live_uproot(r, p.dir.ino, p.name, p.len);
    rc = restore_name(r, p.dir.ino, p.name, p.len, e->inode);
    if (rc == 0)
        rc = todo(r, e->inode);
    return rc < 0 ? rc : restore_all(r);
}

static int words(int r, const char *path, struct fc_error *err)
{
    char shown[256];

    fc_name_show(shown, sizeof(shown), path, strlen(path));
    if (r == -ESTALE)
        return fc_fail(err, ENOENT, "cannot reset %s: a folder above it was replaced; reset that one", shown);
    return fc_fail_errno(err, -r, "cannot reset %s", shown);
}

int fc_live_reset(struct fc_live *live, const char *const *paths, size_t n, struct fc_error *err)
{
    static const char *const everything[] = {""};
    struct live_notes notes = {0};
    struct live_reset reset = {.live = live, .notes = &notes};
    int r = 0;

    if (live->read_only)
        return fc_fail(err, EROFS, "cannot reset: opened for reading only");
    if (n == 0) {
        paths = everything;
        n = 1;
    }
    live_lock(live);
    live_quiesce(live);
    for (size_t i = 0; i < n && r == 0; i++) {
        reset.todo.n = 0;
        r = reset_path(&reset, paths[i]);
        if (r < 0)
            r = words(r, paths[i], err);
    }
    live_calm(&reset);
    live_unlock(live, &notes);
    free(reset.todo.items);
    return r;
}
