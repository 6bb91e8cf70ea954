/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names such as alpine:3.20 to what the distribution publishes under them now: URL, digest, signature. Each distribution is one
 * file, and a line in distros.c.
 */
#ifndef FC_CATALOGUE_CATALOGUE_H
#define FC_CATALOGUE_CATALOGUE_H

#include "fetch/fetch.h"

/** How to ask. All zero is the default. */
struct fc_catalogue_options {
    bool require_signature; /**< what nobody's signature vouches for is refused, and not only warned about */
    const char *arch;       /**< for fc_catalogue_list(): under any of its names; NULL: this machine's */
};

/** What a name stands for. Release with fc_catalogue_answer_release(). */
struct fc_catalogue_answer {
    char *name;    /**< "alpine 3.20.8 x86_64" */
    char *url;     /**< of the root file system */
    char *version; /**< in full, "3.20.8" */
    char *date;    /**< "2025-10-08", or NULL where the index has none */
    struct fc_sum sum;
    bool have_size;
    uint64_t size;
    char *signature; /**< URL of a signature of the file itself, or NULL */
    char *signer;    /**< fingerprint of who signed the index, when that was checked; else NULL */
    const struct fc_distro *distro;
};
/** Free the strings. All zero is allowed. */
void fc_catalogue_answer_release(struct fc_catalogue_answer *a);
static inline void fc_catalogue_answer_release_auto(struct fc_catalogue_answer *a) { fc_catalogue_answer_release(a); }

/** Whether @text has the form NAME[:VERSION][/ARCH] of a distribution that is known. */
bool fc_catalogue_knows(const char *text);

/** The known names, NULL-terminated, and for each a line about it (same order). */
const char *const *fc_catalogue_names(const char *const **ret_abouts);

/**
 * Find out what @text stands for: from the distribution's index, fetched anew, or as the cache has it when no server can be
 * asked (with a warning) or offline.
 *
 * The index is checked against its signature where it has one. Returns 0 and fills *ret; -EINVAL for a name that is none;
 * -ENOENT when there is no such version or architecture (err lists what there is), or offline what the cache lacks;
 * -EKEYREJECTED for a wrong signature, or none where one is required; -EBADMSG for a malformed index; or what
 * fc_fetch_wait() returns; with words.
 */
int fc_catalogue_resolve(struct fc_fetcher *f, const char *text, const struct fc_catalogue_options *options,
                         struct fc_catalogue_answer *ret, struct fc_error *err);

/**
 * For an answer with a signature of the file itself: wait for the download @t of it and check. Where that cannot be done
 * without being wrong (no key, no verifier) a warning, or -EKEYREJECTED where a signature is required. Returns 0.
 */
int fc_catalogue_check_file(struct fc_fetcher *f, const struct fc_catalogue_answer *answer,
                            const struct fc_catalogue_options *options, struct fc_fetch *t, struct fc_error *err);

/** A release, for a list. */
struct fc_catalogue_release {
    const char *version; /**< what to write behind the colon */
    const char *full;    /**< in full */
    const char *date;    /**< or NULL */
    bool have_size;
    uint64_t size;
};

/**
 * List what there is of the distribution @name: @fn is called for each release, newest first; a non-zero return stops and is
 * returned. Returns 0 or the failures of fc_catalogue_resolve().
 */
int fc_catalogue_list(struct fc_fetcher *f, const char *name, const struct fc_catalogue_options *options,
                      int (*fn)(void *arg, const struct fc_catalogue_release *release), void *arg,
                      struct fc_error *err);

#endif
