/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's init (guest/init/), compiled for each architecture that the build has a compiler for, inside the program. */
#include <string.h>

#include "guest/internal.h"

#define EMBED(name, file)                                                                                              \
    __asm__(".section .rodata\n.balign 16\n" #name ":\n.incbin \"" file "\"\n" #name "_end:\n.byte 0\n.previous\n");   \
    extern const char name[], name##_end[]

#ifdef FC_INIT_X86_64
EMBED(fc_init_x86_64, FC_INIT_X86_64);
#endif
#ifdef FC_INIT_AARCH64
EMBED(fc_init_aarch64, FC_INIT_AARCH64);
#endif

const void *guest_init_program(const char *arch, size_t *ret_size)
{
#ifdef FC_INIT_X86_64
    if (strcmp(arch, "x86_64") == 0) {
        *ret_size = (size_t)(fc_init_x86_64_end - fc_init_x86_64);
        return fc_init_x86_64;
    }
#endif
#ifdef FC_INIT_AARCH64
    if (strcmp(arch, "aarch64") == 0) {
        *ret_size = (size_t)(fc_init_aarch64_end - fc_init_aarch64);
        return fc_init_aarch64;
    }
#endif
    (void)arch;
    (void)ret_size;
    return NULL;
}
