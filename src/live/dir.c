/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: the lower slice, or a table of one's own with stable cookies and a hash by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live/internal.h"

/* Cookies 1 and 2 stand behind "." and ".."; the first entry of a lower directory has 3. */
enum { FIRST_COOKIE = 3, MIN_SLOTS = 8 };

int live_name_check(const char *name, size_t len)
{
    if (len > FC_NAME_MAX)
        return -ENAMETOOLONG;
    if (len == 0 || memchr(name, '/', len) || memchr(name, '\0', len))
        return -EINVAL;
    return 0;
}

static size_t hash_start(const struct live_dir *d, const char *name, size_t len)
{
    return fc_hash(0, name, len) & (d->hash_cap - 1);
}

static struct live_slot *find_slot(const struct live_dir *d, const char *name, size_t len)
{
    for (size_t i = hash_start(d, name, len); d->hash[i]; i = (i + 1) & (d->hash_cap - 1)) {
        struct live_slot *s = &d->slots[d->hash[i] - 1];

        if (s->ino && s->len == len && memcmp(s->name, name, len) == 0)
            return s;
    }
    return NULL;
}

static void hash_slot(struct live_dir *d, size_t slot)
{
    size_t i = hash_start(d, d->slots[slot].name, d->slots[slot].len);

    while (d->hash[i])
        i = (i + 1) & (d->hash_cap - 1);
    d->hash[i] = (uint32_t)slot + 1;
}

/* New arrays for @cap slots without the dead ones; the order, and so the cookies', stays. */
static int rebuild(struct live_dir *d, size_t cap)
{
    struct live_slot *slots = malloc(cap * sizeof(*slots));
    size_t hash_cap = 16, n = 0;
    uint32_t *hash;

    while (hash_cap < 2 * cap)
        hash_cap *= 2;
    hash = calloc(hash_cap, sizeof(*hash));
    if (!slots || !hash || cap >= UINT32_MAX) {
        free(slots);
        free(hash);
        return -ENOMEM;
    }
    for (size_t i = 0; i < d->n; i++)
        if (d->slots[i].ino)
            slots[n++] = d->slots[i];
    free(d->slots);
    free(d->hash);
    d->slots = slots;
    d->hash = hash;
    d->cap = cap;
    d->hash_cap = hash_cap;
    d->n = n;
    for (size_t i = 0; i < n; i++)
        hash_slot(d, i);
    return 0;
}

int live_dir_reserve(struct live_inode *dir)
{
    struct live_dir *d = dir->dir;

    /* A full table with many dead slots is compacted and does not grow. */
    if (d->n < d->cap)
        return 0;
    return rebuild(d, d->n_live * 2 > d->cap ? d->cap * 2 : d->cap);
}

static void free_names(struct live_dir *dir)
{
    for (size_t i = 0; i < dir->n; i++)
        if (dir->slots[i].ino && dir->slots[i].owned)
            free((void *)(uintptr_t)dir->slots[i].name);
}

void live_dir_free(struct live_dir *dir)
{
    if (!dir)
        return;
    free_names(dir);
    free(dir->slots);
    free(dir->hash);
    free(dir);
}
FC_DEFINE_AUTO(struct live_dir *, live_dir_free)

int live_dir_empty(struct live_inode *dir)
{
    if (!dir->dir) {
        fc_auto(live_dir_free) struct live_dir *d = calloc(1, sizeof(*d));

        if (!d || rebuild(d, MIN_SLOTS) < 0)
            return -ENOMEM;
        d->next_cookie = FIRST_COOKIE;
        dir->dir = fc_steal(&d);
        return 0;
    }
    free_names(dir->dir);
    dir->dir->n = dir->dir->n_live = 0;
    memset(dir->dir->hash, 0, dir->dir->hash_cap * sizeof(*dir->dir->hash));
    return 0;
}

int live_dir_own(struct fc_live *live, struct live_inode *dir)
{
    fc_auto(live_dir_free) struct live_dir *d = NULL;
    const struct fc_tree_inode *t = dir->lower == FC_TREE_NONE ? NULL : &live->lower[dir->lower];
    size_t n = t ? t->n_dentries : 0;
    int r;

    if (dir->dir)
        return 0;
    d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    r = rebuild(d, n + n / 4 + MIN_SLOTS);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        const struct fc_tree_dentry *e = &live->lower_dentries[t->first_dentry + i];

        d->slots[i] = (struct live_slot){.cookie = i + FIRST_COOKIE,
                                         .ino = live->lower[e->inode].ino,
                                         .name = e->name,
                                         .len = (uint16_t)e->name_len};
        hash_slot(d, i);
    }
    d->n = d->n_live = n;
    d->next_cookie = n + FIRST_COOKIE;
    dir->dir = fc_steal(&d);
    return 0;
}

uint64_t live_dir_find_lower(const struct fc_live *live, uint32_t lower, const char *name, size_t len)
{
    const struct fc_tree_dentry *e;

    if (lower == FC_TREE_NONE)
        return 0;
    e = fc_tree_lookup(live->tree, lower, name, len);
    return e ? live->lower[e->inode].ino : 0;
}

uint64_t live_dir_find(const struct fc_live *live, const struct live_node *dir, const char *name, size_t len)
{
    if (dir->own && dir->own->dir) {
        struct live_slot *s = find_slot(dir->own->dir, name, len);

        return s ? s->ino : 0;
    }
    return live_dir_find_lower(live, dir->lower, name, len);
}

uint64_t live_dir_count(const struct fc_live *live, const struct live_node *dir)
{
    if (dir->own && dir->own->dir)
        return dir->own->dir->n_live;
    return dir->lower == FC_TREE_NONE ? 0 : live->lower[dir->lower].n_dentries;
}

int live_names_add(struct live_names *names, uint64_t parent, const char *name, size_t len)
{
    int r = fc_grow(&names->items, &names->cap, names->n + 1 + names->spare_n, sizeof(*names->items));
    size_t at = names->text.len;

    if (r == 0)
        r = fc_buf_reserve(&names->text, len + names->spare_text);
    if (r == 0)
        r = fc_buf_add(&names->text, name, len);
    if (r < 0)
        return r;
    names->items[names->n++] = (struct live_name){.parent = parent, .name = at, .len = len};
    return 0;
}

int live_dir_prepare(struct fc_live *live, struct live_inode *dir, const char *name, size_t len)
{
    int r = live_dir_own(live, dir);

    if (r == 0)
        r = live_dir_reserve(dir);
    if (r == 0)
        r = live_names_add(&live->dirty_names, dir->attr.ino, name, len);
    return r;
}

int live_dir_set(struct fc_live *live, struct live_inode *dir, const char *name, size_t len, uint64_t ino)
{
    struct live_dir *d = dir->dir;
    struct live_slot *s = find_slot(d, name, len);
    const struct fc_tree_dentry *e = NULL;
    char *copy = NULL;

    if (s) {
        s->ino = ino;
        return 0;
    }
    /* A lower name that comes back borrows the tree's bytes again. */
    if (dir->lower != FC_TREE_NONE)
        e = fc_tree_lookup(live->tree, dir->lower, name, len);
    if (!e) {
        copy = malloc(len);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, name, len);
    }
    d->slots[d->n] = (struct live_slot){
        .cookie = d->next_cookie++, .ino = ino, .name = e ? e->name : copy, .len = (uint16_t)len, .owned = !e};
    hash_slot(d, d->n++);
    d->n_live++;
    return 0;
}

void live_dir_remove(struct live_inode *dir, const char *name, size_t len)
{
    struct live_slot *s = find_slot(dir->dir, name, len);

    if (!s)
        return;
    s->ino = 0;
    dir->dir->n_live--;
    if (s->owned)
        free((void *)(uintptr_t)s->name);
    /* Looking up passes over a dead slot without reading its name. */
    s->name = NULL;
    s->owned = false;
}

int live_dir_bury(struct fc_live *live, struct live_inode *dir)
{
    const struct fc_tree_inode *t = dir->lower == FC_TREE_NONE ? NULL : &live->lower[dir->lower];

    /* All lower names have "removed" rows, which say nothing any more once the directory itself is gone. */
    for (uint32_t i = 0; t && i < t->n_dentries; i++) {
        const struct fc_tree_dentry *e = &live->lower_dentries[t->first_dentry + i];
        int r = live_names_add(&live->dirty_names, dir->attr.ino, e->name, e->name_len);

        if (r < 0)
            return r;
    }
    dir->attr.nlink = 0;
    dir->attr.ctime = live_now();
    live_dirty(live, dir, LIVE_DIRTY_ATTR);
    return 0;
}

/* First slot behind @cookie. */
static size_t slot_behind(const struct live_dir *d, uint64_t cookie)
{
    size_t lo = 0, hi = d->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (d->slots[mid].cookie > cookie)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

int live_dir_each(const struct fc_live *live, const struct live_node *dir, uint64_t cookie, live_dir_fn fn, void *arg)
{
    const struct live_dir *d = dir->own ? dir->own->dir : NULL;
    const struct fc_tree_inode *t;
    int r = 0;

    for (size_t i = d ? slot_behind(d, cookie) : 0; d && i < d->n && r == 0; i++)
        if (d->slots[i].ino)
            r = fn(arg, d->slots[i].name, d->slots[i].len, d->slots[i].cookie, d->slots[i].ino);
    if (d || dir->lower == FC_TREE_NONE)
        return r;
    t = &live->lower[dir->lower];
    for (uint64_t i = cookie < FIRST_COOKIE ? 0 : cookie - FIRST_COOKIE + 1; i < t->n_dentries && r == 0; i++) {
        const struct fc_tree_dentry *e = &live->lower_dentries[t->first_dentry + i];

        r = fn(arg, e->name, e->name_len, i + FIRST_COOKIE, live->lower[e->inode].ino);
    }
    return r;
}

uint64_t live_parent(const struct fc_live *live, const struct live_node *dir)
{
    if (dir->own)
        return dir->own->parent;
    return live->lower[live->lower[dir->lower].parent].ino;
}
