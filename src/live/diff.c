/* SPDX-License-Identifier: Apache-2.0 */
/* Walk the lower tree and a snapshot side by side and list what differs. */
#include "live/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "live/diff_compare.h"

struct fc_diff {
    struct fc_change *changes;
    size_t n, cap;
    struct fc_arena arena;
};

/* A pair of directories that is being compared. */
struct frame {
    uint32_t lower, lower_end; /* positions in the dentry tables; equal: nothing (left) on that side */
    uint32_t now, now_end;
    size_t path_len; /* of the directory */
};

struct walk {
    struct fc_diff_sides sides;
    struct fc_diff *diff;
    struct fc_buf path;
    struct frame *frames;
    size_t n_frames, cap_frames;
    struct fc_error *err;
};

static int add(struct walk *w, enum fc_change_kind kind, unsigned what, uint32_t lower, uint32_t now)
{
    struct fc_diff *d = w->diff;
    const char *path = fc_arena_copy(&d->arena, w->path.len ? w->path.data : "", w->path.len);

    if (!path || fc_grow(&d->changes, &d->cap, d->n + 1, sizeof(*d->changes)) < 0)
        return -ENOMEM;
    d->changes[d->n++] = (struct fc_change){.kind = kind, .what = what, .path = path, .lower = lower, .now = now};
    return 0;
}

/* Go on with the children of the directory at w->path; FC_TREE_NONE: that side has none. */
static int push(struct walk *w, uint32_t lower, uint32_t now)
{
    struct frame f = {.path_len = w->path.len};

    if (lower != FC_TREE_NONE) {
        f.lower = w->sides.lower_inodes[lower].first_dentry;
        f.lower_end = f.lower + w->sides.lower_inodes[lower].n_dentries;
    }
    f.now = w->sides.inodes[now].first_dentry;
    f.now_end = f.now + w->sides.inodes[now].n_dentries;
    if (f.lower == f.lower_end && f.now == f.now_end)
        return 0;
    if (fc_grow(&w->frames, &w->cap_frames, w->n_frames + 1, sizeof(*w->frames)) < 0)
        return -ENOMEM;
    w->frames[w->n_frames++] = f;
    return 0;
}

/* The object at w->path, on both sides or only now (@lower FC_TREE_NONE). */
static int visit(struct walk *w, uint32_t lower, uint32_t now)
{
    const struct fc_diff_sides *s = &w->sides;
    uint32_t mode = s->inodes[now].mode;
    unsigned what = 0;
    int r = 0;

    if (lower == FC_TREE_NONE) {
        r = add(w, FC_CHANGE_ADDED, 0, FC_TREE_NONE, now);
    } else if ((s->lower_inodes[lower].mode & S_IFMT) != (mode & S_IFMT)) {
        r = add(w, FC_CHANGE_REPLACED, 0, lower, now);
        lower = FC_TREE_NONE;
    } else {
        r = fc_diff_compare(s, lower, now, &what, w->err);
        if (r == 0 && what)
            r = add(w, FC_CHANGE_MODIFIED, what, lower, now);
    }
    return r == 0 && S_ISDIR(mode) ? push(w, lower, now) : r;
}

static int set_name(struct walk *w, size_t dir_len, const char *name, size_t len)
{
    int r = 0;

    w->path.len = dir_len;
    if (dir_len)
        r = fc_buf_add(&w->path, "/", 1);
    return r < 0 ? r : fc_buf_add(&w->path, name, len);
}

static int compare_names(const struct fc_tree_dentry *a, const struct fc_snap_dentry *b)
{
    size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
    int c = memcmp(a->name, b->name, len);

    return c ? c : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* Take the next name of the topmost frame. */
static int advance(struct walk *w)
{
    struct frame *f = &w->frames[w->n_frames - 1];
    const struct fc_tree_dentry *a = f->lower < f->lower_end ? &w->sides.lower_dentries[f->lower] : NULL;
    const struct fc_snap_dentry *b = f->now < f->now_end ? &w->sides.dentries[f->now] : NULL;
    int c, r;

    if (!a && !b) {
        w->n_frames--;
        return 0;
    }
    c = !a ? 1 : !b ? -1 : compare_names(a, b);
    f->lower += c <= 0;
    f->now += c >= 0;
    r = c <= 0 ? set_name(w, f->path_len, a->name, a->name_len) : set_name(w, f->path_len, b->name, b->name_len);
    if (r < 0)
        return r;
    if (c < 0)
        return add(w, FC_CHANGE_DELETED, 0, a->inode, FC_TREE_NONE);
    return visit(w, c == 0 ? a->inode : FC_TREE_NONE, b->inode);
}

int fc_diff_new(const struct fc_tree *tree, const struct fc_snapshot *snapshot, struct fc_diff **ret,
                struct fc_error *err)
{
    fc_auto(fc_diff_free) struct fc_diff *d = calloc(1, sizeof(*d));
    struct walk w = {
        .sides =
            {
                .tree = tree,
                .lower_inodes = fc_tree_inodes(tree, NULL),
                .lower_dentries = fc_tree_dentries(tree, NULL),
                .snapshot = snapshot,
            },
        .diff = d,
        .err = err,
    };
    uint32_t n;
    int r;

    if (!d)
        return fc_fail_errno(err, ENOMEM, "cannot compare");
    w.sides.inodes = fc_snapshot_inodes(snapshot, &n);
    w.sides.dentries = fc_snapshot_dentries(snapshot, &n);
    w.sides.extents = fc_snapshot_extents(snapshot, &n);
    w.sides.xattrs = fc_snapshot_xattrs(snapshot, &n);
    w.sides.sources = fc_snapshot_sources(snapshot, &n);
    r = visit(&w, 0, 0);
    while (r == 0 && w.n_frames)
        r = advance(&w);
    fc_buf_release(&w.path);
    free(w.frames);
    if (r < 0)
        return r == -ENOMEM ? fc_fail_errno(err, ENOMEM, "cannot compare") : r;
    *ret = fc_steal(&d);
    return 0;
}

const struct fc_change *fc_diff_changes(const struct fc_diff *d, size_t *ret_n)
{
    *ret_n = d->n;
    return d->changes;
}

void fc_diff_free(struct fc_diff *d)
{
    if (!d)
        return;
    free(d->changes);
    fc_arena_release(&d->arena);
    free(d);
}
