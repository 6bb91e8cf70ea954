/* SPDX-License-Identifier: Apache-2.0 */
/* OpenPGP signatures of what was fetched, checked by sqv or gpgv with keyring files. */
#ifndef FC_FETCH_SIGNATURE_H
#define FC_FETCH_SIGNATURE_H

#include <stddef.h>

#include <fccompose/error.h>

/** Keyring files. */
struct fc_keyrings {
    char *list[8];
    size_t n;
};

/**
 * The keyrings of the distribution @name: DIR/keys/NAME.gpg or .asc of the user's configuration, else of /etc/fccompose, else of
 * share/fccompose; else what packages (@packaged, may be NULL) have put somewhere. Returns 0, also with none; or -ENOMEM.
 */
int fc_keyrings_find(const char *name, const char *const *packaged, struct fc_keyrings *ret);
/** Free the names. */
void fc_keyrings_release(struct fc_keyrings *k);
static inline void fc_keyrings_release_auto(struct fc_keyrings *k) { fc_keyrings_release(k); }

/**
 * Whether the detached signature in the file @signature, armored or not, is a good one of the file @data by a key in @keys.
 *
 * Returns 0 and sets *ret_signer to the fingerprint (caller frees); -EKEYREJECTED with what the verifier says; -ENOENT when
 * there is no verifier; or another errno with words.
 */
int fc_signature_check(const struct fc_keyrings *keys, const char *signature, const char *data, const char *label,
                       char **ret_signer, struct fc_error *err);

/** The verifier that will be asked, or NULL: none is installed. */
const char *fc_signature_verifier(void);

#endif
