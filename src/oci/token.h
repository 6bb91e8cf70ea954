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
/** What an Authorization header says, and for how long. */
struct fc_oci_token {
    char *authorization; /**< "Bearer TOKEN"; caller frees */
    double expires_in;   /**< seconds; 0: not said */
};
/** Get one. Returns 0 and fills *ret; -EACCES, -EPROTO or another errno with words. */
int fc_oci_token(struct fc_fetcher *f, const struct fc_oci_token_wish *wish, struct fc_oci_token *ret,
                 struct fc_error *err);
/** "Basic ..." for @c, which has a user. Caller frees *ret. Returns 0 or -ENOMEM. */
int fc_oci_basic(const struct fc_oci_credentials *c, char **ret);

#endif
