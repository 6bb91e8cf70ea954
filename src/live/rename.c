/* SPDX-License-Identifier: Apache-2.0 */
/* Rename and exchange names of anything, lower directories too. */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "live/internal.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE (1 << 1)
#define RENAME_WHITEOUT (1 << 2)
#endif

/** One side: a directory, a name in it, and what has that name (ino 0: nothing). */
struct side {
    struct live_node dir, node;
    const char *name;
    size_t len;
    bool is_dir;
};

static int find_side(struct fc_live *live, uint64_t parent, const char *name, size_t len, struct side *ret)
{
    uint64_t ino;
    int r = live_node_dir(live, parent, &ret->dir);

    if (r < 0)
        return r;
    if (len == 0 || (len <= 2 && memcmp(name, "..", len) == 0))
        return -EBUSY;
    r = live_name_check(name, len);
    if (r < 0)
        return r;
    ret->name = name;
    ret->len = len;
    ret->is_dir = false;
    ret->node = (struct live_node){.lower = FC_TREE_NONE};
    ino = live_dir_find(live, &ret->dir, name, len);
    if (ino == 0)
        return 0;
    r = live_node(live, ino, &ret->node);
    if (r == 0)
        ret->is_dir = S_ISDIR(live_mode(live, &ret->node));
    return r;
}

/* Whether directory @ino is @dir or above it. */
static bool is_above(struct fc_live *live, uint64_t ino, const struct live_node *dir)
{
    struct live_node at = *dir;

    while (at.ino != ino) {
        uint64_t up = live_parent(live, &at);

        if (up == at.ino || live_node(live, up, &at) < 0)
            return false;
    }
    return true;
}

static int check(struct fc_live *live, const struct side *from, const struct side *to, unsigned flags)
{
    if (!from->node.ino)
        return -ENOENT;
    if (live_nlink(live, &to->dir) == 0)
        return -ENOENT;
    if (to->node.ino && (flags & RENAME_NOREPLACE))
        return -EEXIST;
    if (!to->node.ino && (flags & RENAME_EXCHANGE))
        return -ENOENT;
    if (from->is_dir && is_above(live, from->node.ino, &to->dir))
        return -EINVAL;
    if (to->is_dir && is_above(live, to->node.ino, &from->dir))
        return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    if (!to->node.ino || to->node.ino == from->node.ino || (flags & RENAME_EXCHANGE))
        return 0;
    if (from->is_dir && !to->is_dir)
        return -ENOTDIR;
    if (!from->is_dir && to->is_dir)
        return -EISDIR;
    return to->is_dir && live_dir_count(live, &to->node) > 0 ? -ENOTEMPTY : 0;
}

/* The same inode may be on several sides: each must see the struct that another made. */
static int own_sides(struct fc_live *live, struct side *from, struct side *to)
{
    struct live_node *all[] = {&from->dir, &to->dir, &from->node, &to->node};

    for (size_t i = 0; i < FC_LENGTH(all); i++) {
        int r;

        if (!all[i]->ino)
            continue;
        r = live_node(live, all[i]->ino, all[i]);
        if (r == 0)
            r = live_own(live, all[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What stood at the target loses that name. */
static void replaced(struct fc_live *live, struct side *to, struct live_notes *notes)
{
    struct live_inode *old = to->node.own;

    if (to->is_dir) {
        to->dir.own->attr.nlink--;
    } else {
        old->attr.nlink--;
        old->attr.ctime = live_now();
        live_dirty(live, old, LIVE_DIRTY_ATTR);
    }
    live_note_inode(notes, old->attr.ino, false);
    live_inode_reap(live, old);
}

static void moved(struct fc_live *live, struct live_node *node, bool is_dir, struct live_node *old_dir,
                  struct live_node *new_dir)
{
    if (is_dir) {
        old_dir->own->attr.nlink--;
        new_dir->own->attr.nlink++;
        node->own->parent = new_dir->ino;
    }
    node->own->attr.ctime = live_now();
    live_dirty(live, node->own, LIVE_DIRTY_ATTR);
}

/* The old name stands for @whiteout from now on, or (NULL) for nothing. */
static int move(struct fc_live *live, struct side *from, struct side *to, const struct live_inode *whiteout,
                struct live_notes *notes)
{
    int r = 0;

    if (to->is_dir)
        r = live_dir_bury(live, to->node.own);
    if (r == 0)
        r = live_dir_set(live, to->dir.own, to->name, to->len, from->node.ino);
    if (r < 0)
        return r;
    if (!whiteout)
        live_dir_remove(from->dir.own, from->name, from->len);
    moved(live, &from->node, from->is_dir, &from->dir, &to->dir);
    if (to->node.ino)
        replaced(live, to, notes);
    live_note_entry(notes, from->dir.ino, from->name, from->len, whiteout ? whiteout->attr.ino : 0);
    live_note_entry(notes, to->dir.ino, to->name, to->len, from->node.ino);
    return 0;
}

/* First the whiteout, then the move: the former is easier to take back. */
static int move_over_whiteout(struct fc_live *live, struct side *from, struct side *to, struct live_notes *notes)
{
    struct live_inode *whiteout;
    int r = live_whiteout(live, &from->dir, from->name, from->len, &whiteout);

    if (r < 0)
        return r;
    r = move(live, from, to, whiteout, notes);
    if (r == 0)
        return 0;
    (void)live_dir_set(live, from->dir.own, from->name, from->len, from->node.ino);
    live_inode_drop(live, whiteout);
    return r;
}

static int exchange(struct fc_live *live, struct side *from, struct side *to, struct live_notes *notes)
{
    /* Both names exist: setting them cannot fail. */
    (void)live_dir_set(live, to->dir.own, to->name, to->len, from->node.ino);
    (void)live_dir_set(live, from->dir.own, from->name, from->len, to->node.ino);
    moved(live, &from->node, from->is_dir, &from->dir, &to->dir);
    moved(live, &to->node, to->is_dir, &to->dir, &from->dir);
    live_note_entry(notes, from->dir.ino, from->name, from->len, to->node.ino);
    live_note_entry(notes, to->dir.ino, to->name, to->len, from->node.ino);
    live_note_inode(notes, to->node.ino, false);
    return 0;
}

static int rename_names(struct fc_live *live, struct side *from, struct side *to, unsigned flags,
                        struct live_notes *notes)
{
    int r = check(live, from, to, flags);

    if (r < 0)
        return r;
    if (live->read_only)
        return -EROFS;
    /* rename(2): two names of one file stay as they are. */
    if (to->node.ino == from->node.ino)
        return 0;
    r = own_sides(live, from, to);
    if (r == 0)
        r = live_dir_prepare(live, from->dir.own, from->name, from->len);
    if (r == 0)
        r = live_dir_prepare(live, to->dir.own, to->name, to->len);
    if (r == 0 && (flags & RENAME_EXCHANGE))
        r = exchange(live, from, to, notes);
    else if (r == 0)
        r = flags & RENAME_WHITEOUT ? move_over_whiteout(live, from, to, notes) : move(live, from, to, NULL, notes);
    if (r < 0)
        return r;
    live_touch_dir(live, from->dir.own);
    live_touch_dir(live, to->dir.own);
    live_note_inode(notes, from->node.ino, false);
    live_note_inode(notes, from->dir.ino, true);
    live_note_inode(notes, to->dir.ino, true);
    return 0;
}

int fc_live_rename(struct fc_live *live, uint64_t parent, const char *name, size_t len, uint64_t new_parent,
                   const char *new_name, size_t new_len, unsigned flags)
{
    struct side from, to;
    bool tried = false;
    int r;

    if (flags != RENAME_EXCHANGE && (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_WHITEOUT)))
        return -EINVAL;
    do {
        struct live_notes notes = {0};

        live_lock(live);
        r = find_side(live, parent, name, len, &from);
        if (r == 0)
            r = find_side(live, new_parent, new_name, new_len, &to);
        if (r == 0)
            r = rename_names(live, &from, &to, flags, &notes);
        live_unlock(live, &notes);
    } while (live_make_room(live, r, &tried));
    return r;
}
