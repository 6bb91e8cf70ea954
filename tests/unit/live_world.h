/* SPDX-License-Identifier: Apache-2.0 */
/* A small lower tree of two layers with a store beside it, for the tests of live/'s core. */
#ifndef LIVE_WORLD_H
#define LIVE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "base/io.h"
#include "layer/layer.h"
#include "live/live.h"

/** A lower object. A file's byte i is (i * 7 + seed) % 251, or 0 in its hole. */
struct lower_file {
    const char *path;
    uint32_t mode;
    uint64_t size;
    unsigned seed;
    uint32_t uid, gid, major, minor;
    uint64_t hole_from, hole_to; /* in blocks */
    const char *target;          /* a symlink's text; with @link what is linked to */
    int link;
    const char *xattr, *value;
};

static const struct lower_file layer_one[] = {
    {"", S_IFDIR | 0755, .uid = 0},
    {"bin", S_IFDIR | 0755, .uid = 0},
    {"bin/busybox", S_IFREG | 0755, .size = 12345, .seed = 1},
    {"bin/sh", .target = "bin/busybox", .link = 1},
    {"bin/su", S_IFREG | 04755, .size = 5000, .seed = 2, .xattr = "security.capability", .value = "cap"},
    {"big", S_IFREG | 0644, .size = 3000001, .hole_from = 100, .hole_to = 300, .seed = 3},
    {"dev", S_IFDIR | 0755, .uid = 0},
    {"dev/null", S_IFCHR | 0666, .major = 1, .minor = 3},
    {"etc", S_IFDIR | 0755, .uid = 0},
    {"etc/hostname", S_IFREG | 0644, .size = 6, .seed = 4},
    {"etc/link", S_IFLNK | 0777, .target = "hostname"},
    {"etc/passwd", S_IFREG | 0644, .size = 100, .seed = 5},
    {"etc/ssl", S_IFDIR | 0755, .uid = 0},
    {"etc/ssl/certs", S_IFDIR | 0755, .uid = 0},
    {"etc/ssl/certs/ca", S_IFREG | 0644, .size = 4096, .seed = 6, .xattr = "user.kind", .value = "root"},
    {"tmp", S_IFDIR | 01777, .uid = 0},
};
static const struct lower_file layer_two[] = {
    {"etc/passwd", S_IFREG | 0600, .uid = 7, .gid = 8, .size = 9000, .seed = 7},
    {"srv", S_IFDIR | 02775, .gid = 50},
};

/** The entries of such a table. */
struct table_iter {
    struct fc_entry_iter it;
    const struct lower_file *files;
    size_t n, i;
    uint64_t at;
    struct fc_entry entry;
    struct fc_xattr xattr;
    char block[4096];
};

static inline unsigned char lower_byte(const struct lower_file *f, uint64_t at)
{
    uint64_t block = at / 4096;

    return block >= f->hole_from && block < f->hole_to ? 0 : (unsigned char)((at * 7 + f->seed) % 251);
}

static inline int table_next(struct fc_entry_iter *it, const struct fc_entry **ret, struct fc_error *err)
{
    struct table_iter *t = (struct table_iter *)(void *)it;
    const struct lower_file *f;

    (void)err;
    if (t->i == t->n)
        return 0;
    f = &t->files[t->i++];
    t->at = 0;
    t->entry = (struct fc_entry){.op = f->link ? FC_ENTRY_HARDLINK : FC_ENTRY_ADD,
                                 .path = f->path,
                                 .mode = f->mode,
                                 .uid = f->uid,
                                 .gid = f->gid,
                                 .rdev_major = f->major,
                                 .rdev_minor = f->minor,
                                 .size = f->size,
                                 .mtime = {1000000000, 5},
                                 .target = f->target};
    if (f->xattr) {
        t->xattr = (struct fc_xattr){f->xattr, f->value, strlen(f->value)};
        t->entry.xattrs = &t->xattr;
        t->entry.n_xattrs = 1;
    }
    *ret = &t->entry;
    return 1;
}

static inline int table_read(struct fc_entry_iter *it, struct fc_block *ret, struct fc_error *err)
{
    struct table_iter *t = (struct table_iter *)(void *)it;
    const struct lower_file *f = &t->files[t->i - 1];
    size_t n;

    (void)err;
    while (t->at / 4096 >= f->hole_from && t->at / 4096 < f->hole_to)
        t->at += 4096;
    if (t->at >= f->size)
        return 0;
    n = f->size - t->at < sizeof(t->block) ? (size_t)(f->size - t->at) : sizeof(t->block);
    for (size_t i = 0; i < n; i++)
        t->block[i] = (char)lower_byte(f, t->at + i);
    *ret = (struct fc_block){.data = t->block, .size = n, .offset = t->at};
    t->at += n;
    return 1;
}

static inline void table_free(struct fc_entry_iter *it) { (void)it; }

/** Everything that a test needs. */
struct world {
    char dir[64], store[80];
    struct fc_cache *cache;
    struct fc_tree *tree;
    uint32_t ids[2];
    struct fc_edit *edit;
    struct fc_live *live;
    struct fc_live_options options;
};

static inline struct fc_layer *make_layer(struct world *w, const struct lower_file *files, size_t n, int number)
{
    struct table_iter t = {.it = {.next = table_next, .read = table_read, .free = table_free}, .files = files, .n = n};
    struct fc_layer_builder *b = NULL;
    struct fc_layer *layer = NULL;
    struct fc_digest id = {{(uint8_t)(number + 1)}};
    struct fc_error err = {0};

    if (fc_layer_builder_new(w->cache, "test", &b, &err) < 0 || fc_layer_builder_add_all(b, &t.it, &err) < 0 ||
        fc_layer_builder_finish(b, &id, 0, &layer, &err) < 0)
        fail_msg("cannot build a layer: %s", err.msg);
    fc_layer_builder_free(b);
    return layer;
}

static inline void world_open(struct world *w)
{
    struct fc_error err = {0};

    if (fc_edit_open(w->store, FC_EDIT_WRITE, &w->edit, &err) < 0)
        fail_msg("cannot open the store: %s", err.msg);
    w->options.tree = w->tree;
    w->options.layer_ids = w->ids;
    w->options.edit = w->edit;
    if (fc_live_open(&w->options, &w->live, &err) < 0)
        fail_msg("cannot open the live tree: %s", err.msg);
}

static inline void world_close(struct world *w)
{
    fc_live_free(w->live);
    fc_edit_free(w->edit);
    w->live = NULL;
    w->edit = NULL;
}

static inline void world_reopen(struct world *w)
{
    world_close(w);
    world_open(w);
}

static inline void world_fold(struct world *w)
{
    struct fc_layer *one = make_layer(w, layer_one, sizeof(layer_one) / sizeof(*layer_one), 0);
    struct fc_layer *two = make_layer(w, layer_two, sizeof(layer_two) / sizeof(*layer_two), 1);
    struct fc_tree_layer layers[2] = {{.layer = one}, {.layer = two}};
    const struct fc_edit_layer *rows;
    struct fc_error err = {0};
    size_t n;

    assert_int_equal(fc_edit_create(w->store, &err), 0);
    assert_int_equal(fc_edit_open(w->store, FC_EDIT_WRITE, &w->edit, &err), 0);
    assert_int_equal(fc_edit_begin(w->edit, &err), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fc_edit_layer_add(w->edit, fc_layer_diffid(layers[i].layer), "x", "x",
                                           fc_layer_view(layers[i].layer)->header->n_inodes, &w->ids[i], &err),
                         0);
    assert_int_equal(fc_edit_stack_set(w->edit, w->ids, 2, &err), 0);
    assert_int_equal(fc_edit_commit(w->edit, false, &err), 0);
    rows = fc_edit_layers(w->edit, &n);
    assert_int_equal(n, 2);
    for (int i = 0; i < 2; i++)
        layers[i].first_ino = rows[i].first_ino;
    fc_edit_free(w->edit);
    w->edit = NULL;
    if (fc_tree_fold(layers, 2, NULL, &w->tree, &err) < 0)
        fail_msg("cannot fold: %s", err.msg);
    fc_layer_unref(one);
    fc_layer_unref(two);
}

static inline int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct fc_error err = {0};

    snprintf(w->dir, sizeof(w->dir), "/tmp/fc-live.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->store, sizeof(w->store), "%s/store", w->dir);
    assert_int_equal(fc_cache_open(w->dir, &w->cache, &err), 0);
    world_fold(w);
    world_open(w);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;

    world_close(w);
    fc_tree_free(w->tree);
    fc_cache_free(w->cache);
    fc_remove_all(AT_FDCWD, w->dir);
    free(w);
    return 0;
}

static const struct fc_cred root_cred;

/** The attributes of the object at @path; ino 0 if there is none. */
static inline struct fc_attr at(struct world *w, const char *path)
{
    struct fc_attr a = {.ino = 1};

    assert_int_equal(fc_live_getattr(w->live, 1, &a), 0);
    while (*path) {
        size_t len = strcspn(path, "/");

        if (fc_live_lookup(w->live, a.ino, path, len, &a) < 0)
            return (struct fc_attr){0};
        path += len;
        path += *path == '/';
    }
    return a;
}

static inline uint64_t ino_at(struct world *w, const char *path) { return at(w, path).ino; }

#define NAME(s) (s), strlen(s)

static inline uint64_t make(struct world *w, uint64_t parent, const char *name, uint32_t mode)
{
    struct fc_attr a;

    assert_int_equal(fc_live_mknod(w->live, parent, NAME(name), mode, 022, 0, 0, &root_cred, &a), 0);
    return a.ino;
}

static inline void write_text(struct world *w, uint64_t ino, const char *text, uint64_t offset)
{
    assert_int_equal(fc_live_write(w->live, ino, text, strlen(text), offset, 0), strlen(text));
}

static inline void assert_text(struct world *w, uint64_t ino, const char *text, uint64_t offset)
{
    char buffer[256];

    assert_int_equal(fc_live_read(w->live, ino, buffer, strlen(text), offset), strlen(text));
    assert_memory_equal(buffer, text, strlen(text));
}

#endif
