/* SPDX-License-Identifier: Apache-2.0 */
/* Keep the objects and names of a tree that is being folded. */
#include "tree/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/map.h"

/* The table is grown when names are twice as many as buckets. */
static int rehash(struct fc_work *w, size_t want)
{
    uint32_t n = 1024;
    uint32_t *buckets;

    while (n < want && n < UINT32_C(1) << 31)
        n *= 2;
    buckets = malloc(n * sizeof(*buckets));
    if (!buckets)
        return -ENOMEM;
    memset(buckets, 0xff, n * sizeof(*buckets));
    for (size_t i = 0; i < w->n_names; i++) {
        uint32_t *head = &buckets[w->names[i].hash & (n - 1)];

        w->names[i].next_bucket = *head;
        *head = (uint32_t)i;
    }
    free(w->buckets);
    w->buckets = buckets;
    w->n_buckets = n;
    return 0;
}

int fc_work_init(struct fc_work *w, const struct fc_tree_layer *layers, struct fc_arena *arena, size_t expected)
{
    uint32_t root;
    int r;

    *w = (struct fc_work){.layers = layers, .arena = arena};
    r = rehash(w, expected);
    if (r == 0)
        r = fc_work_add_object(w, 1, FC_TREE_NONE, 0, S_IFDIR, &root);
    return r;
}

void fc_work_release(struct fc_work *w)
{
    free(w->objects);
    free(w->names);
    free(w->buckets);
    free(w->stack);
    fc_buf_release(&w->path);
    *w = (struct fc_work){0};
}

static uint32_t hash_name(uint32_t dir, const char *name, size_t len) { return (uint32_t)fc_hash(dir, name, len); }

static uint32_t find(const struct fc_work *w, uint32_t hash, uint32_t dir, const char *name, size_t len)
{
    uint32_t i = w->buckets[hash & (w->n_buckets - 1)];

    for (; i != FC_TREE_NONE; i = w->names[i].next_bucket) {
        const struct fc_work_name *n = &w->names[i];

        if (n->hash == hash && n->dir == dir && n->len == len && memcmp(n->name, name, len) == 0)
            break;
    }
    return i;
}

uint32_t fc_work_find(const struct fc_work *w, uint32_t dir, const char *name, size_t len)
{
    return find(w, hash_name(dir, name, len), dir, name, len);
}

uint32_t fc_work_child(const struct fc_work *w, uint32_t dir, const char *name, size_t len)
{
    uint32_t i = fc_work_find(w, dir, name, len);

    return i == FC_TREE_NONE ? FC_TREE_NONE : w->names[i].object;
}

int fc_work_add_object(struct fc_work *w, uint64_t ino, uint32_t layer, uint32_t layer_inode, uint32_t type,
                       uint32_t *ret_object)
{
    int r;

    if (w->n_objects >= FC_TREE_NONE)
        return -EFBIG;
    r = fc_grow(&w->objects, &w->cap_objects, w->n_objects + 1, sizeof(*w->objects));
    if (r < 0)
        return r;
    w->objects[w->n_objects] = (struct fc_work_object){
        .ino = ino,
        .layer = layer,
        .layer_inode = layer_inode,
        .type = type,
        .first_child = FC_TREE_NONE,
        .last_child = FC_TREE_NONE,
        .index = FC_TREE_NONE,
    };
    *ret_object = (uint32_t)w->n_objects++;
    return 0;
}

static int add_name(struct fc_work *w, uint32_t hash, uint32_t dir, const char *name, size_t len, uint32_t object)
{
    struct fc_work_object *d = &w->objects[dir];
    uint32_t i = (uint32_t)w->n_names;
    uint32_t *head;
    int r;

    if (w->n_names >= FC_TREE_NONE)
        return -EFBIG;
    r = fc_grow(&w->names, &w->cap_names, w->n_names + 1, sizeof(*w->names));
    if (r == 0 && w->n_names / 2 > w->n_buckets)
        r = rehash(w, w->n_names * 2);
    if (r < 0)
        return r;
    head = &w->buckets[hash & (w->n_buckets - 1)];
    w->names[i] = (struct fc_work_name){
        .name = name,
        .len = (uint32_t)len,
        .hash = hash,
        .dir = dir,
        .object = object,
        .next_child = FC_TREE_NONE,
        .next_bucket = *head,
    };
    *head = i;
    w->n_names++;
    if (d->first_child == FC_TREE_NONE)
        d->first_child = i;
    else
        w->names[d->last_child].next_child = i;
    d->last_child = i;
    return 0;
}

int fc_work_put(struct fc_work *w, uint32_t dir, const char *name, size_t len, uint32_t object)
{
    uint32_t hash = hash_name(dir, name, len);
    uint32_t i = find(w, hash, dir, name, len);
    int r;

    if (i == FC_TREE_NONE) {
        r = add_name(w, hash, dir, name, len, object);
    } else if (w->names[i].object == object) {
        return 0;
    } else {
        r = fc_work_remove(w, i);
        if (r == 0)
            w->names[i].object = object;
    }
    if (r == 0 && S_ISDIR(w->objects[object].type))
        w->objects[object].parent = dir;
    return r;
}

/* Mark @dir and all directories below it: whoever remembered them must look again. */
static int bury(struct fc_work *w, uint32_t dir)
{
    size_t n = 0;
    int r = fc_grow(&w->stack, &w->cap_stack, 1, sizeof(*w->stack));

    if (r < 0)
        return r;
    w->stack[n++] = dir;
    while (n) {
        struct fc_work_object *d = &w->objects[w->stack[--n]];

        d->dead = true;
        for (uint32_t i = d->first_child; i != FC_TREE_NONE; i = w->names[i].next_child) {
            uint32_t child = w->names[i].object;

            if (child == FC_TREE_NONE || !S_ISDIR(w->objects[child].type))
                continue;
            r = fc_grow(&w->stack, &w->cap_stack, n + 1, sizeof(*w->stack));
            if (r < 0)
                return r;
            w->stack[n++] = child;
        }
    }
    return 0;
}

int fc_work_remove(struct fc_work *w, uint32_t name)
{
    uint32_t object = w->names[name].object;

    if (object == FC_TREE_NONE)
        return 0;
    w->names[name].object = FC_TREE_NONE;
    w->generation++;
    return S_ISDIR(w->objects[object].type) ? bury(w, object) : 0;
}

int fc_work_clear(struct fc_work *w, uint32_t dir)
{
    int r = 0;

    for (uint32_t i = w->objects[dir].first_child; i != FC_TREE_NONE && r == 0; i = w->names[i].next_child)
        r = fc_work_remove(w, i);
    return r;
}
