/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of layer: entry streams made of arrays, layers built from them, layers shown as text. */
#ifndef FC_TEST_LAYER_HELPER_H
#define FC_TEST_LAYER_HELPER_H

#include <errno.h>
#include <fcntl.h>
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

#include "base/buf.h"
#include "base/io.h"
#include "entry/entry.h"
#include "layer/layer.h"

static char cache_dir[64];
static struct fc_cache *cache;

static int enter(void **state)
{
    struct fc_error err = {0};

    (void)state;
    strcpy(cache_dir, "/tmp/fc-layer-XXXXXX");
    return mkdtemp(cache_dir) ? fc_cache_open(cache_dir, &cache, &err) : -1;
}

static int leave(void **state)
{
    (void)state;
    fc_cache_free(cache);
    return fc_remove_all(AT_FDCWD, cache_dir);
}

/* An entry and its content: @text is a file's content or a link's target; @blocks (ended by size 0) come instead. */
struct step {
    enum fc_entry_op op;
    const char *path;
    uint32_t mode;
    const char *text;
    const struct fc_block *blocks;
    uint64_t size;
    const struct fc_xattr *xattrs;
    size_t n_xattrs;
    uint32_t uid;
    struct timespec mtime;
};

#define DIR_(p, ...)                                                                                                   \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFDIR | 0755, __VA_ARGS__                                           \
    }
#define FILE_(p, t, ...)                                                                                               \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFREG | 0644, .text = (t), __VA_ARGS__                              \
    }
#define SYMLINK_(p, t)                                                                                                 \
    {                                                                                                                  \
        .op = FC_ENTRY_ADD, .path = (p), .mode = S_IFLNK | 0777, .text = (t)                                           \
    }
#define LINK_(p, t)                                                                                                    \
    {                                                                                                                  \
        .op = FC_ENTRY_HARDLINK, .path = (p), .text = (t)                                                              \
    }
#define WHITEOUT_(p)                                                                                                   \
    {                                                                                                                  \
        .op = FC_ENTRY_WHITEOUT, .path = (p)                                                                           \
    }
#define OPAQUE_(p)                                                                                                     \
    {                                                                                                                  \
        .op = FC_ENTRY_OPAQUE, .path = (p)                                                                             \
    }

struct steps {
    struct fc_entry_iter iter;
    const struct step *steps;
    size_t n, at, block;
    struct fc_entry entry;
};

static inline int steps_next(struct fc_entry_iter *base, const struct fc_entry **ret, struct fc_error *err)
{
    struct steps *s = (struct steps *)base;
    const struct step *t;

    (void)err;
    if (s->at == s->n)
        return 0;
    t = &s->steps[s->at++];
    s->block = 0;
    s->entry = (struct fc_entry){.op = t->op,
                                 .path = t->path,
                                 .mode = t->mode,
                                 .uid = t->uid,
                                 .mtime = t->mtime,
                                 .xattrs = t->xattrs,
                                 .n_xattrs = t->n_xattrs,
                                 .offset = s->at * 512};
    if (S_ISREG(t->mode))
        s->entry.size = t->blocks ? t->size : strlen(t->text);
    else
        s->entry.target = t->text;
    *ret = &s->entry;
    return 1;
}

static inline int steps_read(struct fc_entry_iter *base, struct fc_block *ret, struct fc_error *err)
{
    struct steps *s = (struct steps *)base;
    const struct step *t = &s->steps[s->at - 1];

    (void)err;
    if (t->blocks) {
        *ret = t->blocks[s->block];
        s->block += ret->size != 0;
        return ret->size != 0;
    }
    if (s->block++ || !*t->text)
        return 0;
    *ret = (struct fc_block){.data = t->text, .size = strlen(t->text)};
    return 1;
}

static inline void steps_free(struct fc_entry_iter *base) { (void)base; }

/* Build from @steps as the layer whose diffID is @id repeated. */
static inline int build_as(unsigned char id, const struct step *steps, size_t n, struct fc_layer **ret,
                           struct fc_error *err)
{
    struct steps s = {.iter = {.next = steps_next, .read = steps_read, .free = steps_free}, .steps = steps, .n = n};
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *b = NULL;
    struct fc_digest d;
    int r = fc_layer_builder_new(cache, "test.tar", &b, err);

    memset(d.bytes, id, sizeof(d.bytes));
    if (r == 0)
        r = fc_layer_builder_add_all(b, &s.iter, err);
    if (r == 0)
        r = fc_layer_builder_finish(b, &d, 10240, ret, err);
    return r;
}

/* Every node as a line: flags, path, object. Hard links show as "=N" with the number of the inode. */
static inline char *show(const struct fc_layer *layer)
{
    const struct fc_layer_view *v = fc_layer_view(layer);
    struct fc_buf out = {0};

    for (uint32_t i = 0; i < v->header->n_nodes; i++) {
        const struct fc_layer_node *n = &v->nodes[i];
        const struct fc_layer_inode *o = n->inode == FC_LAYER_NONE ? NULL : &v->inodes[n->inode];
        char path[4096] = "";

        for (uint32_t k = i; k; k = v->nodes[k].parent) {
            char longer[4096];

            snprintf(longer, sizeof(longer), "/%s%.3000s", v->strings + v->nodes[k].name, path);
            strcpy(path, longer);
        }
        fc_buf_addf(&out, "%s%s%s", path, n->flags & FC_NODE_WHITEOUT ? " whiteout" : "",
                    n->flags & FC_NODE_OPAQUE ? " opaque" : "");
        if (n->flags & FC_NODE_LINK)
            fc_buf_addf(&out, " link(%s)", v->strings + n->link);
        if (o)
            fc_buf_addf(&out, " %s%s=%u",
                        S_ISDIR(o->mode)   ? "dir"
                        : S_ISLNK(o->mode) ? "symlink"
                                           : "file",
                        o->flags & FC_INODE_IMPLICIT ? "?" : "", n->inode);
        fc_buf_adds(&out, "\n");
    }
    return out.data;
}

#define BUILD(id, steps, layer) assert_int_equal(build_as(id, steps, FC_LENGTH(steps), layer, &err), 0)

#define EXPECT(layer, text)                                                                                            \
    do {                                                                                                               \
        char *shown_ = show(layer);                                                                                    \
        assert_string_equal(shown_, text);                                                                             \
        free(shown_);                                                                                                  \
    } while (0)

/* Build and compare; a layer's name is one per test. */
#define CASE(steps, text)                                                                                              \
    do {                                                                                                               \
        struct fc_error err = {0};                                                                                     \
        struct fc_layer *layer_ = NULL;                                                                                \
        struct fc_layer_stats stats_;                                                                                  \
        BUILD(next_id, steps, &layer_);                                                                                \
        next_id++;                                                                                                     \
        EXPECT(layer_, text);                                                                                          \
        fc_layer_stats(layer_, &stats_);                                                                               \
        assert_int_equal(fc_layer_verify(layer_, NULL, &err), 0);                                                      \
        fc_layer_unref(layer_);                                                                                        \
    } while (0)

#define FAILS(steps, words)                                                                                            \
    do {                                                                                                               \
        struct fc_error err_ = {0};                                                                                    \
        struct fc_layer *layer_ = NULL;                                                                                \
        assert_int_equal(build_as(250, steps, FC_LENGTH(steps), &layer_, &err_), -EBADMSG);                            \
        assert_null(layer_);                                                                                           \
        if (!strstr(err_.msg, words) || !strstr(err_.msg, "test.tar: entry") || !strstr(err_.msg, "at offset"))        \
            fail_msg("words: %s", err_.msg);                                                                           \
    } while (0)

static unsigned char next_id = 1;

#endif
