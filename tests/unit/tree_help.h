/* SPDX-License-Identifier: Apache-2.0 */
/* Layers from tables, folded, and the tree as text: for the tests of everything that works on trees. */
#ifndef TESTS_UNIT_TREE_HELP_H
#define TESTS_UNIT_TREE_HELP_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <fccompose/tree.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/io.h"
#include "layer/layer.h"

/* Entries of a test layer. */
#define DIR_(p)                                                                                                        \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFDIR | 0755                                                        \
    }
#define DIR_M(p, m, u)                                                                                                 \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFDIR | (m), .uid = (u), .gid = (u)                                 \
    }
#define FILE_(p)                                                                                                       \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFREG | 0644, .size = 4                                             \
    }
#define SYM(p, t)                                                                                                      \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFLNK | 0777, .target = (t)                                         \
    }
#define LINK(p, t)                                                                                                     \
    {                                                                                                                  \
        .op = FC_ENTRY_HARDLINK, .path = (p), .target = (t)                                                            \
    }
#define DEV(p, ma, mi)                                                                                                 \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFCHR | 0600, .rdev_major = (ma), .rdev_minor = (mi)                \
    }
#define FIFO(p)                                                                                                        \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFIFO | 0600                                                        \
    }
#define WHITE(p)                                                                                                       \
    {                                                                                                                  \
        .op = FC_ENTRY_WHITEOUT, .path = (p)                                                                           \
    }
#define OPAQUE(p)                                                                                                      \
    {                                                                                                                  \
        .op = FC_ENTRY_OPAQUE, .path = (p)                                                                             \
    }

struct table_iter {
    struct fc_entry_iter base;
    const struct fc_entry *entries;
    size_t n, at;
    char text[16];
    uint64_t pos;
    int layer;
};

static int table_next(struct fc_entry_iter *it, const struct fc_entry **ret, struct fc_error *err)
{
    struct table_iter *t = (struct table_iter *)it;

    (void)err;
    if (t->at == t->n)
        return 0;
    t->pos = 0;
    *ret = &t->entries[t->at++];
    return 1;
}

/* Content: the layer's number and the entry's, four bytes; longer files repeat a letter. */
static int table_read(struct fc_entry_iter *it, struct fc_block *ret, struct fc_error *err)
{
    struct table_iter *t = (struct table_iter *)it;
    uint64_t size = t->entries[t->at - 1].size;

    (void)err;
    if (t->pos >= size)
        return 0;
    snprintf(t->text, sizeof(t->text), "%d%03d", t->layer % 10, (int)(t->at - 1) % 1000);
    *ret = (struct fc_block){.data = t->text, .size = size - t->pos < 4 ? size - t->pos : 4, .offset = t->pos};
    t->pos += ret->size;
    return 1;
}

static void table_free(struct fc_entry_iter *it) { (void)it; }

/** A cache in a fresh folder; layers are made in it. */
struct tree_test {
    char dir[64];
    struct fc_cache *cache;
    struct fc_tree_layer layers[16];
    uint32_t n;
    struct fc_tree *tree;
    struct fc_error err;
};

static inline void tree_begin(struct tree_test *t)
{
    *t = (struct tree_test){.dir = "/tmp/fc-tree-XXXXXX"};
    assert_non_null(mkdtemp(t->dir));
    assert_int_equal(fc_cache_open(t->dir, &t->cache, &t->err), 0);
}

static inline void tree_layer(struct tree_test *t, const struct fc_entry *entries, size_t n)
{
    struct table_iter it = {.base = {.next = table_next, .read = table_read, .free = table_free},
                            .entries = entries,
                            .n = n,
                            .layer = (int)t->n};
    struct fc_layer_builder *b;
    struct fc_digest d;
    int r;

    assert_int_equal(fc_digest_of(&t->n, sizeof(t->n), &d), 0);
    assert_int_equal(fc_layer_builder_new(t->cache, "test", &b, &t->err), 0);
    r = fc_layer_builder_add_all(b, &it.base, &t->err);
    if (r < 0)
        print_message("%s\n", t->err.msg);
    assert_int_equal(r, 0);
    r = fc_layer_builder_finish(b, &d, 0, &t->layers[t->n].layer, &t->err);
    if (r < 0)
        print_message("%s\n", t->err.msg);
    assert_int_equal(r, 0);
    fc_layer_builder_free(b);
    t->n++;
}

/** Add a layer: LAYER(&t, DIR_("a"), FILE_("a/b")). */
#define LAYER(t, ...)                                                                                                  \
    do {                                                                                                               \
        static const struct fc_entry entries_[] = {__VA_ARGS__};                                                       \
        tree_layer(t, entries_, sizeof(entries_) / sizeof(entries_[0]));                                               \
    } while (0)

static inline void tree_end(struct tree_test *t)
{
    fc_tree_free(t->tree);
    for (uint32_t i = 0; i < t->n; i++)
        fc_layer_unref(t->layers[i].layer);
    fc_cache_free(t->cache);
    fc_remove_all(-100 /* AT_FDCWD */, t->dir);
}

static inline void tree_list(const struct fc_tree *tree, uint32_t dir, const char *prefix, struct fc_buf *out)
{
    const struct fc_tree_inode *inodes = fc_tree_inodes(tree, NULL), *d = &inodes[dir];
    const struct fc_tree_dentry *e = fc_tree_dentries(tree, NULL) + d->first_dentry;

    for (uint32_t i = 0; i < d->n_dentries; i++) {
        const struct fc_tree_inode *o = &inodes[e[i].inode];
        char path[4096], type = S_ISDIR(o->mode) ? 'd' : S_ISREG(o->mode) ? 'f' : S_ISLNK(o->mode) ? 'l' : 'o';

        snprintf(path, sizeof(path), "%s%.*s", prefix, (int)e[i].name_len, e[i].name);
        fc_buf_addf(out, "%c %s", type, path);
        if (o->layer != FC_TREE_NONE)
            fc_buf_addf(out, " %u", o->layer);
        if (S_ISLNK(o->mode))
            fc_buf_addf(out, " -> %s", fc_tree_target(tree, e[i].inode));
        if (!S_ISDIR(o->mode) && o->nlink > 1)
            fc_buf_addf(out, " x%u", o->nlink);
        fc_buf_addf(out, "\n");
        assert_int_equal(fc_tree_by_ino(tree, o->ino), e[i].inode);
        assert_ptr_equal(fc_tree_lookup(tree, dir, e[i].name, e[i].name_len), &e[i]);
        if (S_ISDIR(o->mode)) {
            assert_int_equal(o->parent, dir);
            strcat(path, "/");
            tree_list(tree, e[i].inode, path, out);
        }
    }
}

static inline int tree_fold(struct tree_test *t, const struct fc_tree_options *options)
{
    fc_tree_free(t->tree);
    t->tree = NULL;
    return fc_tree_fold(t->layers, t->n, options, &t->tree, &t->err);
}

/** Fold and compare: a line for each object: type, path, layer that describes it, "-> text", "xNAMES". */
static inline void tree_expect(struct tree_test *t, const struct fc_tree_options *options, const char *want)
{
    struct fc_buf out = {0};
    int r = tree_fold(t, options);

    if (r < 0)
        print_message("%s\n", t->err.msg);
    assert_int_equal(r, 0);
    fc_buf_adds(&out, "");
    tree_list(t->tree, 0, "", &out);
    assert_string_equal(out.data, want);
    fc_buf_release(&out);
}

static inline const struct fc_tree_inode *tree_find(const struct fc_tree *tree, const char *path)
{
    uint32_t at = 0;

    while (*path) {
        size_t len = strcspn(path, "/");
        const struct fc_tree_dentry *e = fc_tree_lookup(tree, at, path, len);

        assert_non_null(e);
        at = e->inode;
        path += len + (path[len] == '/');
    }
    return &fc_tree_inodes(tree, NULL)[at];
}

#endif
