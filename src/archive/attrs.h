/* SPDX-License-Identifier: Apache-2.0 */
/* From what PAX records say to an entry's extended attributes. Private to archive/. */
#ifndef FC_ARCHIVE_ATTRS_H
#define FC_ARCHIVE_ATTRS_H

#include <fccompose/entry.h>

#include "archive/pax.h"

/** The attributes of one entry. All zero is empty. */
struct fc_attrs {
    struct fc_xattr *list;
    size_t n, cap;
    struct fc_buf acls;
};

/**
 * Fill @a from @pax: sorted, the last of a name only, host-only and unknown ones left out (*notes counts them), ACL texts
 * encoded. *mode gets the permission bits of an access ACL. Borrows from @pax. Returns 0, -EBADMSG, or -ENOMEM.
 */
int fc_attrs_build(struct fc_attrs *a, const struct fc_pax *pax, uint32_t *mode, uint32_t *notes, struct fc_error *err);
/** Free the memory. */
void fc_attrs_release(struct fc_attrs *a);

#endif
