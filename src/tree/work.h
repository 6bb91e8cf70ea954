/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree while it is being folded: objects and names in growing arrays, named by their indexes.
 *
 * A name is a pair of directory and bytes and is never taken out again: removing sets its object to FC_TREE_NONE, and
 * what comes to that place later uses the name again. So chains stay short whatever a layer does, and removing a
 * directory costs one step for each directory in it, once.
 */
#ifndef FC_TREE_WORK_H
#define FC_TREE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/tree.h>

#include "base/arena.h"
#include "base/buf.h"
#include "layer/layer.h"

/** Numbers of directories that stand in no layer (made on the way through a symlink): above every reserved one. */
#define FC_WORK_MADE_UP UINT64_C(0xf0000000)
/** As many symlinks as the kernel follows in one path. */
#define FC_WORK_MAX_LINKS 40

/** An object. Its attributes are those of @layer_inode in @layer; FC_TREE_NONE: made up. */
struct fc_work_object {
    uint64_t ino;
    uint32_t layer, layer_inode;
    uint32_t type;                    /**< S_IFMT bits */
    uint32_t parent;                  /**< directory: the object that holds its name */
    uint32_t first_child, last_child; /**< directory: its names, in order of coming, also those without an object */
    uint32_t index;                   /**< in the finished tree; scratch of the last phase */
    uint32_t nlink;                   /**< scratch of the last phase */
    bool dead;                        /**< directory: was removed */
};

/** A name in a directory. */
struct fc_work_name {
    const char *name;
    uint32_t len;
    uint32_t hash;
    uint32_t dir;         /**< object */
    uint32_t object;      /**< FC_TREE_NONE: nothing is there now */
    uint32_t next_child;  /**< in the directory */
    uint32_t next_bucket; /**< in the hash table */
};

/** The whole of it. */
struct fc_work {
    const struct fc_tree_layer *layers;
    struct fc_work_object *objects;
    size_t n_objects, cap_objects;
    struct fc_work_name *names;
    size_t n_names, cap_names;
    uint32_t *buckets;
    uint32_t n_buckets; /**< a power of two */
    uint64_t n_made_up;
    uint64_t generation;    /**< counts removals: while it stands still every resolved path stays right */
    struct fc_arena *arena; /**< the finished tree's: names that are in no layer */
    struct fc_buf path;     /**< scratch of the resolver */
    uint32_t *stack;        /**< scratch of the remover */
    size_t cap_stack;
};

/** Begin with an empty root (object 0); @expected names are made room for. Returns 0 or -ENOMEM. */
int fc_work_init(struct fc_work *w, const struct fc_tree_layer *layers, struct fc_arena *arena, size_t expected);
/** Free everything but the arena. */
void fc_work_release(struct fc_work *w);

/** The name, with or without an object, or FC_TREE_NONE. */
uint32_t fc_work_find(const struct fc_work *w, uint32_t dir, const char *name, size_t len);
/** The object at the name, or FC_TREE_NONE. */
uint32_t fc_work_child(const struct fc_work *w, uint32_t dir, const char *name, size_t len);
/** Make an object. Returns 0, -ENOMEM, or -EFBIG. */
int fc_work_add_object(struct fc_work *w, uint64_t ino, uint32_t layer, uint32_t layer_inode, uint32_t type,
                       uint32_t *ret_object);
/** Put @object at the name; what was there goes. @name is kept, not copied. Returns 0, -ENOMEM, or -EFBIG. */
int fc_work_put(struct fc_work *w, uint32_t dir, const char *name, size_t len, uint32_t object);
/** Take away what is at the name, with all that is below it. Returns 0 or -ENOMEM. */
int fc_work_remove(struct fc_work *w, uint32_t name);
/** Take away everything in the directory. Returns 0 or -ENOMEM. */
int fc_work_clear(struct fc_work *w, uint32_t dir);

/** What to do about the last component and about what is missing. */
enum {
    FC_RESOLVE_NO_FOLLOW = 1 << 0, /**< a symlink in the last place is the result */
    FC_RESOLVE_CREATE = 1 << 1,    /**< missing directories are made */
};
/**
 * Walk @path from directory @dir inside the tree: ".." stays in the root, absolute symlinks begin at it.
 *
 * Returns 0 and the object; -ENOENT, -ENOTDIR, -ELOOP, -ENOMEM or -EFBIG.
 */
int fc_work_resolve(struct fc_work *w, uint32_t dir, const char *path, unsigned flags, uint32_t *ret_object);
/** Text of the symlink @object. */
const char *fc_work_target(const struct fc_work *w, uint32_t object);

#endif
