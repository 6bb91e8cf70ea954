/* SPDX-License-Identifier: Apache-2.0 */
/* Boot a microVM here: under Firecracker, QEMU or user-mode Linux, with its console passed on and watched. */
#ifndef FC_VM_BOOT_H
#define FC_VM_BOOT_H

#include "vm/vm.h"

/** What runs the machine. */
enum fc_vmm {
    FC_VMM_AUTO, /**< the first of these that can */
    FC_VMM_FIRECRACKER,
    FC_VMM_QEMU,
    FC_VMM_UML, /**< user-mode Linux: is a kernel itself */
};

/** How to boot. All zero but vm is the default. Strings are borrowed. */
struct fc_vm_boot {
    const struct fc_vm *vm;
    enum fc_vmm vmm;
    bool write; /**< the guest's writes reach the image and the overlay; else they go to files that are removed */
    const char *
        expect; /**< POSIX extended regular expression; when a line of the console matches, that is the end; NULL: none */
    unsigned timeout;  /**< seconds; 0: no limit */
    int in_fd, out_fd; /**< the console's keys and text; in_fd -1: no keys. A terminal is put into raw mode */
    /** Hears once what runs, before it does; may be NULL. */
    void (*started)(void *arg, enum fc_vmm vmm, const char *words);
    void *arg;
};

/** How it ended. */
enum fc_vm_end {
    FC_VM_POWERED_OFF, /**< by itself */
    FC_VM_EXPECTED,    /**< the expression was seen */
    FC_VM_PANICKED,    /**< the guest's kernel panicked */
    FC_VM_TIMED_OUT,
    FC_VM_STOPPED, /**< by the user: keys or signal */
    FC_VM_FAILED,  /**< the program that ran the machine failed */
};

/** The result. */
struct fc_vm_outcome {
    enum fc_vm_end end;
    int status;       /**< of the program that ran the machine; for STOPPED by a signal 128 + its number */
    int guest_status; /**< what the init for images said that its program ended with; -1: nothing */
    char words[256];  /**< the line that was expected, or the kernel's panic; "" */
};

/**
 * Boot and wait. Files are made in a folder of their own in $TMPDIR (or beside the image, if that shares blocks) and removed. Signals
 * INT, TERM, HUP stop the machine. One at a time in a process. Returns 0 and fills *ret, or -errno with words when it could not
 * start: -ENOENT without a program that can run it, -EINVAL for an expression that is none.
 */
int fc_vm_boot_run(const struct fc_vm_boot *b, struct fc_vm_outcome *ret, struct fc_error *err);

/** "Firecracker" and the like. */
const char *fc_vmm_name(enum fc_vmm vmm);
/** Whether guests of @arch can be run by hardware here: /dev/kvm runs a guest (vm/kvm.h) and, on x86, the CPU says so (vmx, svm). */
bool fc_vm_has_kvm(const char *arch);

#endif
