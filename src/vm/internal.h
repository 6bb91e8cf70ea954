/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef FC_VM_INTERNAL_H
#define FC_VM_INTERNAL_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "vm/vm.h"

/** Whether the machine is an aarch64 one. */
bool fc_vm_is_arm(const struct fc_vm *vm);
/**
 * Append what the network, the overlay, init and more_args add to the kernel's command line, each with a space before it; @overlay is
 * the guest's name of the second drive.
 */
int fc_vm_add_words(const struct fc_vm *vm, const char *overlay, struct fc_buf *ret);
/** The memory in MiB, at least 1. */
uint64_t fc_vm_memory_mib(const struct fc_vm *vm);

#endif
