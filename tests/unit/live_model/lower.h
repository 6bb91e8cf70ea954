/* SPDX-License-Identifier: Apache-2.0 */
/* What drawing layers and building them share. */
#ifndef LIVE_MODEL_LOWER_H
#define LIVE_MODEL_LOWER_H

#include "model.h"

/** An entry of a layer. Blocks [hole_from, hole_to) are a hole, all others are data without zero bytes. */
struct l_entry {
    enum fc_entry_op op;
    char *path, *target;
    uint32_t mode, uid, gid, major, minor;
    uint64_t size, hole_from, hole_to;
    unsigned seed;
    struct timespec mtime;
    struct fc_xattr xattrs[8];
    size_t n_xattrs;
};
struct l_list {
    struct l_entry **items;
    size_t n;
};

unsigned char l_byte(const struct l_entry *e, uint64_t at);
struct l_entry *l_add(struct l_list *l, enum fc_entry_op op, const char *path);
/** Let the entry describe the node as it is. */
void l_take(struct l_entry *e, const struct m_node *n);
/** Draw the entries of one layer for one part, and do them to its model. */
void l_draw(struct l_list *l, const struct part *p, struct dice *d, unsigned layer);

#endif
