/* SPDX-License-Identifier: Apache-2.0 */
/* A clean guest for the rules of check/: a tree of busybox or systemd, a kernel, an image; and ELF files made to order. */
#ifndef TESTS_UNIT_CHECK_WORLD_H
#define TESTS_UNIT_CHECK_WORLD_H

#include "live_help.h"

#include <elf.h>

#include "check/check.h"
#include "live/verb.h"

/** One edit. @kind: f file, x executable file, l link, r remove, d directory, m mode, c console device, e ELF, h half an ELF, a ACL. */
struct op {
    char kind;
    const char *path, *text;
    uint32_t mode;
};

/** An ELF file of one segment: "MACHINE INTERP NEEDED RUNPATH", "-" for none. Returns its size. */
static inline size_t make_elf(unsigned char *to, const char *spec)
{
    char interp[64], needed[64], runpath[64];
    unsigned machine;
    Elf64_Ehdr *h = (void *)to;
    Elf64_Phdr *p = (void *)(to + sizeof(*h));
    Elf64_Dyn *d = (void *)(to + 512);
    char *texts = (char *)to + 768;
    int n = 0;

    assert_int_equal(sscanf(spec, "%u %63s %63s %63s", &machine, interp, needed, runpath), 4);
    memset(to, 0, 1024);
    memcpy(h->e_ident, "\177ELF\2\1\1", 7);
    h->e_type = ET_DYN;
    h->e_machine = (uint16_t)machine;
    h->e_phoff = sizeof(*h);
    h->e_phentsize = sizeof(*p);
    h->e_phnum = strcmp(interp, "-") ? 3 : 2;
    p[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_filesz = 1024, .p_memsz = 1024};
    p[1] = (Elf64_Phdr){.p_type = PT_DYNAMIC, .p_offset = 512, .p_vaddr = 512, .p_filesz = 256};
    p[2] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 384, .p_filesz = strlen(interp) + 1};
    strcpy((char *)to + 384, interp);
    strcpy(texts + 1, needed);
    strcpy(texts + 80, runpath);
    d[n++] = (Elf64_Dyn){.d_tag = DT_STRTAB, .d_un.d_val = 768};
    d[n++] = (Elf64_Dyn){.d_tag = DT_STRSZ, .d_un.d_val = 256};
    if (strcmp(needed, "-") != 0)
        d[n++] = (Elf64_Dyn){.d_tag = DT_NEEDED, .d_un.d_val = 1};
    if (strcmp(runpath, "-") != 0)
        d[n++] = (Elf64_Dyn){.d_tag = DT_RUNPATH, .d_un.d_val = 80};
    return 1024;
}

static inline void verb(struct live_test *lt, struct fc_verb v)
{
    int r = fc_verb_apply(lt->live, &v, &lt->t.err);

    if (r < 0)
        print_message("%s: %s\n", v.path, lt->t.err.msg);
    assert_int_equal(r, 0);
}

static inline void put_bytes(struct live_test *lt, const char *path, uint32_t mode, const void *data, size_t size)
{
    int fd = live_fd_of("");

    assert_int_equal(fc_pwrite_full(fd, data, size, 0), 0);
    verb(lt,
         (struct fc_verb){
             .kind = FC_VERB_WRITE, .flags = FC_VERB_PARENTS | FC_VERB_SET_MODE, .path = path, .mode = mode, .fd = fd});
    close(fd);
}

static inline void do_op(struct live_test *lt, const struct op *o)
{
    struct fc_verb v = {.path = o->path, .fd = -1, .mode = o->mode};
    _Alignas(16) unsigned char elf[1024];

    switch (o->kind) {
    case 'f':
        put_bytes(lt, o->path, 0644, o->text, strlen(o->text));
        return;
    case 'x':
        put_bytes(lt, o->path, 0755, o->text, strlen(o->text));
        return;
    case 'e':
        put_bytes(lt, o->path, 0755, elf, make_elf(elf, o->text));
        return;
    case 'h':
        put_bytes(lt, o->path, 0755, elf, make_elf(elf, o->text) / 2);
        return;
    case 'l':
        v.kind = FC_VERB_LN;
        v.flags = FC_VERB_PARENTS | FC_VERB_SYMBOLIC | FC_VERB_FORCE | FC_VERB_NO_FOLLOW;
        v.target = o->text;
        break;
    case 'r':
        v.kind = FC_VERB_RM;
        v.flags = FC_VERB_RECURSIVE;
        break;
    case 'd':
        v.kind = FC_VERB_MKDIR;
        v.flags = FC_VERB_PARENTS;
        v.mode = 0755;
        break;
    case 'm':
        v.kind = FC_VERB_CHMOD;
        v.mode_text = o->text;
        break;
    case 'c':
        v.kind = FC_VERB_MKNOD;
        v.mode = S_IFCHR | 0600;
        v.rdev_major = 5;
        v.rdev_minor = 1;
        break;
    case 'a':
        v.kind = FC_VERB_XATTR;
        v.name = "security.capability";
        v.data = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        v.size = 20;
        break;
    default:
        fail_msg("no such edit: %c", o->kind);
    }
    verb(lt, v);
}

static inline void do_ops(struct live_test *lt, const struct op *ops)
{
    for (; ops->kind; ops++)
        do_op(lt, ops);
}

#define MUSL "/lib/ld-musl-x86_64.so.1"

/** BusyBox with musl, as Alpine has it. */
static const struct op busybox_tree[] = {
    {'e', "/bin/busybox", "62 " MUSL " libc.musl-x86_64.so.1 -", 0},
    {'e', MUSL, "62 - - -", 0},
    {'l', "/lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1", 0},
    {'l', "/sbin/init", "/bin/busybox", 0},
    {'l', "/sbin/getty", "../bin/busybox", 0},
    {'l', "/bin/sh", "busybox", 0},
    {'l', "/bin/login", "busybox", 0},
    {'x', "/etc/init.d/rcS", "#!/bin/sh\n", 0},
    {'f', "/etc/inittab", "::sysinit:/etc/init.d/rcS\nttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100\n", 0},
    {'f', "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0},
    {'f', "/etc/shadow", "root:$6$salt$hash:1::::::\n", 0},
    {0},
};

/** What makes systemd of it. */
static const struct op systemd_tree[] = {
    {'e', "/usr/lib/systemd/systemd", "62 - - -", 0},
    {'e', "/usr/sbin/agetty", "62 - - -", 0},
    {'e', "/usr/bin/udevadm", "62 - - -", 0},
    {'l', "/sbin/init", "../usr/lib/systemd/systemd", 0},
    {'f', "/usr/lib/systemd/system/serial-getty@.service", "[Service]\n", 0},
    {'l', "/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service",
     "/usr/lib/systemd/system/serial-getty@.service", 0},
    {0},
};

/** A kernel that has all of the boot contract, and @config after it. */
static inline struct fc_kernel *make_kernel(const char *config)
{
    struct fc_kernel *k = calloc(1, sizeof(*k));
    static const char also[] = "CONFIG_EXT4_FS_SECURITY=y\nCONFIG_EXT4_FS_POSIX_ACL=y\nCONFIG_OVERLAY_FS=y\n"
                               "CONFIG_UNICODE=y\nCONFIG_QUOTA=y\n";
    struct fc_buf text = {0};

    for (const struct fc_need *n = fc_needs; n->option; n++)
        fc_buf_addf(&text, "CONFIG_%s=y\n", n->option);
    fc_buf_addf(&text, "%s%s", also, config ? config : "");
    *k = (struct fc_kernel){
        .format = FC_KERNEL_ELF, .arch = "x86_64", .version = strdup("6.1.9"), .major = 6, .minor = 1, .pvh = true};
    k->config_from = strdup("embedded");
    k->config = fc_kconfig_new();
    assert_int_equal(fc_kconfig_add(k->config, text.data, text.len, "x", NULL, NULL), 0);
    fc_buf_release(&text);
    return k;
}

/** The codes that were found, each once, with a space before each. In a buffer of its own. */
static inline const char *codes_of(const struct fc_preflight *c)
{
    static char codes[1024];
    const struct fc_preflight_finding *f;

    *codes = '\0';
    for (size_t i = 0; (f = fc_preflight_finding(c, i)); i++) {
        const char *code = fc_preflight_rules[f->rule].code;

        assert_true(f->what && f->fix && *f->fix);
        if (!strstr(codes, code))
            strcat(strcat(codes, *codes ? " " : ""), code);
    }
    return codes;
}

#endif
