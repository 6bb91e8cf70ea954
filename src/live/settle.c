/* SPDX-License-Identifier: Apache-2.0 */
/* After loading: count every name from the root on, and hide what has none. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "live/internal.h"

/*
 * The rows are differences: that a lower directory is gone is one row, however much was in it, and what lost its last
 * name has no row at all. So link counts, parents and the marks of what is gone are not read but found: then they are
 * right whatever the rows say and however the stack below was changed.
 */
struct tally {
    struct fc_live *live;
    struct fc_error *err;
    uint32_t *names; /* of each lower inode; counts up from 0 */
    struct live_inos dirs;
    uint64_t dir; /* that is being read */
    uint32_t n_subdirs;
};

static int misfit(const struct tally *t, uint64_t ino, const char *what)
{
    return fc_fail(t->err, EBADMSG, "the edits do not fit the stack of layers: inode %llu %s" FC_EDIT_NEXT_STEP,
                   (unsigned long long)ino, what);
}

static int no_memory(const struct tally *t) { return fc_fail(t->err, ENOMEM, "out of memory while reading the edits"); }

static int found_dir(struct tally *t, uint64_t ino, bool again)
{
    int r;

    if (again)
        return misfit(t, ino, "is a directory in two places");
    t->n_subdirs++;
    r = fc_grow(&t->dirs.items, &t->dirs.cap, t->dirs.n + 1, sizeof(*t->dirs.items));
    if (r < 0)
        return no_memory(t);
    t->dirs.items[t->dirs.n++] = ino;
    return 0;
}

static int found_lower(struct tally *t, uint32_t lower)
{
    const struct fc_tree_inode *i = &t->live->lower[lower];
    bool again = t->names[lower]++ > 0;

    return S_ISDIR(i->mode) ? found_dir(t, i->ino, again) : 0;
}

static int found_name(void *arg, const char *name, size_t len, uint64_t cookie, uint64_t ino)
{
    struct tally *t = arg;
    struct live_node node;

    (void)name, (void)len, (void)cookie;
    if (live_node(t->live, ino, &node) < 0)
        return misfit(t, t->dir, "names what is not there");
    if (node.lower != FC_TREE_NONE)
        return found_lower(t, node.lower);
    node.own->attr.nlink++;
    return S_ISDIR(node.own->attr.mode) ? found_dir(t, ino, node.own->attr.nlink > 1) : 0;
}

/* The names of one directory; its own subdirectories learn where they are. */
static int read_dir(struct tally *t, uint64_t ino)
{
    struct fc_live *live = t->live;
    size_t first = t->dirs.n;
    struct live_node dir, child;
    int r = live_node(live, ino, &dir);

    t->dir = ino;
    t->n_subdirs = 0;
    if (r == 0 && dir.own && dir.own->dir) {
        r = live_dir_each(live, &dir, 0, found_name, t);
    } else if (r == 0 && dir.lower != FC_TREE_NONE) {
        const struct fc_tree_inode *i = &live->lower[dir.lower];

        for (uint32_t k = 0; k < i->n_dentries && r == 0; k++)
            r = found_lower(t, live->lower_dentries[i->first_dentry + k].inode);
    }
    for (size_t k = first; k < t->dirs.n && r == 0; k++)
        if (live_node(live, t->dirs.items[k], &child) == 0 && child.own)
            child.own->parent = ino;
    if (r == 0 && dir.own)
        dir.own->attr.nlink = 2 + t->n_subdirs;
    return r;
}

static int read_all(struct tally *t)
{
    int r = found_lower(t, 0);

    for (size_t i = 0; i < t->dirs.n && r == 0; i++)
        r = read_dir(t, t->dirs.items[i]);
    return r;
}

/* Call @fn for each changed inode, which it must not take out of the table. */
static void each_own(struct tally *t, void (*fn)(struct tally *t, struct live_inode *inode, void *arg), void *arg)
{
    const struct fc_map *m = &t->live->inodes;

    for (size_t i = 0; i < m->cap; i++)
        if (m->keys[i] != 0 && m->keys[i] != UINT64_MAX)
            fn(t, (struct live_inode *)(uintptr_t)m->values[i], arg);
}

static void forget_count(struct tally *t, struct live_inode *inode, void *arg)
{
    (void)t, (void)arg;
    inode->attr.nlink = 0;
}

static void take_count(struct tally *t, struct live_inode *inode, void *arg)
{
    struct live_inode **orphans = arg;

    if (inode->lower != FC_TREE_NONE && !S_ISDIR(inode->attr.mode))
        inode->attr.nlink = t->names[inode->lower];
    if (inode->attr.nlink > 0)
        return;
    inode->window_next = *orphans;
    *orphans = inode;
}

/*
 * What no name leads to is not shown. Its rows stay, and with them its data: no edit leaves such rows, so a name was lost
 * by damage, and fccompose fsck can give it another.
 */
static void hide_orphan(struct tally *t, struct live_inode *inode)
{
    for (size_t i = 0; i < inode->content.n; i++)
        if (inode->content.items[i].source == FC_EDIT_DATA)
            t->live->data_bytes -= inode->content.items[i].length;
    inode->content.n = 0;
    inode->stored = false;
    live_inode_drop(t->live, inode);
    t->live->n_lost++;
}

static void hide_all(struct tally *t, struct live_inode *orphans)
{
    while (orphans) {
        struct live_inode *next = orphans->window_next;

        orphans->window_next = NULL;
        hide_orphan(t, orphans);
        orphans = next;
    }
    if (t->live->n_lost)
        fc_log(FC_LOG_WARN,
               "no name leads to %llu of the changed objects: fccompose fsck --repair puts them into /lost+found",
               (unsigned long long)t->live->n_lost);
}

/* Lower inodes that no name leads to are marked; one that lost some of its names and has no struct gets one. */
static int settle_lower(struct tally *t)
{
    struct fc_live *live = t->live;

    for (uint32_t i = 0; i < live->n_lower; i++) {
        const struct fc_tree_inode *l = &live->lower[i];
        struct live_node node = {.lower = i, .ino = l->ino};

        if (t->names[i] == 0 && l->nlink > 0 && fc_map_set(&live->gone, l->ino, 1) < 0)
            return no_memory(t);
        if (t->names[i] == 0 || t->names[i] == l->nlink || S_ISDIR(l->mode))
            continue;
        if (live_node(live, l->ino, &node) < 0 || live_own(live, &node) < 0)
            return no_memory(t);
        node.own->attr.nlink = t->names[i];
    }
    return 0;
}

int live_settle(struct fc_live *live, struct fc_error *err)
{
    struct tally t = {.live = live, .err = err};
    struct live_inode *orphans = NULL;
    int r;

    if (live->inodes.len == 0)
        return 0;
    t.names = calloc(live->n_lower, sizeof(*t.names));
    if (!t.names)
        return no_memory(&t);
    each_own(&t, forget_count, NULL);
    r = read_all(&t);
    if (r == 0) {
        each_own(&t, take_count, &orphans);
        hide_all(&t, orphans);
        r = settle_lower(&t);
    }
    free(t.dirs.items);
    free(t.names);
    return r;
}
