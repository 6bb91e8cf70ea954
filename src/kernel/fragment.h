/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments of kernel configurations that the program carries: src/kernel/fragments/NAME.config. */
#ifndef FC_KERNEL_FRAGMENT_H
#define FC_KERNEL_FRAGMENT_H

#include "kernel/kconfig.h"

/** A fragment. Lives as long as the program. */
struct fc_fragment {
    const char *name;
    const char *text;  /**< of the .config */
    const char *about; /**< its second line, without the "# ", to the line's end */
};

/** The base of `--config minimal`, which is no fragment for the list. */
#define FC_FRAGMENT_MINIMAL "minimal"

/** The @i-th, by name; NULL behind the last. */
const struct fc_fragment *fc_fragment_at(size_t i);
/** The one called @name, or NULL. */
const struct fc_fragment *fc_fragment_find(const char *name);
/** What it is for, into @out, which is returned. */
char *fc_fragment_about(const struct fc_fragment *f, char *out, size_t size);

/**
 * Add what --fragment @which names: a fragment of the program, or a file (what has a slash or ends in ".config" is one).
 * Returns 0; -ENOENT with the names that there are; or as fc_kconfig_add_file() does.
 */
int fc_fragment_add(struct fc_kconfig *c, const char *which, const struct fc_kconfig_add *how, struct fc_error *err);
/** Add one "CONFIG_X=y" or "X=y" of --set. Returns 0, -EINVAL for another form, -ENOMEM. */
int fc_kconfig_set_word(struct fc_kconfig *c, const char *word, const struct fc_kconfig_add *how, struct fc_error *err);

#endif
