/* SPDX-License-Identifier: Apache-2.0 */
/* A workspace: a stack of layers and the user's edits, in a directory with a .fccompose folder. */
#ifndef FCCOMPOSE_WORKSPACE_H
#define FCCOMPOSE_WORKSPACE_H

#include <stdbool.h>
#include <stdint.h>

#include <fccompose/layer.h>
#include <fccompose/snapshot.h>
#include <fccompose/stack.h>

/** An open workspace. Not thread-safe. */
struct fc_workspace;

/** How to open a workspace. */
enum fc_workspace_mode {
    FC_WORKSPACE_READ,  /**< look only; works while it is mounted, and then sees one consistent moment */
    FC_WORKSPACE_WRITE, /**< change edits or stack; -EBUSY while it is mounted or another program changes it */
};

/**
 * Make a workspace in @dir (created if missing) with an empty stack.
 *
 * Returns 0, or -EEXIST if there is one already, or another negative errno with words. Nothing half-made is left.
 */
FC_PUBLIC int fc_workspace_create(const char *dir, struct fc_error *err);

/**
 * Open the workspace in @dir, or, when @dir is NULL, the one found by walking up from the current directory.
 *
 * @cache is borrowed and must outlive the workspace. Returns 0 and sets *ret_ws; -ENOENT when there is none (err says
 * how to make one); -EBUSY; -EBADMSG when the database or a layer is damaged.
 */
FC_PUBLIC int fc_workspace_open(const char *dir, struct fc_cache *cache, enum fc_workspace_mode mode,
                                struct fc_workspace **ret_ws, struct fc_error *err);

/** Close a workspace; pending edits are committed (failures are lost: call fc_workspace_sync() first). NULL is allowed. */
FC_PUBLIC void fc_workspace_free(struct fc_workspace *ws);

/** The absolute path of the workspace's directory. Borrowed. */
FC_PUBLIC const char *fc_workspace_dir(const struct fc_workspace *ws);

/** Commit pending edits durably. Returns 0 or a negative errno with words. */
FC_PUBLIC int fc_workspace_sync(struct fc_workspace *ws, struct fc_error *err);

/** One layer of the workspace's stack. Strings are borrowed until the stack changes. */
struct fc_workspace_layer {
    struct fc_digest diffid;
    const char *locator; /**< what the user wrote */
    const char *name;    /**< commit's NAME, else the locator's last part */
    uint64_t first_ino;  /**< first of the layer's inode numbers, never reused */
};

/** The stack, lowest first, and its length. Borrowed. */
FC_PUBLIC const struct fc_workspace_layer *fc_workspace_stack(const struct fc_workspace *ws, uint32_t *ret_n);

/**
 * Snapshot the merged tree. The workspace must outlive the snapshot.
 *
 * Returns 0 and sets *ret_snapshot, or -ENOMEM.
 */
FC_PUBLIC int fc_workspace_snapshot(struct fc_workspace *ws, struct fc_snapshot **ret_snapshot, struct fc_error *err);

/** The merged tree without the edits. Borrowed; changes when the stack does. */
FC_PUBLIC const struct fc_tree *fc_workspace_tree(const struct fc_workspace *ws);

#endif
