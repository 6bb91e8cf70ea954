/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels by name: Firecracker's guest kernels and how long they are supported. */
#ifndef FC_KERNEL_PRESET_H
#define FC_KERNEL_PRESET_H

#include <stddef.h>

/** A guest kernel that Firecracker tests. */
struct fc_kernel_preset {
    const char *name;   /**< "6.1" */
    const char *series; /**< "6.1" */
    const char *since;  /**< of Firecracker */
    const char *until;  /**< end of support at the earliest, "2026-09-02" */
    const char *tags;   /**< of Amazon Linux' kernel repository: a pattern of git ls-remote, newest last by version */
    const char *arch;   /**< NULL: every one */
};

/** All, the last is all NULL. */
extern const struct fc_kernel_preset fc_kernel_presets[];

/** The one called @name, or NULL. */
const struct fc_kernel_preset *fc_kernel_preset_find(const char *name);
/** The one whose configuration fits the version @major.@minor best: the newest that is not newer, else the oldest. */
const struct fc_kernel_preset *fc_kernel_preset_near(unsigned major, unsigned minor);

/** A configuration of Firecracker's repository, pinned. */
struct fc_guest_config {
    const char *preset, *arch; /**< arch as uname -m has it */
    const char *name;          /**< of the file */
    const char *sha256;
};

/** The repository's raw files: a printf format with commit and file name. */
extern const char fc_guest_config_url[];
/** The commit that the digests are of. */
extern const char fc_guest_config_commit[];
/** The file for @preset and @arch, or NULL. */
const struct fc_guest_config *fc_guest_config_find(const char *preset, const char *arch);

#endif
