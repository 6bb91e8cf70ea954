/* SPDX-License-Identifier: Apache-2.0 */
/* Look names up, link and unlink them, remove directories, list them. */
#include <errno.h>
#include <string.h>

#include "live/internal.h"

static bool is_dot(const char *name, size_t len) { return len == 1 && name[0] == '.'; }
static bool is_dotdot(const char *name, size_t len) { return len == 2 && name[0] == '.' && name[1] == '.'; }

static int find_name(struct fc_live *live, uint64_t parent, const char *name, size_t len, uint64_t *ret_ino)
{
    struct live_node dir;
    int r = live_node_dir(live, parent, &dir);

    if (r < 0)
        return r;
    if (len > FC_NAME_MAX)
        return -ENAMETOOLONG;
    *ret_ino = is_dotdot(name, len) ? live_parent(live, &dir) : live_dir_find(live, &dir, name, len);
    return *ret_ino ? 0 : -ENOENT;
}

static int lookup(struct fc_live *live, uint64_t parent, const char *name, size_t len, struct fc_attr *ret)
{
    struct live_node node;
    uint64_t ino = parent;
    int r = 0;

    /* "." of anything is how the kernel finds the inode of a file handle that it has forgotten: open files it has not. */
    if (!is_dot(name, len))
        r = find_name(live, parent, name, len, &ino);
    if (r == 0)
        r = live_node(live, ino, &node);
    if (r == 0 && is_dot(name, len) && live_nlink(live, &node) == 0)
        r = -ESTALE;
    if (r == 0)
        r = live_ref(live, ino);
    if (r < 0)
        return r;
    live_attr(live, &node, ret);
    return 0;
}

int fc_live_lookup(struct fc_live *live, uint64_t parent, const char *name, size_t len, struct fc_attr *ret)
{
    int r;

    live_lock(live);
    r = lookup(live, parent, name, len, ret);
    live_unlock(live, NULL);
    return r;
}

uint64_t fc_live_parent(struct fc_live *live, uint64_t ino)
{
    struct live_node dir;
    uint64_t parent = 0;

    live_lock(live);
    if (live_node_dir(live, ino, &dir) == 0)
        parent = live_parent(live, &dir);
    live_unlock(live, NULL);
    return parent;
}

/* The parent and the object that a name of it stands for; both owned afterwards. */
static int own_entry(struct fc_live *live, uint64_t parent, const char *name, size_t len, struct live_node *ret_dir,
                     struct live_node *ret_node)
{
    uint64_t ino;
    int r = live_node_dir(live, parent, ret_dir);

    if (r < 0)
        return r;
    if (live->read_only)
        return -EROFS;
    r = live_name_check(name, len);
    if (r < 0)
        return r;
    ino = live_dir_find(live, ret_dir, name, len);
    if (ino == 0)
        return -ENOENT;
    return live_node(live, ino, ret_node);
}

static int own_both(struct fc_live *live, struct live_node *dir, struct live_node *node)
{
    int r = live_own(live, dir);

    return r < 0 ? r : live_own(live, node);
}

/* After a name went: tell of it, and let go of what it named if that was all that held it. */
static void name_gone(struct fc_live *live, uint64_t parent, const char *name, size_t len, const struct live_node *node,
                      struct live_notes *notes)
{
    live_note_entry(notes, parent, name, len, 0);
    live_note_inode(notes, parent, true);
    live_note_inode(notes, node->ino, false);
    live_inode_reap(live, node->own);
}

static int unlink_name(struct fc_live *live, uint64_t parent, const char *name, size_t len, struct live_notes *notes)
{
    struct live_node dir, node;
    int r;

    if (is_dot(name, len) || is_dotdot(name, len))
        return -EISDIR;
    r = own_entry(live, parent, name, len, &dir, &node);
    if (r < 0)
        return r;
    if (S_ISDIR(live_mode(live, &node)))
        return -EISDIR;
    r = own_both(live, &dir, &node);
    if (r == 0)
        r = live_dir_prepare(live, dir.own, name, len);
    if (r < 0)
        return r;
    live_dir_remove(dir.own, name, len);
    live_touch_dir(live, dir.own);
    node.own->attr.nlink--;
    node.own->attr.ctime = dir.own->attr.ctime;
    live_dirty(live, node.own, LIVE_DIRTY_ATTR);
    name_gone(live, parent, name, len, &node, notes);
    return 0;
}

int fc_live_unlink(struct fc_live *live, uint64_t parent, const char *name, size_t len)
{
    struct live_notes notes = {0};
    int r;

    live_lock(live);
    r = unlink_name(live, parent, name, len, &notes);
    live_unlock(live, &notes);
    return r;
}

static int remove_dir(struct fc_live *live, uint64_t parent, const char *name, size_t len, struct live_notes *notes)
{
    struct live_node dir, node;
    int r;

    if (is_dot(name, len))
        return -EINVAL;
    if (is_dotdot(name, len))
        return -ENOTEMPTY;
    r = own_entry(live, parent, name, len, &dir, &node);
    if (r < 0)
        return r;
    if (!S_ISDIR(live_mode(live, &node)))
        return -ENOTDIR;
    if (live_dir_count(live, &node) > 0)
        return -ENOTEMPTY;
    r = own_both(live, &dir, &node);
    if (r == 0)
        r = live_dir_prepare(live, dir.own, name, len);
    if (r == 0)
        r = live_dir_bury(live, node.own);
    if (r < 0)
        return r;
    live_dir_remove(dir.own, name, len);
    dir.own->attr.nlink--;
    live_touch_dir(live, dir.own);
    name_gone(live, parent, name, len, &node, notes);
    return 0;
}

int fc_live_rmdir(struct fc_live *live, uint64_t parent, const char *name, size_t len)
{
    struct live_notes notes = {0};
    int r;

    live_lock(live);
    r = remove_dir(live, parent, name, len, &notes);
    live_unlock(live, &notes);
    return r;
}

static int link_name(struct fc_live *live, uint64_t ino, uint64_t parent, const char *name, size_t len,
                     struct fc_attr *ret, struct live_notes *notes)
{
    struct live_node dir, node;
    int r = live_node_dir(live, parent, &dir);

    if (r == 0)
        r = live_node(live, ino, &node);
    if (r < 0)
        return r;
    if (S_ISDIR(live_mode(live, &node)))
        return -EPERM;
    if (live->read_only)
        return -EROFS;
    r = live_name_new(live, &dir, name, len);
    if (r < 0)
        return r;
    if (live_nlink(live, &node) == 0 && !node.own->linkable)
        return -ENOENT;
    if (live_nlink(live, &node) >= LIVE_LINK_MAX)
        return -EMLINK;
    if (live->full)
        return -ENOSPC;
    r = own_both(live, &dir, &node);
    if (r == 0)
        r = live_dir_prepare(live, dir.own, name, len);
    if (r == 0)
        r = live_ref(live, ino);
    if (r == 0)
        r = live_dir_set(live, dir.own, name, len, ino);
    if (r < 0)
        return r;
    live_touch_dir(live, dir.own);
    node.own->attr.ctime = dir.own->attr.ctime;
    /* What had no name was not written at all. */
    live_dirty(live, node.own, node.own->attr.nlink == 0 ? LIVE_DIRTY_ALL : LIVE_DIRTY_ATTR);
    node.own->attr.nlink++;
    node.own->linkable = false;
    live_attr(live, &node, ret);
    live_note_entry(notes, parent, name, len, ino);
    live_note_inode(notes, parent, true);
    live_note_inode(notes, ino, false);
    return 0;
}

int fc_live_link(struct fc_live *live, uint64_t ino, uint64_t parent, const char *name, size_t len, struct fc_attr *ret)
{
    bool tried = false;
    int r;

    do {
        struct live_notes notes = {0};

        live_lock(live);
        r = link_name(live, ino, parent, name, len, ret, &notes);
        live_unlock(live, &notes);
    } while (live_make_room(live, r, &tried));
    return r;
}

/* Listing */

struct listing {
    struct fc_live *live;
    bool plus;
    fc_readdir_fn fn;
    void *arg;
};

static int list_one(void *arg, const char *name, size_t len, uint64_t next, uint64_t ino)
{
    struct listing *l = arg;
    struct live_node node;
    struct fc_attr attr = {.ino = ino};
    bool dots = is_dot(name, len) || is_dotdot(name, len);
    int r = live_node(l->live, ino, &node);

    if (r < 0)
        return r;
    attr.mode = live_mode(l->live, &node) & S_IFMT;
    if (l->plus)
        live_attr(l->live, &node, &attr);
    /* Taken before the call, which cannot be undone. */
    if (l->plus && !dots) {
        r = live_ref(l->live, ino);
        if (r < 0)
            return r;
    }
    r = l->fn(l->arg, name, len, next, &attr);
    if (r != 0 && l->plus && !dots)
        live_unref_one(l->live, ino);
    return r;
}

static int list(struct listing *l, uint64_t ino, uint64_t cookie)
{
    struct live_node dir;
    int r = live_node_dir(l->live, ino, &dir);

    if (r < 0)
        return r;
    if (live_nlink(l->live, &dir) == 0)
        return 0;
    if (cookie < 1 && (r = list_one(l, ".", 1, 1, ino)) != 0)
        return r;
    if (cookie < 2 && (r = list_one(l, "..", 2, 2, live_parent(l->live, &dir))) != 0)
        return r;
    return live_dir_each(l->live, &dir, cookie < 2 ? 2 : cookie, list_one, l);
}

int fc_live_readdir(struct fc_live *live, uint64_t ino, uint64_t cookie, bool plus, fc_readdir_fn fn, void *arg)
{
    struct listing l = {.live = live, .plus = plus, .fn = fn, .arg = arg};
    int r;

    live_lock(live);
    r = list(&l, ino, cookie);
    live_unlock(live, NULL);
    /* That the caller had enough is no failure. */
    return r < 0 ? r : 0;
}
