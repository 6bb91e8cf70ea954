/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an option is not set: what Kconfig says about it.
 *
 * The kernel's own scripts/kconfig print dependencies only in their interactive searches and, for options that are visible, in
 * `make helpnewconfig`; of one that is invisible, which is the case here, they say nothing. So the Kconfig files are read by a
 * small reader of our own, which knows just what concerns one symbol: its definitions, "depends on" of these and of the menus and
 * "if" around them, "select" and "imply" of it elsewhere. What the values are comes from the .config that the kernel's own
 * tool wrote.
 */
#ifndef FC_KERNEL_WHY_H
#define FC_KERNEL_WHY_H

#include "kernel/kconfig.h"

/** What was found about a symbol. Texts are lines; release with fc_why_release(). */
struct fc_why {
    unsigned n_defined;     /**< how often it is defined in this architecture's Kconfig files */
    char type[16];          /**< "bool", "tristate", "int", "hex", "string"; empty: not said */
    bool prompt;            /**< a person can set it */
    struct fc_buf defined;  /**< "drivers/tty/Kconfig:12\n"... */
    struct fc_buf depends;  /**< an expression a line */
    struct fc_buf selected; /**< "BY if EXPRESSION\n" */
};
/** Free. All zero is allowed. */
void fc_why_release(struct fc_why *w);
static inline void fc_why_release_auto(struct fc_why *w) { fc_why_release(w); }

/**
 * Read the Kconfig files of the sources in @dir for the architecture @srcarch ("x86", "arm64"). @name is without "CONFIG_".
 * Returns 0, also when nothing defines it; -ENOENT when there are no Kconfig files; -ENOMEM; with words.
 */
int fc_why_read(const char *dir, const char *srcarch, const char *name, struct fc_why *ret, struct fc_error *err);

/**
 * One sentence: why @name is not @wanted in @c ("needs TTY (n)", "this source has no such option"). Appends it to @ret.
 * Returns 0 or -ENOMEM.
 */
int fc_why_say(const struct fc_why *w, const struct fc_kconfig *c, const char *wanted, struct fc_buf *ret);

#endif
