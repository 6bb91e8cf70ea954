/* SPDX-License-Identifier: Apache-2.0 */
/* Cut the names of a directory, sorted by hash, into blocks: full ones, or, after edits, those that it had before. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ext4/plan.h"

static int by_hash(const void *a, const void *b)
{
    const struct fc_ext4_name *x = a, *y = b;
    uint32_t len = x->len < y->len ? x->len : y->len;
    int r;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->minor != y->minor)
        return x->minor < y->minor ? -1 : 1;
    r = memcmp(x->name, y->name, len);
    return r ? r : x->len < y->len ? -1 : x->len > y->len;
}

static int hash_names(struct fc_ext4_planner *p, struct fc_ext4_name *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ext2fs_dirhash(EXT2_HASH_HALF_MD4, names[i].name, (int)names[i].len, p->hash_seed, &names[i].hash,
                           &names[i].minor))
            return fc_fail(p->err, EINVAL, "cannot hash a name");
        if (names[i].hash == 0xfffffffe) /* the kernel keeps this value for the end of a directory */
            names[i].hash = 0xfffffffc;
    }
    qsort(names, n, sizeof(*names), by_hash);
    return 0;
}

/* Cut names [first, end) into full leaves behind the @n_leaves that there are. Where a cut parts equal hashes, the low bit
 * says that the bucket goes on. Returns the number of leaves. */
static size_t cut(const struct fc_ext4_name *names, size_t first, size_t end, unsigned room,
                  struct fc_ext4_leaf *leaves, size_t n_leaves)
{
    unsigned used = room;

    for (size_t i = first; i < end; i++) {
        unsigned size = fc_ext4_name_size(names[i].len);

        if (used + size > room) {
            leaves[n_leaves++] = (struct fc_ext4_leaf){
                .first = i, .hash = names[i].hash | (i > first && names[i].hash == names[i - 1].hash)};
            used = 0;
        }
        leaves[n_leaves - 1].n++;
        used += size;
    }
    return n_leaves;
}

/* The hashes from which the leaves of directory @node of @base begin, and their number; NULL: it has no leaves. */
static const uint32_t *leaves_of(const struct fc_ext4_planner *base, uint32_t node, size_t *ret_n)
{
    uint64_t at;

    if (node == FC_TREE_NONE || !fc_map_get(&base->leaves_of, node, &at))
        return NULL;
    *ret_n = base->leaf_hashes[at];
    return base->leaf_hashes + at + 1;
}

static int remember(struct fc_ext4_planner *p, const struct fc_ext4_node *node, const struct fc_ext4_leaf *leaves,
                    size_t n)
{
    if (fc_grow(&p->leaf_hashes, &p->leaf_hashes_cap, p->n_leaf_hashes + n + 1, sizeof(*p->leaf_hashes)) < 0 ||
        fc_map_set(&p->leaves_of, (uint64_t)(node - p->nodes), p->n_leaf_hashes) < 0)
        return -ENOMEM;
    p->leaf_hashes[p->n_leaf_hashes++] = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        p->leaf_hashes[p->n_leaf_hashes++] = leaves[i].hash;
    return 0;
}

/*
 * Cut as the base did: the names between two of its borders go into the block that it had for them, what does not fit into
 * blocks of its own behind all others. So a name more or less changes one block, not all that follow. A block whose names
 * are gone stays, empty. Returns the number of leaves, or 0: the base's borders do not serve.
 */
static size_t cut_as_before(const struct fc_ext4_name *names, size_t n, unsigned room, const uint32_t *hashes,
                            size_t n_before, struct fc_ext4_leaf *leaves)
{
    size_t n_leaves = 0, at = 0, extra = n_before;

    for (size_t b = 0, next; b < n_before; b = next) {
        size_t first = at, begin = n_leaves;

        for (next = b + 1; next < n_before && hashes[next] & 1;)
            next++; /* a bucket that goes on */
        while (at < n && (next == n_before || names[at].hash < hashes[next]))
            at++;
        n_leaves = cut(names, first, at, room, leaves, n_leaves);
        if (n_leaves == begin)
            leaves[n_leaves++] = (struct fc_ext4_leaf){.first = first};
        if (n_leaves - begin < next - b)
            return 0;
        leaves[begin].hash = hashes[b]; /* the border, even when its name is gone */
        for (size_t k = 0; begin + k < n_leaves; k++)
            leaves[begin + k].block = (uint32_t)(b + k < next ? b + k : extra++);
    }
    return n_leaves;
}

int fc_ext4_make_leaves(struct fc_ext4_planner *p, const struct fc_ext4_node *node, struct fc_ext4_name *names,
                        size_t n, struct fc_ext4_leaf **ret, size_t *ret_n, size_t *ret_before)
{
    size_t n_before = 0, n_leaves = 0;
    const uint32_t *hashes = p->base ? leaves_of(p->base, node->base, &n_before) : NULL;
    /* A leaf holds at least 15 names of the longest kind, and each border makes one that is not full. */
    fc_auto(fc_free) struct fc_ext4_leaf *leaves = calloc(n / 15 + 2 + 2 * n_before, sizeof(*leaves));
    int r;

    if (!leaves)
        return fc_ext4_no_memory(p);
    r = hash_names(p, names, n);
    if (r < 0)
        return r;
    if (hashes)
        n_leaves = cut_as_before(names, n, fc_ext4_dir_room(p), hashes, n_before, leaves);
    *ret_before = n_leaves ? n_before : 0;
    if (!n_leaves) {
        n_leaves = cut(names, 0, n, fc_ext4_dir_room(p), leaves, 0);
        for (size_t i = 0; i < n_leaves; i++)
            leaves[i].block = (uint32_t)i;
    }
    if (!p->base && remember(p, node, leaves, n_leaves) < 0)
        return fc_ext4_no_memory(p);
    *ret_n = n_leaves;
    *ret = fc_steal(&leaves);
    return 0;
}
