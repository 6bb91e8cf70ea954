/* SPDX-License-Identifier: Apache-2.0 */
/* How a distribution describes itself to the catalogue, and what its file may use. Private to catalogue/. */
#ifndef FC_CATALOGUE_DISTRO_H
#define FC_CATALOGUE_DISTRO_H

#include "catalogue/catalogue.h"

/** One question to one distribution. */
struct fc_inquiry {
    struct fc_fetcher *f;
    const struct fc_catalogue_options *options;
    const struct fc_distro *distro;
    const char *version; /**< what stands behind the colon; "" for nothing */
    const char *arch;    /**< as the distribution calls it */
    const char *machine; /**< as uname -m calls it */
};

/** An architecture: the distribution's name, and that of uname -m. */
struct fc_distro_arch {
    const char *own, *machine;
};

/** A list of releases that grows. */
struct fc_releases {
    struct fc_release {
        char *version, *full, *date, *url; /**< @url: to be asked for date and size, or NULL */
        bool have_size;
        uint64_t size;
    } * list;
    size_t n, cap;
};

/** A distribution. */
struct fc_distro {
    const char *name, *about;
    const char *signers;               /**< fingerprints of the keys that sign; NULL: it signs nothing */
    const char *const *keyrings;       /**< where packages put them, NULL-terminated; may be NULL */
    const struct fc_distro_arch *arch; /**< the last is all NULL */
    /** Fill in url, sum, version, and what else is known. Returns 0 or -errno with words. */
    int (*resolve)(struct fc_inquiry *q, struct fc_catalogue_answer *ret, struct fc_error *err);
    /** Add what there is. Returns 0 or -errno with words. */
    int (*list)(struct fc_inquiry *q, struct fc_releases *ret, struct fc_error *err);
};

extern const struct fc_distro fc_distro_alpine, fc_distro_ubuntu, fc_distro_debian, fc_distro_amazonlinux,
    fc_distro_freebsd;
/** All, NULL-terminated. */
extern const struct fc_distro *const fc_distros[];

/**
 * Fetch an index file. @url is formatted. @sum is what its bytes must be, or NULL; @ret_digest, which may be NULL, gets what they
 * are. Returns 0 or -errno with words.
 */
int fc_inquiry_get(struct fc_inquiry *q, struct fc_buf *ret, const struct fc_sum *sum, struct fc_digest *ret_digest,
                   struct fc_error *err, const char *url, ...) FC_PRINTF(6, 7);
/**
 * Check the index @digest (fetched before) against the detached signature at @url. Returns 0 with the signer's fingerprint
 * in *ret_signer (caller frees), or NULL there and a warning when it cannot be checked; -EKEYREJECTED with words.
 */
int fc_inquiry_check(struct fc_inquiry *q, const struct fc_digest *digest, const char *url, char **ret_signer,
                     struct fc_error *err);
/** "There is no NAME VERSION for ARCH", and, of @there that it is not empty, what there is. Returns -ENOENT. */
int fc_inquiry_none(struct fc_inquiry *q, const struct fc_buf *there, struct fc_error *err);

/** The next line of a checksum file (GNU or BSD form) at *at, which moves on. Returns whether there was one. */
bool fc_sums_next(const char **at, struct fc_sum *ret_sum, char ret_name[256]);
/** The next name that a listing (HTML with links) has at *at: of a file, or of a folder with "/" behind it. */
bool fc_listing_next(const char **at, char ret_name[256]);
/** Whether @text is digits and dots, a digit first, with @dots dots. */
bool fc_is_version(const char *text, unsigned dots);

/** Add a release; strings are copied, and may be NULL but for @version and @full. Returns 0 or -ENOMEM. */
int fc_releases_add(struct fc_releases *r, const char *version, const char *full, const char *date, const char *url);
/** Ask the servers for date and size of those with a URL, all at once; what is not there is taken out. */
int fc_releases_ask(struct fc_inquiry *q, struct fc_releases *r, struct fc_error *err);
/** Newest first. */
void fc_releases_sort(struct fc_releases *r);
/** Free all. */
void fc_releases_release(struct fc_releases *r);

#endif
