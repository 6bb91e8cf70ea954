/* SPDX-License-Identifier: Apache-2.0 */
/* Ask for the SELinux label of every inode, by the first of its paths. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "ext4/plan.h"

/* Directories on the way to where the walk is. */
struct step {
    uint32_t dir, next; /* the name in it that is next */
    size_t path_len;
};

struct walk {
    struct step *steps;
    size_t n, cap;
    struct fc_buf path;
};

static void walk_release(struct walk *w)
{
    free(w->steps);
    fc_buf_release(&w->path);
}

static int ask(struct fc_ext4_planner *p, const char *path, uint32_t mode, const char **ret)
{
    return p->options.label_of(p->options.label_context, path, mode, ret, p->err);
}

static int enter(struct fc_ext4_planner *p, struct walk *w, uint32_t dir)
{
    if (fc_grow(&w->steps, &w->cap, w->n + 1, sizeof(*w->steps)) < 0)
        return fc_ext4_no_memory(p);
    w->steps[w->n++] = (struct step){dir, p->inodes[dir].first_dentry, w->path.len};
    return 0;
}

/* The next name in the directory on top of @w. @seen says which inodes had a name already. */
static int visit(struct fc_ext4_planner *p, struct walk *w, unsigned char *seen, const struct fc_snap_dentry *d)
{
    int r;

    if ((seen[d->inode / 8] >> d->inode % 8) & 1)
        return 0;
    fc_ext4_set_bits(seen, d->inode, (uint64_t)d->inode + 1);
    if (fc_buf_adds(&w->path, "/") < 0 || fc_buf_add(&w->path, d->name, d->name_len) < 0)
        return fc_ext4_no_memory(p);
    r = ask(p, w->path.data, p->inodes[d->inode].mode, &p->labels[d->inode]);
    return r >= 0 && S_ISDIR(p->inodes[d->inode].mode) ? enter(p, w, d->inode) : r;
}

static int walk_tree(struct fc_ext4_planner *p, struct walk *w, unsigned char *seen)
{
    int r = ask(p, "/", p->inodes[0].mode, &p->labels[0]);

    if (r >= 0)
        r = enter(p, w, 0);
    while (r >= 0 && w->n) {
        struct step *top = &w->steps[w->n - 1];
        const struct fc_snap_inode *dir = &p->inodes[top->dir];

        w->path.len = top->path_len;
        if (top->next == dir->first_dentry + dir->n_dentries)
            w->n--;
        else
            r = visit(p, w, seen, &p->dentries[top->next++]);
    }
    return r;
}

int fc_ext4_make_labels(struct fc_ext4_planner *p)
{
    fc_auto(fc_free) unsigned char *seen = NULL;
    struct walk w = {0};
    int r;

    if (!p->options.label_of)
        return 0;
    seen = calloc(p->n_inodes / 8 + 1, 1);
    p->labels = calloc((size_t)p->n_inodes + 1, sizeof(*p->labels));
    if (!seen || !p->labels)
        return fc_ext4_no_memory(p);
    r = walk_tree(p, &w, seen);
    walk_release(&w);
    if (r >= 0 && p->lost_found == FC_TREE_NONE)
        r = ask(p, "/lost+found", S_IFDIR | 0700, &p->labels[p->n_inodes]);
    return r < 0 ? r : 0;
}
