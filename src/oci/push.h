/* SPDX-License-Identifier: Apache-2.0 */
/* Put an image into a registry (distribution-spec, "Push"), and ask one whether it knows us. */
#ifndef FC_OCI_PUSH_H
#define FC_OCI_PUSH_H

#include <fccompose/progress.h>

#include "oci/assemble.h"

struct fc_fetcher;

/** How to push. All zero is the default. */
struct fc_oci_push_options {
    const char *from; /**< another repository of the same registry that may have blobs already; NULL: none */
    uint64_t chunk;   /**< bytes of an upload's pieces; 0 is 64 MiB */
    struct fc_progress *progress; /**< hears of each blob; may be NULL */
};

/** What was done. */
struct fc_oci_push_result {
    unsigned n_sent, n_there; /**< blobs that were sent; that the registry had, or took from @from */
    uint64_t bytes;           /**< of those that were sent */
};

/**
 * Push the image @made, whose blobs are in the layout of @f's cache, as @ref: blobs that the registry lacks, in pieces that
 * are gone on with after a cut, then configuration and manifest. Returns 0; -EACCES, -EBUSY, -EPROTO, -EINVAL (a reference with a
 * digest) or another errno with words.
 */
int fc_oci_push(struct fc_fetcher *f, const char *ref, const struct fc_oci_made *made,
                const struct fc_oci_push_options *options, struct fc_oci_push_result *ret, struct fc_error *err);

/** Whether the registry @host lets @user in with @password. Returns 0; -EACCES; -errno; with words. */
int fc_oci_login(struct fc_fetcher *f, const char *host, const char *user, const char *password, struct fc_error *err);

#endif
