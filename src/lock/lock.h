/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fccompose.lock.json: which bytes a locator stood for, so that it stands for the same ones tomorrow.
 *
 *     {"kernels": [KERNEL...], "layers": [ENTRY...], "version": 1}
 *
 * with an entry for each locator of the stack, lowest first. An entry has "locator", as it is recorded with the layer;
 * "resolved", what a distribution's name stood for; "url"; of an image "index", "manifest", "config" (digests) and
 * "platform"; and "layers", for each its "diff_id" and, where there are compressed bytes, their "digest" and "size". A KERNEL, which few locks have, has "locator" (a
 * version or what --source named), "origin" and "digest" of the sources. Members are
 * sorted, and the file ends with a line break: the same stack gives the same bytes.
 */
#ifndef FC_LOCK_LOCK_H
#define FC_LOCK_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/layer.h>

#include "base/buf.h"
#include "base/cleanup.h"

/** The file's name in a workspace. */
#define FC_LOCK_NAME "fccompose.lock.json"

/** One layer of an entry. */
struct fc_lock_layer {
    struct fc_digest diffid;
    bool have_digest;
    struct fc_digest digest; /**< of the compressed bytes */
    uint64_t size;           /**< of these */
};

/** What a locator stands for. Strings may be NULL but for @locator. All zero is none. */
struct fc_lock_entry {
    char *locator, *resolved, *url;
    char *index, *manifest, *config, *platform;
    struct fc_lock_layer *layers;
    size_t n_layers;
};
/** Free what is in it. */
void fc_lock_entry_release(struct fc_lock_entry *e);
static inline void fc_lock_entry_release_auto(struct fc_lock_entry *e) { fc_lock_entry_release(e); }

/** The entry as JSON, one line. Caller frees; NULL when out of memory, or when a string is no UTF-8 (JSON has no other). */
char *fc_lock_entry_format(const struct fc_lock_entry *e);
/** Read that. @label names it in messages. Returns 0 and fills *ret, -EBADMSG, -ENOMEM, with words. */
int fc_lock_entry_parse(const char *text, const char *label, struct fc_lock_entry *ret, struct fc_error *err);

/** The sources of a kernel. Strings are never NULL. */
struct fc_lock_kernel {
    char *locator, *origin, *digest;
};

/** A lock. All zero is an empty one. */
struct fc_lock {
    struct fc_lock_entry *entries;
    size_t n, cap;
    struct fc_lock_kernel *kernels;
    size_t n_kernels, kernels_cap;
};
/** Free what is in it. */
void fc_lock_release(struct fc_lock *l);
static inline void fc_lock_release_auto(struct fc_lock *l) { fc_lock_release(l); }

/** Read the file @path. Returns 0 and fills *ret; -ENOENT; -EBADMSG; -EOPNOTSUPP for a newer version; with words that name it. */
int fc_lock_read(const char *path, struct fc_lock *ret, struct fc_error *err);
/** Write it, whole or not at all. Returns 0 or -errno with words. */
int fc_lock_write(const struct fc_lock *l, const char *path, struct fc_error *err);
/** As fc_lock_write() does, into @ret (empty before). Returns 0 or -ENOMEM with words. */
int fc_lock_format(const struct fc_lock *l, struct fc_buf *ret, struct fc_error *err);

/** The entry for @locator, or NULL. Borrowed. */
const struct fc_lock_entry *fc_lock_find(const struct fc_lock *l, const char *locator);
/** The sources for @locator, or NULL. Borrowed. */
const struct fc_lock_kernel *fc_lock_find_kernel(const struct fc_lock *l, const char *locator);
/** Set the sources for @locator. All are copied. Returns 0 or -ENOMEM. */
int fc_lock_set_kernel(struct fc_lock *l, const char *locator, const char *origin, const char *digest);
/** Put *e, which is empty afterwards, at the end. Returns 0 or -ENOMEM. */
int fc_lock_add(struct fc_lock *l, struct fc_lock_entry *e);

#endif
