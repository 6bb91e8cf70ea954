/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of finding credentials: one auth file, one credential helper. Private to oci/. */
#ifndef FC_OCI_HELPER_H
#define FC_OCI_HELPER_H

#include <string.h>

#include <jansson.h>

#include "oci/auth.h"

/** What Docker calls its own registry in files and to helpers. */
#define FC_OCI_DOCKER_KEY "https://index.docker.io/v1/"

/** What a helper or a file calls @host. */
static inline const char *fc_oci_server_name(const char *host, const char *docker_key)
{
    return strcmp(host, "docker.io") == 0 ? docker_key : host;
}

/** Ask docker-credential-@helper for @server. Returns 1 and fills *ret; 0 if it has nothing; -errno with words. */
int fc_oci_helper_get(const char *helper, const char *server, struct fc_oci_credentials *ret, struct fc_error *err);
/** Hand credentials to it. Returns 0 or -errno with words. */
int fc_oci_helper_store(const char *helper, const char *server, const char *user, const char *password,
                        struct fc_error *err);
/** Have it forget. Returns 0, -ENOENT, or -errno with words. */
int fc_oci_helper_erase(const char *helper, const char *server, struct fc_error *err);

/** Read the auth file @path. *ret_json is NULL if there is none. Returns 0; -EBADMSG; -errno; with words. */
int fc_oci_auth_file_load(const char *path, json_t **ret_json, struct fc_error *err);
/** Write it, readable by its owner alone, with the folders above it. Returns 0 or -errno with words. */
int fc_oci_auth_file_save(const char *path, const json_t *json, struct fc_error *err);
/**
 * The entry of "auths" in @json for @repository (NULL: any) on @host, the most particular one. NULL if none; *ret_key, which
 * may be NULL, gets its key, borrowed as the entry is.
 */
json_t *fc_oci_auth_entry(json_t *json, const char *host, const char *repository, const char **ret_key);
/** The helper that @json names for @host, or NULL; *ret_only: in particular, not as the store for all. */
const char *fc_oci_auth_helper(const json_t *json, const char *host, bool *ret_only);

#endif
