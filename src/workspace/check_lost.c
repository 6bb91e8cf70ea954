/* SPDX-License-Identifier: Apache-2.0 */
/* Find what no name leads to, and give it one under /lost+found. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "workspace/check_private.h"

static const char folder[] = "lost+found";

static bool reached(const struct ws_pass *p, uint32_t node) { return p->places[node].names > 0; }

/* A name of @node that is not taken: @base, or with a number behind it. */
static const char *free_name(struct ws_pass *p, uint32_t node, const char *base)
{
    uint64_t ino = ws_node_ino(p, node);
    char name[64];

    for (unsigned i = 1; i < 10000; i++) {
        int len = snprintf(name, sizeof(name), i == 1 ? "%s" : "%s-%u", base, i);

        if (!ws_check_dentry(p, ino, name, (size_t)len) && ws_lower_child(p, node, name, (size_t)len) == FC_TREE_NONE)
            return fc_arena_copy(&p->rows->arena, name, (size_t)len);
    }
    return NULL;
}

/* The folder, made if there is none. Its row needs the last place of the tables, so it is made once. */
static int find_folder(struct ws_pass *p, struct fc_error *err)
{
    const struct fc_row_dentry *d = ws_check_dentry(p, 1, folder, strlen(folder));
    uint32_t node =
        d ? (d->ino ? ws_check_node(p, d->ino) : FC_TREE_NONE) : ws_lower_child(p, 0, folder, strlen(folder));
    struct timespec now = {.tv_sec = time(NULL)};
    struct fc_edit_inode i = {
        .mode = S_IFDIR | 0700, .nlink = 2, .atime = now, .mtime = now, .ctime = now, .crtime = now};
    const char *name;

    if (node != FC_TREE_NONE && reached(p, node) && ws_node_is_dir(p, node)) {
        p->lost_found = node;
        return 0;
    }
    i.ino = fc_check_new_ino(p->check);
    /* Deleted there before: its mark is replaced. */
    name = d && !d->ino ? folder : free_name(p, 0, folder);
    if (!name || !fc_rows_add_inode(p->rows, &i) || fc_map_set(&p->by_ino, i.ino, p->rows->n_inodes - 1) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    p->rows->changed |= FC_ROWS_INODES;
    p->lost_found = p->n_lower + (uint32_t)p->rows->n_inodes - 1;
    ws_add_name(p, 1, name, strlen(name), i.ino);
    ws_visit(p, 0, name, strlen(name), p->lost_found, NULL);
    return 0;
}

static int adopt(struct ws_pass *p, uint32_t node, struct fc_error *err)
{
    uint64_t ino = ws_node_ino(p, node);
    const char *name;
    char base[32];
    int r = p->lost_found == FC_TREE_NONE ? find_folder(p, err) : 0;

    if (r < 0)
        return r;
    snprintf(base, sizeof(base), "#%llu", (unsigned long long)ino);
    name = free_name(p, p->lost_found, base);
    if (!name)
        return fc_fail(err, ENOMEM, "out of memory");
    fc_findings_add(p->found, &(struct fc_finding){.error = true, .code = "lost", .table = "inode", .ino = ino},
                    "gives it this name", "no name leads to this %s", ws_node_is_dir(p, node) ? "directory" : "object");
    ws_add_name(p, ws_node_ino(p, p->lost_found), name, strlen(name), ino);
    ws_visit(p, p->lost_found, name, strlen(name), node, NULL);
    ws_drain(p);
    return 0;
}

/* Nodes that should have a name and have none: what has a row, or has rows of names in it. */
static uint32_t *candidates(struct ws_pass *p, size_t *ret_n)
{
    const struct fc_rows *r = p->rows;
    uint32_t *list = calloc(r->n_inodes + r->n_dentries + 1, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; list && i < r->n_inodes; i++) {
        uint32_t node = r->inodes[i].drop ? FC_TREE_NONE : ws_check_node(p, r->inodes[i].i.ino);

        if (node != FC_TREE_NONE && !reached(p, node))
            list[n++] = node;
    }
    for (size_t i = 0; list && i < r->n_dentries; i++) {
        uint32_t node =
            r->dentries[i].drop || !r->dentries[i].ino ? FC_TREE_NONE : ws_check_node(p, r->dentries[i].parent);

        if (node != FC_TREE_NONE && !reached(p, node) && !ws_check_row(p, r->dentries[i].parent) &&
            (n == 0 || list[n - 1] != node))
            list[n++] = node;
    }
    *ret_n = n;
    return list;
}

/* Open and unlinked when the program was killed: that was to go. */
static bool was_unlinked(struct ws_pass *p, uint32_t node)
{
    struct fc_row_inode *row = ws_check_row(p, ws_node_ino(p, node));

    if (!row || row->i.nlink || S_ISDIR(row->i.mode))
        return false;
    fc_findings_add(p->found, &(struct fc_finding){.code = "unlinked", .table = "inode", .ino = row->i.ino},
                    "removes what is left of it", "it was deleted while it was open");
    row->drop = true;
    fc_map_del(&p->by_ino, row->i.ino);
    p->rows->changed |= FC_ROWS_INODES;
    return true;
}

/* Mark what has a name in one of @list, which is itself not reached: it comes back with that. */
static void mark_named(const struct ws_pass *p, const uint32_t *list, size_t n, unsigned char *named)
{
    const struct fc_rows *r = p->rows;

    for (size_t i = 0; i < n; i++) {
        uint64_t ino = ws_node_ino(p, list[i]);
        const struct fc_tree_inode *t = list[i] < p->n_lower ? &p->lower[list[i]] : NULL;

        if (!ws_node_is_dir(p, list[i]))
            continue;
        for (size_t k = fc_rows_first_dentry(r, ino); k < r->n_dentries && r->dentries[k].parent == ino; k++)
            if (!r->dentries[k].drop && r->dentries[k].ino && ws_check_node(p, r->dentries[k].ino) != list[i])
                named[ws_check_node(p, r->dentries[k].ino)] = 1;
        for (uint32_t k = 0; t && S_ISDIR(t->mode) && k < t->n_dentries; k++) {
            const struct fc_tree_dentry *d = &p->lower_dentries[t->first_dentry + k];

            if (!ws_check_dentry(p, ino, d->name, d->name_len))
                named[d->inode] = 1;
        }
    }
}

/* Directories that contain each other: the name by which one is in the circle goes. */
static void break_circle(struct ws_pass *p, uint32_t node)
{
    uint64_t ino = ws_node_ino(p, node);
    struct fc_rows *r = p->rows;

    for (size_t i = 0; i < r->n_dentries; i++) {
        struct fc_row_dentry *d = &r->dentries[i];
        uint32_t parent = d->drop || d->ino != ino ? FC_TREE_NONE : ws_check_node(p, d->parent);

        if (parent == FC_TREE_NONE || reached(p, parent))
            continue;
        fc_findings_add(p->found,
                        &(struct fc_finding){.error = true,
                                             .code = "circle",
                                             .table = "dentry",
                                             .ino = d->parent,
                                             .name = (char *)(uintptr_t)d->name,
                                             .name_len = d->len},
                        "removes this name", "this directory contains itself");
        d->drop = true;
        r->changed |= FC_ROWS_DENTRIES;
    }
}

int ws_check_lost(struct ws_pass *p, struct fc_error *err)
{
    fc_auto(fc_free) unsigned char *named = calloc(p->n_places, 1);
    fc_auto(fc_free) uint32_t *list = NULL;
    size_t n;
    int r = 0;

    list = candidates(p, &n);
    if (!named || !list)
        return fc_fail(err, ENOMEM, "out of memory");
    mark_named(p, list, n, named);
    for (size_t i = 0; i < n && r == 0; i++)
        if (!named[list[i]] && !reached(p, list[i]) && !was_unlinked(p, list[i]))
            r = adopt(p, list[i], err);
    /* What is left has names only in directories that have none but in each other. */
    for (size_t i = 0; i < n && r == 0; i++) {
        if (reached(p, list[i]) || !ws_node_is_dir(p, list[i]))
            continue;
        break_circle(p, list[i]);
        r = adopt(p, list[i], err);
    }
    return r;
}
