/* SPDX-License-Identifier: Apache-2.0 */
/* Give a directory back to the lower tree when a reset has undone all that was changed in it. */
#include <stdlib.h>
#include <string.h>

#include "live/reset.h"

static bool same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/*
 * A change of names sets mtime and ctime to one moment; whoever sets the mtime by hand, or the mode, gets another ctime.
 * So a directory with equal times that differs from the lower one in nothing else has no edit of its own.
 */
static enum live_touched kind_of(const struct live_inode *dir, const struct fc_tree_inode *lower)
{
    bool names = same_time(dir->attr.mtime, dir->attr.ctime) || same_time(dir->attr.mtime, lower->mtime);

    return names ? LIVE_TOUCHED_NAMES : LIVE_TOUCHED_MORE;
}

int live_reset_touch(struct live_reset *r, struct live_inode *dir)
{
    uint64_t ino = dir->attr.ino;
    int rc = 0;

    if (dir->lower != FC_TREE_NONE && !fc_map_get(&r->kinds, ino, NULL)) {
        rc = fc_grow(&r->touched.items, &r->touched.cap, r->touched.n + 1, sizeof(ino));
        if (rc == 0)
            rc = fc_map_set(&r->kinds, ino, kind_of(dir, &r->live->lower[dir->lower]));
        if (rc == 0)
            r->touched.items[r->touched.n++] = ino;
    }
    live_touch_dir(r->live, dir);
    return rc;
}

static bool same_xattrs(const struct fc_live *live, const struct live_inode *dir)
{
    struct fc_xattr x;
    uint32_t n = 0;

    for (; fc_tree_xattr(live->tree, dir->lower, n, &x) > 0; n++) {
        const struct fc_xattr *own = live_xattr_find(&dir->xattrs, x.name);

        if (!own || own->size != x.size || (x.size && memcmp(own->value, x.value, x.size) != 0))
            return false;
    }
    return n == dir->xattrs.n;
}

static bool same_names(const struct fc_live *live, const struct live_inode *dir)
{
    const struct live_dir *d = dir->dir;

    if (!d)
        return true;
    if (d->n_live != live->lower[dir->lower].n_dentries)
        return false;
    for (size_t i = 0; i < d->n; i++) {
        const struct live_slot *s = &d->slots[i];

        if (s->ino && live_dir_find_lower(live, dir->lower, s->name, s->len) != s->ino)
            return false;
    }
    return true;
}

static bool as_below(const struct fc_live *live, const struct live_inode *dir)
{
    const struct fc_tree_inode *t = &live->lower[dir->lower];
    const struct fc_attr *a = &dir->attr;

    return a->nlink > 0 && a->mode == t->mode && a->uid == t->uid && a->gid == t->gid &&
           same_time(a->atime, t->mtime) && dir->parent == live->lower[t->parent].ino && same_xattrs(live, dir) &&
           same_names(live, dir);
}

void live_calm(struct live_reset *r)
{
    struct fc_live *live = r->live;

    for (size_t i = 0; i < r->touched.n; i++) {
        uint64_t ino = r->touched.items[i], kind = LIVE_TOUCHED_MORE;
        struct live_node dir;

        fc_map_get(&r->kinds, ino, &kind);
        if (kind != LIVE_TOUCHED_NAMES || live_node(live, ino, &dir) < 0 || !dir.own || !as_below(live, dir.own))
            continue;
        live_inode_drop(live, dir.own);
        live_note_inode_more(r->notes, ino, true);
    }
    free(r->touched.items);
    fc_map_release(&r->kinds);
}
