/* SPDX-License-Identifier: Apache-2.0 */
/* Check names: what each leads to, and that every directory is in one place, by a walk over the merged tree. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "workspace/check_private.h"

uint32_t ws_check_node(const struct ws_pass *p, uint64_t ino)
{
    uint32_t i = ino ? fc_tree_by_ino(p->tree, ino) : FC_TREE_NONE;
    uint64_t row;

    if (i != FC_TREE_NONE)
        return i;
    return fc_map_get(&p->by_ino, ino, &row) ? p->n_lower + (uint32_t)row : FC_TREE_NONE;
}

uint64_t ws_node_ino(const struct ws_pass *p, uint32_t node)
{
    return node < p->n_lower ? p->lower[node].ino : p->rows->inodes[node - p->n_lower].i.ino;
}

bool ws_node_is_dir(const struct ws_pass *p, uint32_t node)
{
    const struct fc_row_inode *row = ws_check_row(p, ws_node_ino(p, node));

    /* The edits' own objects end with their rows. */
    if (!row && node >= p->n_lower)
        return false;
    return S_ISDIR(row ? row->i.mode : p->lower[node].mode);
}

uint32_t ws_lower_child(const struct ws_pass *p, uint32_t node, const char *name, size_t len)
{
    const struct fc_tree_dentry *d;

    if (node >= p->n_lower || !S_ISDIR(p->lower[node].mode))
        return FC_TREE_NONE;
    d = fc_tree_lookup(p->tree, node, name, len);
    return d ? d->inode : FC_TREE_NONE;
}

static int compare_name(const struct fc_row_dentry *d, uint64_t parent, const char *name, size_t len)
{
    int r;

    if (d->parent != parent)
        return d->parent < parent ? -1 : 1;
    r = memcmp(d->name, name, d->len < len ? d->len : len);
    return r ? r : d->len < len ? -1 : d->len > len;
}

struct fc_row_dentry *ws_check_dentry(const struct ws_pass *p, uint64_t parent, const char *name, size_t len)
{
    size_t lo = 0, hi = p->rows->n_dentries;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (compare_name(&p->rows->dentries[mid], parent, name, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* Of a name that comes twice the first is dropped. */
    for (; lo < p->rows->n_dentries && compare_name(&p->rows->dentries[lo], parent, name, len) == 0; lo++)
        if (!p->rows->dentries[lo].drop)
            return &p->rows->dentries[lo];
    return NULL;
}

void ws_add_name(struct ws_pass *p, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
    if (fc_grow(&p->adds, &p->cap_adds, p->n_adds + 1, sizeof(*p->adds)) < 0)
        p->no_memory = true;
    else
        p->adds[p->n_adds++] = (struct ws_new_name){parent, ino, name, len};
    p->rows->changed |= FC_ROWS_DENTRIES;
}

static void drop_name(struct ws_pass *p, struct fc_row_dentry *row)
{
    row->drop = true;
    p->rows->changed |= FC_ROWS_DENTRIES;
}

/* The walk */

static void reach(struct ws_pass *p, uint32_t parent, const char *name, size_t len, uint32_t child,
                  struct fc_row_dentry *row)
{
    struct ws_place *to = &p->places[child];

    to->parent = parent;
    to->name = name;
    to->len = len;
    to->row = row;
}

/* Whether @node is @ancestor or below it. */
static bool is_inside(const struct ws_pass *p, uint32_t node, uint32_t ancestor)
{
    for (size_t i = 0; i <= p->n_places && node != FC_TREE_NONE; i++) {
        if (node == ancestor)
            return true;
        if (node == 0)
            return false;
        node = p->places[node].parent;
    }
    return false;
}

/* A directory that was met before, by another name. The user's own names count more than a layer's. */
static void second_place(struct ws_pass *p, uint32_t parent, const char *name, size_t len, uint32_t child,
                         struct fc_row_dentry *row)
{
    struct ws_place *first = &p->places[child];
    struct fc_finding head = {.error = true, .code = "two-places", .table = "dentry", .ino = ws_node_ino(p, parent)};
    uint32_t shown;

    head.name = (char *)(uintptr_t)name;
    head.name_len = len;
    fc_findings_add(p->found, &head,
                    !row || (!first->row && !is_inside(p, parent, child)) ? "keeps the place that the edits "
                                                                            "gave it"
                                                                          : "removes this name",
                    "this directory (inode %llu) has another place too", (unsigned long long)ws_node_ino(p, child));
    if (!row) {
        ws_add_name(p, ws_node_ino(p, parent), name, len, 0);
        return;
    }
    if (child != 0 && !first->row && !is_inside(p, parent, child)) {
        ws_add_name(p, ws_node_ino(p, first->parent), first->name, first->len, 0);
        reach(p, parent, name, len, child, row);
        return;
    }
    drop_name(p, row);
    shown = ws_lower_child(p, parent, name, len);
    if (shown != FC_TREE_NONE && shown != child)
        ws_visit(p, parent, name, len, shown, NULL);
}

void ws_visit(struct ws_pass *p, uint32_t parent, const char *name, size_t len, uint32_t child,
              struct fc_row_dentry *row)
{
    struct ws_place *to = &p->places[child];

    if (!ws_node_is_dir(p, child)) {
        if (to->names++ == 0)
            reach(p, parent, name, len, child, row);
        return;
    }
    if (to->names) {
        second_place(p, parent, name, len, child, row);
        return;
    }
    to->names = 1;
    reach(p, parent, name, len, child, row);
    p->queue[p->queued++] = child;
}

static void read_dir(struct ws_pass *p, uint32_t node)
{
    uint64_t ino = ws_node_ino(p, node);
    struct fc_rows *r = p->rows;

    if (node < p->n_lower && S_ISDIR(p->lower[node].mode)) {
        const struct fc_tree_inode *t = &p->lower[node];

        for (uint32_t k = 0; k < t->n_dentries; k++) {
            const struct fc_tree_dentry *d = &p->lower_dentries[t->first_dentry + k];

            if (!ws_check_dentry(p, ino, d->name, d->name_len))
                ws_visit(p, node, d->name, d->name_len, d->inode, NULL);
        }
    }
    for (size_t i = fc_rows_first_dentry(r, ino); i < r->n_dentries && r->dentries[i].parent == ino; i++) {
        struct fc_row_dentry *d = &r->dentries[i];

        if (!d->drop && d->ino)
            ws_visit(p, node, d->name, d->len, ws_check_node(p, d->ino), d);
    }
}

void ws_drain(struct ws_pass *p)
{
    while (p->n_queue < p->queued)
        read_dir(p, p->queue[p->n_queue++]);
}

/* Rows by themselves */

static void check_target(struct ws_pass *p, struct fc_row_dentry *d)
{
    struct fc_finding head = {.error = true,
                              .code = "name-nowhere",
                              .table = "dentry",
                              .ino = d->parent,
                              .name = (char *)(uintptr_t)d->name,
                              .name_len = d->len};
    uint32_t parent = ws_check_node(p, d->parent);
    bool shows = parent != FC_TREE_NONE && ws_lower_child(p, parent, d->name, d->len) != FC_TREE_NONE;

    if (d->ino == 0 && !shows) {
        head.error = false;
        head.code = "whiteout";
        fc_findings_add(p->found, &head, "removes the mark", "it is marked as deleted, and no layer has it");
        drop_name(p, d);
    } else if (d->ino == 1) {
        fc_findings_add(p->found, &head, "removes the name", "it leads to the root of the tree");
        drop_name(p, d);
    } else if (d->ino && ws_check_node(p, d->ino) == FC_TREE_NONE) {
        fc_findings_add(p->found, &head,
                        shows ? "removes the name; the layer's object of that name shows again" : "removes the name",
                        "it leads to inode %llu, which is lost", (unsigned long long)d->ino);
        drop_name(p, d);
    }
}

static int add_names(struct ws_pass *p, struct fc_error *err)
{
    for (size_t i = 0; i < p->n_adds && !p->no_memory; i++) {
        const struct ws_new_name *n = &p->adds[i];
        struct fc_row_dentry *old = ws_check_dentry(p, n->parent, n->name, n->len);

        if (old)
            old->drop = true;
    }
    for (size_t i = 0; i < p->n_adds && !p->no_memory; i++)
        p->no_memory |=
            !fc_rows_add_dentry(p->rows, p->adds[i].parent, p->adds[i].name, p->adds[i].len, p->adds[i].ino);
    return p->no_memory ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

int ws_check_names(struct ws_pass *p, struct fc_error *err)
{
    struct fc_rows *r = p->rows;
    int rc;

    for (size_t i = 0; i < r->n_dentries; i++)
        if (!r->dentries[i].drop)
            check_target(p, &r->dentries[i]);
    /* And one for a folder of lost things. */
    p->n_places = (size_t)p->n_lower + r->n_inodes + 1;
    if (p->n_places >= FC_TREE_NONE)
        return fc_fail(err, EOVERFLOW, "%s: too many objects", p->dir);
    p->places = calloc(p->n_places, sizeof(*p->places));
    p->queue = calloc(p->n_places, sizeof(*p->queue));
    if (!p->places || !p->queue)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < p->n_places; i++)
        p->places[i].parent = FC_TREE_NONE;
    p->places[0].names = 1;
    p->queue[p->queued++] = 0;
    ws_drain(p);
    rc = ws_check_lost(p, err);
    return rc == 0 ? add_names(p, err) : rc;
}

/* Paths */

/* Put the path of @node in front of what @out holds. */
static int path_of(const struct ws_pass *p, uint32_t node, struct fc_buf *out)
{
    fc_auto(fc_free) uint32_t *chain = NULL;
    size_t n = 0, cap = 0;
    int r = 0;

    for (; node != 0; node = p->places[node].parent) {
        if (node == FC_TREE_NONE || !p->places[node].names || n > p->n_places)
            return -ENOENT;
        if (fc_grow(&chain, &cap, n + 1, sizeof(*chain)) < 0)
            return -ENOMEM;
        chain[n++] = node;
    }
    while (n-- > 0 && r == 0) {
        const struct ws_place *at = &p->places[chain[n]];

        r = out->len ? fc_buf_adds(out, "/") : 0;
        if (r == 0)
            r = fc_buf_add(out, at->name, at->len);
    }
    return r;
}

void ws_check_paths(struct ws_pass *p)
{
    for (size_t i = 0; i < p->found->n && p->places; i++) {
        struct fc_finding *f = &p->found->items[i];
        struct fc_buf path = {0};
        uint32_t node = f->ino ? ws_check_node(p, f->ino) : FC_TREE_NONE;
        int r = node == FC_TREE_NONE ? -ENOENT : path_of(p, node, &path);

        if (r == 0 && f->name) {
            r = path.len ? fc_buf_adds(&path, "/") : 0;
            if (r == 0)
                r = fc_buf_add(&path, f->name, f->name_len);
        }
        if (r == 0)
            r = fc_buf_adds(&path, "");
        if (r == 0)
            f->path = path.data;
        else
            fc_buf_release(&path);
    }
}
