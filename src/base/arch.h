/* SPDX-License-Identifier: Apache-2.0 */
/* Architectures under all the names that distributions, kernels and registries give them. */
#ifndef FC_BASE_ARCH_H
#define FC_BASE_ARCH_H

/** One of those names, and what others call the same. */
struct fc_arch {
    const char *name;
    const char *machine; /**< what uname -m says there, the letter for a sub-version left out; NULL: no such machine */
    const char *oci, *variant; /**< what image-spec calls it ("Platform Variants"); "" for no variant */
};

/** The architecture of that name, in whatever case, or NULL. A constant. */
const struct fc_arch *fc_arch_find(const char *name);
/** The same as uname -m has it, or NULL if there is no such architecture or machine. */
const char *fc_arch_machine(const char *name);
/** This machine's as uname -m has it, by the name that the table prefers; a machine that is not in the table is "x86_64". */
const char *fc_arch_host(void);

#endif
