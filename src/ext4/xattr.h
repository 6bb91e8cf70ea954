/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of extended attributes as ext4 stores them. */
#ifndef FC_EXT4_XATTR_H
#define FC_EXT4_XATTR_H

#include "base/arena.h"
#include "ext4/plan.h"

/** An attribute with its name's prefix turned into ext4's number. Borrows name and value. */
struct fc_ext4_attr {
    uint8_t index;
    const char *name;
    size_t len;
    const void *value;
    size_t size;
};

/**
 * Split the name of @x and re-encode an ACL (kept in @arena). Returns 0, -EOPNOTSUPP when ext4 has no place for such a
 * name, -EBADMSG for a malformed ACL, or -ENOMEM; without words.
 */
int fc_ext4_attr_from(const struct fc_xattr *x, struct fc_arena *arena, struct fc_ext4_attr *ret);

/** Room for attributes: entries grow from the front, values from the end. */
struct fc_ext4_attr_area {
    unsigned char *base; /**< cleared; value offsets count from here */
    size_t front, back;  /**< the free bytes between, a terminator of 4 included */
    bool hashed;         /**< entries carry their hash (in blocks they must) */
};

/** Put @a into @area. Returns false, and changes nothing, when it does not fit. */
bool fc_ext4_attr_put(struct fc_ext4_attr_area *area, const struct fc_ext4_attr *a);

#endif
