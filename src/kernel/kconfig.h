/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel configuration: options by name, each with the place that set it. */
#ifndef FC_KERNEL_KCONFIG_H
#define FC_KERNEL_KCONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include <fccompose/error.h>

#include "base/buf.h"
#include "base/cleanup.h"

/** One option. Strings belong to the configuration. */
struct fc_koption {
    char *name;       /**< without "CONFIG_" */
    char *value;      /**< as the file has it: y, m, a number, a text in quotes; "n" for "is not set" */
    const char *file; /**< who set it: a file, "fragment NAME", "--set" */
    unsigned line;    /**< from 1 */
    bool base;        /**< set by the base and by nothing after it */
};

/** A configuration. Not thread-safe. */
struct fc_kconfig;

/** An empty one. NULL when out of memory. */
struct fc_kconfig *fc_kconfig_new(void);
/** Free. NULL is allowed. */
void fc_kconfig_free(struct fc_kconfig *c);

/** Two places that say different things of one option; the later one counts. */
struct fc_kconflict {
    const struct fc_koption *before; /**< borrowed for the call */
    const char *value, *file;        /**< what counts */
    unsigned line;
};

/** How to add. All zero is the default. */
struct fc_kconfig_add {
    bool base; /**< what is added may be changed by what comes later without a word */
    /** Hears of each conflict; may be NULL. */
    void (*conflict)(void *arg, const struct fc_kconflict *k);
    void *arg;
};

/**
 * Add the @size bytes of a .config or a fragment; @file names it in messages and is copied. Later lines win over earlier
 * ones and over what was there. Returns 0; -EBADMSG with words that say FILE:LINE for a line that is neither
 * CONFIG_NAME=VALUE nor a comment; -ENOMEM.
 */
int fc_kconfig_add(struct fc_kconfig *c, const char *text, size_t size, const char *file,
                   const struct fc_kconfig_add *how, struct fc_error *err);
/** The same for the file @path. */
int fc_kconfig_add_file(struct fc_kconfig *c, const char *path, const struct fc_kconfig_add *how, struct fc_error *err);

/** The option @name (with or without "CONFIG_"), or NULL when nothing says anything about it. Borrowed. */
const struct fc_koption *fc_kconfig_find(const struct fc_kconfig *c, const char *name);
/** Its value; "n" when nothing says anything about it. Borrowed. */
const char *fc_kconfig_value(const struct fc_kconfig *c, const char *name);
/** Whether it is y. */
bool fc_kconfig_is_y(const struct fc_kconfig *c, const char *name);
/** Whether it is y or m. */
bool fc_kconfig_is_on(const struct fc_kconfig *c, const char *name);
/** How many there are. */
size_t fc_kconfig_count(const struct fc_kconfig *c);
/** The @i-th in the order in which they were first set. Borrowed. */
const struct fc_koption *fc_kconfig_at(const struct fc_kconfig *c, size_t i);

/** Append all as a .config file, sorted by name. Returns 0 or -ENOMEM. */
int fc_kconfig_write(const struct fc_kconfig *c, struct fc_buf *ret);
/** Append one as a line of it. Returns 0 or -ENOMEM. */
int fc_koption_write(const char *name, const char *value, struct fc_buf *ret);

FC_DEFINE_AUTO(struct fc_kconfig *, fc_kconfig_free)

#endif
