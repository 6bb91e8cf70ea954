/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot, or the difference that the edits make, as a tar stream. */
#ifndef FC_EXPORT_EXPORT_H
#define FC_EXPORT_EXPORT_H

#include <fccompose/snapshot.h>

#include "archive/archive.h"
#include "live/diff.h"

/** Write the whole snapshot as one tar: parents first, names in byte order, later names of an inode as hard links. */
int fc_export_tar(const struct fc_snapshot *s, fc_tar_sink sink, void *arg, struct fc_error *err);

/**
 * Write the changes @d as an OCI layer: whiteouts first in each directory, then what was added or changed. Folding it
 * on top of the tree gives the snapshot's tree again. -EOPNOTSUPP (path in words) for a changed name that starts
 * with ".wh.", which an OCI layer cannot hold.
 */
int fc_export_layer(const struct fc_snapshot *s, const struct fc_tree *tree, const struct fc_diff *d, fc_tar_sink sink,
                    void *arg, struct fc_error *err);

#endif
