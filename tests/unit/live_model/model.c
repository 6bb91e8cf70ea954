/* SPDX-License-Identifier: Apache-2.0 */
/* The model's inodes, names and attributes. */
#include "model.h"

struct dice dice_for(uint64_t seed, uint64_t number)
{
    struct dice d = {seed * UINT64_C(0x9e3779b97f4a7c15) ^ (number + 1) * UINT64_C(0xd1342543de82ef95)};

    roll64(&d);
    return d;
}

/* splitmix64 */
uint64_t roll64(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct model *m_new(void)
{
    struct model *m = calloc(1, sizeof(*m));

    for (int i = 0; i < M_NAMES; i++)
        m->names[i].node = -1;
    m->nodes[0] = (struct m_node){.used = true, .mode = S_IFDIR | 0755, .nlink = 2};
    return m;
}

static void free_parts(struct m_node *n)
{
    free(n->target);
    for (size_t i = 0; i < n->n_xattrs; i++) {
        free(n->xattrs[i].name);
        free(n->xattrs[i].value);
    }
    free(n->xattrs);
    m_blocks_free(n);
}

void m_free(struct model *m)
{
    if (!m)
        return;
    for (int i = 0; i < M_NODES; i++)
        free_parts(&m->nodes[i]);
    for (int i = 0; i < M_NAMES; i++)
        free(m->names[i].text);
    free(m);
}

static void copy_node(struct m_node *to, const struct m_node *from)
{
    *to = *from;
    to->target = from->target ? strdup(from->target) : NULL;
    to->xattrs = NULL;
    to->n_xattrs = 0;
    for (size_t i = 0; i < from->n_xattrs; i++)
        m_xattr_set(to, from->xattrs[i].name, from->xattrs[i].value, from->xattrs[i].size);
    m_blocks_copy(to, from);
}

struct model *m_clone(const struct model *m, bool whole)
{
    struct model *copy = calloc(1, sizeof(*copy));

    for (int i = 0; i < M_NODES; i++)
        if (m->nodes[i].used && (whole || m->nodes[i].nlink > 0))
            copy_node(&copy->nodes[i], &m->nodes[i]);
    for (int i = 0; i < M_NAMES; i++) {
        copy->names[i] = m->names[i];
        copy->names[i].text = m->names[i].text ? strdup(m->names[i].text) : NULL;
    }
    copy->n_names = m->n_names;
    copy->parent_ino = m->parent_ino;
    memcpy(copy->stale, m->stale, sizeof(m->stale));
    return copy;
}

int m_node_new(struct model *m)
{
    for (int i = 0; i < M_NODES; i++)
        if (!m->nodes[i].used)
            return i;
    return -1;
}

void m_node_drop(struct model *m, int node)
{
    struct m_node *n = &m->nodes[node];

    m->stale[n->ino % M_STALE] = n->ino;
    free_parts(n);
    memset(n, 0, sizeof(*n));
}

void m_reap(struct model *m, int node)
{
    if (m->nodes[node].nlink == 0 && m->nodes[node].refs == 0)
        m_node_drop(m, node);
}

int m_find(const struct model *m, int dir, const char *text, size_t len)
{
    for (int i = 0; i < M_NAMES; i++) {
        const struct m_name *e = &m->names[i];

        if (e->node >= 0 && e->dir == dir && e->len == len && memcmp(e->text, text, len) == 0)
            return i;
    }
    return -1;
}

int m_name_add(struct model *m, int dir, const char *text, size_t len, int node)
{
    for (int i = 0; i < M_NAMES; i++) {
        struct m_name *e = &m->names[i];

        if (e->node >= 0)
            continue;
        *e = (struct m_name){.dir = dir, .node = node, .len = (uint16_t)len, .text = strndup(text, len)};
        m->n_names++;
        return i;
    }
    return -1;
}

void m_name_remove(struct model *m, int name)
{
    free(m->names[name].text);
    m->names[name] = (struct m_name){.node = -1};
    m->n_names--;
}

int m_count(const struct model *m, int dir)
{
    int n = 0;

    for (int i = 0; i < M_NAMES; i++)
        n += m->names[i].node >= 0 && m->names[i].dir == dir;
    return n;
}

bool m_is_dir(const struct model *m, int node) { return S_ISDIR(m->nodes[node].mode); }

bool m_above(const struct model *m, int node, int dir)
{
    for (;; dir = m->nodes[dir].parent) {
        if (dir == node)
            return true;
        if (dir == 0)
            return false;
    }
}

void m_remove_tree(struct model *m, int name)
{
    int dir = m->names[name].dir, node = m->names[name].node;
    bool is_dir = m_is_dir(m, node);

    for (int i = 0; i < M_NAMES && is_dir; i++)
        if (m->names[i].node >= 0 && m->names[i].dir == node)
            m_remove_tree(m, i);
    m_name_remove(m, name);
    m->nodes[dir].nlink -= is_dir;
    m->nodes[node].nlink = is_dir ? 0 : m->nodes[node].nlink - 1;
    if (m->nodes[node].nlink == 0) {
        free_parts(&m->nodes[node]);
        memset(&m->nodes[node], 0, sizeof(m->nodes[node]));
    }
}

const char *m_path(const struct model *m, int dir)
{
    static _Thread_local char path[4096];
    size_t at = sizeof(path) - 1;

    path[at] = '\0';
    while (dir != 0) {
        int i;

        for (i = 0; i < M_NAMES; i++)
            if (m->names[i].node == dir)
                break;
        if (i == M_NAMES || at < m->names[i].len + 1u)
            return "?/";
        path[--at] = '/';
        at -= m->names[i].len;
        memcpy(path + at, m->names[i].text, m->names[i].len);
        dir = m->names[i].dir;
    }
    return path + at;
}

struct m_xattr *m_xattr(struct m_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_xattrs; i++)
        if (strcmp(n->xattrs[i].name, name) == 0)
            return &n->xattrs[i];
    return NULL;
}

void m_xattr_set(struct m_node *n, const char *name, const void *value, size_t size)
{
    struct m_xattr *x = m_xattr(n, name);
    size_t i = n->n_xattrs;

    if (!x) {
        n->xattrs = realloc(n->xattrs, (n->n_xattrs + 1) * sizeof(*x));
        for (; i > 0 && strcmp(n->xattrs[i - 1].name, name) > 0; i--)
            n->xattrs[i] = n->xattrs[i - 1];
        x = &n->xattrs[i];
        *x = (struct m_xattr){.name = strdup(name)};
        n->n_xattrs++;
    }
    free(x->value);
    x->value = malloc(size + 1);
    if (size)
        memcpy(x->value, value, size);
    x->size = size;
}

bool m_xattr_remove(struct m_node *n, const char *name)
{
    struct m_xattr *x = m_xattr(n, name);

    if (!x)
        return false;
    free(x->name);
    free(x->value);
    n->n_xattrs--;
    memmove(x, x + 1, (size_t)(n->xattrs + n->n_xattrs - x) * sizeof(*x));
    return true;
}
