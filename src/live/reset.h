/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of fc_live_reset() share. */
#ifndef FC_LIVE_RESET_H
#define FC_LIVE_RESET_H

#include "live/internal.h"

/** A reset under way. */
struct live_reset {
    struct fc_live *live;
    struct live_notes *notes;
    struct live_inos todo; /* lower indices that are still to be restored */
};

/** Remove @name and everything below it. What else has names lives on; what references have stays readable. */
int live_uproot(struct live_reset *r, uint64_t parent, const char *name, size_t len);

#endif
