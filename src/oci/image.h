/* SPDX-License-Identifier: Apache-2.0 */
/* Images and where their blobs are: a registry, an image layout, an archive. */
#ifndef FC_OCI_IMAGE_H
#define FC_OCI_IMAGE_H

#include "base/buf.h"
#include "oci/oci.h"

#include <fccompose/progress.h>

struct fc_byte_source;
struct fc_fetch;
struct fc_fetcher;

/** The bytes of a blob: exactly one of the two is there. */
struct fc_oci_blob {
    int fd;                 /**< a file that holds it and nothing else, from its beginning; -1: none */
    struct fc_fetch *fetch; /**< a download under way that checks length and digest itself; NULL: none */
};

/** Where blobs are. An implementation embeds this as its first member. One thread at a time. */
struct fc_oci_source {
    /**
     * Put the document that everything begins with into @ret (empty before), and what it was served as into *ret_type
     * (borrowed from the source; NULL: nobody said). Returns 0 or -errno with words.
     */
    int (*root)(struct fc_oci_source *s, struct fc_buf *ret, const char **ret_type, struct fc_error *err);
    /** Put a document (its length is at most FC_OCI_DOCUMENT_MAX) into @ret (empty before); the caller checks it. */
    int (*document)(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_buf *ret,
                    struct fc_error *err);
    /** Open a layer. Its length is right, its digest may yet prove wrong. -ENOENT if it is not there. */
    int (*open)(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_oci_blob *ret,
                struct fc_error *err);
    void (*free)(struct fc_oci_source *s);
    const char *label; /**< names it in messages; of the source */
};

/** Free. NULL is allowed. */
static inline void fc_oci_source_free(struct fc_oci_source *s)
{
    if (s)
        s->free(s);
}

/** Which of the images in a source. All zero: the one that there is, for a Linux guest of this machine's kind. */
struct fc_oci_choice {
    const char *tag;    /**< of the outermost index (org.opencontainers.image.ref.name); NULL: any */
    const char *digest; /**< of a manifest or index in it; NULL: any. Wins over @tag */
    const char
        *platform; /**< as fc_oci_platform_parse() reads it; NULL: this machine's, but the only one there is will do */
};

/** One image: its manifest, its configuration, both as they came and checked. */
struct fc_oci_image {
    char *index;  /**< digest of the index that listed it, NULL if none did */
    char *digest; /**< of the manifest */
    struct fc_oci_document document;
    struct fc_oci_config config;
    struct fc_buf manifest_bytes, config_bytes;
};

/**
 * Find an image: through indexes, by tag and platform, to manifest and configuration. The number of layers and of diffIDs
 * agree afterwards, and each layer is of a kind that can be read.
 *
 * Returns 0 and fills *ret; -ENOENT with what there is instead; -ENOTUNIQ with the choice; -EBADMSG when something is not
 * what its digest, length or media type say; -EOPNOTSUPP for what is no image of a root filesystem; -errno with words.
 */
int fc_oci_resolve(struct fc_oci_source *source, const struct fc_oci_choice *choice, struct fc_oci_image *ret,
                   struct fc_error *err);
/** Free what is in it. All zero is allowed. */
void fc_oci_image_release(struct fc_oci_image *image);
static inline void fc_oci_image_release_auto(struct fc_oci_image *image) { fc_oci_image_release(image); }

/**
 * An image layout: a folder with "oci-layout", "index.json" and "blobs/". @label names it in messages (copied).
 * Returns 0 and sets *ret; -ENOENT, -EBADMSG when it is none, -errno, with words.
 */
int fc_oci_layout_open(const char *dir, const char *label, struct fc_oci_source **ret, struct fc_error *err);

/** Which program's archive it is. */
enum fc_oci_archive_kind {
    FC_OCI_ARCHIVE_OCI,    /**< an image layout as a tar */
    FC_OCI_ARCHIVE_DOCKER, /**< docker save; modern ones are both, then index.json counts unless a @ref is given */
};

/** How to read an archive. */
struct fc_oci_archive_options {
    enum fc_oci_archive_kind kind;
    const char
        *ref; /**< docker: "name:tag", or "@N"; NULL: the only image. Of an image layout fc_oci_resolve() chooses */
    struct fc_progress *progress; /**< hears the bytes read; may be NULL */
};

/**
 * A tar of images, plain or compressed: all of @bytes is read at once, its blobs go into the layout of @f's cache. @label names
 * it in messages (copied). Returns 0 and sets *ret; -EBADMSG, -ENOENT, -ENOTUNIQ, -errno with words.
 */
int fc_oci_archive_open(struct fc_fetcher *f, struct fc_byte_source *bytes, const char *label,
                        const struct fc_oci_archive_options *options, struct fc_oci_source **ret, struct fc_error *err);

/**
 * An image in a registry: @ref as fc_oci_ref_parse() reads it. Nothing is asked yet. @f is borrowed until free; offline it
 * answers from the cache what was asked for before. @label names it in messages (copied). Returns 0 and sets *ret; -EINVAL;
 * -errno with words.
 */
int fc_oci_registry_open(struct fc_fetcher *f, const char *ref, const char *label, struct fc_oci_source **ret,
                         struct fc_error *err);

FC_DEFINE_AUTO(struct fc_oci_source *, fc_oci_source_free)

#endif
