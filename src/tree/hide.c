/* SPDX-License-Identifier: Apache-2.0 */
/* The first phase of a layer: its whiteouts and opaque marks take away what the layers below put there. */
#include "tree/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What a node hides is looked up for all nodes before anything is removed, so that their order does not matter. */
struct victims {
    uint32_t *names, *dirs;
    size_t n_names, cap_names, n_dirs, cap_dirs;
};

/* The directory that @found (may be FC_TREE_NONE) stands for, or FC_TREE_NONE; only lack of memory is a failure. */
static int directory_behind(struct fc_apply *a, uint32_t dir, uint32_t found, const char *text, uint32_t *ret)
{
    int r = 0;

    *ret = FC_TREE_NONE;
    if (text)
        r = fc_work_resolve(a->w, dir, text, 0, &found);
    if (r == -ENOMEM)
        return r;
    if (r == 0 && found != FC_TREE_NONE && S_ISDIR(a->w->objects[found].type))
        *ret = found;
    return 0;
}

/* Where in the lower tree the children of @node act, FC_TREE_NONE for nowhere. The parent's place is known. */
static int place(struct fc_apply *a, uint32_t node, uint32_t *ret)
{
    const struct fc_layer_node *n = &a->view->nodes[node];
    uint32_t dir = a->node_dir[n->parent];
    uint32_t type = fc_apply_type(a, node), found;
    const char *text = NULL;

    *ret = FC_TREE_NONE;
    if (dir == FC_TREE_NONE || (type && !S_ISDIR(type) && !S_ISLNK(type)))
        return 0;
    found = fc_work_child(a->w, dir, fc_apply_name(a, node), n->name_len);
    if (S_ISLNK(type)) {
        /* The names below it are meant in the directory that the layer's own symlink leads to. */
        text = a->view->strings + a->view->inodes[n->inode].target;
        if (!*text)
            return 0;
    } else if (found != FC_TREE_NONE && S_ISLNK(a->w->objects[found].type)) {
        if (!fc_apply_implicit(a, node) && !a->options->keep_dirlinks)
            return 0;
        text = fc_work_target(a->w, found);
        if (!*text)
            return 0;
    }
    return directory_behind(a, dir, found, text, ret);
}

static int collect(struct fc_apply *a, uint32_t node, struct victims *v)
{
    const struct fc_layer_node *n = &a->view->nodes[node];
    uint32_t dir = a->node_dir[n->parent], name;
    int r = 0;

    if ((n->flags & FC_NODE_OPAQUE) && a->node_dir[node] != FC_TREE_NONE) {
        r = fc_grow(&v->dirs, &v->cap_dirs, v->n_dirs + 1, sizeof(*v->dirs));
        if (r == 0)
            v->dirs[v->n_dirs++] = a->node_dir[node];
    }
    if (r < 0 || !(n->flags & FC_NODE_WHITEOUT) || node == 0 || dir == FC_TREE_NONE)
        return r;
    name = fc_work_find(a->w, dir, fc_apply_name(a, node), n->name_len);
    if (name == FC_TREE_NONE || a->w->names[name].object == FC_TREE_NONE)
        return 0;
    r = fc_grow(&v->names, &v->cap_names, v->n_names + 1, sizeof(*v->names));
    if (r == 0)
        v->names[v->n_names++] = name;
    return r;
}

static int remove_all(struct fc_work *w, const struct victims *v)
{
    int r = 0;

    for (size_t i = 0; i < v->n_dirs && r == 0; i++)
        r = fc_work_clear(w, v->dirs[i]);
    for (size_t i = 0; i < v->n_names && r == 0; i++)
        r = fc_work_remove(w, v->names[i]);
    return r;
}

int fc_apply_hide(struct fc_apply *a)
{
    struct victims v = {0};
    int r = 0;

    if (!(a->marks[0] & FC_MARK_HIDES))
        return 0;
    a->node_dir[0] = 0;
    for (uint32_t i = 0; i < a->n_nodes && r == 0; i++) {
        if (!(a->marks[i] & FC_MARK_HIDES))
            continue;
        if (i > 0)
            r = place(a, i, &a->node_dir[i]);
        if (r == 0)
            r = collect(a, i, &v);
    }
    if (r == 0)
        r = remove_all(a->w, &v);
    free(v.names);
    free(v.dirs);
    /* The second phase looks again: it sees the layer's own objects too. */
    for (uint32_t i = 0; i < a->n_nodes; i++)
        a->node_dir[i] = FC_TREE_NONE;
    return r;
}
