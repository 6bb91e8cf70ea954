/* SPDX-License-Identifier: Apache-2.0 */
/* What the diff of a snapshot against the lower tree shall say, found by comparing two models. */
#include "model.h"

#include "live/diff.h"

struct lines {
    const struct model *then, *now;
    char *text[M_NAMES * 2 + 2];
    int n;
};

static void line(struct lines *l, int kind, unsigned what, const char *path)
{
    if (asprintf(&l->text[l->n++], "%d %u %s", kind, what, path) < 0)
        abort();
}

static bool same_content(const struct m_node *a, const struct m_node *b)
{
    static _Thread_local unsigned char x[M_BLOCK], y[M_BLOCK];
    const struct m_node *both[] = {a, b};

    if (a->size != b->size)
        return false;
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < both[i]->n_blocks; k++) {
            uint64_t at = both[i]->blocks[k].number * M_BLOCK;
            size_t size = at >= a->size ? 0 : a->size - at < M_BLOCK ? (size_t)(a->size - at) : M_BLOCK;

            m_read(a, at, x, size);
            m_read(b, at, y, size);
            if (memcmp(x, y, size) != 0)
                return false;
        }
    }
    return true;
}

static bool same_xattrs(const struct m_node *a, const struct m_node *b)
{
    if (a->n_xattrs != b->n_xattrs)
        return false;
    for (size_t i = 0; i < a->n_xattrs; i++)
        if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 || a->xattrs[i].size != b->xattrs[i].size ||
            memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].size) != 0)
            return false;
    return true;
}

static unsigned what_changed(const struct m_node *a, const struct m_node *b)
{
    unsigned what = 0;

    if (S_ISREG(a->mode) && !same_content(a, b))
        what |= FC_CHANGED_CONTENT;
    if (S_ISLNK(a->mode) && strcmp(a->target, b->target) != 0)
        what |= FC_CHANGED_CONTENT;
    if (a->mode != b->mode)
        what |= FC_CHANGED_MODE;
    if (a->uid != b->uid || a->gid != b->gid)
        what |= FC_CHANGED_OWNER;
    if (a->mtime.tv_sec != b->mtime.tv_sec || a->mtime.tv_nsec != b->mtime.tv_nsec)
        what |= FC_CHANGED_MTIME;
    if (!same_xattrs(a, b))
        what |= FC_CHANGED_XATTRS;
    if (a->ino != b->ino || (!S_ISDIR(a->mode) && a->nlink != b->nlink))
        what |= FC_CHANGED_LINKS;
    if (a->major != b->major || a->minor != b->minor)
        what |= FC_CHANGED_RDEV;
    return what;
}

static int compare_names(const struct m_name *a, const struct m_name *b)
{
    int c = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);

    return c ? c : a->len - b->len;
}

/* The lowest name of @dir above @last (NULL: the lowest of all). */
static const struct m_name *next_name(const struct model *m, int dir, const struct m_name *last)
{
    const struct m_name *best = NULL;

    for (int i = 0; i < M_NAMES && dir >= 0; i++) {
        const struct m_name *e = &m->names[i];

        if (e->node < 0 || e->dir != dir || (last && compare_names(e, last) <= 0))
            continue;
        if (!best || compare_names(e, best) < 0)
            best = e;
    }
    return best;
}

/* @then -1: all is new. */
static void walk(struct lines *l, int then, int now, const char *path)
{
    const struct m_node *a = then < 0 ? NULL : &l->then->nodes[then], *b = &l->now->nodes[now];
    const struct m_name *last = NULL;

    if (!a) {
        line(l, FC_CHANGE_ADDED, 0, path);
    } else if ((a->mode & S_IFMT) != (b->mode & S_IFMT)) {
        line(l, FC_CHANGE_REPLACED, 0, path);
        then = -1;
    } else if (what_changed(a, b)) {
        line(l, FC_CHANGE_MODIFIED, what_changed(a, b), path);
    }
    for (;;) {
        const struct m_name *x, *y;
        char *child;
        int c;

        if (!S_ISDIR(b->mode))
            return;
        x = next_name(l->then, then, last);
        y = next_name(l->now, now, last);
        if (!x && !y)
            return;
        c = !x ? 1 : !y ? -1 : compare_names(x, y);
        last = c <= 0 ? x : y;
        if (asprintf(&child, "%s%s%.*s", path, *path ? "/" : "", last->len, last->text) < 0)
            abort();
        if (c < 0)
            line(l, FC_CHANGE_DELETED, 0, child);
        else
            walk(l, c == 0 ? x->node : -1, y->node, child);
        free(child);
    }
}

void check_diff(struct run *r, const struct fc_snapshot *s, const struct model *m)
{
    struct lines l = {.then = r->pristine, .now = m};
    const struct fc_change *changes;
    struct fc_diff *d = NULL;
    struct fc_error err = {0};
    size_t n;

    walk(&l, 0, 0, "");
    if (fc_diff_new(r->s->tree, s, &d, &err) < 0)
        disagree(r, "%s", err.msg);
    changes = fc_diff_changes(d, &n);
    for (size_t i = 0; i < n || i < (size_t)l.n; i++) {
        char got[9000] = "nothing";

        if (i < n)
            snprintf(got, sizeof(got), "%d %u %s", (int)changes[i].kind, changes[i].what, changes[i].path);
        if (i >= (size_t)l.n || strcmp(got, l.text[i]) != 0)
            disagree(r, "change %zu is \"%s\" and not \"%s\"", i, got, i < (size_t)l.n ? l.text[i] : "nothing");
    }
    for (int i = 0; i < l.n; i++)
        free(l.text[i]);
    fc_diff_free(d);
}
