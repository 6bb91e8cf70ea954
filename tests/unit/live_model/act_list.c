/* SPDX-License-Identifier: Apache-2.0 */
/* List directories piece by piece while they change: what is there all the time is seen once. */
#include "model.h"

#include <errno.h>

static void close_one(struct listing *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->names[i].text);
    l->n = 0;
    l->open = false;
}

void listings_close(struct run *r)
{
    for (int i = 0; i < N_LISTINGS; i++)
        close_one(&r->listings[i]);
}

static struct listed *find(struct listing *l, const char *text, size_t len)
{
    for (int i = 0; i < l->n; i++)
        if (l->names[i].len == len && memcmp(l->names[i].text, text, len) == 0)
            return &l->names[i];
    return NULL;
}

static void add(struct listing *l, const char *text, size_t len, bool stays)
{
    if (l->n == M_NAMES * 2) {
        close_one(l);
        return;
    }
    l->names[l->n++] = (struct listed){.text = strndup(text, len), .len = (uint16_t)len, .stays = stays};
}

void listings_note(struct run *r, int dir, const char *text, size_t len, bool there)
{
    for (int i = 0; i < N_LISTINGS; i++) {
        struct listing *l = &r->listings[i];
        struct listed *e;

        if (!l->open || l->dir != dir)
            continue;
        e = find(l, text, len);
        if (e) {
            e->stays = false;
            e->seen = 0; /* the same name again later is another entry */
        } else if (there) {
            add(l, text, len, false);
        }
    }
}

/* Taking entries */

struct take {
    struct run *r;
    struct listing *l;
    unsigned left;
    bool plus, ended;
    int taken[M_NAMES];
    int n_taken;
};

static void check_entry(struct take *t, const char *name, size_t len, const struct fc_attr *attr)
{
    struct run *r = t->r;
    struct listed *e = find(t->l, name, len);
    int i = m_find(r->m, t->l->dir, name, len);
    const struct m_node *n;

    if (i < 0)
        disagree(r, "%.*s is listed and not there", (int)len, name);
    n = &r->m->nodes[r->m->names[i].node];
    if (!e)
        disagree(r, "%.*s is listed and unknown", (int)len, name);
    if (e->seen++)
        disagree(r, "%.*s is listed twice", (int)len, name);
    if (attr->ino != n->ino || (attr->mode & S_IFMT) != (n->mode & S_IFMT))
        disagree(r, "%.*s is inode %llu type 0%o", (int)len, name, (unsigned long long)attr->ino, attr->mode);
    if (t->plus && (attr->mode != n->mode || attr->nlink != n->nlink || attr->uid != n->uid ||
                    (!S_ISDIR(n->mode) && attr->size != n->size)))
        disagree(r, "%.*s has other attributes", (int)len, name);
    if (t->plus)
        t->taken[t->n_taken++] = r->m->names[i].node;
}

static int take_one(void *arg, const char *name, size_t len, uint64_t next, const struct fc_attr *attr)
{
    struct take *t = arg;

    if (t->left == 0) {
        t->ended = false;
        return 1;
    }
    t->left--;
    if (next <= t->l->cookie)
        disagree(t->r, "cookie %llu behind %llu", (unsigned long long)next, (unsigned long long)t->l->cookie);
    t->l->cookie = next;
    if (len > 2 || memcmp(name, "..", len) != 0)
        check_entry(t, name, len, attr);
    return 0;
}

static void begin(struct run *r, struct dice *d, struct listing *l)
{
    struct aim dir = aim_dir(r, d);

    if (dir_error(r, &dir) < 0) {
        say(r, "readdir of %llu", (unsigned long long)dir.ino);
        expect(r, fc_live_readdir(r->live, dir.ino, 0, false, take_one, NULL), dir_error(r, &dir));
        return;
    }
    l->open = true;
    l->dir = dir.node;
    l->ino = dir.ino;
    l->cookie = 0;
    for (int i = 0; i < M_NAMES; i++)
        if (r->m->names[i].node >= 0 && r->m->names[i].dir == dir.node)
            add(l, r->m->names[i].text, r->m->names[i].len, true);
}

void op_list(struct run *r, struct dice *d)
{
    struct listing *l = &r->listings[roll(d, N_LISTINGS)];
    struct take t = {.r = r, .l = l, .left = 1 + roll(d, one_in(d, 2) ? 4 : 60), .plus = one_in(d, 2), .ended = true};
    int rc;

    if (l->open && (!r->m->nodes[l->dir].used || r->m->nodes[l->dir].ino != l->ino))
        close_one(l);
    if (!l->open)
        begin(r, d, l);
    if (!l->open)
        return;
    say(r, "readdir%s of %llu from %llu", t.plus ? "plus" : "", (unsigned long long)l->ino,
        (unsigned long long)l->cookie);
    rc = fc_live_readdir(r->live, l->ino, l->cookie, t.plus, take_one, &t);
    expect(r, rc, 0);
    for (int i = 0; i < t.n_taken; i++)
        r->m->nodes[t.taken[i]].refs++;
    if (!t.ended)
        return;
    for (int i = 0; i < l->n && r->m->nodes[l->dir].nlink > 0; i++)
        if (l->names[i].stays && l->names[i].seen != 1)
            disagree(r, "%.*s was not listed", l->names[i].len, l->names[i].text);
    close_one(l);
}
