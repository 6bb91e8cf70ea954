/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as a command line asks for it: a base, then fragments, then single options. */
#ifndef FC_KERNEL_MERGE_H
#define FC_KERNEL_MERGE_H

#include <stdbool.h>

#include "fetch/fetch.h"
#include "kernel/kconfig.h"

/** What is asked for. Strings are borrowed; lists are NULL-terminated and may be NULL. */
struct fc_merge_request {
    const char *version; /**< a preset's name, or a version; NULL: not known */
    const char *arch;    /**< "x86_64" or "aarch64" */
    const char *config;  /**< a file, "firecracker" or "minimal"; NULL: "firecracker" */
    const char *const *fragments;
    const char *const *sets;
    struct fc_kconfig_add how; /**< who hears of conflicts; @base is not used */
};

/** What it became. Release with fc_merged_release(). */
struct fc_merged {
    struct fc_kconfig *config;
    char *base;   /**< what the base is: a file, or "microvm-kernel-ci-x86_64-6.1.config" */
    bool minimal; /**< all that is not said is off: allnoconfig, not olddefconfig */
};
/** Free. All zero is allowed. */
void fc_merged_release(struct fc_merged *m);
static inline void fc_merged_release_auto(struct fc_merged *m) { fc_merged_release(m); }

/**
 * Merge. @f may be NULL when the base is a file or "minimal". Firecracker's own configurations come from its repository at a
 * pinned commit, and must have the pinned digest. Returns 0 and fills *ret; -ENOENT for an unknown fragment, or where
 * there is no such configuration; -EBADMSG, with FILE:LINE; or as fc_fetch_document() does.
 */
int fc_merge(struct fc_fetcher *f, const struct fc_merge_request *q, struct fc_merged *ret, struct fc_error *err);

#endif
