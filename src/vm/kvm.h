/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the hardware runs guests here. */
#ifndef FC_VM_KVM_H
#define FC_VM_KVM_H

#include <stdbool.h>

#include <fccompose/error.h>

/**
 * Run a guest of one instruction (on other machines than x86: make one) by /dev/kvm. That the device is there, and even
 * that it makes machines, does not say that it runs them: as a guest itself this machine may lack what that needs.
 *
 * Returns 0, or -ENOENT (no /dev/kvm), -EACCES (this user may not), -ENODEV (it runs nothing), or another -errno, with words.
 */
int fc_vm_kvm(struct fc_error *err);

/** Whether /proc/cpuinfo has @flag ("vmx", "svm"). */
bool fc_vm_cpu_has(const char *flag);

#endif
