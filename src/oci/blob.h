/* SPDX-License-Identifier: Apache-2.0 */
/* Write blobs into an image layout: nobody sees one before it is whole, and then it is called by its digest. */
#ifndef FC_OCI_BLOB_H
#define FC_OCI_BLOB_H

#include <fccompose/layer.h>

#include "base/digest.h"
#include "base/io.h"
#include "oci/oci.h"

/** A blob under way. All zero is none. */
struct fc_oci_blob_writer {
    struct fc_atomic file;
    struct fc_hasher *sha256;
    uint64_t size; /**< bytes so far */
};

/** Begin in the layout @dir, whose folders are made. Returns 0 or -errno with words. */
int fc_oci_blob_begin(struct fc_oci_blob_writer *w, const char *dir, struct fc_error *err);
/** Add bytes; a fc_tar_sink whose argument is the writer. Returns 0 or -errno with words. */
int fc_oci_blob_add(void *writer, const void *data, size_t size, struct fc_error *err);
/** The digest of what was added; then only fc_oci_blob_commit() or release. Returns 0 or -EIO with words. */
int fc_oci_blob_digest(struct fc_oci_blob_writer *w, struct fc_digest *ret, struct fc_error *err);
/** Put it into its place as @digest. Returns 0 or -errno with words. */
int fc_oci_blob_commit(struct fc_oci_blob_writer *w, const struct fc_digest *digest, struct fc_error *err);
/** Drop what was not committed. */
void fc_oci_blob_release(struct fc_oci_blob_writer *w);
static inline void fc_oci_blob_release_auto(struct fc_oci_blob_writer *w) { fc_oci_blob_release(w); }

/**
 * Put the document @d, which @fd holds, into @ret (empty before); @label names its source. The caller checks what was read.
 * Returns 0 or -errno with words.
 */
int fc_oci_blob_read(int fd, const char *label, const struct fc_oci_descriptor *d, struct fc_buf *ret,
                     struct fc_error *err);

/** "DIR/blobs/sha256/HEX". Caller frees; NULL when out of memory. */
char *fc_oci_blob_path(const char *dir, const struct fc_digest *digest);

#endif
