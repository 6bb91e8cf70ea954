/* SPDX-License-Identifier: Apache-2.0 */
/* Build a kernel out of tree, with a configuration that says what became of it, into files and a manifest. */
#ifndef FC_KERNEL_BUILD_H
#define FC_KERNEL_BUILD_H

#include <fccompose/progress.h>

#include "kernel/kernel.h"
#include "kernel/merge.h"
#include "kernel/source.h"

/** An option that is not as it was asked for. Strings are borrowed for the call. */
struct fc_kernel_loss {
    const struct fc_koption *wanted;
    const char *got; /**< "n" when nothing says anything about it */
    const char *why;
    const struct fc_need *need; /**< what it is needed for, or NULL */
};

/** How to build, and who hears of it. All zero but the first four is the default. */
struct fc_build_request {
    const struct fc_source *source;
    const struct fc_merged *merged;
    const char *arch;   /**< "x86_64" or "aarch64" */
    const char *cache;  /**< the folder "kernels" of the cache */
    const char *output; /**< folder for the results; NULL: the current one */
    const char *cross;  /**< prefix of the tools; NULL: found by @arch */
    unsigned jobs;      /**< 0: as many as processors */
    bool llvm, ccache, menuconfig;
    bool unchecked;               /**< go on without what the boot contract needs */
    int64_t epoch;                /**< SOURCE_DATE_EPOCH; 0: of the sources */
    struct fc_progress *progress; /**< may be NULL */
    /** Hears of each option that was dropped or changed: those of fragments and --set. May be NULL. */
    void (*lost)(void *arg, const struct fc_kernel_loss *l);
    /** Hears of the lines around the first error of a build that failed. May be NULL. */
    void (*error_line)(void *arg, const char *line);
    void *arg;
};

/** What was built. Release with fc_built_release(). */
struct fc_built {
    char *dir;    /**< in the cache */
    char *log;    /**< the whole output of make; NULL: from the cache */
    char **files; /**< names of the results, NULL-terminated; the last is the manifest */
    size_t n_files;
    unsigned n_base_lost; /**< options of the base that are not as it has them */
    bool cached;          /**< nothing was made: it was there */
};
/** Free. All zero is allowed. */
void fc_built_release(struct fc_built *b);
static inline void fc_built_release_auto(struct fc_built *b) { fc_built_release(b); }

/**
 * Configure, make, collect. Nothing is ever asked (but by --menuconfig). What an interrupted build has made is gone on with.
 *
 * Returns 0 and fills *ret; -EINVAL when an option that booting needs did not survive (err names the first; @lost heard of
 * all); -ENOENT for a tool that is missing; -EIO when make failed (err names the log), with words.
 */
int fc_build(const struct fc_build_request *q, struct fc_built *ret, struct fc_error *err);

/** The folder "kernels" of the cache, made if need be. Caller frees. Returns 0 or -errno with words. */
int fc_kernels_dir(const char *cache_dir, char **ret, struct fc_error *err);

#endif
