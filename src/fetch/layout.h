/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder "oci" of the cache: an OCI image layout (blobs/sha256/HEX). Beside what the specification knows, ".parts" has
 * unfinished downloads, ".notes" which blob a URL or a SHA-512 was last time, ".damaged" what was set aside.
 */
#ifndef FC_FETCH_LAYOUT_H
#define FC_FETCH_LAYOUT_H

#include "fetch/internal.h"

/** Room for 64 hexadecimal digits and a NUL. */
#define FC_KEY_TEXT 65

/** Keep collections away from the layout until the fetcher is freed. Where that cannot be, it is not. */
void fc_layout_hold(struct fc_fetcher *f);
/** Make what is missing of the layout. Returns 0 or a negative errno with words. */
int fc_layout_prepare(struct fc_fetcher *f, struct fc_error *err);
/** LAYOUT/@folder/@name; NULL when out of memory. Caller frees. */
char *fc_layout_path(const struct fc_fetcher *f, const char *folder, const char *name);
/** The SHA-256 of @text as digits. */
int fc_layout_key(const char *text, char ret[FC_KEY_TEXT]);

/**
 * Open the blob @digest. With @check its bytes are digested, and it is set aside with a warning if they are others. Returns 0
 * and sets *ret_fd and *ret_size; -ENOENT when there is none (any more); or a negative errno with words.
 */
int fc_layout_open(struct fc_fetcher *f, const struct fc_digest *digest, bool check, int *ret_fd, uint64_t *ret_size,
                   struct fc_error *err);

/** The SHA-256 of the whole file @fd. Returns 0 or -errno. */
int fc_layout_digest(int fd, struct fc_digest *ret);

/** What is remembered under a key. All zero: nothing. */
struct fc_note {
    bool have_digest;
    struct fc_digest digest;
    char *etag, *modified; /**< may be NULL, as may */
    char *url;             /**< the key of the URL: in itself it may hold secrets */
};
/** Read the note in @folder called @key. What is none is no note. */
void fc_note_read(const struct fc_fetcher *f, const char *folder, const char *key, struct fc_note *ret);
/** Write it. Returns 0 or -errno; a lost note costs time, nothing else. */
int fc_note_write(const struct fc_fetcher *f, const char *folder, const char *key, const struct fc_note *note);
/** Free the strings. */
void fc_note_release(struct fc_note *n);

#endif
