/* SPDX-License-Identifier: Apache-2.0 */
/* Take entries into a layer under construction: what an entry does to the nodes and inodes met so far. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "layer/builder.h"

/* A failure at an entry: names layer, entry and offset. */
static int FC_PRINTF(5, 6) fail_at(const struct fc_layer_builder *b, const struct fc_entry *e, int code,
                                   struct fc_error *err, const char *fmt, ...)
{
    char words[256], name[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(words, sizeof(words), fmt, ap);
    va_end(ap);
    fc_name_show(name, sizeof(name), e->path, strlen(e->path));
    return fc_fail(err, code, "%s: entry \"%s\" at offset %llu: %s", b->label, *name ? name : "/",
                   (unsigned long long)e->offset, words);
}

static int fail_errno(const struct fc_layer_builder *b, const struct fc_entry *e, int r, struct fc_error *err)
{
    if (r == -EOVERFLOW)
        return fail_at(b, e, EOVERFLOW, err, "the layer has too many names for one index (2^32 paths, 4 GiB of names)");
    if (r == -ENOMEM)
        return fail_at(b, e, ENOMEM, err, "out of memory");
    return fail_at(b, e, -r, err, "cannot write the layer into the cache: %s", strerror(-r));
}

static bool is_kind(const struct fc_layer_builder *b, uint32_t node, uint32_t kind)
{
    uint32_t inode = b->trie.nodes[node].inode;

    return inode != FC_LAYER_NONE && (b->inodes[inode].mode & S_IFMT) == kind;
}

static int new_inode(struct fc_layer_builder *b, uint32_t *ret_inode)
{
    int r;

    if (b->n_inodes >= FC_LAYER_NONE - 1)
        return -EOVERFLOW;
    r = fc_grow(&b->inodes, &b->cap_inodes, b->n_inodes + 1, sizeof(*b->inodes));
    if (r < 0)
        return r;
    b->inodes[b->n_inodes] = (struct fc_layer_inode){.target = FC_LAYER_NONE};
    *ret_inode = (uint32_t)b->n_inodes++;
    return 0;
}

/* Make @node a directory that no entry describes. */
static int make_implicit(struct fc_layer_builder *b, uint32_t node)
{
    struct fc_trie_node *n;
    uint32_t inode;
    int r = new_inode(b, &inode);

    if (r < 0)
        return r;
    b->inodes[inode].mode = S_IFDIR | 0755;
    b->inodes[inode].flags = FC_INODE_IMPLICIT;
    n = &b->trie.nodes[node];
    n->inode = inode;
    n->link = FC_LAYER_NONE;
    n->flags &= (uint16_t)~FC_NODE_LINK;
    return 0;
}

/* A node that is about to have children is a directory, or a symlink, which the fold follows. */
static int make_parent(struct fc_layer_builder *b, uint32_t node)
{
    if (!(b->trie.nodes[node].flags & FC_NODE_LINK) && (is_kind(b, node, S_IFDIR) || is_kind(b, node, S_IFLNK)))
        return 0;
    return make_implicit(b, node);
}

static int bad_name(const char *name, size_t len)
{
    return len == 0 || len > FC_NAME_MAX || (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

/* Find or make the node of @e->path and the parents that it needs. */
static int reach_node(struct fc_layer_builder *b, const struct fc_entry *e, uint32_t *ret_node, struct fc_error *err)
{
    const char *path = e->path;
    uint32_t node = 0;
    int r = 0;

    if (strlen(path) > FC_PATH_MAX)
        return fail_at(b, e, EBADMSG, err, "the path is longer than %u bytes", FC_PATH_MAX);
    while (*path) {
        size_t len = strcspn(path, "/");
        uint32_t child;

        if (bad_name(path, len) || (path[len] && !path[len + 1]))
            return fail_at(b, e, EBADMSG, err, "not a path that a layer may hold");
        r = make_parent(b, node);
        if (r < 0)
            break;
        child = fc_trie_child(&b->trie, &b->strings, node, path, len);
        if (child == FC_LAYER_NONE)
            r = fc_trie_add(&b->trie, &b->strings, node, path, len, &child);
        if (r < 0)
            break;
        node = child;
        path += len + (path[len] == '/');
    }
    if (r < 0)
        return fail_errno(b, e, r, err);
    *ret_node = node;
    return 0;
}

static bool same_xattrs(const struct fc_layer_builder *b, const struct fc_layer_inode *inode, const struct fc_entry *e)
{
    if (inode->n_xattrs != e->n_xattrs)
        return false;
    for (size_t i = 0; i < e->n_xattrs; i++) {
        const struct fc_layer_xattr *x = &b->xattrs[inode->first_xattr + i];

        if (x->value_size != e->xattrs[i].size || strcmp(b->strings.data + x->name, e->xattrs[i].name) != 0 ||
            (x->value_size && memcmp(b->strings.data + x->value, e->xattrs[i].value, x->value_size) != 0))
            return false;
    }
    return true;
}

static int add_xattr(struct fc_layer_builder *b, const struct fc_xattr *x)
{
    struct fc_layer_xattr *new;
    uint32_t name, value;
    int r;

    if (b->n_xattrs >= FC_LAYER_NONE - 1)
        return -EOVERFLOW;
    r = fc_grow(&b->xattrs, &b->cap_xattrs, b->n_xattrs + 1, sizeof(*b->xattrs));
    if (r == 0)
        r = fc_strings_add(&b->strings, x->name, strlen(x->name), &name);
    if (r == 0)
        r = fc_strings_add(&b->strings, x->value, x->size, &value);
    if (r < 0)
        return r;
    new = &b->xattrs[b->n_xattrs++];
    *new = (struct fc_layer_xattr){.name = name, .value_size = (uint32_t)x->size, .value = value};
    return 0;
}

static int set_xattrs(struct fc_layer_builder *b, const struct fc_entry *e, struct fc_layer_inode *inode,
                      struct fc_error *err)
{
    uint32_t first = (uint32_t)b->n_xattrs;

    for (size_t i = 0; i < e->n_xattrs; i++) {
        const char *name = e->xattrs[i].name;

        if (!*name || strlen(name) > FC_NAME_MAX || (i && strcmp(e->xattrs[i - 1].name, name) >= 0))
            return fail_at(b, e, EBADMSG, err, "a bad name or order of extended attributes");
    }
    /* Whole trees often carry one set: the one just stored is shared. */
    if (e->n_xattrs && b->last_xattrs_n == e->n_xattrs) {
        struct fc_layer_inode last = {.first_xattr = b->last_xattrs, .n_xattrs = b->last_xattrs_n};

        if (same_xattrs(b, &last, e)) {
            inode->first_xattr = last.first_xattr;
            inode->n_xattrs = last.n_xattrs;
            return 0;
        }
    }
    for (size_t i = 0; i < e->n_xattrs; i++) {
        int r = add_xattr(b, &e->xattrs[i]);

        if (r < 0)
            return fail_errno(b, e, r, err);
    }
    inode->first_xattr = e->n_xattrs ? first : 0;
    inode->n_xattrs = (uint32_t)e->n_xattrs;
    b->last_xattrs = first;
    b->last_xattrs_n = (uint32_t)e->n_xattrs;
    return 0;
}

static int set_symlink(struct fc_layer_builder *b, const struct fc_entry *e, struct fc_layer_inode *inode,
                       struct fc_error *err)
{
    size_t len = e->target ? strlen(e->target) : 0;
    int r;

    if (len == 0 || len > FC_TARGET_MAX)
        return fail_at(b, e, EBADMSG, err, "a symlink's text must have 1 to %u bytes", FC_TARGET_MAX);
    r = fc_strings_add(&b->strings, e->target, len, &inode->target);
    inode->size = len;
    return r < 0 ? fail_errno(b, e, r, err) : 0;
}

/* Copy a regular file's content into the pack. */
static int set_content(struct fc_layer_builder *b, const struct fc_entry *e, struct fc_entry_iter *it,
                       struct fc_layer_inode *inode, struct fc_error *err)
{
    size_t first = b->pack.n_extents;
    struct fc_block block;
    int r;

    if (e->size > INT64_MAX)
        return fail_at(b, e, EBADMSG, err, "an impossible file size");
    inode->size = e->size;
    fc_pack_file_begin(&b->pack, e->size);
    while ((r = fc_entry_read(it, &block, err)) > 0) {
        r = fc_pack_file_block(&b->pack, &block);
        if (r == -EBADMSG)
            return fail_at(b, e, EBADMSG, err, "content overlaps itself or goes beyond the file's size");
        if (r < 0)
            return fail_errno(b, e, r, err);
    }
    if (r < 0)
        return r;
    r = fc_pack_file_end(&b->pack);
    if (r == 0 && b->pack.n_extents >= FC_LAYER_NONE)
        r = -EOVERFLOW;
    if (r < 0)
        return fail_errno(b, e, r, err);
    inode->first_extent = b->pack.n_extents > first ? (uint32_t)first : 0;
    inode->n_extents = (uint32_t)(b->pack.n_extents - first);
    return 0;
}

/* The inode that @e describes, without content. */
static int describe(struct fc_layer_builder *b, const struct fc_entry *e, struct fc_layer_inode *ret,
                    struct fc_error *err)
{
    *ret = (struct fc_layer_inode){.mode = e->mode & (S_IFMT | 07777),
                                   .uid = e->uid,
                                   .gid = e->gid,
                                   .mtime_sec = e->mtime.tv_sec,
                                   .mtime_nsec = (uint32_t)e->mtime.tv_nsec,
                                   .target = FC_LAYER_NONE};
    if (e->mtime.tv_nsec < 0 || e->mtime.tv_nsec >= 1000000000)
        return fail_at(b, e, EBADMSG, err, "an impossible time");
    switch (e->mode & S_IFMT) {
    case S_IFBLK:
    case S_IFCHR:
        ret->rdev_major = e->rdev_major;
        ret->rdev_minor = e->rdev_minor;
        break;
    case S_IFLNK:
        return set_symlink(b, e, ret, err);
    case S_IFDIR:
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
        break;
    default:
        return fail_at(b, e, EBADMSG, err, "no such type of file (mode 0%o)", e->mode);
    }
    return 0;
}

/* Let @node name @inode, another object than before. */
static void replace_object(struct fc_layer_builder *b, uint32_t node, uint32_t inode)
{
    struct fc_trie_node *n = &b->trie.nodes[node];
    uint32_t kind = b->inodes[inode].mode & S_IFMT;

    /* Children stay below a directory; below a symlink that took a symlink's place they still go through it. */
    if (kind != S_IFDIR && !(kind == S_IFLNK && is_kind(b, node, S_IFLNK))) {
        fc_trie_drop_children(&b->trie, node);
        n->flags &= (uint16_t)~FC_NODE_OPAQUE;
    }
    n->inode = inode;
    n->link = FC_LAYER_NONE;
    n->flags &= (uint16_t)~FC_NODE_LINK;
}

static int add_object(struct fc_layer_builder *b, const struct fc_entry *e, struct fc_entry_iter *it,
                      struct fc_error *err)
{
    bool dir = S_ISDIR(e->mode);
    struct fc_layer_inode object;
    uint32_t node, inode;
    int r;

    if (!*e->path && !dir)
        return fail_at(b, e, EBADMSG, err, "the root of the tree must be a directory");
    r = describe(b, e, &object, err);
    if (r == 0)
        r = set_xattrs(b, e, &object, err);
    if (r == 0)
        r = reach_node(b, e, &node, err);
    if (r == 0 && S_ISREG(e->mode))
        r = set_content(b, e, it, &object, err);
    if (r < 0)
        return r;
    inode = b->trie.nodes[node].inode;
    if (!(dir && is_kind(b, node, S_IFDIR))) {
        r = new_inode(b, &inode);
        if (r < 0)
            return fail_errno(b, e, r, err);
    }
    b->inodes[inode] = object;
    if (inode != b->trie.nodes[node].inode)
        replace_object(b, node, inode);
    return 0;
}

/* A hard link whose target is not in this layer yet: the fold looks for it below. */
static int add_open_link(struct fc_layer_builder *b, const struct fc_entry *e, uint32_t link, uint32_t node,
                         struct fc_error *err)
{
    struct fc_trie_node *n;

    if (link == FC_LAYER_NONE) {
        int r = fc_strings_add(&b->strings, e->target, strlen(e->target), &link);

        if (r < 0)
            return fail_errno(b, e, r, err);
    }
    fc_trie_drop_children(&b->trie, node);
    n = &b->trie.nodes[node];
    n->inode = FC_LAYER_NONE;
    n->link = link;
    n->block = e->offset / 512 <= UINT32_MAX ? (uint32_t)(e->offset / 512) : 0;
    n->flags = (uint16_t)((n->flags & ~FC_NODE_OPAQUE) | FC_NODE_LINK);
    return 0;
}

static int check_link(const struct fc_layer_builder *b, const struct fc_entry *e, struct fc_error *err)
{
    char name[128];
    const char *p = e->target;

    if (!*e->path)
        return fail_at(b, e, EBADMSG, err, "the root of the tree cannot be a hard link");
    if (!p || !*p || strlen(p) > FC_PATH_MAX)
        return fail_at(b, e, EBADMSG, err, "a hard link without a usable target");
    while (*p) {
        size_t len = strcspn(p, "/");

        if (bad_name(p, len) || (p[len] && !p[len + 1]))
            return fail_at(b, e, EBADMSG, err, "hard link to \"%s\", which is not a path that a layer may hold",
                           fc_name_show(name, sizeof(name), e->target, strlen(e->target)));
        p += len + (p[len] == '/');
    }
    if (strcmp(e->path, e->target) == 0)
        return fail_at(b, e, EBADMSG, err, "a hard link to itself");
    return 0;
}

static int add_link(struct fc_layer_builder *b, const struct fc_entry *e, struct fc_error *err)
{
    uint32_t node, found, inode = FC_LAYER_NONE, link = FC_LAYER_NONE;
    char name[128];
    int r = check_link(b, e, err);

    if (r < 0)
        return r;
    found = fc_trie_find(&b->trie, &b->strings, e->target);
    if (found != FC_LAYER_NONE) {
        inode = b->trie.nodes[found].inode;
        link = b->trie.nodes[found].link;
        if (is_kind(b, found, S_IFDIR))
            return fail_at(b, e, EBADMSG, err, "hard link to the directory \"%s\"",
                           fc_name_show(name, sizeof(name), e->target, strlen(e->target)));
        /* A link to an open link is a link to what that one means. */
        if (link != FC_LAYER_NONE && strcmp(b->strings.data + link, e->path) == 0)
            return fail_at(b, e, EBADMSG, err, "a circle of hard links with \"%s\"",
                           fc_name_show(name, sizeof(name), e->target, strlen(e->target)));
    }
    r = reach_node(b, e, &node, err);
    if (r < 0)
        return r;
    if (inode == FC_LAYER_NONE)
        return add_open_link(b, e, link, node, err);
    if (inode != b->trie.nodes[node].inode)
        replace_object(b, node, inode);
    return 0;
}

static int add_mark(struct fc_layer_builder *b, const struct fc_entry *e, struct fc_error *err)
{
    bool opaque = e->op == FC_ENTRY_OPAQUE;
    uint32_t node;
    int r;

    if (!*e->path && !opaque)
        return fail_at(b, e, EBADMSG, err, "a whiteout of the root of the tree");
    r = reach_node(b, e, &node, err);
    if (r == 0 && opaque) {
        r = make_parent(b, node);
        if (r < 0)
            return fail_errno(b, e, r, err);
    }
    if (r < 0)
        return r;
    b->trie.nodes[node].flags |= opaque ? FC_NODE_OPAQUE : FC_NODE_WHITEOUT;
    return 0;
}

int fc_layer_builder_add_all(struct fc_layer_builder *b, struct fc_entry_iter *it, struct fc_error *err)
{
    const struct fc_entry *e;
    int r;

    while ((r = fc_entry_next(it, &e, err)) > 0) {
        if (e->op == FC_ENTRY_ADD)
            r = add_object(b, e, it, err);
        else if (e->op == FC_ENTRY_HARDLINK)
            r = add_link(b, e, err);
        else
            r = add_mark(b, e, err);
        if (r < 0)
            return r;
    }
    return r;
}
