/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about the kernel: the judgement of kernel/judge.c under the codes of this module, and what depends on the machine. */
#include <string.h>

#include "check/internal.h"

/* Rules by the code of a finding of fc_kernel_judge(). */
static const struct {
    const char *code;
    enum fc_preflight_id rule;
} rules[] = {
    {"kernel-arch", FC_PREFLIGHT_KERNEL_ARCH},
    {"kernel-format", FC_PREFLIGHT_KERNEL_FORMAT},
    {"kernel-pages", FC_PREFLIGHT_KERNEL_PAGES},
    {"kernel-pvh", FC_PREFLIGHT_KERNEL_PVH},
    {"kernel-config", FC_PREFLIGHT_KERNEL_CONFIG},
    {"option-VIRTIO_BLK", FC_PREFLIGHT_KERNEL_BLOCK},
    {"option-BLOCK", FC_PREFLIGHT_KERNEL_BLOCK},
    {"option-BLK_DEV", FC_PREFLIGHT_KERNEL_BLOCK},
    {"option-VIRTIO", FC_PREFLIGHT_KERNEL_TRANSPORT},
    {"option-VIRTIO_MMIO", FC_PREFLIGHT_KERNEL_TRANSPORT},
    {"option-ACPI", FC_PREFLIGHT_KERNEL_ACPI},
    {"option-PCI", FC_PREFLIGHT_KERNEL_ACPI},
    {"option-X86_MPPARSE", FC_PREFLIGHT_KERNEL_ACPI},
    {"option-VIRTIO_MMIO_CMDLINE_DEVICES", FC_PREFLIGHT_KERNEL_ACPI},
    {"option-PRINTK", FC_PREFLIGHT_KERNEL_CONSOLE},
    {"option-TTY", FC_PREFLIGHT_KERNEL_CONSOLE},
    {"option-SERIAL_8250", FC_PREFLIGHT_KERNEL_CONSOLE},
    {"option-SERIAL_8250_CONSOLE", FC_PREFLIGHT_KERNEL_CONSOLE},
    {"option-SERIAL_OF_PLATFORM", FC_PREFLIGHT_KERNEL_CONSOLE},
    {"option-DEVTMPFS", FC_PREFLIGHT_KERNEL_DEVTMPFS},
    {"option-DEVTMPFS_MOUNT", FC_PREFLIGHT_KERNEL_DEVTMPFS},
    {"option-BINFMT_SCRIPT", FC_PREFLIGHT_KERNEL_SCRIPTS},
};

static bool is_extra(const char *option)
{
    for (const struct fc_need *n = fc_needs; n->option; n++)
        if (strcmp(n->option, option) == 0)
            return n->kind == FC_NEED_EXTRA || n->kind == FC_NEED_INITRD;
    return false;
}

static void take(void *arg, const struct fc_kernel_finding *f)
{
    struct fc_preflight *c = arg;
    bool error = f->severity == FC_KERNEL_ERROR, option = strncmp(f->code, "option-", 7) == 0;
    enum fc_preflight_id rule = error ? FC_PREFLIGHT_KERNEL_OPTION : FC_PREFLIGHT_KERNEL_GUEST;
    const char *path = option ? preflight_textf(c, "CONFIG_%s", f->code + 7) : c->in->kernel->version;
    enum fc_preflight_severity severity;

    /* Whether the image's file system is known is judged with the image. */
    if (f->severity == FC_KERNEL_OK || strcmp(f->code, "option-EXT4_FS") == 0 || (option && is_extra(f->code + 7)))
        return;
    for (size_t i = 0; i < FC_LENGTH(rules); i++)
        if (strcmp(rules[i].code, f->code) == 0)
            rule = rules[i].rule;
    if (rule == FC_PREFLIGHT_KERNEL_FORMAT && !error)
        rule = FC_PREFLIGHT_KERNEL_BZIMAGE;
    severity = fc_preflight_rules[rule].severity;
    preflight_say_as(c, rule, severity, f->fix, path, "%s", f->what);
}

static void judge_machine(struct fc_preflight *c, const struct fc_kconfig *k)
{
    if (c->in->pci && !fc_kconfig_is_y(k, "VIRTIO_PCI"))
        preflight_say(c, FC_PREFLIGHT_KERNEL_TRANSPORT, "CONFIG_VIRTIO_PCI", "it is %s, and the devices are on PCI",
                      fc_kconfig_value(k, "VIRTIO_PCI"));
    else if (!c->in->pci && !fc_kconfig_is_y(k, "VIRTIO_MMIO") && fc_kconfig_is_y(k, "VIRTIO_PCI"))
        preflight_say(c, FC_PREFLIGHT_KERNEL_TRANSPORT, "CONFIG_VIRTIO_MMIO",
                      "it is %s, and without --pci the devices are on MMIO", fc_kconfig_value(k, "VIRTIO_MMIO"));
    if (c->in->pmem && !fc_kconfig_is_y(k, "VIRTIO_PMEM"))
        preflight_say_as(c, FC_PREFLIGHT_KERNEL_BLOCK, FC_PREFLIGHT_ERROR, "set CONFIG_VIRTIO_PMEM=y",
                         "CONFIG_VIRTIO_PMEM", "it is %s: there is no /dev/pmem0", fc_kconfig_value(k, "VIRTIO_PMEM"));
    if (preflight_word(c, "overlay_root") && !fc_kconfig_is_y(k, "OVERLAY_FS"))
        preflight_say(c, FC_PREFLIGHT_KERNEL_OVERLAY, "CONFIG_OVERLAY_FS", "it is %s",
                      fc_kconfig_value(k, "OVERLAY_FS"));
}

void preflight_kernel(struct fc_preflight *c)
{
    if (!c->in->kernel)
        return;
    fc_kernel_judge(c->in->kernel, c->in->arch, take, c);
    if (c->in->kernel->config)
        judge_machine(c, c->in->kernel->config);
}
