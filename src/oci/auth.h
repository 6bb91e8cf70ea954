/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are to a registry: auth files and credential helpers, as the other container tools have them. */
#ifndef FC_OCI_AUTH_H
#define FC_OCI_AUTH_H

#include "base/buf.h"
#include "oci/oci.h"

/** What there is to show to a registry. All zero is nothing: anonymous. Secrets are wiped by release. */
struct fc_oci_credentials {
    char *user, *password; /**< both or none */
    char *identity_token;  /**< for OAuth2 ("refresh token"), or NULL */
    char *registry_token;  /**< to be sent as a Bearer token as it is, or NULL */
};
/** Wipe and free. */
void fc_oci_credentials_release(struct fc_oci_credentials *c);
static inline void fc_oci_credentials_release_auto(struct fc_oci_credentials *c) { fc_oci_credentials_release(c); }

/**
 * Find credentials for @repository on @host (as in struct fc_oci_ref).
 *
 * Looked at in this order, the first file that knows the host wins (containers-auth.json(5), docker login):
 * $REGISTRY_AUTH_FILE, and no other when it is set; $XDG_RUNTIME_DIR/containers/auth.json;
 * $XDG_CONFIG_HOME/containers/auth.json; $DOCKER_CONFIG/config.json, else ~/.docker/config.json. In a file: its credential
 * helper for the host, its entry for the repository or the nearest part of its name, its credential store.
 * Returns 0 (also when there are none: *ret is all zero); -EBADMSG when a file is damaged; -ENOENT when its helper is not
 * installed; -errno; with words that name the file and never a secret.
 */
int fc_oci_credentials_find(const char *host, const char *repository, struct fc_oci_credentials *ret,
                            struct fc_error *err);

/**
 * Remember @user and @password for @host in the file that `login` writes: $REGISTRY_AUTH_FILE, else
 * $XDG_RUNTIME_DIR/containers/auth.json (forgotten at logout), else ~/.config/containers/auth.json. A credential helper that
 * it names for the host keeps them instead. The rest of the file is kept; it is readable by its owner alone. *ret_where (caller
 * frees) says where they are now. Returns 0 or -errno with words.
 */
int fc_oci_credentials_store(const char *host, const char *user, const char *password, char **ret_where,
                             struct fc_error *err);
/** Forget what that file has for @host. Returns 0; -ENOENT if there was nothing; -errno; with words. */
int fc_oci_credentials_erase(const char *host, char **ret_where, struct fc_error *err);

/** What a registry asks for in a WWW-Authenticate header (RFC 9110, 11.6.1). All zero: nothing that we know. */
struct fc_oci_challenge {
    bool basic, bearer;
    char *realm, *service, *scope; /**< of Bearer; NULL if not said */
};
/**
 * Read @headers, the values of one or several such headers, one a line. What cannot be understood is passed over. Returns 0 and
 * fills *ret, or -ENOMEM.
 */
int fc_oci_challenge_parse(const char *headers, struct fc_oci_challenge *ret);
/** Free the strings. */
void fc_oci_challenge_release(struct fc_oci_challenge *c);
static inline void fc_oci_challenge_release_auto(struct fc_oci_challenge *c) { fc_oci_challenge_release(c); }

#endif
