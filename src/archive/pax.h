/* SPDX-License-Identifier: Apache-2.0 */
/* What PAX records (and GNU long names) say about the next entry. Private to archive/. */
#ifndef FC_ARCHIVE_PAX_H
#define FC_ARCHIVE_PAX_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "archive/sparse.h"
#include "base/buf.h"

/** Which members of fc_pax are set. */
enum {
    FC_PAX_PATH = 1 << 0,
    FC_PAX_LINK = 1 << 1,
    FC_PAX_SIZE = 1 << 2,
    FC_PAX_UID = 1 << 3,
    FC_PAX_GID = 1 << 4,
    FC_PAX_MTIME = 1 << 5,
    FC_PAX_MAJOR = 1 << 6,
    FC_PAX_MINOR = 1 << 7,
    FC_PAX_REALSIZE = 1 << 8,
    FC_PAX_SPARSE_NAME = 1 << 9,
    FC_PAX_ACL_ACCESS = 1 << 10,
    FC_PAX_ACL_DEFAULT = 1 << 11,
    FC_PAX_SOCKET = 1 << 12,
    FC_PAX_SPARSE_MAP = 1 << 13, /**< sparse 0.0 or 0.1: @map is whole */
};

/** An attribute: slices of fc_pax's @bytes; the name is NUL-terminated there. */
struct fc_pax_xattr {
    size_t name, value, size;
};

/** All zero says nothing. */
struct fc_pax {
    unsigned set;
    struct fc_buf path, link, sparse_name, acl_access, acl_default;
    uint64_t size, realsize;
    uint32_t uid, gid, major, minor;
    struct timespec mtime;
    uint32_t sparse_major, sparse_minor;
    struct fc_sparse_map map;
    uint64_t map_offset; /**< sparse 0.0: an offset that waits for its length */
    bool have_map_offset;
    struct fc_buf bytes;
    struct fc_pax_xattr *xattrs;
    size_t n_xattrs, xattrs_cap;
    uint32_t n_notes;
};

/** Take in the records of an extended header. Returns 0, -EBADMSG or -EOPNOTSUPP with words, or -ENOMEM. */
int fc_pax_parse(struct fc_pax *pax, const char *data, size_t size, struct fc_error *err);
/** Clear @pax and copy into it what @global says of every entry: numbers and attributes, never names. 0 or -ENOMEM. */
int fc_pax_inherit(struct fc_pax *pax, const struct fc_pax *global);
/** Free the memory. */
void fc_pax_release(struct fc_pax *pax);

/** Read a decimal time, "-1.5", into normalised form. Returns 0, 1 if it was clamped, or -EBADMSG. */
int fc_pax_time(const char *text, size_t len, struct timespec *ret);

#endif
