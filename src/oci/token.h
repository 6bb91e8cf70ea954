/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of registries. Private to oci/. */
#ifndef FC_OCI_TOKEN_H
#define FC_OCI_TOKEN_H

#include "fetch/fetch.h"
#include "oci/auth.h"

/** What for, and who asks. Everything is borrowed. */
struct fc_oci_token_wish {
    const char *host;                         /**< the registry, for messages */
    const struct fc_oci_challenge *challenge; /**< with a realm */
    const char *scope;                        /**< "repository:NAME:pull"; "": none */
    const struct fc_oci_credentials *credentials;
};
/** Get one. Returns 0 and sets *ret to "Bearer TOKEN" (caller frees); -EACCES, -EPROTO or another errno with words. */
int fc_oci_token(struct fc_fetcher *f, const struct fc_oci_token_wish *wish, char **ret, struct fc_error *err);
/** "Basic ..." for @c, which has a user. Caller frees *ret. Returns 0 or -ENOMEM. */
int fc_oci_basic(const struct fc_oci_credentials *c, char **ret);

#endif
