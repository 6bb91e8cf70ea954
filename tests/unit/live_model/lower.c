/* SPDX-License-Identifier: Apache-2.0 */
/* Random layers for a model: each is drawn as entries, which are also done to the model by the OCI rules. */
#include "lower.h"

enum { L_ADDS = 22, L_REMOVALS = 5 };

unsigned char l_byte(const struct l_entry *e, uint64_t at)
{
    return (unsigned char)(1 + (at * 7 + at / 4096 + e->seed) % 255);
}

static bool is_below(const char *p, const char *path, bool or_at)
{
    size_t len = strlen(path);

    return p && strncmp(p, path, len) == 0 && (p[len] == '/' || (or_at && p[len] == '\0'));
}

/*
 * Whether the layer says something of @path or of what is below it. What is removed may come again; but a whiteout makes the
 * directory that it is in one of this layer's.
 */
static bool is_used(const struct l_list *l, const char *path)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct l_entry *e = l->items[i];

        if (is_below(e->path, path, e->op != FC_ENTRY_WHITEOUT) ||
            (e->op == FC_ENTRY_HARDLINK && is_below(e->target, path, true)))
            return true;
    }
    return false;
}

struct l_entry *l_add(struct l_list *l, enum fc_entry_op op, const char *path)
{
    struct l_entry *e = calloc(1, sizeof(*e));

    if (l->n % 64 == 0)
        l->items = realloc(l->items, (l->n + 64) * sizeof(struct l_entry *));
    e->op = op;
    e->path = strdup(path);
    l->items[l->n++] = e;
    return e;
}

static char *path_of(const struct part *p, int dir, const char *text, size_t len)
{
    char *path;

    if (asprintf(&path, "%s%s%.*s", p->prefix, m_path(p->model, dir), (int)len, text) < 0)
        abort();
    return path;
}

static int some_name(const struct model *m, struct dice *d)
{
    for (int tries = 0; tries < 200; tries++) {
        int i = (int)roll(d, M_NAMES);

        if (m->names[i].node >= 0)
            return i;
    }
    return -1;
}

static int some_dir(const struct model *m, struct dice *d)
{
    for (int tries = 0; tries < 60; tries++) {
        int i = some_name(m, d);

        if (i >= 0 && m_is_dir(m, m->names[i].node))
            return m->names[i].node;
    }
    return 0;
}

/* What the layers below have goes, before anything is added, wherever that stands in the layer. */
static void remove_some(struct l_list *l, const struct part *p, struct dice *d)
{
    for (unsigned n = roll(d, L_REMOVALS); n > 0; n--) {
        int i = some_name(p->model, d);
        char *path;

        if (i < 0)
            return;
        path = path_of(p, p->model->names[i].dir, p->model->names[i].text, p->model->names[i].len);
        if (is_used(l, path)) {
            free(path);
            continue;
        }
        if (one_in(d, 3) && m_is_dir(p->model, p->model->names[i].node)) {
            int dir = p->model->names[i].node;

            l_add(l, FC_ENTRY_OPAQUE, path);
            for (int k = 0; k < M_NAMES; k++)
                if (p->model->names[k].node >= 0 && p->model->names[k].dir == dir)
                    m_remove_tree(p->model, k);
        } else {
            l_add(l, FC_ENTRY_WHITEOUT, path);
            m_remove_tree(p->model, i);
        }
        free(path);
    }
}

static void draw_xattrs(struct m_node *n, struct dice *d)
{
    unsigned char value[300];
    unsigned perm = n->mode;

    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (unsigned char)roll(d, 256);
    if (one_in(d, 3) && !S_ISLNK(n->mode) && (S_ISREG(n->mode) || S_ISDIR(n->mode)))
        m_xattr_set(n, "user.l", value, roll(d, sizeof(value)));
    if (one_in(d, 6))
        m_xattr_set(n, "trusted.l", value, roll(d, 20));
    if (S_ISREG(n->mode) && one_in(d, 5))
        m_xattr_set(n, "security.capability", value, 20);
    if (!S_ISLNK(n->mode) && one_in(d, 8))
        m_xattr_set(n, "system.posix_acl_access", value,
                    m_acl(value, perm >> 6 & 7, roll(d, 8), perm & 7, 1, perm >> 3 & 7));
    if (S_ISDIR(n->mode) && one_in(d, 6))
        m_xattr_set(n, "system.posix_acl_default", value,
                    m_acl(value, roll(d, 8), roll(d, 8), roll(d, 8), (int)roll(d, 2), roll(d, 8)));
}

/* Attributes that a layer gives an object. */
static void draw_object(struct m_node *n, uint32_t type, struct dice *d)
{
    while (n->n_xattrs)
        m_xattr_remove(n, n->xattrs[0].name);
    n->lower = true;
    n->mode = type == S_IFLNK ? S_IFLNK | 0777 : type | roll(d, 01000) | (one_in(d, 4) ? roll(d, 8) << 9 : 0);
    n->uid = one_in(d, 2) ? 0 : roll(d, 3) * 1000;
    n->gid = one_in(d, 2) ? 0 : roll(d, 3) * 50;
    n->mtime = (struct timespec){(time_t)roll(d, 2000000000), roll(d, 1000000000)};
    n->atime = n->ctime = n->crtime = n->mtime;
    if (type == S_IFCHR || type == S_IFBLK) {
        n->major = roll(d, 4096);
        n->minor = roll(d, 1 << 20);
    }
    draw_xattrs(n, d);
}

static void draw_content(struct m_node *n, struct l_entry *e, struct dice *d)
{
    static const unsigned sizes[] = {0, 1, 4095, 4096, 4097, 8192, 20000, 65536, 70000, 300000};
    uint64_t blocks;

    e->seed = roll(d, 255);
    n->size = one_in(d, 2) ? sizes[roll(d, 10)] : roll(d, 20000);
    if (one_in(d, 6))
        n->size += UINT64_C(1) << (20 + roll(d, 21));
    blocks = (n->size + M_BLOCK - 1) / M_BLOCK;
    if (blocks > 80) {
        e->hole_from = roll(d, 40);
        e->hole_to = blocks - roll(d, 20);
    } else if (blocks > 1 && one_in(d, 2)) {
        e->hole_from = roll(d, (unsigned)blocks);
        e->hole_to = e->hole_from + roll(d, (unsigned)blocks);
    }
    for (uint64_t b = 0; b < blocks; b++) {
        unsigned char data[M_BLOCK];
        uint64_t end = (b + 1) * M_BLOCK < n->size ? (b + 1) * M_BLOCK : n->size, size = n->size;

        if (b >= e->hole_from && b < e->hole_to) {
            b = e->hole_to - 1;
            continue;
        }
        for (uint64_t at = b * M_BLOCK; at < end; at++)
            data[at - b * M_BLOCK] = l_byte(e, at);
        m_write(n, b * M_BLOCK, data, (size_t)(end - b * M_BLOCK));
        m_block_at(n, b)->own = false;
        n->size = size;
    }
}

/* A hard link to a file of this layer or one below. Returns whether one was made. */
static bool link_some(struct l_list *l, const struct part *p, struct dice *d, int dir, const char *text,
                      const char *path)
{
    for (int tries = 0; tries < 10; tries++) {
        int i = some_name(p->model, d);
        struct l_entry *e;

        if (i < 0 || m_is_dir(p->model, p->model->names[i].node))
            continue;
        e = l_add(l, FC_ENTRY_HARDLINK, path);
        e->target = path_of(p, p->model->names[i].dir, p->model->names[i].text, p->model->names[i].len);
        m_name_add(p->model, dir, text, strlen(text), p->model->names[i].node);
        p->model->nodes[p->model->names[i].node].nlink++;
        return true;
    }
    return false;
}

static void add_one(struct l_list *l, const struct part *p, struct dice *d)
{
    static const uint32_t types[] = {S_IFDIR, S_IFDIR, S_IFREG, S_IFREG, S_IFREG, S_IFREG,
                                     S_IFREG, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};
    struct model *m = p->model;
    int dir = some_dir(m, d), at, node;
    uint32_t type = types[roll(d, 12)];
    char text[16], *path;
    struct l_entry *e;

    snprintf(text, sizeof(text), "n%u", roll(d, 24));
    path = path_of(p, dir, text, strlen(text));
    at = m_find(m, dir, text, strlen(text));
    if (is_used(l, path))
        goto out;
    if (at >= 0 && !(type == S_IFDIR && m_is_dir(m, m->names[at].node))) {
        m_remove_tree(m, at);
        at = -1;
    }
    if (at < 0 && one_in(d, 6) && link_some(l, p, d, dir, text, path))
        goto out;
    node = at >= 0 ? m->names[at].node : m_node_new(m);
    if (at < 0) {
        m->nodes[node] = (struct m_node){.used = true, .nlink = type == S_IFDIR ? 2 : 1, .parent = dir};
        m->nodes[dir].nlink += type == S_IFDIR;
        m_name_add(m, dir, text, strlen(text), node);
    }
    e = l_add(l, FC_ENTRY_ADD, path);
    draw_object(&m->nodes[node], type, d);
    if (type == S_IFREG)
        draw_content(&m->nodes[node], e, d);
    if (type == S_IFLNK) {
        m->nodes[node].target = strdup(one_in(d, 2) ? "../n1" : "/n2/n3");
        m->nodes[node].size = strlen(m->nodes[node].target);
        e->target = strdup(m->nodes[node].target);
    }
    l_take(e, &m->nodes[node]);
out:
    free(path);
}

void l_draw(struct l_list *l, const struct part *p, struct dice *d, unsigned layer)
{
    if (layer == 0) {
        char base[16];
        struct l_entry *e;

        snprintf(base, sizeof(base), "%.*s", (int)strcspn(p->prefix, "/"), p->prefix);
        e = l_add(l, FC_ENTRY_ADD, base);
        draw_object(&p->model->nodes[0], S_IFDIR, d);
        l_take(e, &p->model->nodes[0]);
    } else {
        remove_some(l, p, d);
    }
    for (unsigned n = roll(d, L_ADDS) + 3; n > 0; n--)
        if (p->model->n_names < M_NAMES / 2)
            add_one(l, p, d);
}
