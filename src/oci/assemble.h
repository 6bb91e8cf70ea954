/* SPDX-License-Identifier: Apache-2.0 */
/* Make an image of layers that are blobs in an image layout: configuration and manifest. */
#ifndef FC_OCI_ASSEMBLE_H
#define FC_OCI_ASSEMBLE_H

#include <fccompose/layer.h>

#include "base/buf.h"
#include "oci/oci.h"

/** A layer of an image that is made. */
struct fc_oci_layer {
    struct fc_digest blob, diffid;
    uint64_t size;          /**< of the blob */
    const char *media_type; /**< a constant */
    const char *created_by; /**< for the history; borrowed; may be NULL */
};

/** An image that is made. All zero is none. */
struct fc_oci_made {
    struct fc_oci_layer *layers; /**< lowest first */
    size_t n_layers;
    struct fc_buf config, manifest; /**< their bytes */
    struct fc_digest config_digest, manifest_digest;
};
/** Free what is in it. */
void fc_oci_made_release(struct fc_oci_made *m);
static inline void fc_oci_made_release_auto(struct fc_oci_made *m) { fc_oci_made_release(m); }

/** What an image says besides its layers. All zero is the default. */
struct fc_oci_assemble_options {
    const char
        *config; /**< a configuration to begin with (entrypoint, environment, labels...), JSON; NULL: an empty one */
    const char *arch;    /**< as fc_oci_platform_parse() reads it; NULL: that of @config, else this machine's */
    const char *created; /**< RFC 3339; NULL: not said, for the same bytes every time */
};

/**
 * Make configuration and manifest for @made->layers, which are filled in: members of JSON objects sorted, so that the same
 * layers and options give the same bytes. Docker's and podman's own members of @options->config that describe one container
 * are left out. Returns 0 and fills the rest of *made; -EBADMSG when @options->config is no configuration; -EINVAL; -ENOMEM.
 */
int fc_oci_assemble(struct fc_oci_made *made, const struct fc_oci_assemble_options *options, struct fc_error *err);

struct fc_fetcher;

/** Put configuration and manifest into the layout of @f's cache. Returns 0 or -errno with words. */
int fc_oci_made_store(const struct fc_oci_made *made, struct fc_fetcher *f, struct fc_error *err);

/**
 * Write the image @made, whose blobs are in the layout @from, into the image layout @dir (made if it is not there) as @tag
 * (org.opencontainers.image.ref.name). Blobs that are there already are left, others are cloned or copied. Returns 0 or -errno
 * with words.
 */
int fc_oci_write_layout(const struct fc_oci_made *made, const char *from, const char *dir, const char *tag,
                        struct fc_error *err);

/** Where an archive's bytes go: returns 0 or -errno with words. */
typedef int (*fc_oci_sink)(void *arg, const void *data, size_t size, struct fc_error *err);

/**
 * Write it as a tar of an image layout (oci-archive), or, with @docker, as what docker load reads; then @tag is NAME:TAG.
 * Times are 0, names in order: the same image gives the same bytes. Returns 0 or -errno with words.
 */
int fc_oci_write_archive(const struct fc_oci_made *made, const char *from, bool docker, const char *tag,
                         fc_oci_sink sink, void *arg, struct fc_error *err);

/**
 * Remember in the layout @dir that the layer @diffid is the blob of @l, whose own diffID may be another: that of the tar that our
 * writer makes of the layer. Forgetting costs time: no errors.
 */
void fc_oci_blob_remember(const char *dir, const struct fc_digest *diffid, const struct fc_oci_layer *l);
/**
 * Which blob in the layout @dir, of @media_type if that is not NULL, has the layer @diffid. Returns whether there is one that is
 * still there.
 */
bool fc_oci_blob_recall(const char *dir, const struct fc_digest *diffid, const char *media_type,
                        struct fc_oci_layer *ret);

/** What of a configuration to change. */
enum fc_oci_config_field {
    FC_OCI_ENTRYPOINT, /**< a JSON array of words, or text for /bin/sh -c; "" removes it. So the next */
    FC_OCI_CMD,
    FC_OCI_ENV,         /**< NAME=VALUE, added or changed */
    FC_OCI_UNSET_ENV,   /**< NAME */
    FC_OCI_LABEL,       /**< NAME=VALUE */
    FC_OCI_UNSET_LABEL, /**< NAME */
    FC_OCI_WORKDIR,     /**< an absolute path; "" removes it. So the next */
    FC_OCI_USER,
    FC_OCI_STOP_SIGNAL,
    FC_OCI_VOLUME, /**< a path, added */
    FC_OCI_EXPOSE, /**< PORT[/tcp|/udp], added */
    FC_OCI_AUTHOR,
};
/** One change. */
struct fc_oci_config_change {
    enum fc_oci_config_field field;
    const char *value; /**< borrowed */
};
/**
 * Apply @n changes in order to the configuration @json (NULL: an empty one), and write it out with sorted members, indented if
 * @indent. Returns 0 and sets *ret (caller frees); -EINVAL with words for a value that cannot be; -EBADMSG for a @json that is
 * none; -ENOMEM.
 */
int fc_oci_config_edit(const char *json, const struct fc_oci_config_change *changes, size_t n, bool indent, char **ret,
                       struct fc_error *err);

#endif
