/* SPDX-License-Identifier: Apache-2.0 */
/* Carry the user's edits, as a list of changes by path, from one tree to another. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "workspace/model.h"

/*
 * The rule: the result is what the edits would give as a layer on top of the new stack, but attributes that the user
 * did not touch follow the new stack, and nothing of the new stack is deleted that is not what the user deleted.
 * Objects that the user made or wrote to are always kept; what no longer fits is noted as a conflict.
 */

static int no_memory(struct fc_error *err) { return fc_fail(err, ENOMEM, "out of memory"); }

static int conflict(const struct ws_model *m, const char *path, const char *what, struct fc_error *err)
{
    return fc_edit_conflict_add(m->in->edit, path, what, err);
}

/* A change whose whole effect is derived from others: when its object is gone nothing of the user's is. */
static bool is_slight(const struct fc_change *c, const struct fc_snap_inode *s)
{
    unsigned slight = FC_CHANGED_LINKS | (S_ISDIR(s->mode) ? FC_CHANGED_MTIME : 0u);

    return c->kind == FC_CHANGE_MODIFIED && !(c->what & ~slight);
}

static bool same_type(uint32_t a, uint32_t b) { return (a & S_IFMT) == (b & S_IFMT); }

/* The type that the user's change began from, or 0. */
static uint32_t old_mode(const struct ws_model *m, const struct fc_change *c)
{
    uint32_t n;

    return c->lower == FC_TREE_NONE ? 0 : fc_tree_inodes(m->in->from->tree, &n)[c->lower].mode;
}

/* The directory that @path's last part is in (0 if it is not there or none), and where that part begins. */
static uint64_t walk_parent(const struct ws_model *m, const char *path, const char **ret_name)
{
    uint64_t dir = 1;
    const char *slash;

    for (; (slash = strchr(path, '/')); path = slash + 1) {
        if (dir)
            dir = ws_model_lookup(m, dir, path, (size_t)(slash - path));
        if (dir && !S_ISDIR(ws_model_mode(m, dir)))
            dir = 0;
    }
    *ret_name = path;
    return dir;
}

/* Make the directory @path (@len bytes of it) as the user's tree has it, where the new tree has none. */
static int keep_dir(struct ws_model *m, const char *path, size_t len, uint64_t parent, const char *name, uint64_t there,
                    uint64_t *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *prefix = strndup(path, len);
    struct ws_row *row;
    uint32_t now;
    int r;

    if (!prefix)
        return no_memory(err);
    now = fc_snapshot_find(m->in->snapshot, prefix);
    if (now == FC_TREE_NONE)
        return fc_fail(err, EINVAL, "the edits have no folder %s", prefix);
    r = conflict(m, prefix,
                 there ? "is no directory in the new stack; replaced by the one that holds your changes"
                       : "is not in the new stack; kept because it holds your changes",
                 err);
    if (r < 0)
        return r;
    row = ws_model_new(m, now, err);
    if (!row)
        return err ? -err->code : -ENOMEM;
    *ret = row->attr.ino;
    return ws_model_set(m, parent, name, (size_t)(path + len - name), *ret) < 0 ? no_memory(err) : 0;
}

/* Like walk_parent(), but every directory on the way is there afterwards. */
static int ensure_parent(struct ws_model *m, const char *path, uint64_t *ret, struct fc_error *err)
{
    const char *at = path, *slash;
    uint64_t dir = 1, next;
    int r;

    for (; (slash = strchr(at, '/')); at = slash + 1, dir = next) {
        next = ws_model_lookup(m, dir, at, (size_t)(slash - at));
        if (next && S_ISDIR(ws_model_mode(m, next)))
            continue;
        r = keep_dir(m, path, (size_t)(slash - path), dir, at, next, &next, err);
        if (r < 0)
            return r;
    }
    *ret = dir;
    return 0;
}

/*
 * First pass: a changed object that is the only name of an object of the same type in the new tree is changed in
 * place. This comes before any name is set, so that other names that the user gave it find it.
 */
static int bind_in_place(struct ws_model *m, const struct fc_change *c, struct fc_error *err)
{
    const char *name;
    uint64_t dir, ino;
    uint32_t lower;
    struct ws_row *row;

    if (c->kind != FC_CHANGE_MODIFIED || S_ISDIR(m->now[c->now].mode) || fc_map_get(&m->bound, c->now, NULL))
        return 0;
    dir = walk_parent(m, c->path, &name);
    ino = dir ? ws_model_lookup(m, dir, name, strlen(name)) : 0;
    lower = ino ? fc_tree_by_ino(m->in->to->tree, ino) : FC_TREE_NONE;
    if (lower == FC_TREE_NONE || m->tree[lower].nlink != 1 || !same_type(m->tree[lower].mode, m->now[c->now].mode))
        return 0;
    row = ws_model_row(m, ino);
    if (!row || fc_map_set(&m->bound, c->now, ino) < 0)
        return no_memory(err);
    ws_model_merge(m, row, c->now, c->what);
    return 0;
}

static int carry_deletion(struct ws_model *m, const struct fc_change *c, struct fc_error *err)
{
    const char *name;
    uint64_t dir = walk_parent(m, c->path, &name), ino;

    ino = dir ? ws_model_lookup(m, dir, name, strlen(name)) : 0;
    if (!ino)
        return conflict(m, c->path, "deleted by you, and not in the new stack either: nothing to delete", err);
    if (!same_type(ws_model_mode(m, ino), old_mode(m, c)))
        return conflict(m, c->path, "deleted by you, but of another type in the new stack: shown again", err);
    return ws_model_set(m, dir, name, strlen(name), 0) < 0 ? no_memory(err) : 0;
}

static int carry_dir(struct ws_model *m, const struct fc_change *c, uint64_t dir, const char *name, uint64_t there,
                     struct fc_error *err)
{
    struct ws_row *row;

    if (there && S_ISDIR(ws_model_mode(m, there))) {
        row = ws_model_row(m, there);
        if (!row)
            return no_memory(err);
        /* A directory has no content to take. */
        ws_model_merge(m, row, c->now, (c->kind == FC_CHANGE_MODIFIED ? c->what : ~0u) & ~(unsigned)FC_CHANGED_CONTENT);
        return 0;
    }
    row = ws_model_new(m, c->now, err);
    if (!row)
        return err ? -err->code : -ENOMEM;
    return ws_model_set(m, dir, name, strlen(name), row->attr.ino) < 0 ? no_memory(err) : 0;
}

/* The inode that a changed, added or replaced file becomes, made if no other of its names has made it yet. */
static int file_inode(struct ws_model *m, const struct fc_change *c, uint64_t there, uint64_t *ret,
                      struct fc_error *err)
{
    uint32_t lower = there ? fc_tree_by_ino(m->in->to->tree, there) : FC_TREE_NONE;
    struct ws_row *row;

    if (fc_map_get(&m->bound, c->now, ret))
        return 0;
    row = ws_model_new(m, c->now, err);
    if (!row)
        return err ? -err->code : -ENOMEM;
    *ret = row->attr.ino;
    if (fc_map_set(&m->bound, c->now, *ret) < 0)
        return no_memory(err);
    /* One of several names of a lower object: the link is broken, but what the user did not touch still follows it. */
    if (c->kind == FC_CHANGE_MODIFIED && lower != FC_TREE_NONE && same_type(m->tree[lower].mode, m->now[c->now].mode)) {
        const struct fc_tree_inode *t = &m->tree[lower];

        row->lower = lower;
        row->attr.mode = t->mode;
        row->attr.uid = t->uid;
        row->attr.gid = t->gid;
        row->attr.rdev_major = t->rdev_major;
        row->attr.rdev_minor = t->rdev_minor;
        row->attr.size = t->size;
        row->attr.mtime = t->mtime;
        row->xattrs = WS_FROM_LOWER;
        row->content = WS_FROM_TREE;
        ws_model_merge(m, row, c->now, c->what);
    }
    return 0;
}

static int carry_file(struct ws_model *m, const struct fc_change *c, uint64_t dir, const char *name, uint64_t there,
                      struct fc_error *err)
{
    uint64_t ino;
    int r = file_inode(m, c, there, &ino, err);

    if (r < 0)
        return r;
    return ws_model_set(m, dir, name, strlen(name), ino) < 0 ? no_memory(err) : 0;
}

/* What is to be noted about a kept change whose place in the new tree is not what it was; NULL: all is well. */
static const char *misfit(const struct ws_model *m, const struct fc_change *c, uint64_t there)
{
    uint32_t mode = there ? ws_model_mode(m, there) : 0;

    if (c->kind == FC_CHANGE_ADDED) {
        if (!there || same_type(mode, m->now[c->now].mode))
            return NULL;
        return "added by you, and of another type in the new stack: yours is shown";
    }
    if (!there)
        return c->kind == FC_CHANGE_REPLACED ? "replaced by you, but not in the new stack: kept as added"
                                             : "changed by you, but not in the new stack: kept as added";
    if (same_type(mode, old_mode(m, c)))
        return NULL;
    return c->kind == FC_CHANGE_REPLACED ? "replaced by you, and of another type in the new stack: yours is shown"
                                         : "changed by you, but of another type in the new stack: yours is shown";
}

static int carry(struct ws_model *m, const struct fc_change *c, struct fc_error *err)
{
    const struct fc_snap_inode *s;
    const char *name, *what;
    uint64_t dir, there;
    int r = 0;

    if (c->kind == FC_CHANGE_DELETED)
        return carry_deletion(m, c, err);
    s = &m->now[c->now];
    if (!*c->path)
        return carry_dir(m, c, 0, "", 1, err);
    dir = walk_parent(m, c->path, &name);
    there = dir ? ws_model_lookup(m, dir, name, strlen(name)) : 0;
    what = misfit(m, c, there);
    if (what && is_slight(c, s))
        return 0; /* note_slight() sees whether the directory is kept after all, for what is in it */
    if (what)
        r = conflict(m, c->path, what, err);
    if (r == 0 && !dir)
        r = ensure_parent(m, c->path, &dir, err);
    if (r < 0)
        return r;
    return S_ISDIR(s->mode) ? carry_dir(m, c, dir, name, there, err) : carry_file(m, c, dir, name, there, err);
}

static int note_slight(const struct ws_model *m, const struct fc_change *c, struct fc_error *err)
{
    const char *name;
    uint64_t dir, there;

    if (c->kind != FC_CHANGE_MODIFIED || !*c->path || !is_slight(c, &m->now[c->now]))
        return 0;
    dir = walk_parent(m, c->path, &name);
    there = dir ? ws_model_lookup(m, dir, name, strlen(name)) : 0;
    if (!misfit(m, c, there))
        return 0;
    return conflict(m, c->path, "changed by you only in time or links, and not so in the new stack: forgotten", err);
}

int ws_rekey(const struct ws_rekey *in, struct fc_error *err)
{
    fc_auto(ws_model_release) struct ws_model m = {.in = in};
    const struct fc_change *changes;
    uint32_t n_inodes;
    size_t n;
    int r = fc_edit_clear(in->edit, err);

    changes = fc_diff_changes(in->diff, &n);
    m.tree = fc_tree_inodes(in->to->tree, &n_inodes);
    m.dentries = fc_tree_dentries(in->to->tree, NULL);
    m.now = fc_snapshot_inodes(in->snapshot, &n_inodes);
    for (size_t i = 0; i < n && r == 0; i++)
        r = bind_in_place(&m, &changes[i], err);
    for (size_t i = 0; i < n && r == 0; i++)
        r = carry(&m, &changes[i], err);
    for (size_t i = 0; i < n && r == 0; i++)
        r = note_slight(&m, &changes[i], err);
    return r == 0 ? ws_model_write(&m, err) : r;
}
