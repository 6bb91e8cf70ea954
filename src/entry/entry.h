/* SPDX-License-Identifier: Apache-2.0 */
/* Entries for the other modules: path rules, whiteout names, filters, the host directory as a source. */
#ifndef FC_ENTRY_ENTRY_H
#define FC_ENTRY_ENTRY_H

#include <stdbool.h>

#include <fccompose/entry.h>

#include "base/buf.h"
#include "base/cleanup.h"

FC_DEFINE_AUTO(struct fc_entry_iter *, fc_entry_iter_free)

/**
 * Normalise a path from a source: leading "/" and "./", doubled and trailing "/" and "." components go; ".." is refused.
 *
 * Replaces the content of @ret. Returns 0; -EBADMSG with words for "..", an embedded NUL, a component over 255 bytes,
 * or a path over FC_PATH_MAX.
 */
int fc_path_normalise(const char *path, size_t len, struct fc_buf *ret, struct fc_error *err);

/** What an OCI layer's file name says (image-spec layer.md, "Representing Changes"). */
enum fc_whiteout {
    FC_WHITEOUT_NONE,   /**< an ordinary name */
    FC_WHITEOUT_FILE,   /**< ".wh.NAME": hides NAME */
    FC_WHITEOUT_OPAQUE, /**< ".wh..wh..opq" */
    FC_WHITEOUT_META,   /**< other ".wh..wh.*" (AUFS): dropped in silence */
    FC_WHITEOUT_BAD,    /**< bare ".wh." */
};

/** Classify the last component of a normalised path. For FILE, *ret_name (may be NULL) points at NAME inside @path. */
enum fc_whiteout fc_whiteout_classify(const char *path, const char **ret_name);

/** Wrap @inner (owned from then on, also on failure): ".wh." names become whiteout and opaque ops, decided by name before type. */
int fc_filter_whiteouts(struct fc_entry_iter *inner, struct fc_entry_iter **ret, struct fc_error *err);

/** Wrap @inner: every entry gets @uid:@gid. Ownership of @inner as above. */
int fc_filter_owner(struct fc_entry_iter *inner, uint32_t uid, uint32_t gid, struct fc_entry_iter **ret,
                    struct fc_error *err);

/** Wrap @inner: put @prefix (normalised) in front of every path and hard link target. Ownership of @inner as above. */
int fc_filter_prefix(struct fc_entry_iter *inner, const char *prefix, struct fc_entry_iter **ret, struct fc_error *err);

/** How to read a host directory. All zero is the default. */
struct fc_dir_options {
    const char *const *excludes; /**< fnmatch patterns; "**" crosses slashes; without "/" they match a name anywhere */
    size_t n_excludes;
    bool cross_mounts;
};

/**
 * Read the tree below the open directory @dirfd (duplicated) as entries in name order, never following symlinks.
 *
 * Numeric owners, modes, times, xattrs (host-only ones dropped: see fc_xattr_is_host_only()), hard links by device and
 * inode, holes by SEEK_DATA. @label names it in messages. If @dirfd is a regular file or other object, the stream is
 * that one entry at path "".
 */
int fc_dir_iter(int dirfd, const char *label, const struct fc_dir_options *options, struct fc_entry_iter **ret,
                struct fc_error *err);

/** Whether an xattr describes the host and not the file: security.selinux, .ima, .evm, trusted.overlay.*, user.overlay.*, system.nfs4_acl. */
bool fc_xattr_is_host_only(const char *name);

#endif
