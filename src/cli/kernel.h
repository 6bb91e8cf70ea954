/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands below `kernel` share: options about the configuration, architecture, conflicts. */
#ifndef FC_CLI_KERNEL_H
#define FC_CLI_KERNEL_H

#include "cli/cli.h"
#include "cli/fetch.h"
#include "kernel/merge.h"
#include "kernel/source.h"

/** Ids of options that several of the commands have. */
enum { CLI_KERNEL_CONFIG = 300, CLI_KERNEL_FRAGMENT, CLI_KERNEL_SET, CLI_KERNEL_OWN };

/** The options that say what the configuration is. */
#define CLI_KERNEL_CONFIG_OPTIONS                                                                                      \
    {CLI_KERNEL_CONFIG,                                                                                                \
     0,                                                                                                                \
     "config",                                                                                                         \
     "FILE",                                                                                                           \
     "the base: a .config, or \"firecracker\" (its CI's; default), or \"minimal\"",                                    \
     CLI_WORD_FILE},                                                                                                   \
        {CLI_KERNEL_FRAGMENT,                                                                                          \
         0,                                                                                                            \
         "fragment",                                                                                                   \
         "NAME|FILE",                                                                                                  \
         "add a fragment (`kernel ls` lists them) or a file with a slash; may be repeated, also with commas",          \
         CLI_WORD_FILE},                                                                                               \
    {                                                                                                                  \
        CLI_KERNEL_SET, 0, "set", "CONFIG_X=y", "set one option, after the fragments; may be repeated", 0              \
    }

/** A request as the options say it. Release with cli_kernel_release(). */
struct cli_kernel {
    struct fc_merge_request q;
    const char **fragments, **sets;
    char *words; /**< of --fragment a,b */
    struct fc_cache *cache;
    struct fc_fetcher *fetcher;
};
/** Free. All zero is allowed. */
void cli_kernel_release(struct cli_kernel *k);
static inline void cli_kernel_release_auto(struct cli_kernel *k) { cli_kernel_release(k); }

/** Take the options. @version may be NULL. Opens the cache and a fetcher. Returns 0, or -errno or wrong usage with words. */
int cli_kernel_take(struct cli *cli, const struct cli_args *args, const char *version, struct cli_kernel *ret,
                    struct fc_error *err);
/** The architecture of --arch, or this machine's: "x86_64" or "aarch64". Returns 0 or wrong usage. */
int cli_kernel_arch(const struct cli *cli, const char **ret, struct fc_error *err);
/**
 * Get the sources as the lock has them, if it has them, else as @q says; with @record they go into the lock. Changes @q.
 * Returns 0; -ESTALE for --locked and not in the lock; or as fc_source_get() does.
 */
int cli_kernel_source(struct cli *cli, struct fc_fetcher *f, struct fc_source_request *q, bool record,
                      struct fc_source *ret, struct fc_error *err);

#endif
