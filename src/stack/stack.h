/* SPDX-License-Identifier: Apache-2.0 */
/* Locators and imports: shared by the parts of the module. */
#ifndef FC_STACK_STACK_H
#define FC_STACK_STACK_H

#include <fccompose/stack.h>

#include "archive/archive.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "entry/entry.h"
#include "fetch/fetch.h"
#include "layer/layer.h"
#include "lock/lock.h"
#include "stack/seen.h"

/** What a locator names. */
enum fc_locator_kind {
    FC_LOCATOR_FILE,           /**< @rest is a path */
    FC_LOCATOR_STDIN,          /**< @rest is "-" */
    FC_LOCATOR_DIR,            /**< @rest is a path */
    FC_LOCATOR_BUILTIN,        /**< @rest is a name */
    FC_LOCATOR_DIGEST,         /**< @rest is "sha256:HEX" */
    FC_LOCATOR_URL,            /**< @rest is a URL of http, https or file */
    FC_LOCATOR_NAME,           /**< @rest is NAME:VERSION[/ARCH] of a distribution */
    FC_LOCATOR_REGISTRY,       /**< @rest is an image's reference */
    FC_LOCATOR_OCI,            /**< @rest is DIR[:TAG] or DIR@DIGEST of an image layout */
    FC_LOCATOR_OCI_ARCHIVE,    /**< @rest is FILE[:TAG]; FILE may be "-" */
    FC_LOCATOR_DOCKER_ARCHIVE, /**< @rest is FILE[:REFERENCE] or FILE[:@N] */
};

/** A locator, taken apart. @rest is borrowed from its text. */
struct fc_locator {
    enum fc_locator_kind kind;
    const char *rest;
};

/**
 * Take @text apart. An existing file of that name wins over image names and URLs, never over the prefixes file:, dir:,
 * builtin: and sha256:.
 *
 * Returns 0; -EINVAL if it cannot be understood; -EOPNOTSUPP for kinds of locators that are not there yet; -ENOENT if it
 * looks like a path and there is nothing.
 */
int fc_locator_parse(const char *text, struct fc_locator *ret, struct fc_error *err);

/** Length of the prefix ("dir:", "oci:"...) of @text that is followed by a path of this machine; 0 if there is none. */
size_t fc_locator_prefix(const char *text);
/** Whether @l->rest begins with a path of this machine (and is not "-"). */
bool fc_locator_has_path(const struct fc_locator *l);

/** What the locators of layers begin with that a recipe's steps made: a build makes them again. */
#define FC_STACK_STEP "step:"

/**
 * Whether nothing but the cache has the layer that was recorded with @locator: it was made by commit, came through standard
 * input, or was named by its digest.
 */
bool fc_stack_only_in_cache(const char *locator);

/** Whether importing @locator may need a fetcher. */
bool fc_stack_is_remote(const char *locator);
/**
 * @locator as it may be recorded and shown: without the user and password of a URL, and, for a distribution's name without
 * one, with the architecture @arch (may be NULL). Caller frees; NULL when out of memory.
 */
char *fc_stack_locator_for_record(const char *locator, const char *arch);

/** Downloads that run ahead of the imports that will read them. */
struct fc_stack_ahead;
/** Begin the downloads of those of @n @locators that are one. Returns 0 and sets *ret, or -ENOMEM. */
int fc_stack_begin(const char *const *locators, size_t n, const struct fc_import_options *options,
                   struct fc_stack_ahead **ret, struct fc_error *err);
/** When they are imported. NULL is allowed. */
void fc_stack_ahead_free(struct fc_stack_ahead *a);

/** What the bytes of a tar must be, found out before the layer gets its name. All zero: anything. Borrowed. */
struct fc_import_check {
    const struct fc_digest *blob;   /**< the digest of the compressed bytes, or NULL */
    const struct fc_digest *diffid; /**< of the uncompressed ones, or NULL */
};

/** One import under way. Everything is borrowed. */
struct fc_import {
    struct fc_cache *cache;
    const char *label; /**< the locator, for messages */
    const struct fc_import_options *options;
    struct fc_import_check check;
    struct fc_imported *result;   /**< its counts; not its layers */
    struct fc_lock_entry *source; /**< what is found out about where it comes from */
};

/** Note that a layer's compressed bytes were these. Of an image they are known beforehand: nothing to note then. */
void fc_import_note(const struct fc_import *im, const struct fc_digest *blob, uint64_t size);

/** Import the tar that @fd reads. Returns 0 and sets *ret_layer, or a negative errno with words. */
int fc_import_tar(const struct fc_import *im, int fd, struct fc_layer **ret_layer, struct fc_error *err);
/** The same of a finished download @t, borrowed; waits for its end. */
int fc_import_fetched(const struct fc_import *im, struct fc_fetch *t, struct fc_layer **ret_layer,
                      struct fc_error *err);
/**
 * Open the layer that is remembered for the compressed bytes @blob, @size of them, and note these. Returns 1 and sets
 * *ret_layer, 0 when they must be imported, or -errno with words.
 */
int fc_import_recall_blob(const struct fc_import *im, const struct fc_digest *blob, uint64_t size,
                          struct fc_layer **ret_layer, struct fc_error *err);
/**
 * Import the tar that @t downloads, while it arrives. @t is borrowed. When both fail the words are the download's. Returns 0
 * and sets *ret_layer, or -errno with words.
 */
int fc_import_fetch(const struct fc_import *im, struct fc_fetch *t, struct fc_layer **ret_layer, struct fc_error *err);
/** Import what the URL or name @l stands for. Returns 0 and sets *ret_layer, or a negative errno with words. */
int fc_import_remote(const struct fc_import *im, const struct fc_locator *l, struct fc_layer **ret_layer,
                     struct fc_error *err);
/** Import all layers of the image that @l names. Returns 0 and fills *ret, or -errno with words. */
int fc_import_image(const struct fc_import *im, const struct fc_locator *l, struct fc_imported *ret,
                    struct fc_error *err);

/** The bytes of a descriptor, for a reader in another thread. */
struct fc_fd_source {
    struct fc_byte_source source; /* first: it is what the reader holds */
    int fd, stop;                 /* @stop: -1 for a regular file; else it ends a wait for a pipe */
    const char *label;
    struct fc_sample sample;
};
/** Begin to read @fd, borrowed as @label is. Returns 0 or -errno with words. */
int fc_fd_source_init(struct fc_fd_source *s, int fd, const char *label, struct fc_error *err);
/** End. */
void fc_fd_source_release(struct fc_fd_source *s);
/** Import the built-in layer @name. Returns 0 and sets *ret_layer; -EINVAL for an unknown name; -errno with words. */
int fc_import_builtin(const struct fc_import *im, const char *name, struct fc_layer **ret_layer, struct fc_error *err);

/** The key under which the cache remembers @blob as imported with @options: @blob itself unless they change the result. */
int fc_import_key(const struct fc_import_options *options, const struct fc_digest *blob, struct fc_digest *ret);
/** Open the layer remembered for @key. Returns 1 and sets *ret_layer, or 0 when it must be imported. */
int fc_import_recall(const struct fc_import *im, const struct fc_digest *key, struct fc_layer **ret_layer);
/**
 * Build a layer from @it, which is owned from then on, named by the sha256 of the tar that our writer makes of it.
 *
 * For sources that are no tar, or one with changed entries. Returns 0 and sets *ret_layer, or a negative errno with words.
 */
int fc_import_entries(const struct fc_import *im, struct fc_entry_iter *it, struct fc_layer **ret_layer,
                      struct fc_error *err);

/** Put the layers of @result below @im->options->to: each becomes another one. Returns 0 or a negative errno with words. */
int fc_import_relocate(const struct fc_import *im, struct fc_imported *result, struct fc_error *err);

/** A pass-through iterator that writes what it passes on as a tar and digests that. */
struct fc_tee;

/** Wrap @inner (owned from then on, also on failure). @progress, which may be NULL, hears the tar's length so far. */
int fc_tee_new(struct fc_entry_iter *inner, struct fc_progress *progress, struct fc_tee **ret, struct fc_error *err);
/** The iterator to read from. Owned by the tee. */
struct fc_entry_iter *fc_tee_iter(struct fc_tee *tee);
/** After the end of the stream: finish the tar. Returns 0 or a negative errno with words. */
int fc_tee_finish(struct fc_tee *tee, struct fc_digest *ret_diffid, uint64_t *ret_size, struct fc_error *err);
/** Free the tee and the iterator that it wraps. NULL is allowed. */
void fc_tee_free(struct fc_tee *tee);

/** The entries of builtin:busybox made from the static program @busybox (an absolute path). */
int fc_busybox_iter(const char *busybox, struct fc_entry_iter **ret, struct fc_error *err);
/** A statically linked busybox of the host. Returns 0 and sets *ret_path (a constant), or -ENOENT with words. */
int fc_busybox_find(const char **ret_path, struct fc_error *err);

FC_DEFINE_AUTO(struct fc_tee *, fc_tee_free)
FC_DEFINE_AUTO(struct fc_stack_ahead *, fc_stack_ahead_free)
static inline void fc_imported_release_auto(struct fc_imported *i) { fc_imported_release(i); }
static inline void fc_fd_source_release_auto(struct fc_fd_source *s) { fc_fd_source_release(s); }

#endif
