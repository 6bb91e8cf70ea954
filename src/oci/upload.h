/* SPDX-License-Identifier: Apache-2.0 */
/* The upload of one blob. Private to oci/. */
#ifndef FC_OCI_UPLOAD_H
#define FC_OCI_UPLOAD_H

#include <fccompose/progress.h>

#include "oci/session.h"

/** A blob to upload: @size bytes of @fd (NULL: -1), else of @data. */
struct fc_oci_upload {
    const char *digest; /**< "sha256:HEX" */
    uint64_t size;
    int fd; /**< -1: @data has them */
    const void *data;
    const char *from; /**< a repository that may have it; or NULL */
    uint64_t chunk;
    struct fc_progress *progress; /**< hears the bytes that are there; may be NULL */
};

/** Make sure that the registry has it. Returns 1 when bytes were sent, 0 when it was there; or -errno with words. */
int fc_oci_upload(struct fc_oci_session *s, const struct fc_oci_upload *u, struct fc_error *err);

#endif
