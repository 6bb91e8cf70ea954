/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to one registry about one repository: URLs, tokens, the second try after a 401. Private to oci/. */
#ifndef FC_OCI_SESSION_H
#define FC_OCI_SESSION_H

#include <pthread.h>

#include "fetch/fetch.h"
#include "oci/auth.h"
#include "oci/oci.h"

/** A conversation. Any thread, but for begin and end. */
struct fc_oci_session {
    struct fc_fetcher *f;    /**< borrowed */
    char *host, *repository; /**< as in a reference; messages say these */
    char *base;              /**< "https://HOST", where the registry really is */
    bool push;               /**< ask for the right to write too */
    bool any;                /**< no repository is meant: ask for no right in particular */
    pthread_mutex_t lock;    /**< what follows */
    struct fc_oci_credentials credentials;
    bool looked;         /**< for credentials */
    char *authorization; /**< the header's value in use; NULL: none yet */
    char *challenge;     /**< what it answered */
    double expires; /**< when it is to be renewed, by a clock that only goes forward; 0: when the registry says so */
};

/**
 * Begin: finds out where @ref's registry is, and whether it is spoken to by http (only on this machine, or if the fetcher was
 * told so). Returns 0 or -errno with words;
 * @s is then empty.
 */
int fc_oci_session_begin(struct fc_oci_session *s, struct fc_fetcher *f, const struct fc_oci_ref *ref,
                         struct fc_error *err);
/** End. All zero is allowed. */
void fc_oci_session_end(struct fc_oci_session *s);
static inline void fc_oci_session_end_auto(struct fc_oci_session *s) { fc_oci_session_end(s); }

/** "BASE/v2/REPOSITORY/@what/@which". Caller frees; NULL when out of memory. */
char *fc_oci_session_url(const struct fc_oci_session *s, const char *what, const char *which);

/**
 * fc_http_exchange() as who we are: with the token at hand; if the registry says 401, with a new one.
 *
 * Any status is an answer, the second 401 too. What is not below the registry's own address is asked as nobody.
 */
int fc_oci_session_exchange(struct fc_oci_session *s, const struct fc_http_request *request,
                            struct fc_http_response *ret, struct fc_error *err);

/**
 * For struct fc_fetch_want: the value of an Authorization header for what is asked next, a new one if the old is about to
 * expire. Caller frees; NULL: none.
 */
char *fc_oci_session_authorization(struct fc_oci_session *s);
/** For struct fc_fetch_want, with the session as its argument. */
int fc_oci_session_renew(void *session, const char *challenge, char **ret_authorization, struct fc_error *err);

/**
 * Words for an answer that is no success, with what the registry says (its "errors"). Returns -errno: -ENOENT for 404,
 * -EACCES for 401 and 403, -EBUSY for 429, else -EPROTO.
 */
int fc_oci_session_fail(const struct fc_oci_session *s, const struct fc_http_response *response, const char *what,
                        struct fc_error *err);

#endif
