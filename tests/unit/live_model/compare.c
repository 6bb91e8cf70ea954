/* SPDX-License-Identifier: Apache-2.0 */
/* Compare a live tree, or a snapshot, with the model: attributes, names, contents, holes, extended attributes. */
#include "model.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"

static bool same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

static void number(struct run *r, uint64_t ino, const char *what, uint64_t got, uint64_t want)
{
    if (got != want)
        disagree(r, "inode %llu: %s is %llu (0%llo) and not %llu (0%llo)", (unsigned long long)ino, what,
                 (unsigned long long)got, (unsigned long long)got, (unsigned long long)want, (unsigned long long)want);
}

static void moment(struct run *r, uint64_t ino, const char *what, struct timespec got, struct timespec want)
{
    if (!same_time(got, want))
        disagree(r, "inode %llu: %s is %lld.%09ld and not %lld.%09ld", (unsigned long long)ino, what,
                 (long long)got.tv_sec, got.tv_nsec, (long long)want.tv_sec, want.tv_nsec);
}

void check_node(struct run *r, struct fc_live *live, const struct m_node *n)
{
    struct fc_attr a;
    int rc = fc_live_getattr(live, n->ino, &a);

    if (rc < 0)
        disagree(r, "inode %llu: getattr: %s", (unsigned long long)n->ino, strerror(-rc));
    number(r, n->ino, "ino", a.ino, n->ino);
    number(r, n->ino, "mode", a.mode, n->mode);
    number(r, n->ino, "nlink", a.nlink, n->nlink);
    number(r, n->ino, "uid", a.uid, n->uid);
    number(r, n->ino, "gid", a.gid, n->gid);
    number(r, n->ino, "rdev major", a.rdev_major, n->major);
    number(r, n->ino, "rdev minor", a.rdev_minor, n->minor);
    if (!S_ISDIR(n->mode))
        number(r, n->ino, "size", a.size, n->size);
    if (S_ISREG(n->mode))
        number(r, n->ino, "blocks", a.blocks, n->n_blocks * (M_BLOCK / 512));
    moment(r, n->ino, "atime", a.atime, n->atime);
    moment(r, n->ino, "mtime", a.mtime, n->mtime);
    moment(r, n->ino, "ctime", a.ctime, n->ctime);
    moment(r, n->ino, "crtime", a.crtime, n->crtime);
}

/* One run of blocks, or one hole, through read and lseek. */
static void check_run(struct run *r, struct fc_live *live, const struct m_node *n, uint64_t from, uint64_t to,
                      bool data)
{
    static _Thread_local unsigned char got[1 << 16], want[1 << 16];
    uint64_t end = to;

    number(r, n->ino, "SEEK_DATA", (uint64_t)fc_live_lseek(live, n->ino, from, SEEK_DATA),
           data           ? from
           : to < n->size ? to
                          : (uint64_t)(int64_t)-ENXIO);
    number(r, n->ino, "SEEK_HOLE", (uint64_t)fc_live_lseek(live, n->ino, from, SEEK_HOLE), data ? to : from);
    if (!data && to - from > sizeof(got))
        end = from + sizeof(got);
    while (from < end) {
        size_t size = end - from < sizeof(got) ? (size_t)(end - from) : sizeof(got);
        ssize_t rc = fc_live_read(live, n->ino, got, size, from);

        if (rc != (ssize_t)size)
            disagree(r, "inode %llu: read at %llu: %ld and not %zu", (unsigned long long)n->ino,
                     (unsigned long long)from, (long)rc, size);
        m_read(n, from, want, size);
        for (size_t i = 0; i < size && memcmp(got, want, size) != 0; i++)
            if (got[i] != want[i])
                disagree(r, "inode %llu: byte %llu is %d and not %d", (unsigned long long)n->ino,
                         (unsigned long long)(from + i), got[i], want[i]);
        from += size;
    }
}

void check_content(struct run *r, struct fc_live *live, const struct m_node *n)
{
    char byte;
    uint64_t end;

    for (uint64_t at = 0; at < n->size; at = end) {
        bool data = m_run(n, at, &end);

        check_run(r, live, n, at, end, data);
    }
    number(r, n->ino, "read at the end", (uint64_t)fc_live_read(live, n->ino, &byte, 1, n->size), 0);
}

static void check_xattrs(struct run *r, struct fc_live *live, const struct m_node *n)
{
    static _Thread_local char list[70000], value[70000];
    ssize_t len = fc_live_listxattr(live, n->ino, list, sizeof(list));
    const char *p = list;

    if (len < 0)
        disagree(r, "inode %llu: listxattr: %s", (unsigned long long)n->ino, strerror((int)-len));
    for (size_t i = 0; i < n->n_xattrs; i++) {
        const struct m_xattr *x = &n->xattrs[i];
        ssize_t size;

        if (p >= list + len || strcmp(p, x->name) != 0)
            disagree(r, "inode %llu: xattr \"%s\" is not %s", (unsigned long long)n->ino, p < list + len ? p : "",
                     x->name);
        size = fc_live_getxattr(live, n->ino, x->name, value, sizeof(value));
        if (size != (ssize_t)x->size || memcmp(value, x->value, x->size) != 0)
            disagree(r, "inode %llu: the value of xattr %s (%zd bytes and not %zu)", (unsigned long long)n->ino,
                     x->name, size, x->size);
        p += strlen(p) + 1;
    }
    if (p != list + len)
        disagree(r, "inode %llu: has an xattr %s", (unsigned long long)n->ino, p);
}

/* Names */

struct seen {
    struct run *r;
    const struct model *m;
    int dir, n;
};

static int seen_one(void *arg, const char *name, size_t len, uint64_t next, const struct fc_attr *attr)
{
    struct seen *s = arg;
    const struct m_node *dir = &s->m->nodes[s->dir];
    uint64_t want;
    int i;

    (void)next;
    if (len == 1 && name[0] == '.')
        want = dir->ino;
    else if (len == 2 && name[0] == '.' && name[1] == '.')
        want = s->dir == 0 ? s->m->parent_ino : s->m->nodes[dir->parent].ino;
    else {
        i = m_find(s->m, s->dir, name, len);
        if (i < 0)
            disagree(s->r, "%s shows %.*s", m_path(s->m, s->dir), (int)len, name);
        want = s->m->nodes[s->m->names[i].node].ino;
        if ((attr->mode & S_IFMT) != (s->m->nodes[s->m->names[i].node].mode & S_IFMT))
            disagree(s->r, "%s%.*s: type 0%o", m_path(s->m, s->dir), (int)len, name, attr->mode);
    }
    if (attr->ino != want)
        disagree(s->r, "%s%.*s: inode %llu and not %llu", m_path(s->m, s->dir), (int)len, name,
                 (unsigned long long)attr->ino, (unsigned long long)want);
    s->n++;
    return 0;
}

static void check_names(struct run *r, struct fc_live *live, const struct model *m, int dir)
{
    struct seen s = {.r = r, .m = m, .dir = dir};
    const struct m_node *n = &m->nodes[dir];
    int want = n->nlink > 0 ? m_count(m, dir) + 2 : 0, rc;

    rc = fc_live_readdir(live, n->ino, 0, false, seen_one, &s);
    if (rc < 0 || s.n != want)
        disagree(r, "readdir of inode %llu: %d, %d entries and not %d", (unsigned long long)n->ino, rc, s.n, want);
    if (n->nlink == 0)
        return;
    number(r, n->ino, "parent", fc_live_parent(live, n->ino), dir == 0 ? m->parent_ino : m->nodes[n->parent].ino);
}

static void check_target(struct run *r, struct fc_live *live, const struct m_node *n)
{
    struct fc_buf text = {0};
    int rc = fc_live_readlink(live, n->ino, &text);

    if (rc < 0 || text.len != strlen(n->target) || memcmp(text.data, n->target, text.len) != 0)
        disagree(r, "inode %llu: readlink: %d, \"%s\" and not \"%s\"", (unsigned long long)n->ino, rc,
                 text.data ? text.data : "", n->target);
    fc_buf_release(&text);
}

void check_tree(struct run *r, struct fc_live *live, const struct model *m, bool orphans)
{
    for (int i = 0; i < M_NODES; i++) {
        const struct m_node *n = &m->nodes[i];

        if (!n->used || (n->nlink == 0 && !orphans))
            continue;
        check_node(r, live, n);
        check_xattrs(r, live, n);
        if (S_ISREG(n->mode))
            check_content(r, live, n);
        if (S_ISLNK(n->mode))
            check_target(r, live, n);
        if (S_ISDIR(n->mode))
            check_names(r, live, m, i);
    }
    for (int i = 0; i < M_STALE && orphans; i++) {
        struct fc_attr a;

        if (m->stale[i] && fc_live_getattr(live, m->stale[i], &a) != -ESTALE)
            disagree(r, "inode %llu is not gone", (unsigned long long)m->stale[i]);
    }
}

/* Snapshots */

static void check_snap_content(struct run *r, const struct fc_snapshot *s, const struct fc_snap_inode *i,
                               const struct m_node *n)
{
    static _Thread_local unsigned char got[M_BLOCK], want[M_BLOCK];
    const struct fc_snap_extent *e = fc_snapshot_extents(s, NULL) + i->first_extent, *stop = e + i->n_extents;
    const struct fc_snap_source *sources = fc_snapshot_sources(s, NULL);

    for (size_t k = 0; k < n->n_blocks; k++) {
        uint64_t at = n->blocks[k].number * M_BLOCK;
        ssize_t rc;
        size_t size;

        if (at >= n->size)
            break;
        size = n->size - at < M_BLOCK ? (size_t)(n->size - at) : M_BLOCK;
        while (e < stop && e->offset + e->length <= at)
            e++;
        if (e == stop || e->offset > at)
            disagree(r, "snapshot: inode %llu: no block at %llu", (unsigned long long)n->ino, (unsigned long long)at);
        rc = fc_pread_full(sources[e->source].fd, got, size, e->source_offset + (at - e->offset));
        memset(got + (rc > 0 ? rc : 0), 0, size - (size_t)(rc > 0 ? rc : 0));
        m_read(n, at, want, size);
        if (memcmp(got, want, size) != 0)
            disagree(r, "snapshot: inode %llu: the content at %llu (%zd read)", (unsigned long long)n->ino,
                     (unsigned long long)at, rc);
    }
}

static void check_snap_blocks(struct run *r, const struct fc_snapshot *s, const struct fc_snap_inode *i,
                              const struct m_node *n)
{
    const struct fc_snap_extent *e = fc_snapshot_extents(s, NULL) + i->first_extent;
    uint64_t blocks = 0, want = 0;

    for (uint32_t k = 0; k < i->n_extents; k++)
        blocks += (e[k].length + M_BLOCK - 1) / M_BLOCK;
    for (size_t k = 0; k < n->n_blocks; k++)
        want += n->blocks[k].number * M_BLOCK < n->size;
    number(r, n->ino, "blocks in the snapshot", blocks, want);
}

static void check_snap_xattrs(struct run *r, const struct fc_snapshot *s, const struct fc_snap_inode *i,
                              const struct m_node *n)
{
    const struct fc_xattr *x = fc_snapshot_xattrs(s, NULL) + i->first_xattr;

    number(r, n->ino, "xattrs in the snapshot", i->n_xattrs, n->n_xattrs);
    for (size_t k = 0; k < n->n_xattrs; k++)
        if (strcmp(x[k].name, n->xattrs[k].name) != 0 || x[k].size != n->xattrs[k].size ||
            memcmp(x[k].value, n->xattrs[k].value, x[k].size) != 0)
            disagree(r, "snapshot: inode %llu: xattr %s", (unsigned long long)n->ino, x[k].name);
}

static void check_snap_inode(struct run *r, const struct fc_snapshot *s, const struct fc_snap_inode *i,
                             const struct m_node *n)
{
    number(r, n->ino, "ino in the snapshot", i->ino, n->ino);
    number(r, n->ino, "mode in the snapshot", i->mode, n->mode);
    number(r, n->ino, "uid in the snapshot", i->uid, n->uid);
    number(r, n->ino, "gid in the snapshot", i->gid, n->gid);
    number(r, n->ino, "nlink in the snapshot", i->nlink, n->nlink);
    number(r, n->ino, "size in the snapshot", i->size, S_ISDIR(n->mode) ? 0 : n->size);
    number(r, n->ino, "rdev in the snapshot", i->rdev_major * UINT64_C(1000000000) + i->rdev_minor,
           n->major * UINT64_C(1000000000) + n->minor);
    moment(r, n->ino, "atime in the snapshot", i->atime, n->atime);
    moment(r, n->ino, "mtime in the snapshot", i->mtime, n->mtime);
    moment(r, n->ino, "ctime in the snapshot", i->ctime, n->ctime);
    moment(r, n->ino, "crtime in the snapshot", i->crtime, n->crtime);
    check_snap_xattrs(r, s, i, n);
    if (S_ISREG(n->mode)) {
        check_snap_content(r, s, i, n);
        check_snap_blocks(r, s, i, n);
    }
    if (S_ISLNK(n->mode) && strcmp(i->target, n->target) != 0)
        disagree(r, "snapshot: inode %llu: text \"%s\"", (unsigned long long)n->ino, i->target);
}

/* A directory in a snapshot, and all below it. Returns how many names. */
static void check_snap_dir(struct run *r, const struct fc_snapshot *s, const struct model *m, int dir, uint32_t index)
{
    const struct fc_snap_inode *inodes = fc_snapshot_inodes(s, NULL), *i = &inodes[index];
    const struct fc_snap_dentry *e = fc_snapshot_dentries(s, NULL) + i->first_dentry;

    check_snap_inode(r, s, i, &m->nodes[dir]);
    number(r, i->ino, "names in the snapshot", i->n_dentries, (uint64_t)m_count(m, dir));
    for (uint32_t k = 0; k < i->n_dentries; k++) {
        int name = m_find(m, dir, e[k].name, e[k].name_len);

        if (name < 0)
            disagree(r, "snapshot: %s has %.*s", m_path(m, dir), (int)e[k].name_len, e[k].name);
        if (S_ISDIR(inodes[e[k].inode].mode) && m_is_dir(m, m->names[name].node)) {
            number(r, inodes[e[k].inode].ino, "parent in the snapshot", inodes[e[k].inode].parent, index);
            check_snap_dir(r, s, m, m->names[name].node, e[k].inode);
        } else {
            check_snap_inode(r, s, &inodes[e[k].inode], &m->nodes[m->names[name].node]);
        }
    }
}

void check_snapshot(struct run *r, const struct fc_snapshot *s, const struct model *m)
{
    char base[16];

    snprintf(base, sizeof(base), "%.*s", (int)strcspn(r->prefix, "/"), r->prefix);
    check_snap_dir(r, s, m, 0, fc_snapshot_find(s, base));
}
