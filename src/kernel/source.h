/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of kernels: a folder, a tar, a URL, a git repository, or a version that is published somewhere. */
#ifndef FC_KERNEL_SOURCE_H
#define FC_KERNEL_SOURCE_H

#include <stdbool.h>

#include "fetch/fetch.h"

/** What is asked for. Strings are borrowed and may be NULL. */
struct fc_source_request {
    const char *version; /**< a preset ("6.1"), "6.1.167", "v6.1", "latest", "lts" */
    const char *source;  /**< DIR, TARBALL, URL, git:URL[#REF]; NULL: by @version */
    const char *patches; /**< a folder of *.patch, applied in the order of their names */
    const char *cache;   /**< the folder "kernels" of the cache */
    const char *pin;     /**< what @digest must be; NULL: anything */
    bool require_signature;
};

/** A tree to build from. Release with fc_source_release(). */
struct fc_source {
    char *dir;       /**< absolute; not to be written into */
    char *origin;    /**< the folder, the tar, the URL, "git:URL#REF" */
    char *digest;    /**< "sha256:..." of the tar, "git:COMMIT", or "stat:..." of a folder's names, sizes and times */
    char *unpatched; /**< the digest without the patches of --patch */
    char *signer;    /**< fingerprint of who signed it, when that was checked; else NULL */
    char *version;   /**< "6.1.167", of its Makefile */
    bool is_folder;  /**< of the user's: it may change while it is kept */
};
/** Free. All zero is allowed. */
void fc_source_release(struct fc_source *s);
static inline void fc_source_release_auto(struct fc_source *s) { fc_source_release(s); }

/**
 * Get the sources: fetched, checked, unpacked into the cache, patched. What is there already is not fetched again.
 *
 * Of kernel.org's tars the digest is that of sha256sums.asc; that and the tar are checked against their signatures where
 * there is a keyring (fccompose/keys/kernel.gpg). A preset is the newest tag of Amazon Linux' kernel repository for it.
 * Returns 0 and fills *ret; -ENOENT, -EBADMSG, -EKEYREJECTED, -ESTALE when it is not what @pin says, or as
 * fc_fetch_wait() does, with words.
 */
int fc_source_get(struct fc_fetcher *f, const struct fc_source_request *q, struct fc_source *ret, struct fc_error *err);

#endif
