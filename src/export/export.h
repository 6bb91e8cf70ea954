/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot, or the difference that the edits make, as a tar stream. */
#ifndef FC_EXPORT_EXPORT_H
#define FC_EXPORT_EXPORT_H

#include <fccompose/snapshot.h>

#include "archive/archive.h"
#include "live/diff.h"
#include "oci/assemble.h"

/** Write the whole snapshot as one tar: parents first, names in byte order, later names of an inode as hard links. */
int fc_export_tar(const struct fc_snapshot *s, fc_tar_sink sink, void *arg, struct fc_error *err);

/**
 * Write the changes @d as an OCI layer: whiteouts first in each directory, then what was added or changed. Folding it
 * on top of the tree gives the snapshot's tree again. -EOPNOTSUPP (path in words) for a changed name that starts
 * with ".wh.", which an OCI layer cannot hold.
 */
int fc_export_layer(const struct fc_snapshot *s, const struct fc_tree *tree, const struct fc_diff *d, fc_tar_sink sink,
                    void *arg, struct fc_error *err);

/** How a layer becomes a blob. All zero is the default. */
struct fc_export_blob_options {
    const char *layout; /**< the image layout that it goes into; borrowed */
    enum fc_compression compression;
    int level;                    /**< 0 is the library's default */
    struct fc_progress *progress; /**< hears the tar's bytes; may be NULL */
    const char *created_by;       /**< for the image's history; borrowed until the image is made */
};

/**
 * @layer as a blob: the one that the layout has of it, else the tar that our writer makes of it, whose diffID may be another
 * than the layer's own. Returns 0 and fills *ret, or -errno with words.
 */
int fc_export_layer_blob(struct fc_layer *layer, const struct fc_export_blob_options *options, struct fc_oci_layer *ret,
                         struct fc_error *err);
/** The changes @d as a blob (see fc_export_layer()). */
int fc_export_edits_blob(const struct fc_snapshot *s, const struct fc_tree *tree, const struct fc_diff *d,
                         const struct fc_export_blob_options *options, struct fc_oci_layer *ret, struct fc_error *err);
/** The whole snapshot as one blob. */
int fc_export_tree_blob(const struct fc_snapshot *s, const struct fc_export_blob_options *options,
                        struct fc_oci_layer *ret, struct fc_error *err);

#endif
