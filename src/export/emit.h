/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a snapshot as tar entries, in the order of a walk. Private to export/. */
#ifndef FC_EXPORT_EMIT_H
#define FC_EXPORT_EMIT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "export/export.h"

/** Writes objects and remembers under which name an inode was written first. */
struct fc_emitter {
    const struct fc_snapshot *snapshot;
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    const struct fc_snap_extent *extents;
    const struct fc_snap_source *sources;
    const struct fc_xattr *xattrs;
    uint32_t n_inodes;
    struct fc_tar_writer *writer;
    const char **first_path; /**< by inode: where a file with several names was written, else NULL */
    struct fc_arena arena;
    struct fc_tar_extent *runs;
    size_t cap_runs;
    char *buffer;
};

/** Begin a tar into @sink. Release also after a failure. Returns 0 or a negative errno with words. */
int fc_emitter_init(struct fc_emitter *e, const struct fc_snapshot *s, fc_tar_sink sink, void *arg,
                    struct fc_error *err);
/** Free what it holds; the tar is not ended. */
void fc_emitter_release(struct fc_emitter *e);

/**
 * Write @inode at @path: the whole object the first time, a hard link to that name later. Returns 0; -EOPNOTSUPP (words)
 * for what tar cannot hold, a socket; or another negative errno with words.
 */
int fc_emit(struct fc_emitter *e, const char *path, uint32_t inode, struct fc_error *err);

/** A name met by fc_export_walk(). */
struct fc_export_name {
    const char *path; /**< normalised; "" for the root */
    size_t path_len;
    uint32_t inode;
};
/**
 * Walk the snapshot from the root, parents first, names in byte order. @fn returns 0 to go on, 1 to leave out what is
 * below, or a negative errno that is returned.
 */
int fc_export_walk(const struct fc_emitter *e, int (*fn)(void *arg, const struct fc_export_name *name), void *arg);

#endif
