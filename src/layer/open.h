/* SPDX-License-Identifier: Apache-2.0 */
/* An open layer, for the other parts of the module. */
#ifndef FC_LAYER_OPEN_H
#define FC_LAYER_OPEN_H

#include <stdatomic.h>

#include "layer/layer.h"

struct fc_layer {
    struct fc_layer_view view;
    struct fc_digest diffid;
    void *index; /**< the file of that name, in memory */
    size_t index_size;
    char *path;            /**< of the layer's folder, for messages */
    atomic_ulong *checked; /**< a bit for each sum: the block was read and is whole */
    atomic_uint refs;
};

/**
 * Check all of the index's structure, so that readers need no checks: offsets, counts, slices, string ends, order.
 *
 * @data is @size bytes, aligned to 8; @pack_size is the pack file's true length. Returns 0 and fills the tables of
 * *ret_view (not its pack_fd), or -EBADMSG with words (without a name in front), or -ENOMEM.
 */
int fc_layer_check(const void *data, uint64_t size, uint64_t pack_size, struct fc_layer_view *ret_view,
                   struct fc_error *err);

/** 1 if the index of @l has the XXH3-128 that is recorded, or none is, as in older layers; 0 if not; -ENOMEM, -EIO. */
int fc_layer_index_is_whole(const struct fc_layer *l);
/** Room for what fc_layer_read_pack() has checked. Returns 0 or -ENOMEM. */
int fc_layer_prepare_sums(struct fc_layer *l);
/** Note in the cache that bytes of the pack are damaged. No errors: whoever reads them notes it again. */
void fc_layer_note_damage(const struct fc_layer *l);

#endif
