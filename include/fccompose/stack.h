/* SPDX-License-Identifier: Apache-2.0 */
/* From a locator (a file, a directory, a URL, a distribution's name, an image) to layers in the cache. */
#ifndef FCCOMPOSE_STACK_H
#define FCCOMPOSE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/fetch.h>
#include <fccompose/layer.h>

/** What a locator is to stand for (src/lock/lock.h). */
struct fc_lock_entry;

/** How to import. All zero is the default. */
struct fc_import_options {
    bool force_owner; /**< give every entry @uid:@gid (--owner) */
    uint32_t uid, gid;
    const char *const *excludes; /**< glob patterns (fnmatch with "**"), for dir: only; borrowed for the call */
    size_t n_excludes;
    bool cross_mounts;  /**< dir: only: walk into other file systems */
    const char *to;     /**< put everything below this path of the tree; NULL: at its root. A lock does not say it */
    uint64_t max_bytes; /**< cap on uncompressed size of a layer; 0 is 1 TiB */
    const char
        *arch; /**< of an image: "[OS/]ARCH[/VARIANT]" in any usual name; NULL is this machine's, or the only one */
    struct fc_fetcher *fetcher; /**< for URLs, distributions by name, and images that are not a layout on this machine;
                                   borrowed. NULL: -EINVAL for images, and for the others one of the defaults is made */
    bool require_signature;     /**< distributions by name: refuse what no signature vouches for */
    const struct fc_lock_entry *locked; /**< what the locator must stand for; borrowed; NULL: whatever it does now */
    struct fc_progress *progress;
};

/** What an import brought. All zero is nothing; free with fc_imported_release(). */
struct fc_imported {
    struct fc_layer **layers; /**< lowest first; of an image there are as many as it has, else one */
    size_t n_layers;
    char resolved[256];    /**< what a distribution's name stood for, in full; else empty */
    char *config;          /**< of an image: its configuration, JSON (image-spec, config.md); else NULL */
    char *source;          /**< where it came from: JSON, an entry of fccompose.lock.json (src/lock/lock.h) */
    bool cached;           /**< recognised: nothing was decompressed */
    uint64_t source_bytes; /**< compressed bytes read */
    uint32_t n_notes;      /**< things that were understood with a warning (clamped times, dropped attributes) */
};

/** Drop the layers and free the rest. */
FC_PUBLIC void fc_imported_release(struct fc_imported *imported);

/**
 * Bring the layers that @locator names into @cache and open them.
 *
 * Locators: a path (or file:PATH), "-" (standard input), "dir:PATH", "builtin:busybox", "sha256:HEX" (already in the
 * cache); a URL of http, https or file; NAME:VERSION[/ARCH] of a distribution ("alpine:3.20", "ubuntu:24.04/arm64"); of images "docker://REFERENCE" (a registry), "oci:DIR[:TAG]" (an image layout), "oci-archive:FILE[:TAG]",
 * "docker-archive:FILE[:REFERENCE]". Import happens once: a tar whose compressed bytes have been seen is recognised without
 * decompression. Two processes that import the same tar at once end with one layer. On failure nothing half-built is left.
 * Returns 0 and fills *ret; -ESTALE when it is not what @options->locked says; -ENOENT; -EINVAL for a locator that cannot be understood; -EBADMSG for malformed input (err
 * names layer, entry and offset) and for what is not what its digest says; -EKEYREJECTED for a signature; and other failures of a download. @options may be NULL.
 */
FC_PUBLIC int fc_stack_import(struct fc_cache *cache, const char *locator, const struct fc_import_options *options,
                              struct fc_imported *ret, struct fc_error *err);

#endif
