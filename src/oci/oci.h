/* SPDX-License-Identifier: Apache-2.0 */
/* Images as OCI and Docker have them: references, platforms, documents. The only place that knows their JSON. */
#ifndef FC_OCI_OCI_H
#define FC_OCI_OCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/error.h>

#include "base/cleanup.h"

/** No manifest, index or configuration may be longer, in bytes: what registries accept (distribution-spec, "Pushing Manifests"). */
#define FC_OCI_DOCUMENT_MAX (4u << 20)
/** Layers of one image, at most. */
#define FC_OCI_LAYERS_MAX 1024u

/** Media types that we write. */
#define FC_OCI_TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define FC_OCI_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define FC_OCI_TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define FC_OCI_TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"
#define FC_OCI_TYPE_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define FC_OCI_TYPE_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"

/** The documents that a registry is asked for, as an Accept header's value. */
extern const char fc_oci_accept[];

/** A reference to an image in a registry, complete: "alpine" is docker.io/library/alpine:latest. All zero is none. */
struct fc_oci_ref {
    char *host;       /**< with ":PORT" if one was given */
    char *repository; /**< "library/alpine" */
    char *tag;        /**< NULL only when there is a @digest */
    char *digest;     /**< "sha256:HEX" or "sha512:HEX"; wins over the tag. NULL if none was given */
};

/**
 * Read a reference by the grammar that registries share (distribution-spec, "Pulling manifests"): a first part without dot,
 * colon or "localhost" is no host, names of one part on docker.io get "library/", no tag and no digest is "latest".
 *
 * Returns 0 and fills *ret (fc_oci_ref_release()), or -EINVAL with words, or -ENOMEM.
 */
int fc_oci_ref_parse(const char *text, struct fc_oci_ref *ret, struct fc_error *err);
/** "HOST/REPOSITORY[:TAG][@DIGEST]". Caller frees; NULL when out of memory. */
char *fc_oci_ref_format(const struct fc_oci_ref *ref);
/** Free the strings. */
void fc_oci_ref_release(struct fc_oci_ref *ref);
static inline void fc_oci_ref_release_auto(struct fc_oci_ref *ref) { fc_oci_ref_release(ref); }

/** What a guest runs on, in OCI's names ("amd64", "arm64"). An empty string is "not said". */
struct fc_oci_platform {
    char os[24], arch[24], variant[16];
};

/**
 * Read "[OS/]ARCH[/VARIANT]", in any usual name of the architecture (x86_64 and amd64, aarch64 and arm64, ...); NULL is
 * this machine's. The OS is "linux" unless said. Returns 0, or -EINVAL with words.
 */
int fc_oci_platform_parse(const char *text, struct fc_oci_platform *ret, struct fc_error *err);
/** "OS/ARCH[/VARIANT]" into @text. Returns @text. */
char *fc_oci_platform_format(const struct fc_oci_platform *p, char text[72]);
/**
 * How well @have serves who wants @want: 0 not at all, more is better. A variant that is not wanted by name: the one that
 * every such machine can run comes first (amd64 v1, arm64 v8, arm v7 before v6).
 */
unsigned fc_oci_platform_match(const struct fc_oci_platform *want, const struct fc_oci_platform *have);

/** Points to a blob. Strings belong to the document. */
struct fc_oci_descriptor {
    const char *media_type; /**< may be "" in an index of Docker's, never in ours */
    const char *digest;     /**< "sha256:HEX" or "sha512:HEX", valid */
    uint64_t size;          /**< bytes */
    const char *ref_name;   /**< org.opencontainers.image.ref.name, or NULL */
    bool attestation;       /**< what a build says about an image, not an image */
    struct fc_oci_platform platform;
};

/** What a document is. */
enum fc_oci_kind {
    FC_OCI_INDEX,    /**< a list of manifests and indexes: @items */
    FC_OCI_MANIFEST, /**< one image: @config, and @items are its layers, lowest first */
};

/** A parsed index or manifest. */
struct fc_oci_document {
    enum fc_oci_kind kind;
    const char *media_type; /**< as the document says, else as it was served */
    struct fc_oci_descriptor config;
    struct fc_oci_descriptor *items;
    size_t n_items;
    void *json; /* owns the strings */
};

/**
 * Read an index or a manifest. @media_type is what whoever served it said, or NULL: a document that says or looks otherwise
 * is refused (CVE-2021-41190). @label names it in messages.
 *
 * Returns 0 and fills *ret (fc_oci_document_release()); -EBADMSG; -EOPNOTSUPP for what is valid and cannot be used here
 * (schema 1 of Docker's, artifacts that are no images); -ENOMEM.
 */
int fc_oci_document_parse(const void *data, size_t size, const char *media_type, const char *label,
                          struct fc_oci_document *ret, struct fc_error *err);
/** Free. */
void fc_oci_document_release(struct fc_oci_document *d);
static inline void fc_oci_document_release_auto(struct fc_oci_document *d) { fc_oci_document_release(d); }

/** The part of an image's configuration that importing needs. */
struct fc_oci_config {
    struct fc_oci_platform platform;
    const char **diff_ids; /**< "sha256:HEX" of the uncompressed layers, lowest first */
    size_t n_diff_ids;
    void *json; /* owns the strings */
};

/** Read an image's configuration. Returns 0 and fills *ret; -EBADMSG, -ENOMEM with words. */
int fc_oci_config_parse(const void *data, size_t size, const char *label, struct fc_oci_config *ret,
                        struct fc_error *err);
/** Free. */
void fc_oci_config_release(struct fc_oci_config *c);
static inline void fc_oci_config_release_auto(struct fc_oci_config *c) { fc_oci_config_release(c); }

/** Whether @text is a digest that we can check: sha256 or sha512 with all of its lower-case digits. */
bool fc_oci_digest_valid(const char *text);
/** Whether @media_type is a layer of any form that we read. Else *ret_why says in words what it is. */
bool fc_oci_is_layer(const char *media_type, const char **ret_why);

/** Call @fn for each tag of the layout @dir: what it is called and the digest of its manifest. No layout has none. */
void fc_oci_tags_each(const char *dir, void (*fn)(void *arg, const char *ref, const char *digest), void *arg);
/** Take the tags out of the layout @dir whose manifest is not there. Returns 0 or -errno with words. */
int fc_oci_tags_prune(const char *dir, struct fc_error *err);

#endif
