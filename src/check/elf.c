/* SPDX-License-Identifier: Apache-2.0 */
/* Read of an ELF file what loading it needs: machine, loader, libraries. The file is a stranger's: every number is checked. */
#include <elf.h>
#include <string.h>

#include "check/internal.h"

enum { SEGMENTS_MAX = 256, DYNAMIC_MAX = 4096, STRING_MAX = 4096 };

/* A file that is being read. */
struct reader {
    struct fc_preflight *c;
    const struct preflight_place *at;
    struct preflight_elf *elf;
    const char *why;
    unsigned n_segments;
    struct segment {
        uint32_t type;
        uint64_t offset, address, size;
    } segments[SEGMENTS_MAX];
};

static int damaged(struct reader *r, const char *why)
{
    r->why = why;
    return -1;
}

static uint64_t number(const struct reader *r, const unsigned char *at, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)at[r->elf->big ? n - 1 - i : i] << (8 * i);
    return v;
}

/* The text at @offset, at most @most bytes with its NUL. */
static const char *string(struct reader *r, uint64_t offset, uint64_t most)
{
    char text[STRING_MAX];
    size_t n = preflight_read(r->c, r->at->inode, text, most < sizeof(text) ? most : sizeof(text), offset);

    return n && memchr(text, '\0', n) ? preflight_textf(r->c, "%s", text) : NULL;
}

static int read_segments(struct reader *r, const unsigned char *h)
{
    bool wide = r->elf->wide;
    uint64_t table = number(r, h + (wide ? 32 : 28), wide ? 8 : 4), size = number(r, h + (wide ? 54 : 42), 2);
    unsigned char entry[56];

    r->n_segments = (unsigned)number(r, h + (wide ? 56 : 44), 2);
    if (r->n_segments > SEGMENTS_MAX || (r->n_segments && size != (wide ? 56 : 32)))
        return damaged(r, "its table of segments makes no sense");
    if (table > r->at->size || r->n_segments * size > r->at->size - table)
        return damaged(r, "its table of segments is outside of it");
    for (unsigned i = 0; i < r->n_segments; i++) {
        struct segment *s = &r->segments[i];

        if (preflight_read(r->c, r->at->inode, entry, size, table + i * size) != size)
            return damaged(r, "it ends in its table of segments");
        s->type = (uint32_t)number(r, entry, 4);
        s->offset = number(r, entry + (wide ? 8 : 4), wide ? 8 : 4);
        s->address = number(r, entry + (wide ? 16 : 8), wide ? 8 : 4);
        s->size = number(r, entry + (wide ? 32 : 16), wide ? 8 : 4);
        if ((s->type == PT_LOAD || s->type == PT_INTERP || s->type == PT_DYNAMIC) &&
            (s->offset > r->at->size || s->size > r->at->size - s->offset))
            return damaged(r, "it is shorter than its segments");
    }
    return 0;
}

/* Where @address is in the file, and how many bytes of its segment follow; false: in no segment. */
static bool place_of(const struct reader *r, uint64_t address, uint64_t *ret_offset, uint64_t *ret_left)
{
    for (unsigned i = 0; i < r->n_segments; i++) {
        const struct segment *s = &r->segments[i];

        if (s->type != PT_LOAD || address < s->address || address - s->address >= s->size)
            continue;
        *ret_offset = s->offset + (address - s->address);
        *ret_left = s->size - (address - s->address);
        return true;
    }
    return false;
}

/* What of the dynamic section is a text. */
static int take(struct reader *r, uint64_t tag, uint64_t value, uint64_t table, uint64_t size)
{
    struct preflight_elf *e = r->elf;
    const char *text;

    if (tag != DT_NEEDED && tag != DT_RPATH && tag != DT_RUNPATH && tag != DT_SONAME)
        return 0;
    text = value < size ? string(r, table + value, size - value) : NULL;
    if (!text)
        return damaged(r, "its names of libraries are outside of its texts");
    if (tag == DT_RPATH)
        e->rpath = text;
    else if (tag == DT_RUNPATH)
        e->runpath = text;
    else if (tag == DT_SONAME)
        e->soname = text;
    else if (e->n_needed == FC_LENGTH(e->needed))
        return damaged(r, "it needs more libraries than any program does");
    else
        e->needed[e->n_needed++] = text;
    return 0;
}

/* The entry @i of the dynamic section. */
static bool entry_of(struct reader *r, const struct segment *s, uint64_t i, uint64_t *ret_tag, uint64_t *ret_value)
{
    unsigned n = r->elf->wide ? 8 : 4;
    unsigned char entry[16];

    if (i >= DYNAMIC_MAX || (i + 1) * 2 * n > s->size ||
        preflight_read(r->c, r->at->inode, entry, 2 * n, s->offset + i * 2 * n) != 2 * n)
        return false;
    *ret_tag = number(r, entry, n);
    *ret_value = number(r, entry + n, n);
    return *ret_tag != DT_NULL;
}

static int read_dynamic(struct reader *r, const struct segment *s)
{
    uint64_t tag, value, strings = 0, size = 0, table = 0, left = 0;
    int n = 0;

    for (uint64_t i = 0; entry_of(r, s, i, &tag, &value); i++) {
        strings = tag == DT_STRTAB ? value : strings;
        size = tag == DT_STRSZ ? value : size;
    }
    if (strings && !place_of(r, strings, &table, &left))
        return damaged(r, "its texts are in no segment");
    if (size > left)
        size = left;
    for (uint64_t i = 0; n == 0 && entry_of(r, s, i, &tag, &value); i++)
        n = take(r, tag, value, table, size);
    return n;
}

static int read_all(struct reader *r, const unsigned char *h)
{
    int n = read_segments(r, h);

    for (unsigned i = 0; i < r->n_segments && n == 0; i++) {
        const struct segment *s = &r->segments[i];

        if (s->type == PT_INTERP) {
            r->elf->interp = string(r, s->offset, s->size);
            n = r->elf->interp && *r->elf->interp ? 0 : damaged(r, "the name of its loader has no end");
        } else if (s->type == PT_DYNAMIC) {
            n = read_dynamic(r, s);
        }
    }
    return n;
}

int preflight_elf_read(struct fc_preflight *c, const struct preflight_place *at, struct preflight_elf *ret,
                       const char **ret_why)
{
    struct reader r = {.c = c, .at = at, .elf = ret};
    unsigned char h[sizeof(Elf64_Ehdr)] = {0};
    size_t n = preflight_read(c, at->inode, h, sizeof(h), 0);
    int result;

    *ret = (struct preflight_elf){0};
    if (n < SELFMAG || memcmp(h, ELFMAG, SELFMAG) != 0)
        return 0;
    ret->wide = h[EI_CLASS] == ELFCLASS64;
    ret->big = h[EI_DATA] == ELFDATA2MSB;
    if (n < (ret->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
        result = damaged(&r, "it ends in its header");
    else if ((!ret->wide && h[EI_CLASS] != ELFCLASS32) || (!ret->big && h[EI_DATA] != ELFDATA2LSB))
        result = damaged(&r, "its header makes no sense");
    else {
        ret->machine = (uint16_t)number(&r, h + 18, 2);
        result = read_all(&r, h);
    }
    *ret_why = r.why;
    return result < 0 ? -1 : 1;
}

const char *preflight_elf_arch(const struct preflight_elf *e)
{
    switch (e->machine) {
    case EM_X86_64:
        return "x86_64";
    case EM_386:
        return "i386";
    case EM_AARCH64:
        return "aarch64";
    case EM_ARM:
        return "arm";
    case EM_RISCV:
        return e->wide ? "riscv64" : "riscv32";
    case EM_PPC64:
        return e->big ? "ppc64" : "ppc64le";
    case EM_S390:
        return "s390x";
    default:
        return NULL;
    }
}
