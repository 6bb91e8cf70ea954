/* SPDX-License-Identifier: Apache-2.0 */
/* Workspaces for the program: opening for a mount, changing the stack, commit, reset, status. */
#ifndef FC_WORKSPACE_WORKSPACE_H
#define FC_WORKSPACE_WORKSPACE_H

#include <fccompose/stack.h>
#include <fccompose/workspace.h>

#include "base/cleanup.h"
#include "edit/edit.h"
#include "live/live.h"

FC_DEFINE_AUTO(struct fc_workspace *, fc_workspace_free)

/** The folder inside a workspace's directory. */
#define FC_WORKSPACE_FOLDER ".fccompose"

/** How to open. All zero opens for reading. */
struct fc_workspace_options {
    enum fc_workspace_mode mode;
    bool for_mount; /**< with WRITE: the live tree counts references and commits in the background */
    bool read_only; /**< with WRITE: the lock is taken, but the live tree refuses changes (mount -o ro) */
    int wait_ms;    /**< how long to wait for another command to finish; 0 is 5 seconds, negative not at all */
};

/**
 * fc_workspace_open() with more choice. Open in the process that uses it: neither the lock nor the database survives a
 * fork. @options may be NULL.
 */
int fc_workspace_open_with(const char *dir, struct fc_cache *cache, const struct fc_workspace_options *options,
                           struct fc_workspace **ret_ws, struct fc_error *err);

/**
 * The absolute directory of the workspace in @dir, or, when @dir is NULL, of the one found by walking up from the
 * current directory. Caller frees *ret_dir. -ENOENT with words that say how to make one; -EPERM if what was met above
 * the current directory is a stranger's (see fc_workspace_check_owner()).
 */
int fc_workspace_find(const char *dir, char **ret_dir, struct fc_error *err);

/**
 * Whether the workspace in @dir (as found) is ours, root's or, under sudo, that of who called it (SUDO_UID): 0, or -EPERM
 * with words. For what would give its owner more than they have, such as a mount by root.
 */
int fc_workspace_check_owner(const char *dir, struct fc_error *err);

/** The control socket's path of the workspace in @dir (as found). Caller frees; NULL when out of memory. */
char *fc_workspace_socket(const char *dir);

/** The live tree. Borrowed; another one after the stack changed. */
struct fc_live *fc_workspace_live(struct fc_workspace *ws);
/** Whether a mount process serves this workspace (then it was opened for reading, through a pin). */
bool fc_workspace_is_mounted(const struct fc_workspace *ws);

/* The stack. Each function is one durable transaction on a workspace opened with WRITE and not for_mount (-EINVAL
 * otherwise). Edits are re-keyed by path onto the new tree (inode numbers may change); what no longer fits is kept and
 * noted as a conflict. On failure everything is as it was. Snapshots of the workspace must be freed before. */

/** A layer to add. Borrowed for the call. */
struct fc_workspace_new_layer {
    struct fc_layer *layer;
    const char *locator; /**< what the user wrote */
    const char *name;    /**< NULL: the locator's last part */
    const char *source;  /**< what is remembered for a lock (struct fc_imported); NULL: nothing */
};
/** Put @n layers into the stack so that the first is at @position (0: lowest); -1 is on top. -ERANGE. */
int fc_workspace_layers_add(struct fc_workspace *ws, const struct fc_workspace_new_layer *layers, size_t n,
                            int position, struct fc_error *err);
/** Put @n layers in the place of the @n_old from @at on. -ERANGE. */
int fc_workspace_layers_replace(struct fc_workspace *ws, uint32_t at, uint32_t n_old,
                                const struct fc_workspace_new_layer *layers, size_t n, struct fc_error *err);
/** Where the layer at @position came from (struct fc_workspace_new_layer's source), NULL if that is not known. Caller frees. -ERANGE. */
int fc_workspace_layer_source(struct fc_workspace *ws, uint32_t position, char **ret_source, struct fc_error *err);
/** Take the layer at @position out. -ERANGE. */
int fc_workspace_layer_remove(struct fc_workspace *ws, uint32_t position, struct fc_error *err);
/** Move the layer at @from so that it is then at @to. -ERANGE. */
int fc_workspace_layer_move(struct fc_workspace *ws, uint32_t from, uint32_t to, struct fc_error *err);
/**
 * Position of the layer that @text names: a number, a name, a locator, or a diffID or its beginning (at least 6 digits).
 * -ENOENT, or -ENOTUNIQ when several are meant.
 */
int fc_workspace_layer_find(const struct fc_workspace *ws, const char *text, uint32_t *ret_position,
                            struct fc_error *err);

/**
 * Make the edits a layer called @name on top of the stack; the edits are then empty. The tree is the same before and
 * after, but inode numbers may change, and of times only mtime is kept. The layer's locator is "commit:NAME".
 *
 * Same conditions as for the stack. -ENODATA with words if there is nothing to commit. @ret_diffid may be NULL.
 */
int fc_workspace_commit(struct fc_workspace *ws, const char *name, struct fc_digest *ret_diffid, struct fc_error *err);

/** A live tree and what it stands on. Borrowed. */
struct fc_edits_source {
    struct fc_live *live;
    const struct fc_tree *tree; /**< that @live edits */
    struct fc_cache *cache;     /**< gets the layer */
    const char *dir;            /**< a folder for a temporary file of the layer's size */
};
/**
 * What @edits->live changes as a layer in the cache, called @name in messages. The live tree stays as it is. Returns 0 and sets
 * *ret; -ENODATA with words when it changes nothing; or another -errno with words.
 */
int fc_edits_layer(const struct fc_edits_source *edits, const char *name, struct fc_layer **ret, struct fc_error *err);
/** The layer that changes nothing, in @cache. Returns 0 and sets *ret, or -errno with words. */
int fc_empty_layer(struct fc_cache *cache, struct fc_layer **ret, struct fc_error *err);

/**
 * The configuration (JSON; image-spec, config.md) of the image that was put into the stack last, or what was set since; NULL if
 * there is none. Caller frees *ret_config. Returns 0 or -errno with words.
 */
int fc_workspace_config(struct fc_workspace *ws, char **ret_config, struct fc_error *err);
/** Set it; NULL forgets it. Same conditions as for the stack. Durable. */
int fc_workspace_config_set(struct fc_workspace *ws, const char *config, struct fc_error *err);

/** Forget the edits at and below @n normalised paths (n 0: all), and their conflicts. Durable. WRITE only. */
int fc_workspace_reset(struct fc_workspace *ws, const char *const *paths, size_t n, struct fc_error *err);

/** What `status` shows. */
struct fc_workspace_status {
    bool mounted;
    int pid;           /**< of the process that serves it; 0: none does */
    char *mountpoint;  /**< NULL or "": none. Strings are freed by fc_workspace_status_release() */
    char *disk;        /**< the file of the virtual disk; NULL or "": none */
    uint64_t n_inodes; /**< new or changed objects */
    uint64_t n_names;  /**< names added or removed */
    uint64_t n_conflicts;
    uint64_t data_bytes; /**< contents of edits */
};
/** Fill *ret. Works in both modes. */
int fc_workspace_status(struct fc_workspace *ws, struct fc_workspace_status *ret, struct fc_error *err);
/** Free the strings. */
void fc_workspace_status_release(struct fc_workspace_status *s);
/** Call @fn for each conflict, by path; a non-zero return stops and is returned. */
int fc_workspace_conflicts(struct fc_workspace *ws, int (*fn)(void *arg, const char *path, const char *what), void *arg,
                           struct fc_error *err);

/**
 * Import again what the stack of the workspace in @dir needs and the cache lacks, from the locators (a relative one is
 * also tried from the workspace's directory). Of @options, which may be NULL, fetcher and progress count. -ESTALE with words when a locator now gives another layer.
 * Returns the number of layers imported.
 */
int fc_workspace_pull(const char *dir, struct fc_cache *cache, const struct fc_import_options *options,
                      struct fc_error *err);

#endif
