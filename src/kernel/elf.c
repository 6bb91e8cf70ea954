/* SPDX-License-Identifier: Apache-2.0 */
/* Read the ELF headers and notes of a vmlinux. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "kernel/open.h"

/* From xen/interface/elfnote.h: the 32-bit entry point by which PVH starts a kernel. */
enum { XEN_PHYS32_ENTRY = 18 };

static const char *machine_name(unsigned machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86_64";
    case EM_AARCH64:
        return "aarch64";
    case EM_386:
        return "i386";
    case EM_RISCV:
        return "riscv64";
    default:
        return NULL;
    }
}

/* The notes in the @size bytes @data, each padded to 4. */
static void read_notes(const char *data, uint64_t size, struct fc_kernel *k)
{
    while (size >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        uint64_t name, desc, whole;

        memcpy(&note, data, sizeof(note));
        name = sizeof(note);
        desc = name + ((note.n_namesz + UINT64_C(3)) & ~UINT64_C(3));
        whole = desc + ((note.n_descsz + UINT64_C(3)) & ~UINT64_C(3));
        if (whole > size)
            return;
        if (note.n_type == XEN_PHYS32_ENTRY && note.n_namesz == 4 && memcmp(data + name, "Xen", 4) == 0 &&
            (note.n_descsz == 4 || note.n_descsz == 8)) {
            k->pvh = true;
            k->pvh_entry = 0;
            memcpy(&k->pvh_entry, data + desc, note.n_descsz);
        }
        data += whole;
        size -= whole;
    }
}

int fc_kernel_read_elf(const struct fc_buf *data, const char *path, struct fc_kernel *k, struct fc_error *err)
{
    Elf64_Ehdr e;

    if (data->len < sizeof(e) || data->data[EI_DATA] != ELFDATA2LSB)
        return fc_fail(err, EBADMSG, "%s: a damaged ELF file, or one for a big-endian machine", path);
    memcpy(&e, data->data, sizeof(e));
    k->arch = machine_name(e.e_machine);
    if (data->data[EI_CLASS] != ELFCLASS64)
        return 0;
    if (e.e_phentsize != sizeof(Elf64_Phdr) || e.e_phnum == 0)
        return fc_fail(err, EBADMSG, "%s: an ELF file without program headers: no kernel", path);
    if (e.e_phoff > data->len || e.e_phnum * sizeof(Elf64_Phdr) > data->len - e.e_phoff)
        return fc_fail(err, EBADMSG, "%s: its program headers lie behind its end: the file was cut", path);
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p;

        memcpy(&p, data->data + e.e_phoff + i * sizeof(p), sizeof(p));
        if (p.p_filesz && (p.p_offset > data->len || p.p_filesz > data->len - p.p_offset))
            return fc_fail(err, EBADMSG, "%s: segment %u lies behind its end: the file was cut", path, i);
        if (p.p_type == PT_NOTE)
            read_notes(data->data + p.p_offset, p.p_filesz, k);
    }
    return 0;
}
