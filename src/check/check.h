/* SPDX-License-Identifier: Apache-2.0 */
/* Will image, kernel and command line work together? Rules over a snapshot, and what they found. Nothing is changed. */
#ifndef FC_PREFLIGHT_CHECK_H
#define FC_PREFLIGHT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/snapshot.h>

#include "base/cleanup.h"
#include "kernel/kernel.h"

/** How bad a finding is. */
enum fc_preflight_severity {
    FC_PREFLIGHT_NOTE,    /**< good to know */
    FC_PREFLIGHT_WARNING, /**< it boots, and something does not work or is not safe */
    FC_PREFLIGHT_ERROR,   /**< it does not come up */
};

/** What a rule is about; findings are shown in this order. */
enum fc_preflight_group {
    FC_PREFLIGHT_INIT,
    FC_PREFLIGHT_CONSOLE,
    FC_PREFLIGHT_TREE,
    FC_PREFLIGHT_LOGIN,
    FC_PREFLIGHT_IMAGE,
    FC_PREFLIGHT_KERNEL,
    FC_PREFLIGHT_CMDLINE,
    FC_PREFLIGHT_N_GROUPS
};

/** The rules. Their rows are in rules.c. */
enum fc_preflight_id {
    FC_PREFLIGHT_INIT_MISSING,
    FC_PREFLIGHT_INIT_SHELL,
    FC_PREFLIGHT_INIT_DIRECTORY,
    FC_PREFLIGHT_NOT_EXECUTABLE,
    FC_PREFLIGHT_PROGRAM_FORMAT,
    FC_PREFLIGHT_PROGRAM_ARCH,
    FC_PREFLIGHT_PROGRAM_MISSING,
    FC_PREFLIGHT_SCRIPT_INTERPRETER,
    FC_PREFLIGHT_ELF_INTERPRETER,
    FC_PREFLIGHT_ELF_DAMAGED,
    FC_PREFLIGHT_LIBRARY_MISSING,
    FC_PREFLIGHT_CONSOLE_GETTY,
    FC_PREFLIGHT_CONSOLE_OTHER,
    FC_PREFLIGHT_CONSOLE_SECURETTY,
    FC_PREFLIGHT_MOUNT_POINT,
    FC_PREFLIGHT_DIR_MISSING,
    FC_PREFLIGHT_DEV_CONSOLE,
    FC_PREFLIGHT_UDEV_MISSING,
    FC_PREFLIGHT_FSTAB_DEVICE,
    FC_PREFLIGHT_FSTAB_ROOT,
    FC_PREFLIGHT_FSTAB_SWAP,
    FC_PREFLIGHT_MACHINE_ID_FIXED,
    FC_PREFLIGHT_MACHINE_ID_MISSING,
    FC_PREFLIGHT_READ_ONLY,
    FC_PREFLIGHT_ROOT_LOCKED,
    FC_PREFLIGHT_HOST_KEYS,
    FC_PREFLIGHT_IMAGE_SECTORS,
    FC_PREFLIGHT_IMAGE_PMEM,
    FC_PREFLIGHT_IMAGE_JOURNAL,
    FC_PREFLIGHT_EXT4_FEATURE,
    FC_PREFLIGHT_EXT4_CONFIG,
    FC_PREFLIGHT_EXT4_DRIVER,
    FC_PREFLIGHT_EXT4_XATTR,
    FC_PREFLIGHT_KERNEL_FORMAT,
    FC_PREFLIGHT_KERNEL_BZIMAGE,
    FC_PREFLIGHT_KERNEL_ARCH,
    FC_PREFLIGHT_KERNEL_PAGES,
    FC_PREFLIGHT_KERNEL_PVH,
    FC_PREFLIGHT_KERNEL_CONFIG,
    FC_PREFLIGHT_KERNEL_BLOCK,
    FC_PREFLIGHT_KERNEL_TRANSPORT,
    FC_PREFLIGHT_KERNEL_ACPI,
    FC_PREFLIGHT_KERNEL_CONSOLE,
    FC_PREFLIGHT_KERNEL_DEVTMPFS,
    FC_PREFLIGHT_KERNEL_SCRIPTS,
    FC_PREFLIGHT_KERNEL_OVERLAY,
    FC_PREFLIGHT_KERNEL_OPTION,
    FC_PREFLIGHT_KERNEL_GUEST,
    FC_PREFLIGHT_CMDLINE_LENGTH,
    FC_PREFLIGHT_CMDLINE_ROOT,
    FC_PREFLIGHT_CMDLINE_CONSOLE,
    FC_PREFLIGHT_CMDLINE_NOAPIC,
    FC_PREFLIGHT_CMDLINE_ACPI,
    FC_PREFLIGHT_CMDLINE_PCI,
    FC_PREFLIGHT_CMDLINE_NOMODULE,
    FC_PREFLIGHT_N_RULES
};

/** A rule. */
struct fc_preflight_rule {
    const char *code;
    enum fc_preflight_severity severity;
    enum fc_preflight_group group;
    const char *about; /**< what is wrong then, and what the guest does */
    const char *fix;   /**< what to do; a command where there is one */
};

/** All rules, by their number. */
extern const struct fc_preflight_rule fc_preflight_rules[FC_PREFLIGHT_N_RULES];
/** Titles of the groups, and names of the severities. */
extern const char *const fc_preflight_groups[FC_PREFLIGHT_N_GROUPS], *const fc_preflight_severities[];

/** What is to be judged. All but @snapshot may be left out. Borrowed for the call. */
struct fc_preflight_input {
    const struct fc_snapshot *snapshot;
    const char *image;              /**< file of the image; NULL: a tree that is none yet */
    const struct fc_kernel *kernel; /**< NULL: not known */
    const char *cmdline;            /**< without root=, which Firecracker adds; NULL: not known */
    size_t cmdline_max;             /**< bytes that fit for @cmdline; 0: 2047 */
    const char *arch;               /**< of the machine, as uname -m has it; NULL: the kernel's, else the programs' */
    bool read_only;                 /**< the root drive */
    bool pmem, pci;                 /**< how the machine has its devices */
};

/** One finding. Strings belong to the result. */
struct fc_preflight_finding {
    enum fc_preflight_id rule;
    enum fc_preflight_severity severity;
    const char *path; /**< in the tree, or a file, an option, a word of the command line; NULL: nothing in particular */
    const char *what; /**< the finding, with its evidence */
    const char *fix;
};

/** The findings of one run. */
struct fc_preflight;

/**
 * Judge @in by all rules. Returns 0 and sets *ret_preflight, or -ENOMEM, or -EIO and the like with words when the tree or the image
 * cannot be read. Damaged programs and files are findings. Any thread.
 */
int fc_preflight_run(const struct fc_preflight_input *in, struct fc_preflight **ret_preflight, struct fc_error *err);
/** The @i-th finding, by group, the worst first; NULL behind the last. */
const struct fc_preflight_finding *fc_preflight_finding(const struct fc_preflight *c, size_t i);
/** Free. NULL is allowed. */
void fc_preflight_free(struct fc_preflight *c);
FC_DEFINE_AUTO(struct fc_preflight *, fc_preflight_free)

#endif
