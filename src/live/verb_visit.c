/* SPDX-License-Identifier: Apache-2.0 */
/* Visit everything below a directory of the live tree, as recursive verbs need it, without recursion. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "live/verb_internal.h"

/* One name of a listing: this, then the name's bytes. */
struct item {
    uint64_t ino;
    uint32_t mode, len;
};

/* A directory under way: its names as they were when it was entered. */
struct frame {
    uint64_t ino;
    struct fc_buf items;
    size_t at;   /* next item */
    size_t self; /* this directory's item in the frame above */
};

static int take_name(void *arg, const char *name, size_t len, uint64_t next, const struct fc_attr *attr)
{
    struct fc_buf *items = arg;
    struct item i = {attr->ino, attr->mode, (uint32_t)len};
    int r;

    (void)next;
    if ((len == 1 && name[0] == '.') || (len == 2 && memcmp(name, "..", 2) == 0))
        return 0;
    r = fc_buf_add(items, &i, sizeof(i));
    return r < 0 ? r : fc_buf_add(items, name, len);
}

static int push(struct fc_live *live, struct frame **frames, size_t *n, size_t *cap, uint64_t ino, size_t self)
{
    struct frame f = {.ino = ino, .self = self};
    int r = fc_grow(frames, cap, *n + 1, sizeof(**frames));

    if (r == 0)
        r = fc_live_readdir(live, ino, 0, false, take_name, &f.items);
    if (r < 0) {
        fc_buf_release(&f.items);
        return r;
    }
    (*frames)[(*n)++] = f;
    return 0;
}

static size_t read_item(const struct frame *f, size_t at, struct fc_visit *ret)
{
    struct item i;

    memcpy(&i, f->items.data + at, sizeof(i));
    *ret = (struct fc_visit){
        .dir = f->ino,
        .name = f->items.data + at + sizeof(i),
        .len = i.len,
        .ino = i.ino,
        .mode = i.mode & S_IFMT,
    };
    return at + sizeof(i) + i.len;
}

int fc_visit_below(struct fc_live *live, uint64_t ino, int (*fn)(void *arg, const struct fc_visit *v), void *arg)
{
    struct frame *frames = NULL;
    size_t n = 0, cap = 0;
    int r = push(live, &frames, &n, &cap, ino, 0);

    while (r == 0 && n) {
        struct frame *f = &frames[n - 1];
        struct fc_visit v;
        size_t self = f->at;

        if (f->at < f->items.len) {
            f->at = read_item(f, f->at, &v);
            r = fn(arg, &v);
            if (r == 0 && S_ISDIR(v.mode))
                r = push(live, &frames, &n, &cap, v.ino, self);
            continue;
        }
        self = f->self;
        fc_buf_release(&f->items);
        n--;
        if (n) {
            read_item(&frames[n - 1], self, &v);
            v.leaving = true;
            r = fn(arg, &v);
        }
    }
    while (n)
        fc_buf_release(&frames[--n].items);
    free(frames);
    return r;
}
