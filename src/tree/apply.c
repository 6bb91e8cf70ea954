/* SPDX-License-Identifier: Apache-2.0 */
/* Put one layer on top of a tree: what it hides, then its nodes in the order of the archive. */
#include "tree/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

/* The node's path, built backwards because only parents are known; cut at the front when it is long. */
static void show_path(const struct fc_apply *a, uint32_t node, char *out, size_t size)
{
    char raw[300];
    size_t at = sizeof(raw);

    for (; node != 0; node = a->view->nodes[node].parent) {
        const struct fc_layer_node *n = &a->view->nodes[node];

        if (n->name_len + 5u > at) {
            at -= 3;
            memcpy(raw + at, "...", 3);
            break;
        }
        if (at < sizeof(raw))
            raw[--at] = '/';
        at -= n->name_len;
        memcpy(raw + at, fc_apply_name(a, node), n->name_len);
    }
    fc_name_show(out, size, raw + at, sizeof(raw) - at);
}

/* Record a failure with the layer's short name, the node's path, and, for a hard link, its place in the tar. */
static int fail_at(const struct fc_apply *a, uint32_t node, int code, const char *what)
{
    char digest[FC_DIGEST_TEXT], path[400];
    uint32_t block = a->view->nodes[node].block;

    fc_digest_format(fc_layer_diffid(a->w->layers[a->position].layer), digest);
    show_path(a, node, path, sizeof(path));
    if (block)
        return fc_fail(a->err, code, "layer %.12s: /%s: at offset %llu: %s", digest + strlen("sha256:"), path,
                       512ull * block, what);
    return fc_fail(a->err, code, "layer %.12s: /%s: %s", digest + strlen("sha256:"), path, what);
}

/* A failure of the work tree in words. */
static int explain(const struct fc_apply *a, uint32_t node, int r)
{
    switch (-r) {
    case ELOOP:
        return fail_at(a, node, EBADMSG, "too many symlinks on the way (a loop?)");
    case ENAMETOOLONG:
        return fail_at(a, node, EBADMSG, "a symlink on the way has a component of more than 255 bytes");
    case EFBIG:
        return fail_at(a, node, EFBIG, "too many objects in the tree");
    default:
        return fc_fail_errno(a->err, -r, "cannot fold the layers");
    }
}

/* The object of the layer's inode: the first node that shows it makes it, later ones are hard links to it. */
static int object_of(struct fc_apply *a, uint32_t inode, uint32_t *ret)
{
    int r;

    if (a->inode_object[inode] == FC_TREE_NONE) {
        r = fc_work_add_object(a->w, a->w->layers[a->position].first_ino + inode, a->position, inode,
                               a->view->inodes[inode].mode & S_IFMT, &a->inode_object[inode]);
        if (r < 0)
            return r;
    }
    *ret = a->inode_object[inode];
    return 0;
}

/* A new directory at @node, in place of whatever was there. */
static int put_directory(struct fc_apply *a, uint32_t node, uint32_t dir, uint32_t *ret)
{
    const struct fc_layer_node *n = &a->view->nodes[node];
    struct fc_work *w = a->w;
    uint32_t inode = n->inode;
    int r;

    if (inode != FC_LAYER_NONE && S_ISDIR(a->view->inodes[inode].mode) && a->inode_object[inode] == FC_TREE_NONE) {
        r = object_of(a, inode, ret);
    } else {
        /* The layer's number for it is taken: the directory was removed again through another path, or is a symlink. */
        r = fc_work_add_object(w, FC_WORK_MADE_UP + w->n_made_up, FC_TREE_NONE, 0, S_IFDIR, ret);
        if (r == 0)
            w->n_made_up++;
    }
    return r < 0 ? r : fc_work_put(w, dir, fc_apply_name(a, node), n->name_len, *ret);
}

/*
 * Go from @dir down to the directory that @node stands for, as an entry below it needs it: through a symlink inside the
 * root, made if it is missing, in place of what is no directory. A symlink that leads to no directory is replaced
 * itself, which harms less than replacing what it points to.
 */
static int enter(struct fc_apply *a, uint32_t node, uint32_t dir, uint32_t *ret)
{
    const struct fc_layer_node *n = &a->view->nodes[node];
    uint32_t found = fc_work_child(a->w, dir, fc_apply_name(a, node), n->name_len);
    uint32_t link = found;
    int r;

    if (found != FC_TREE_NONE && S_ISLNK(a->w->objects[found].type)) {
        const char *text = fc_work_target(a->w, link);

        r = *text ? fc_work_resolve(a->w, dir, text, FC_RESOLVE_CREATE, &found) : -ENOTDIR;
        if (r == 0 && S_ISDIR(a->w->objects[found].type)) {
            *ret = found;
            a->link_node = node;
            a->link_dir = found;
            a->link_generation = a->w->generation;
            return 0;
        }
        if (r < 0 && r != -ENOTDIR)
            return r;
    } else if (found != FC_TREE_NONE && S_ISDIR(a->w->objects[found].type)) {
        *ret = found;
        a->node_dir[node] = found;
        return 0;
    }
    r = put_directory(a, node, dir, ret);
    if (r == 0)
        a->node_dir[node] = *ret;
    return r;
}

/* Whether the directory of @node is known and still in the tree. */
static bool known_dir(const struct fc_apply *a, uint32_t node, uint32_t *ret)
{
    if (node == a->link_node && a->link_generation == a->w->generation) {
        *ret = a->link_dir;
        return true;
    }
    *ret = a->node_dir[node];
    return *ret != FC_TREE_NONE && !a->w->objects[*ret].dead;
}

/* The directory that @node is or leads to. Climbs to the next one that is known, then goes down from there. */
static int directory_of(struct fc_apply *a, uint32_t node, uint32_t *ret)
{
    uint32_t dir;
    size_t n = 0;
    int r;

    while (!known_dir(a, node, &dir)) {
        r = fc_grow(&a->chain, &a->cap_chain, n + 1, sizeof(*a->chain));
        if (r < 0)
            return r;
        a->chain[n++] = node;
        node = a->view->nodes[node].parent;
    }
    while (n) {
        r = enter(a, a->chain[--n], dir, &dir);
        if (r < 0)
            return r;
    }
    *ret = dir;
    return 0;
}

/* A directory that an entry describes. */
static int apply_directory(struct fc_apply *a, uint32_t node, uint32_t dir)
{
    const struct fc_layer_node *n = &a->view->nodes[node];
    struct fc_work *w = a->w;
    uint32_t found = fc_work_child(w, dir, fc_apply_name(a, node), n->name_len), behind;

    if (found != FC_TREE_NONE && S_ISDIR(w->objects[found].type)) {
        w->objects[found].layer = a->position;
        w->objects[found].layer_inode = n->inode;
        a->node_dir[node] = found;
        return 0;
    }
    if (found != FC_TREE_NONE && S_ISLNK(w->objects[found].type) && a->options->keep_dirlinks &&
        fc_work_resolve(w, dir, fc_apply_name(a, node), 0, &behind) == 0 && S_ISDIR(w->objects[behind].type)) {
        a->node_dir[node] = behind;
        return 0;
    }
    return put_directory(a, node, dir, &a->node_dir[node]);
}

/* The object that a hard link entry leads to: below, at its path in the tree as it is now, or the layer's own. */
static int link_target(struct fc_apply *a, uint32_t node, uint32_t *ret)
{
    const struct fc_layer_node *n = &a->view->nodes[node];
    int r = fc_work_resolve(a->w, 0, a->view->strings + n->link, FC_RESOLVE_NO_FOLLOW, ret);

    if (r == 0 && !S_ISDIR(a->w->objects[*ret].type))
        return 0;
    if (n->inode != FC_LAYER_NONE) {
        r = object_of(a, n->inode, ret);
        return r < 0 ? explain(a, node, r) : 0;
    }
    if (r == 0)
        return fail_at(a, node, EBADMSG, "is a hard link to a directory");
    if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -ENAMETOOLONG)
        return fail_at(a, node, EBADMSG, "is a hard link to a path that neither this layer nor one below has");
    return explain(a, node, r);
}

static int apply_node(struct fc_apply *a, uint32_t node)
{
    const struct fc_layer_node *n = &a->view->nodes[node];
    bool is_link = n->flags & FC_NODE_LINK;
    uint32_t dir, object;
    int r;

    if ((n->inode == FC_LAYER_NONE && !is_link) || !(a->marks[node] & FC_MARK_OBJECT))
        return 0;
    r = directory_of(a, n->parent, &dir);
    if (r < 0)
        return explain(a, node, r);
    if (is_link) {
        r = link_target(a, node, &object);
        if (r < 0)
            return r;
    } else if (fc_apply_implicit(a, node)) {
        r = enter(a, node, dir, &object);
        return r < 0 ? explain(a, node, r) : 0;
    } else if (S_ISDIR(a->view->inodes[n->inode].mode)) {
        r = apply_directory(a, node, dir);
        return r < 0 ? explain(a, node, r) : 0;
    } else {
        r = object_of(a, n->inode, &object);
    }
    if (r == 0)
        r = fc_work_put(a->w, dir, fc_apply_name(a, node), n->name_len, object);
    return r < 0 ? explain(a, node, r) : 0;
}

/* Children have larger numbers than their parents, so one pass backwards tells every parent. */
static void mark_nodes(struct fc_apply *a)
{
    for (uint32_t i = a->n_nodes; i-- > 0;) {
        const struct fc_layer_node *n = &a->view->nodes[i];

        if (n->flags & (FC_NODE_WHITEOUT | FC_NODE_OPAQUE))
            a->marks[i] |= FC_MARK_HIDES;
        if (!fc_apply_implicit(a, i) || (n->flags & (FC_NODE_LINK | FC_NODE_OPAQUE)))
            a->marks[i] |= FC_MARK_OBJECT;
        a->marks[n->parent] |= a->marks[i];
    }
}

static void apply_root(struct fc_apply *a)
{
    uint32_t inode = a->view->nodes[0].inode;

    a->node_dir[0] = 0;
    if (fc_apply_implicit(a, 0) || !S_ISDIR(a->view->inodes[inode].mode))
        return;
    a->w->objects[0].layer = a->position;
    a->w->objects[0].layer_inode = inode;
}

int fc_tree_apply(struct fc_work *w, uint32_t position, const struct fc_tree_options *options, struct fc_error *err)
{
    const struct fc_layer_view *view = fc_layer_view(w->layers[position].layer);
    struct fc_apply a = {
        .w = w,
        .position = position,
        .options = options,
        .view = view,
        .n_nodes = view->header->n_nodes,
        .link_node = FC_LAYER_NONE,
        .err = err,
    };
    fc_auto(fc_free) uint8_t *marks = calloc((size_t)a.n_nodes + 1, 1);
    fc_auto(fc_free) uint32_t *dirs = malloc(((size_t)a.n_nodes + view->header->n_inodes + 1) * sizeof(*dirs));
    int r;

    if (!marks || !dirs)
        return fc_fail_errno(err, ENOMEM, "cannot fold the layers");
    if (a.n_nodes == 0)
        return 0;
    memset(dirs, 0xff, ((size_t)a.n_nodes + view->header->n_inodes) * sizeof(*dirs));
    a.marks = marks;
    a.node_dir = dirs;
    a.inode_object = dirs + a.n_nodes;
    mark_nodes(&a);
    r = fc_apply_hide(&a);
    if (r < 0)
        return explain(&a, 0, r);
    apply_root(&a);
    for (uint32_t i = 1; i < a.n_nodes && r == 0; i++)
        r = apply_node(&a, i);
    free(a.chain);
    return r;
}
