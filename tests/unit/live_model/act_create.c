/* SPDX-License-Identifier: Apache-2.0 */
/* Make things: files, directories, devices, symlinks, nameless files, links. */
#include "model.h"

#include <errno.h>

/* What making @text in @dir shall return, given that there is room. */
static int new_name_error(const struct run *r, const struct aim *dir, const char *text, size_t len)
{
    int rc = dir_error(r, dir);

    if (rc < 0)
        return rc;
    if (len > 255)
        return -ENAMETOOLONG;
    if (r->m->nodes[dir->node].nlink == 0)
        return -ENOENT;
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || m_find(r->m, dir->node, text, len) >= 0)
        return -EEXIST;
    return 0;
}

static struct fc_cred draw_cred(struct dice *d)
{
    return one_in(d, 2) ? (struct fc_cred){.uid = 0} : (struct fc_cred){.uid = 1000, .gid = one_in(d, 2) ? 50 : 1000};
}

/* A new node as its parent and its maker have it. */
static void born(struct run *r, int node, const struct fc_attr *a, const struct aim *dir, uint32_t mode, uint32_t umask,
                 const struct fc_cred *cred)
{
    struct m_node *n = &r->m->nodes[node], *p = &r->m->nodes[dir->node];

    *n = (struct m_node){.used = true, .ino = a->ino, .refs = 1, .mode = mode, .uid = cred->uid, .gid = cred->gid};
    n->nlink = S_ISDIR(mode) ? 2 : 1;
    n->parent = dir->node;
    if (p->mode & S_ISGID) {
        n->gid = p->gid;
        if (S_ISDIR(mode))
            n->mode |= S_ISGID;
        else if (cred->uid != 0 && cred->gid != p->gid && (mode & S_ISGID) && (mode & S_IXGRP))
            n->mode &= ~(uint32_t)S_ISGID;
    }
    m_acl_inherit(p, n, umask);
    for (int i = 0; i < M_NODES; i++)
        if (i != node && r->m->nodes[i].used && r->m->nodes[i].ino == a->ino)
            disagree(r, "the new inode has number %llu, which another has", (unsigned long long)a->ino);
}

static void named(struct run *r, int node, const struct aim *dir, const char *text, size_t len)
{
    m_name_add(r->m, dir->node, text, len, node);
    listings_note(r, dir->node, text, len, true);
    r->m->nodes[dir->node].nlink += m_is_dir(r->m, node);
    touch(r, dir->node, T_MTIME | T_CTIME);
}

static void make_node(struct run *r, struct dice *d, int node, const struct aim *dir, const char *text, size_t len)
{
    static const uint32_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};
    uint32_t mode = types[roll(d, 9)] | roll(d, 010000), umask = one_in(d, 2) ? 022 : roll(d, 01000);
    uint32_t major = roll(d, 4096), minor = roll(d, 1 << 20);
    struct fc_cred cred = draw_cred(d);
    struct fc_attr a;
    int want = new_name_error(r, dir, text, len), rc;

    say(r, "mknod %llu/%.40s mode 0%o umask 0%o by %u:%u", (unsigned long long)dir->ino, text, mode, umask, cred.uid,
        cred.gid);
    rc = fc_live_mknod(r->live, dir->ino, text, len, mode, umask, major, minor, &cred, &a);
    expect(r, rc, want);
    if (rc < 0)
        return;
    born(r, node, &a, dir, mode, umask, &cred);
    if (S_ISCHR(mode) || S_ISBLK(mode)) {
        r->m->nodes[node].major = major;
        r->m->nodes[node].minor = minor;
    }
    named(r, node, dir, text, len);
    touch(r, node, T_ATIME | T_MTIME | T_CTIME | T_CRTIME);
}

static void make_symlink(struct run *r, struct dice *d, int node, const struct aim *dir, const char *text, size_t len)
{
    static const size_t sizes[] = {0, 1, 10, 59, 60, 4095, 4096};
    size_t size = sizes[roll(d, 7)];
    struct fc_cred cred = draw_cred(d);
    struct fc_attr a;
    char target[4097];
    int want, rc;

    memset(target, 'x', size);
    target[size] = '\0';
    want = size == 0 ? -ENOENT : size > 4095 ? -ENAMETOOLONG : new_name_error(r, dir, text, len);
    say(r, "symlink %llu/%.40s of %zu bytes", (unsigned long long)dir->ino, text, size);
    rc = fc_live_symlink(r->live, dir->ino, text, len, target, &cred, &a);
    expect(r, rc, want);
    if (rc < 0)
        return;
    born(r, node, &a, dir, S_IFLNK | 0777, 0, &cred);
    r->m->nodes[node].target = strdup(target);
    r->m->nodes[node].size = size;
    named(r, node, dir, text, len);
    touch(r, node, T_ATIME | T_MTIME | T_CTIME | T_CRTIME);
}

static void make_nameless(struct run *r, struct dice *d, int node, const struct aim *dir)
{
    uint32_t mode = roll(d, 010000), umask = roll(d, 2) ? 022 : 0;
    struct fc_cred cred = draw_cred(d);
    struct fc_attr a;
    int want = dir_error(r, dir), rc;

    if (want == 0 && r->m->nodes[dir->node].nlink == 0)
        want = -ENOENT;
    say(r, "tmpfile in %llu mode 0%o", (unsigned long long)dir->ino, mode);
    rc = fc_live_tmpfile(r->live, dir->ino, mode, umask, &cred, &a);
    expect(r, rc, want);
    if (rc < 0)
        return;
    born(r, node, &a, dir, S_IFREG | mode, umask, &cred);
    r->m->nodes[node].nlink = 0;
    r->m->nodes[node].linkable = true;
    touch(r, node, T_ATIME | T_MTIME | T_CTIME | T_CRTIME);
}

static void make_link(struct run *r, struct dice *d, const struct aim *dir, const char *text, size_t len)
{
    struct aim from = aim_any(r, d);
    struct m_node *n = from.node < 0 ? NULL : &r->m->nodes[from.node];
    struct fc_attr a;
    int want = dir_error(r, dir), rc;

    if (want == 0 && !n)
        want = -ESTALE;
    if (want == 0 && S_ISDIR(n->mode))
        want = -EPERM;
    if (want == 0)
        want = new_name_error(r, dir, text, len);
    if (want == 0 && n->nlink == 0 && !n->linkable)
        want = -ENOENT;
    say(r, "link %llu to %llu/%.40s", (unsigned long long)from.ino, (unsigned long long)dir->ino, text);
    rc = fc_live_link(r->live, from.ino, dir->ino, text, len, &a);
    expect(r, rc, want);
    if (rc < 0)
        return;
    n->nlink++;
    n->refs++;
    n->linkable = false;
    named(r, from.node, dir, text, len);
    touch(r, from.node, T_CTIME);
    if (a.ino != n->ino || a.nlink != n->nlink)
        disagree(r, "returned inode %llu with %u names", (unsigned long long)a.ino, a.nlink);
}

void op_names(struct run *r, struct dice *d)
{
    struct aim dir = aim_dir(r, d);
    int node = m_node_new(r->m);
    char text[300];
    size_t len = aim_name(r, d, one_in(d, 8) ? dir.node : -1, text);

    /* The model has room for so much. */
    if (node < 0 || r->m->n_names >= M_NAMES - 2) {
        op_remove(r, d);
        return;
    }
    switch (roll(d, 8)) {
    case 0:
        make_symlink(r, d, node, &dir, text, len);
        break;
    case 1:
        make_nameless(r, d, node, &dir);
        break;
    case 2:
    case 3:
        make_link(r, d, &dir, text, len);
        break;
    default:
        make_node(r, d, node, &dir, text, len);
    }
}
