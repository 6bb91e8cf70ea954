/* SPDX-License-Identifier: Apache-2.0 */
/* The index.json of a layout: which manifest a tag names; in the cache's, named when it was asked last. Private to oci/. */
#ifndef FC_OCI_TAGS_H
#define FC_OCI_TAGS_H

#include "oci/oci.h"

/**
 * Remember in the layout @dir that @ref (a tag; in the cache "HOST/REPOSITORY:TAG") is @d: an entry of index.json whose ref.name annotation that is, so that skopeo
 * and umoci find it. Other processes may do the same at once. Returns 0 or -errno with words.
 */
int fc_oci_tags_set(const char *dir, const char *ref, const struct fc_oci_descriptor *d, struct fc_error *err);
/** Whether the layout @dir has no index yet, or one that can be added to. Returns 0, -EBADMSG or another -errno, with words. */
int fc_oci_tags_check(const char *dir, struct fc_error *err);
/** What it was. Caller frees *ret_digest. Returns 0, -ENOENT, or -errno with words. */
int fc_oci_tags_get(const char *dir, const char *ref, char **ret_digest, struct fc_error *err);

#endif
