/* SPDX-License-Identifier: Apache-2.0 */
/* The fixed part of builtin:busybox: folders, device nodes, configuration and the init script. */
#ifndef FC_STACK_BUSYBOX_FILES_H
#define FC_STACK_BUSYBOX_FILES_H

#include <stddef.h>
#include <stdint.h>

/** One fixed entry. */
struct fc_fixed_file {
    const char *path;
    uint32_t mode;
    const char *text;      /**< content of a file, text of a symlink; else NULL */
    uint32_t major, minor; /**< of a device node */
};

/** Parents before children. */
extern const struct fc_fixed_file fc_busybox_files[];
/** Their number. */
extern const size_t fc_n_busybox_files;

#endif
