/* SPDX-License-Identifier: Apache-2.0 */
/* Run operations one by one: choose what they are aimed at, and check what they changed. */
#include "model.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

void say(struct run *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(r->what, sizeof(r->what), fmt, args);
    va_end(args);
}

void disagree(struct run *r, const char *fmt, ...)
{
    va_list args;

    printf("%soperation %llu: %s: ", r->prefix, (unsigned long long)r->number, r->what);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(3);
}

void expect(struct run *r, long got, long want)
{
    if (r->trace)
        printf("%s%llu: %s = %ld\n", r->prefix, (unsigned long long)r->number, r->what, got);
    if (got != want)
        disagree(r, "%ld (%s) and not %ld (%s)", got, got < 0 ? strerror((int)-got) : "fine", want,
                 want < 0 ? strerror((int)-want) : "fine");
}

void touch(struct run *r, int node, unsigned times)
{
    for (int i = 0; i < r->n_touched; i++) {
        if (r->touched[i].node == node) {
            r->touched[i].times |= times;
            return;
        }
    }
    if (r->n_touched == 8)
        abort();
    r->touched[r->n_touched].node = node;
    r->touched[r->n_touched++].times = times;
}

static bool before(struct timespec a, struct timespec b)
{
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

static void take_time(struct run *r, struct timespec *to, struct timespec now, struct timespec after, const char *which)
{
    if (before(now, r->before) || before(after, now))
        disagree(r, "%s is %lld.%09ld, which is not now", which, (long long)now.tv_sec, now.tv_nsec);
    *to = now;
}

/* What was touched has new times now, and all attributes that the model says. */
static void settle(struct run *r)
{
    struct timespec after;

    clock_gettime(CLOCK_REALTIME, &after);
    for (int i = 0; i < r->n_touched; i++) {
        struct m_node *n = &r->m->nodes[r->touched[i].node];
        unsigned times = r->touched[i].times;
        struct fc_attr a;
        int rc;

        if (!n->used)
            continue;
        rc = fc_live_getattr(r->live, n->ino, &a);
        if (rc < 0)
            disagree(r, "inode %llu is gone: %s", (unsigned long long)n->ino, strerror(-rc));
        if (times & T_ATIME)
            take_time(r, &n->atime, a.atime, after, "atime");
        if (times & T_MTIME)
            take_time(r, &n->mtime, a.mtime, after, "mtime");
        if (times & T_CTIME)
            take_time(r, &n->ctime, a.ctime, after, "ctime");
        if (times & T_CRTIME)
            take_time(r, &n->crtime, a.crtime, after, "crtime");
        check_node(r, r->live, n);
    }
    r->n_touched = 0;
}

/* Aiming */

static struct aim aim_node(struct run *r, int node) { return (struct aim){node, r->m->nodes[node].ino}; }

static struct aim aim_stale(struct run *r, struct dice *d)
{
    unsigned first = roll(d, M_STALE);

    for (unsigned i = 0; i < M_STALE; i++) {
        uint64_t ino = r->m->stale[(first + i) % M_STALE];

        if (ino)
            return (struct aim){-1, ino};
    }
    return aim_node(r, 0);
}

static struct aim aim_where(struct run *r, struct dice *d, bool (*fits)(const struct m_node *n))
{
    unsigned first = roll(d, M_NODES);

    for (unsigned i = 0; i < M_NODES; i++) {
        int node = (int)((first + i) % M_NODES);

        if (r->m->nodes[node].used && fits(&r->m->nodes[node]))
            return aim_node(r, node);
    }
    return aim_node(r, 0);
}

static bool fits_any(const struct m_node *n) { return n->used; }
static bool fits_dir(const struct m_node *n) { return S_ISDIR(n->mode) && n->nlink > 0; }
static bool fits_dead_dir(const struct m_node *n) { return S_ISDIR(n->mode) && n->nlink == 0; }
static bool fits_file(const struct m_node *n) { return S_ISREG(n->mode); }

struct aim aim_any(struct run *r, struct dice *d)
{
    return one_in(d, 50) ? aim_stale(r, d) : aim_where(r, d, fits_any);
}

struct aim aim_dir(struct run *r, struct dice *d)
{
    if (one_in(d, 60))
        return aim_any(r, d);
    return aim_where(r, d, one_in(d, 30) ? fits_dead_dir : fits_dir);
}

struct aim aim_file(struct run *r, struct dice *d)
{
    return one_in(d, 40) ? aim_any(r, d) : aim_where(r, d, fits_file);
}

size_t aim_name(struct run *r, struct dice *d, int dir, char *ret)
{
    static const char *const odd[] = {".wh.n1", ".wh..wh..opq", "caf\xe9", "a\nb", "\xff\xfe", "...", " "};
    unsigned first = roll(d, M_NAMES);

    if (dir >= 0 && !one_in(d, 3)) {
        for (unsigned i = 0; i < M_NAMES; i++) {
            const struct m_name *e = &r->m->names[(first + i) % M_NAMES];

            if (e->node < 0 || e->dir != dir)
                continue;
            memcpy(ret, e->text, e->len);
            ret[e->len] = '\0';
            return e->len;
        }
    }
    switch (roll(d, 30)) {
    case 0:
        memset(ret, 'm', 256);
        ret[255 + roll(d, 2)] = '\0';
        return strlen(ret);
    case 1:
        return (size_t)sprintf(ret, "%s", one_in(d, 2) ? "." : "..");
    case 2:
    case 3:
        return (size_t)sprintf(ret, "%s", odd[roll(d, 7)]);
    default:
        return (size_t)sprintf(ret, "n%u", roll(d, 24));
    }
}

int dir_error(const struct run *r, const struct aim *a)
{
    if (a->node < 0)
        return -ESTALE;
    return m_is_dir(r->m, a->node) ? 0 : -ENOTDIR;
}

void kill_priv(struct m_node *n, bool set_id)
{
    if (S_ISDIR(n->mode))
        return;
    m_xattr_remove(n, "security.capability");
    if (set_id)
        n->mode &= ~(uint32_t)(S_ISUID | (n->mode & S_IXGRP ? S_ISGID : 0));
}

/* Steps */

void step(struct run *r, uint64_t number)
{
    static void (*const ops[])(struct run *, struct dice *) = {
        op_names,   op_names,   op_names,  op_remove, op_remove,  op_rename,  op_rename,  op_rename,
        op_lookup,  op_lookup,  op_forget, op_forget, op_content, op_content, op_content, op_content,
        op_content, op_content, op_attr,   op_attr,   op_xattr,   op_xattr,   op_list,    op_list};
    struct dice d = dice_for(r->seed, number);

    r->number = number;
    if (r->progress)
        *r->progress = number;
    r->what[0] = '\0';
    clock_gettime(CLOCK_REALTIME, &r->before);
    if (one_in(&d, 60))
        op_moment(r, &d);
    else
        ops[roll(&d, FC_LENGTH(ops))](r, &d);
    settle(r);
    if (number % 64 == 0) {
        say(r, "check of all");
        check_tree(r, r->live, r->m, true);
    }
}

struct run *run_new(struct stage *s, struct part *part, uint64_t seed, bool alone)
{
    struct run *r = calloc(1, sizeof(*r));

    *r = (struct run){.s = s, .live = s->live, .m = part->model, .prefix = part->prefix, .seed = seed, .alone = alone};
    for (int i = 0; i < 2; i++)
        r->buffers[i] = malloc(M_BUFFER);
    if (alone)
        r->pristine = m_clone(r->m, false);
    say(r, "the lower tree");
    check_tree(r, r->live, r->m, true);
    return r;
}

void run_free(struct run *r)
{
    listings_close(r);
    for (int i = 0; i < N_HELD; i++) {
        fc_snapshot_free(r->held[i].snapshot);
        m_free(r->held[i].model);
    }
    for (int i = 0; i < 2; i++)
        free(r->buffers[i]);
    m_free(r->pristine);
    m_free(r->m);
    free(r);
}
