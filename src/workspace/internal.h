/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of workspace/ share. */
#ifndef FC_WORKSPACE_INTERNAL_H
#define FC_WORKSPACE_INTERNAL_H

#include "layer/layer.h"
#include "live/diff.h"
#include "lock/lock.h"
#include "workspace/workspace.h"

FC_DEFINE_AUTO(struct fc_snapshot *, fc_snapshot_free)
FC_DEFINE_AUTO(struct fc_tree *, fc_tree_free)

/** A layer that left the stack and that edits still refer to. */
struct ws_old_layer {
    uint32_t id;
    struct fc_layer *layer; /* referenced */
};

/** A stack, opened: layers, the tree that they make, and the live tree on it. All zero is none. */
struct ws_view {
    struct fc_cache *cache;
    struct fc_layer **layers;
    uint32_t *ids; /* edit's layer ids by position */
    uint32_t n;
    struct ws_old_layer *old;
    size_t n_old, cap_old;
    struct fc_tree *tree;
    struct fc_live *live;
};

struct fc_workspace {
    char *dir, *store; /* absolute; @store is dir/.fccompose */
    struct fc_cache *cache;
    struct fc_workspace_options options;
    int lock_fd;    /* shared lock of a reader without a mount, or -1 */
    int control_fd; /* its connection holds the mount's pin, or -1 */
    struct fc_edit *edit;
    struct ws_view *view;
    struct fc_workspace_layer *stack;
    uint32_t n_stack;
};

/* open.c */

/** -EBUSY with words: the mount process behind the control connection @fd has the workspace in @dir. */
int ws_say_mounted(const char *dir, int fd, struct fc_error *err);

/* view.c */

/** Open the layers of edit's stack and fold them. */
int ws_view_fold(struct ws_view *v, struct fc_cache *cache, const struct fc_edit *edit, struct fc_error *err);
/** Open the live tree on it. */
int ws_view_live(struct ws_view *v, struct fc_edit *edit, const struct fc_workspace_options *options,
                 struct fc_error *err);
/** Close all of it and free it. NULL is allowed. */
void ws_view_free(struct ws_view *v);
FC_DEFINE_AUTO(struct ws_view *, ws_view_free)
/** Read ws->stack anew from the store. */
int ws_stack_load(struct fc_workspace *ws, struct fc_error *err);

/* rekey.c */

/** What is to be carried from one tree to another. */
struct ws_rekey {
    struct fc_edit *edit; /* in a transaction */
    const struct ws_view *from, *to;
    const struct fc_snapshot *snapshot; /* of @from */
    const struct fc_diff *diff;         /* from @from's tree to @snapshot */
};
/** Replace all edit rows by those that make @in->diff on the tree of @in->to; conflicts are noted in the store. */
int ws_rekey(const struct ws_rekey *in, struct fc_error *err);

/* restack.c */

/** The store's setting that has where the layer of row @id came from, as the lock has it. Returns @key. */
enum { WS_SOURCE_KEY = 32 };
const char *ws_source_key(char key[WS_SOURCE_KEY], uint32_t id);

/** A place in the new stack: a row that exists (@id), or a new layer. */
struct ws_slot {
    uint32_t id;
    const struct fc_workspace_new_layer *add;
};
/** Make @slots the stack. The edits are re-keyed, or, with @absorbed, cleared: the new stack gives the same tree. */
int ws_restack(struct fc_workspace *ws, const struct ws_slot *slots, size_t n, bool absorbed, struct fc_error *err);
/** Whether the workspace may be changed by this process. -EINVAL with words. */
int ws_need_write(const struct fc_workspace *ws, const char *what, struct fc_error *err);

#endif
