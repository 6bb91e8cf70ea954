/* SPDX-License-Identifier: Apache-2.0 */
/* What the reading commands look at: the workspace's tree, or that of layers or of an image from the command line. */
#ifndef FC_CLI_VIEW_H
#define FC_CLI_VIEW_H

#include <fccompose/fccompose.h>

#include "cli/cli.h"

/** Layers from the command line, lowest first; an image is several. All zero is none. */
struct cli_layers {
    struct cli_layer {
        struct fc_layer *layer;
        char *locator; /**< as it may be recorded: without passwords, with the architecture */
        char *name;    /**< of a layer of an image, else NULL */
        char *source;  /**< for a lock; NULL: it cannot be locked */
    } * list;
    size_t n;
    char *config; /**< configuration of the last image among them, JSON; or NULL */
};

/** An open view. All zero is a closed one. */
struct cli_view {
    struct fc_cache *cache;
    const char *image;       /**< that of the command line, or NULL */
    struct fc_workspace *ws; /**< NULL for layers or an image from the command line */
    struct cli_layers layers;
    struct fc_tree *own_tree;
    const struct fc_tree *tree; /**< without the edits; NULL for an image */
    struct fc_snapshot *snapshot;
};

/** Locators from the command line, for import and for the record. All zero is none. */
struct cli_locators {
    const char **use;    /**< with the architecture of --arch */
    const char **record; /**< the same, and without passwords: what may be stored and shown */
    size_t n;
    char **strings;
};
/** Take @n locators. Returns 0 or a failure with words; release @ret also then. */
int cli_locators_take(const struct cli *cli, const char *const *locators, size_t n, struct cli_locators *ret,
                      struct fc_error *err);
/** Free them. */
void cli_locators_release(struct cli_locators *l);

/**
 * Import what @n @locators (lowest first) name into @cache, with progress and a message each. @options may be NULL; their
 * fetcher and progress are ours. Returns 0 and fills *ret, or a failure with words.
 */
int cli_import(struct cli *cli, struct fc_cache *cache, const char *const *locators, size_t n,
               const struct fc_import_options *options, struct cli_layers *ret, struct fc_error *err);
/** Drop them. */
void cli_layers_release(struct cli_layers *layers);
static inline void cli_layers_release_auto(struct cli_layers *layers) { cli_layers_release(layers); }

/** Open the tree of @n layers, or, when @n is 0, of the workspace. Returns 0 or a failure with words. */
int cli_view_open(struct cli *cli, const char *const *locators, size_t n, struct cli_view *ret, struct fc_error *err);
/**
 * The same, but of the image of --image (CLI_IMAGE_OPTION) when @args have one; wrong usage when there are layers, too.
 * Without @content the files of an image have none, but for cli_view_cat().
 */
int cli_view_open_args(struct cli *cli, const struct cli_args *args, const char *const *locators, size_t n,
                       bool content, struct cli_view *ret, struct fc_error *err);
/** The same, but the snapshot of a workspace is not there before cli_view_snapshot(). */
int cli_view_open_lazy(struct cli *cli, const struct cli_args *args, const char *const *locators, size_t n,
                       bool content, struct cli_view *ret, struct fc_error *err);
/**
 * Open the workspace in @dir (NULL: found from the current directory), its snapshot not before cli_view_snapshot(). @ret is a closed
 * view; release it also after a failure. Returns 0 or a failure with words.
 */
int cli_view_open_workspace(const char *dir, struct cli_view *ret, struct fc_error *err);
/** Take the snapshot that is missing, if one is. Returns 0 or a failure with words. */
int cli_view_snapshot(struct cli_view *v, struct fc_error *err);
/** Close it. */
void cli_view_release(struct cli_view *v);

/** The inode at @path (any form; symlinks resolved inside the tree, the last one if @follow). Returns 0 or a failure. */
int cli_view_find(const struct cli_view *v, const char *path, bool follow, uint32_t *ret_inode, struct fc_error *err);
/** Write the content of the regular file @inode to @fd, holes as zeros. Returns 0 or a failure with words. */
int cli_view_cat(const struct cli_view *v, uint32_t inode, int fd, struct fc_error *err);

/** Paths of the tree from the command line, normalised. All zero is none. */
struct cli_paths {
    char **list;
    size_t n;
};
/** Normalise @n @operands. Release @ret also after a failure. Returns 0 or a failure with words. */
int cli_paths_take(const char *const *operands, size_t n, struct cli_paths *ret, struct fc_error *err);
/** Whether the normalised @path is one of them or below one; also when there are none. */
bool cli_paths_cover(const struct cli_paths *paths, const char *path);
/** Free the list. */
void cli_paths_release(struct cli_paths *paths);

/** --owner, --exclude and the like as import options. @ret borrows from @args and *ret_excludes (caller frees). */
int cli_import_options(struct cli *cli, const struct cli_args *args, struct fc_import_options *ret,
                       const char ***ret_excludes, struct fc_error *err);

/* Tables of a snapshot, where their length is not wanted. */
static inline const struct fc_snap_inode *cli_inodes(const struct fc_snapshot *s)
{
    return fc_snapshot_inodes(s, NULL);
}
static inline const struct fc_snap_dentry *cli_dentries(const struct fc_snapshot *s)
{
    return fc_snapshot_dentries(s, NULL);
}
static inline const struct fc_snap_extent *cli_extents(const struct fc_snapshot *s)
{
    return fc_snapshot_extents(s, NULL);
}
static inline const struct fc_xattr *cli_xattrs(const struct fc_snapshot *s) { return fc_snapshot_xattrs(s, NULL); }
static inline const struct fc_snap_source *cli_sources(const struct fc_snapshot *s)
{
    return fc_snapshot_sources(s, NULL);
}

/** The row of a table that lets a command look into an image. */
#define CLI_IMAGE_OPTION(what)                                                                                         \
    {                                                                                                                  \
        'i', 'i', "image", "IMAGE", what, CLI_WORD_FILE                                                                \
    }

/** Ids of import options. */
enum { OPT_OWNER = CLI_LONG_ONLY + 200, OPT_EXCLUDE, OPT_CROSS_MOUNTS };
/** Rows of import options for a command's table. */
#define CLI_IMPORT_OPTIONS                                                                                             \
    {OPT_OWNER, 0, "owner", "UID:GID", "give everything in the layers this owner", 0},                                 \
        {OPT_EXCLUDE, 0, "exclude", "PATTERN", "leave out what matches, for dir: layers; may be repeated", 0},         \
    {                                                                                                                  \
        OPT_CROSS_MOUNTS, 0, "cross-mounts", NULL, "walk into other file systems, for dir: layers", 0                  \
    }

#endif
