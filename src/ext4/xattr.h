/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of extended attributes as ext4 stores them. */
#ifndef FC_EXT4_XATTR_H
#define FC_EXT4_XATTR_H

#include "base/arena.h"
#include "base/map.h"
#include "ext4/plan.h"

/** An attribute with its name's prefix turned into ext4's number. Borrows name and value. */
struct fc_ext4_attr {
    uint8_t index;
    const char *name;
    size_t len;
    const void *value;
    size_t size;
    uint32_t value_ino, value_hash; /**< of the inode that holds the value, 0: it stands beside the entry */
    uint32_t value_index;           /**< in the planner's ea_values, if there is such an inode */
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

/** Values that have inodes: by hash their indices among the planner's and among its base's. All zero is empty. */
struct fc_ext4_known_values {
    struct fc_map own, base;
};

/** Begin with the base's values. 0 or -ENOMEM. */
int fc_ext4_know_values(const struct fc_ext4_planner *p, struct fc_ext4_known_values *known);
/** Free what it owns. */
void fc_ext4_known_values_release(struct fc_ext4_known_values *known);

/**
 * Move the value of @a, an attribute of snapshot inode @inode, into an inode of its own, or to one with the same value.
 * Returns 0, or -ENOMEM or -EOPNOTSUPP with words.
 */
int fc_ext4_move_value(struct fc_ext4_planner *p, struct fc_ext4_known_values *known, uint32_t inode,
                       struct fc_ext4_attr *a);
/** Make nodes of the values that were moved. 0 or -ENOMEM. */
int fc_ext4_make_value_nodes(struct fc_ext4_planner *p);

/** Put @a into @area. Returns false, and changes nothing, when it does not fit. */
bool fc_ext4_attr_put(struct fc_ext4_attr_area *area, const struct fc_ext4_attr *a);

#endif
