/* SPDX-License-Identifier: Apache-2.0 */
/* The command that runs a machine, and the files that it needs for that. */
#ifndef FC_VM_MACHINE_H
#define FC_VM_MACHINE_H

#include "base/buf.h"
#include "vm/boot.h"

/** A machine ready to be started. All zero is none. */
struct fc_vm_machine {
    enum fc_vmm vmm;
    char *scratch;      /**< folder of its own, removed with it */
    struct fc_buf text; /**< the arguments, each with its NUL */
    char **argv;        /**< NULL-terminated; points into @text */
};

/**
 * Choose who runs @b->vm, make what is needed, and the command. Release @ret also after a failure. Returns 0 or -errno with words.
 */
int fc_vm_machine_make(const struct fc_vm_boot *b, struct fc_vm_machine *ret, struct fc_error *err);
/** Remove the files and free. */
void fc_vm_machine_release(struct fc_vm_machine *m);
/** The program of @vmm for @vm, as it is searched in PATH; FCCOMPOSE_FIRECRACKER, _QEMU, _UML in the environment say another. Borrowed. */
const char *fc_vmm_program(enum fc_vmm vmm, const struct fc_vm *vm);

#endif
