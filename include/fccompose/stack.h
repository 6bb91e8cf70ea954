/* SPDX-License-Identifier: Apache-2.0 */
/* From a locator (a file, "-", dir:PATH, builtin:NAME, a diffID in the cache) to a layer in the cache. */
#ifndef FCCOMPOSE_STACK_H
#define FCCOMPOSE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/layer.h>

/** How to import. All zero is the default. */
struct fc_import_options {
    bool force_owner; /**< give every entry @uid:@gid (--owner) */
    uint32_t uid, gid;
    const char *const *excludes; /**< glob patterns (fnmatch with "**"), for dir: only; borrowed for the call */
    size_t n_excludes;
    bool cross_mounts;  /**< dir: only: walk into other file systems */
    uint64_t max_bytes; /**< cap on uncompressed size; 0 is 1 TiB */
    struct fc_progress *progress;
};

/** What an import did. */
struct fc_import_result {
    bool cached;           /**< recognised: nothing was decompressed */
    uint64_t source_bytes; /**< compressed bytes read */
    uint32_t n_notes;      /**< things that were understood with a warning (clamped times, dropped attributes) */
};

/**
 * Bring the layer that @locator names into @cache and open it.
 *
 * Locators: a path (or file:PATH), "-" (standard input), "dir:PATH", "builtin:busybox", "sha256:HEX" (already in the
 * cache). Import happens once: a tar whose compressed bytes have been seen is recognised without decompression.
 * Two processes that import the same tar at once end with one layer. On failure nothing half-built is left.
 * Returns 0 and sets *ret_layer; -ENOENT; -EINVAL for a locator that cannot be understood; -EBADMSG for malformed
 * input (err names layer, entry and offset). @options and @ret_result may be NULL.
 */
FC_PUBLIC int fc_stack_import(struct fc_cache *cache, const char *locator, const struct fc_import_options *options,
                              struct fc_layer **ret_layer, struct fc_import_result *ret_result, struct fc_error *err);

#endif
