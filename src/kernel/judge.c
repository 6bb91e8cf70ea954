/* SPDX-License-Identifier: Apache-2.0 */
/* Judge a built kernel, or a configuration, alone: will Firecracker load it, and will it find what it needs? */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/kernel.h"

/* What a judgement needs all the time. */
struct bench {
    void (*fn)(void *arg, const struct fc_kernel_finding *f);
    void *arg;
    enum fc_kernel_severity worst;
};

static void say(struct bench *b, enum fc_kernel_severity severity, const char *code, const char *fix, const char *fmt,
                ...) FC_PRINTF(5, 6);

static void say(struct bench *b, enum fc_kernel_severity severity, const char *code, const char *fix, const char *fmt,
                ...)
{
    char what[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    if (severity > b->worst)
        b->worst = severity;
    b->fn(b->arg, &(struct fc_kernel_finding){severity, code, what, fix});
}

static void judge_format(const struct fc_kernel *k, const char *arch, struct bench *b)
{
    if (k->format == FC_KERNEL_CONFIG)
        return;
    if (!k->arch)
        say(b, FC_KERNEL_ERROR, "kernel-arch", NULL, "it is for a machine that Firecracker does not have");
    else if (strcmp(k->arch, arch) != 0)
        say(b, FC_KERNEL_ERROR, "kernel-arch", "take a kernel for the machine's architecture",
            "it is for %s, the machine is %s", k->arch, arch);
    if (k->format == FC_KERNEL_ZBOOT)
        say(b, FC_KERNEL_ERROR, "kernel-format", "fccompose kernel extract takes the Image out",
            "an EFI zboot image: Firecracker refuses it");
    else if (k->format == FC_KERNEL_IMAGE && k->compression)
        say(b, FC_KERNEL_ERROR, "kernel-format", "fccompose kernel extract decompresses it",
            "an Image compressed by %s: Firecracker refuses it", k->compression);
    else if (k->format == FC_KERNEL_ELF && k->compression)
        say(b, FC_KERNEL_ERROR, "kernel-format", "fccompose kernel extract decompresses it",
            "a vmlinux compressed by %s: Firecracker refuses it", k->compression);
    else if (k->format == FC_KERNEL_ELF && k->arch && strcmp(k->arch, "aarch64") == 0)
        say(b, FC_KERNEL_ERROR, "kernel-format", "take arch/arm64/boot/Image of the build",
            "an ELF file: on aarch64 Firecracker loads an Image alone");
    else if (k->format == FC_KERNEL_BZIMAGE && !k->boots_64)
        say(b, FC_KERNEL_ERROR, "kernel-format", "take a 64-bit kernel",
            "a bzImage without the 64-bit entry (XLF_KERNEL_64)");
    else if (k->format == FC_KERNEL_BZIMAGE)
        say(b, FC_KERNEL_WARNING, "kernel-format", "fccompose kernel extract takes vmlinux out",
            "a bzImage: Firecracker up to 1.16 refuses it, and decompressing costs time at each boot");
    else
        say(b, FC_KERNEL_OK, "kernel-format", NULL, "%s, %s", fc_kernel_format_name(k->format),
            k->version ? k->version : "version not known");
    if (k->page_kib > 4)
        say(b, FC_KERNEL_ERROR, "kernel-pages", "set CONFIG_ARM64_4K_PAGES=y", "pages of %u KiB: 4 KiB are supported",
            k->page_kib);
    if (k->format == FC_KERNEL_ELF && k->arch && strcmp(k->arch, "x86_64") == 0)
        say(b, k->pvh ? FC_KERNEL_OK : FC_KERNEL_WARNING, "kernel-pvh", k->pvh ? NULL : "set CONFIG_PVH=y",
            k->pvh ? "PVH entry at 0x%llx" : "no PVH note: it is started by the Linux boot protocol",
            (unsigned long long)k->pvh_entry);
}

static bool counts(const struct fc_need *n, const struct fc_kconfig *c, const char *arch)
{
    bool acpi = fc_kconfig_is_y(c, "ACPI");

    if (n->arch && strcmp(n->arch, arch) != 0)
        return false;
    if (n->kind == FC_NEED_NO_ACPI)
        return !acpi;
    /* A kernel that is meant to do without ACPI has the replacement. */
    if (!acpi && fc_kconfig_is_y(c, "VIRTIO_MMIO_CMDLINE_DEVICES") && fc_kconfig_is_y(c, "X86_MPPARSE"))
        return strcmp(n->option, "ACPI") != 0 && strcmp(n->option, "PCI") != 0;
    return true;
}

/* Which options stand for each other. */
static bool satisfied(const struct fc_kconfig *c, const struct fc_need *n)
{
    if (fc_kconfig_is_y(c, n->option))
        return true;
    if (strcmp(n->option, "VIRTIO_MMIO") == 0)
        return fc_kconfig_is_y(c, "VIRTIO_PCI");
    /* Since 6.2 the boot parameter's default has another name; before 4.19 there was none. */
    if (strcmp(n->option, "RANDOM_TRUST_CPU") == 0)
        return fc_kconfig_find(c, "RANDOM_TRUST_CPU") == NULL;
    return false;
}

static enum fc_kernel_severity severity_of(enum fc_need_kind kind)
{
    return kind == FC_NEED_BOOT || kind == FC_NEED_NO_ACPI ? FC_KERNEL_ERROR : FC_KERNEL_WARNING;
}

static void judge_options(const struct fc_kernel *k, const char *arch, struct bench *b)
{
    unsigned right = 0;

    for (const struct fc_need *n = fc_needs; n->option; n++) {
        char code[64], fix[96];
        const char *value = fc_kconfig_value(k->config, n->option);

        /* With pmem and PCI absent there is nothing wrong with a kernel that nobody boots from them. */
        if (!counts(n, k->config, arch) || n->kind == FC_NEED_PMEM || n->kind == FC_NEED_PCI)
            continue;
        if (satisfied(k->config, n)) {
            right++;
            continue;
        }
        snprintf(code, sizeof(code), "option-%s", n->option);
        snprintf(fix, sizeof(fix), "set CONFIG_%s=y%s", n->option, *value == 'm' ? " (a module comes too late)" : "");
        say(b, severity_of(n->kind), code, fix, "CONFIG_%s is %s: %s", n->option, *value == 'n' ? "not set" : value,
            n->why);
    }
    say(b, FC_KERNEL_OK, "options", NULL, "%u options of the boot contract are set (%s)", right, k->config_from);
}

enum fc_kernel_severity fc_kernel_judge(const struct fc_kernel *k, const char *arch,
                                        void (*fn)(void *arg, const struct fc_kernel_finding *f), void *arg)
{
    struct bench b = {fn, arg, FC_KERNEL_OK};

    arch = arch ? arch : k->arch ? k->arch : "x86_64";
    judge_format(k, arch, &b);
    if (k->config)
        judge_options(k, arch, &b);
    else
        say(&b, FC_KERNEL_WARNING, "kernel-config",
            "give its .config with --config, or build it with CONFIG_IKCONFIG=y",
            "its configuration is not known: no option was judged");
    return b.worst;
}

const struct fc_need *fc_need_for(const struct fc_kconfig *c, const char *arch, const char *option)
{
    for (const struct fc_need *n = fc_needs; n->option; n++)
        if (strcmp(n->option, option) == 0 && severity_of(n->kind) == FC_KERNEL_ERROR && counts(n, c, arch))
            return n;
    return NULL;
}
