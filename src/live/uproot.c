/* SPDX-License-Identifier: Apache-2.0 */
/* Remove a name with everything below it in one step, as resetting a path needs it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/reset.h"

/* Directories whose names are taken apart: a queue, because trees may be deeper than the stack of a thread. */
struct uproot {
    struct live_reset *r;
    struct live_inos dirs;
    uint64_t dir; /* that is being read */
};

static int queue(struct live_inos *list, uint64_t ino)
{
    int r = fc_grow(&list->items, &list->cap, list->n + 1, sizeof(*list->items));

    if (r == 0)
        list->items[list->n++] = ino;
    return r;
}

static int lose_name(struct live_reset *r, struct live_node *node)
{
    int rc = live_own(r->live, node);

    if (rc < 0)
        return rc;
    node->own->attr.nlink--;
    node->own->attr.ctime = live_now();
    live_dirty(r->live, node->own, LIVE_DIRTY_ATTR);
    live_note_inode_more(r->notes, node->ino, false);
    live_inode_reap(r->live, node->own);
    return 0;
}

static int uproot_one(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct uproot *u = arg;
    struct live_node node;
    int r = live_node(u->r->live, ino, &node);

    (void)cookie;
    if (r == 0)
        r = live_names_add(&u->r->live->dirty_names, u->dir, name, len);
    if (r < 0)
        return r;
    live_note_entry_copy(u->r->notes, u->dir, name, len, 0);
    if (S_ISDIR(live_mode(u->r->live, &node)))
        return queue(&u->dirs, ino);
    return lose_name(u->r, &node);
}

/* All names of a directory go, then its own life ends. */
static int uproot_dir(struct uproot *u, uint64_t ino)
{
    struct fc_live *live = u->r->live;
    struct live_node dir;
    int r = live_node(live, ino, &dir);

    if (r == 0)
        r = live_own(live, &dir);
    u->dir = ino;
    if (r == 0)
        r = live_dir_each(live, &dir, 0, uproot_one, u);
    if (r == 0)
        r = live_dir_bury(live, dir.own);
    if (r == 0)
        r = live_dir_empty(dir.own);
    if (r < 0)
        return r;
    live_note_inode_more(u->r->notes, ino, true);
    live_inode_reap(live, dir.own);
    return 0;
}

int live_uproot(struct live_reset *r, uint64_t parent, const char *name, size_t len)
{
    struct uproot u = {.r = r};
    struct live_node dir, node;
    uint64_t ino;
    bool is_dir;
    int rc = live_node_dir(r->live, parent, &dir);

    if (rc == 0)
        rc = live_own(r->live, &dir);
    if (rc == 0)
        rc = live_dir_prepare(r->live, dir.own, name, len);
    if (rc < 0)
        return rc;
    ino = live_dir_find(r->live, &dir, name, len);
    rc = live_node(r->live, ino, &node);
    if (rc < 0)
        return rc;
    is_dir = S_ISDIR(live_mode(r->live, &node));
    if (!is_dir)
        rc = lose_name(r, &node);
    else
        rc = queue(&u.dirs, ino);
    for (size_t i = 0; i < u.dirs.n && rc == 0; i++)
        rc = uproot_dir(&u, u.dirs.items[i]);
    free(u.dirs.items);
    if (rc < 0)
        return rc;
    live_note_entry_copy(r->notes, parent, name, len, 0);
    live_dir_remove(dir.own, name, len);
    dir.own->attr.nlink -= is_dir;
    return live_reset_touch(r, dir.own);
}
