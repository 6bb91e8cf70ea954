/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an archive of images. Private to oci/. */
#ifndef FC_OCI_ARCHIVE_H
#define FC_OCI_ARCHIVE_H

#include <fccompose/layer.h>
#include <fccompose/progress.h>

#include "base/buf.h"
#include "oci/image.h"

struct fc_byte_source;

/** One file or link. */
struct fc_archive_member {
    char *name;   /* normalised */
    char *target; /* a link's: @hard a name in the archive, else a symlink's text */
    bool hard;
    struct fc_digest digest; /* of a file that is a blob now */
    uint64_t size;
    uint8_t head[8];    /* its first bytes */
    struct fc_buf text; /* of a document (index.json, manifest.json and their like) */
};

/** All of them; the blobs are in the layout of the cache. */
struct fc_archive_blobs {
    char *label;
    const char *layout; /* the layout of the cache; borrowed from the fetcher */
    struct fc_archive_member *members;
    size_t n, cap;
    uint64_t holes; /* bytes of files that the archive has as holes, so far */
};

/** Read the archive @bytes into the layout of @f. a->label is set by the caller. Returns 0 or -errno with words. */
int fc_archive_read(struct fc_archive_blobs *a, struct fc_fetcher *f, struct fc_byte_source *bytes,
                    struct fc_progress *progress, struct fc_error *err);
/** The file called @name, through links inside the archive. NULL if there is none. Borrowed. */
struct fc_archive_member *fc_archive_find(const struct fc_archive_blobs *a, const char *name);
/** Free what is in it. */
void fc_archive_release(struct fc_archive_blobs *a);

/**
 * The manifest of the image that @ref names ("name:tag" in any form, "@N" for the Nth, NULL for the only one) by the
 * archive's manifest.json, made as OCI has it, into @ret (empty before). Returns 0; -ENOENT, -ENOTUNIQ with what there is;
 * -EBADMSG; with words.
 */
int fc_archive_docker_manifest(const struct fc_archive_blobs *a, const char *ref, struct fc_buf *ret,
                               struct fc_error *err);

#endif
