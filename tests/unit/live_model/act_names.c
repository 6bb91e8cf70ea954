/* SPDX-License-Identifier: Apache-2.0 */
/* Look up, remove, rename, forget. */
#include "model.h"

#include <errno.h>
#include <linux/fs.h>

static bool is_dots(const char *text) { return strcmp(text, ".") == 0 || strcmp(text, "..") == 0; }

/* The name loses what it named. */
static void lost(struct run *r, int node)
{
    struct m_node *n = &r->m->nodes[node];

    n->nlink = S_ISDIR(n->mode) ? 0 : n->nlink - 1;
    touch(r, node, T_CTIME);
    m_reap(r->m, node);
}

static void take_name(struct run *r, int name)
{
    struct m_name *e = &r->m->names[name];

    listings_note(r, e->dir, e->text, e->len, false);
    m_name_remove(r->m, name);
}

/* Removing a directory with all its files makes room, and reaches what single removals hardly do. */
static int remove_one(struct run *r, const struct aim *dir, const char *text, size_t len, bool as_dir)
{
    int want = dir_error(r, dir), name = -1, node, rc;

    if (is_dots(text))
        want = !as_dir ? -EISDIR : strcmp(text, ".") == 0 ? -EINVAL : -ENOTEMPTY;
    if (want == 0 && len > 255)
        want = -ENAMETOOLONG;
    if (want == 0) {
        name = m_find(r->m, dir->node, text, len);
        want = name < 0 ? -ENOENT : 0;
    }
    node = name < 0 ? -1 : r->m->names[name].node;
    if (want == 0 && as_dir != m_is_dir(r->m, node))
        want = as_dir ? -ENOTDIR : -EISDIR;
    if (want == 0 && as_dir && m_count(r->m, node) > 0)
        want = -ENOTEMPTY;
    say(r, "%s %llu/%.40s", as_dir ? "rmdir" : "unlink", (unsigned long long)dir->ino, text);
    rc = as_dir ? fc_live_rmdir(r->live, dir->ino, text, len) : fc_live_unlink(r->live, dir->ino, text, len);
    expect(r, rc, want);
    if (rc < 0)
        return rc;
    take_name(r, name);
    r->m->nodes[dir->node].nlink -= as_dir;
    touch(r, dir->node, T_MTIME | T_CTIME);
    lost(r, node);
    return 0;
}

void op_remove(struct run *r, struct dice *d)
{
    struct aim dir = aim_dir(r, d);
    char text[300];
    size_t len = aim_name(r, d, dir.node, text);
    int name = dir.node < 0 ? -1 : m_find(r->m, dir.node, text, len);
    bool is_dir = name >= 0 && m_is_dir(r->m, r->m->names[name].node);

    remove_one(r, &dir, text, len, one_in(d, 12) ? !is_dir : is_dir);
}

/* Renaming */

struct side {
    struct aim dir;
    char text[300];
    size_t len;
    int name, node;
};

static int side_error(const struct run *r, struct side *s)
{
    int rc = dir_error(r, &s->dir);

    s->name = s->node = -1;
    if (rc < 0)
        return rc;
    if (is_dots(s->text))
        return -EBUSY;
    if (s->len > 255)
        return -ENAMETOOLONG;
    s->name = m_find(r->m, s->dir.node, s->text, s->len);
    s->node = s->name < 0 ? -1 : r->m->names[s->name].node;
    return 0;
}

static int rename_error(const struct run *r, const struct side *from, const struct side *to, unsigned flags)
{
    const struct model *m = r->m;
    bool from_dir = from->node >= 0 && m_is_dir(m, from->node), to_dir = to->node >= 0 && m_is_dir(m, to->node);

    if (from->node < 0 || m->nodes[to->dir.node].nlink == 0)
        return -ENOENT;
    if (to->node >= 0 && (flags & RENAME_NOREPLACE))
        return -EEXIST;
    if (to->node < 0 && (flags & RENAME_EXCHANGE))
        return -ENOENT;
    if (from_dir && m_above(m, from->node, to->dir.node))
        return -EINVAL;
    if (to_dir && m_above(m, to->node, from->dir.node))
        return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    if (to->node < 0 || to->node == from->node || (flags & RENAME_EXCHANGE))
        return 0;
    if (from_dir != to_dir)
        return from_dir ? -ENOTDIR : -EISDIR;
    return to_dir && m_count(m, to->node) > 0 ? -ENOTEMPTY : 0;
}

static void moved(struct run *r, int node, const struct aim *from, const struct aim *to)
{
    touch(r, node, T_CTIME);
    if (!m_is_dir(r->m, node))
        return;
    r->m->nodes[from->node].nlink--;
    r->m->nodes[to->node].nlink++;
    r->m->nodes[node].parent = to->node;
}

static void do_rename(struct run *r, const struct side *from, const struct side *to, unsigned flags)
{
    struct model *m = r->m;

    touch(r, from->dir.node, T_MTIME | T_CTIME);
    touch(r, to->dir.node, T_MTIME | T_CTIME);
    moved(r, from->node, &from->dir, &to->dir);
    if (flags & RENAME_EXCHANGE) {
        moved(r, to->node, &to->dir, &from->dir);
        m->names[from->name].node = to->node;
        m->names[to->name].node = from->node;
        return;
    }
    take_name(r, from->name);
    if (to->node >= 0) {
        m->nodes[to->dir.node].nlink -= m_is_dir(m, to->node);
        m->names[to->name].node = from->node;
        lost(r, to->node);
    } else {
        m_name_add(m, to->dir.node, to->text, to->len, from->node);
        listings_note(r, to->dir.node, to->text, to->len, true);
    }
}

void op_rename(struct run *r, struct dice *d)
{
    static const unsigned kinds[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE};
    struct side from = {.dir = aim_dir(r, d)}, to = {.dir = one_in(d, 3) ? from.dir : aim_dir(r, d)};
    unsigned flags = one_in(d, 100) ? RENAME_WHITEOUT | RENAME_EXCHANGE : kinds[roll(d, 6)];
    int want, rc;

    from.len = aim_name(r, d, from.dir.node, from.text);
    to.len = aim_name(r, d, one_in(d, 2) ? to.dir.node : -1, to.text);
    want = side_error(r, &from);
    if (want == 0)
        want = side_error(r, &to);
    if (want == 0)
        want = rename_error(r, &from, &to, flags);
    if (flags & RENAME_WHITEOUT) /* by itself it makes a file of a number that the model cannot know: see test_live.c */
        want = -EINVAL;
    say(r, "rename %llu/%.40s to %llu/%.40s flags %u", (unsigned long long)from.dir.ino, from.text,
        (unsigned long long)to.dir.ino, to.text, flags);
    rc = fc_live_rename(r->live, from.dir.ino, from.text, from.len, to.dir.ino, to.text, to.len, flags);
    expect(r, rc, want);
    if (rc == 0 && from.node != to.node)
        do_rename(r, &from, &to, flags);
}

/* Looking up and forgetting */

void op_lookup(struct run *r, struct dice *d)
{
    struct aim dir = aim_dir(r, d);
    struct fc_attr a;
    char text[300];
    size_t len = aim_name(r, d, dir.node, text);
    int want = dir_error(r, &dir), node = -1, name, rc;
    bool outside = false;

    if (strcmp(text, ".") == 0) {
        want = dir.node < 0 || r->m->nodes[dir.node].nlink == 0 ? -ESTALE : 0;
        node = dir.node;
    } else if (want == 0 && strcmp(text, "..") == 0) {
        node = r->m->nodes[dir.node].parent;
        outside = dir.node == 0 && !r->alone;
        /* What a directory without a name has above it is not said. */
        if (r->m->nodes[dir.node].nlink == 0)
            return;
    } else if (want == 0) {
        name = m_find(r->m, dir.node, text, len);
        node = name < 0 ? -1 : r->m->names[name].node;
        want = len > 255 ? -ENAMETOOLONG : name < 0 ? -ENOENT : 0;
    }
    say(r, "lookup %llu/%.40s", (unsigned long long)dir.ino, text);
    rc = fc_live_lookup(r->live, dir.ino, text, len, &a);
    expect(r, rc, want);
    if (rc < 0)
        return;
    if (a.ino != (outside ? r->m->parent_ino : r->m->nodes[node].ino))
        disagree(r, "inode %llu and not %llu", (unsigned long long)a.ino, (unsigned long long)r->m->nodes[node].ino);
    if (outside)
        fc_live_forget(r->live, a.ino, 1);
    else
        r->m->nodes[node].refs++;
}

void op_forget(struct run *r, struct dice *d)
{
    struct aim a = aim_any(r, d);
    struct m_node *n = a.node < 0 ? NULL : &r->m->nodes[a.node];
    uint64_t count;

    /* More than is held is the kernel's mistake, and harmless; but a stale number must stay one. */
    if (n && n->refs == 0)
        return;
    count = !n || one_in(d, 2) ? UINT32_MAX : 1 + roll(d, (unsigned)n->refs);
    say(r, "forget %llu %llu times", (unsigned long long)a.ino, (unsigned long long)count);
    fc_live_forget(r->live, a.ino, count);
    expect(r, 0, 0);
    if (!n)
        return;
    n->refs = count < n->refs ? n->refs - count : 0;
    m_reap(r->m, a.node);
}
