/* SPDX-License-Identifier: Apache-2.0 */
/* Count who refers to an inode, so that one without a name lives as long as it is used. */
#include <errno.h>
#include <stdlib.h>

#include "live/internal.h"

/*
 * A walk makes the kernel refer to every inode. Of the lower ones a number each, in a table that is made once: a map of
 * 300,000 of them took 22 MB, and time whenever it grew.
 */
static uint64_t *lower_count(const struct fc_live *live, uint64_t ino)
{
    uint32_t i = live->refs.lower ? fc_tree_by_ino(live->tree, ino) : FC_TREE_NONE;

    return i != FC_TREE_NONE ? &live->refs.lower[i] : NULL;
}

int live_refs_count(struct fc_live *live)
{
    live->refs.lower = calloc((size_t)live->n_lower + 1, sizeof(*live->refs.lower));
    return live->refs.lower ? 0 : -ENOMEM;
}

void live_refs_release(struct fc_live *live)
{
    free(live->refs.lower);
    fc_map_release(&live->refs.other);
}

int live_ref_always(struct fc_live *live, uint64_t ino)
{
    uint64_t *lower = lower_count(live, ino), count = 0;

    if (lower) {
        ++*lower;
        return 0;
    }
    fc_map_get(&live->refs.other, ino, &count);
    return fc_map_set(&live->refs.other, ino, count + 1);
}

int live_ref(struct fc_live *live, uint64_t ino) { return live->refs.lower ? live_ref_always(live, ino) : 0; }

/* Take @n references back, or what there is. Returns whether some are left. */
static bool take_back(struct fc_live *live, uint64_t ino, uint64_t n)
{
    uint64_t *lower = lower_count(live, ino), count = 0;

    if (lower) {
        *lower -= n < *lower ? n : *lower;
        return *lower > 0;
    }
    if (fc_map_get(&live->refs.other, ino, &count) && count > n) {
        (void)fc_map_set(&live->refs.other, ino, count - n); /* the key is there: this cannot fail */
        return true;
    }
    fc_map_del(&live->refs.other, ino);
    return false;
}

void live_unref_one(struct fc_live *live, uint64_t ino) { take_back(live, ino, 1); }

bool live_is_referenced(const struct fc_live *live, uint64_t ino)
{
    const uint64_t *lower = lower_count(live, ino);

    return lower ? *lower > 0 : fc_map_get(&live->refs.other, ino, NULL);
}

void fc_live_forget(struct fc_live *live, uint64_t ino, uint64_t n)
{
    struct live_node node;

    live_lock(live);
    if (!take_back(live, ino, n) && live_node(live, ino, &node) == 0 && node.own)
        live_inode_reap(live, node.own);
    live_unlock(live, NULL);
}
