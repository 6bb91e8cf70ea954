/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about the kernel's command line: its length, root=, console=, and the known traps. */
#include <string.h>
#include <sys/stat.h>

#include "check/internal.h"

/* Bytes of a command line without its NUL, when nobody says how many are left (COMMAND_LINE_SIZE). */
enum { LENGTH_MAX = 2047 };

/* Every console= counts; whether one of them is a device of the machine, or none is there at all. */
static void judge_console(struct fc_preflight *c)
{
    const char *said = preflight_word(c, "console");

    if (!said)
        preflight_say(c, FC_PREFLIGHT_CMDLINE_CONSOLE, NULL, "there is no console=");
    else if (strncmp(said, "ttyS", 4) == 0 && said[4] != '0')
        preflight_say(c, FC_PREFLIGHT_CMDLINE_CONSOLE, preflight_textf(c, "console=%s", said),
                      "the machine has ttyS0 alone");
    else if (strncmp(said, "hvc", 3) == 0 || strncmp(said, "ttyAMA", 6) == 0 || strcmp(said, "tty0") == 0)
        preflight_say(c, FC_PREFLIGHT_CMDLINE_CONSOLE, preflight_textf(c, "console=%s", said),
                      "a Firecracker machine has no such device");
}

static void judge_traps(struct fc_preflight *c)
{
    const char *acpi = preflight_word(c, "acpi"), *pci = preflight_word(c, "pci");
    const struct fc_kconfig *k = c->in->kernel ? c->in->kernel->config : NULL;
    bool replaced = k && fc_kconfig_is_y(k, "X86_MPPARSE") && fc_kconfig_is_y(k, "VIRTIO_MMIO_CMDLINE_DEVICES");

    if (preflight_word(c, "noapic"))
        preflight_say(c, FC_PREFLIGHT_CMDLINE_NOAPIC, "noapic", "it is on the command line");
    if (acpi && strcmp(acpi, "off") == 0 && !replaced)
        preflight_say(c, FC_PREFLIGHT_CMDLINE_ACPI, "acpi=off", "it is on the command line");
    if (pci && strcmp(pci, "off") == 0 && c->in->pci)
        preflight_say(c, FC_PREFLIGHT_CMDLINE_PCI, "pci=off", "it is on the command line, and the devices are on PCI");
}

static void judge_modules(struct fc_preflight *c)
{
    static const char *const folders[] = {"/lib/modules", "/usr/lib/modules"};
    uint32_t n = 0;

    for (size_t i = 0; i < FC_LENGTH(folders) && !n; i++)
        preflight_list(c, folders[i], &n);
    if (n && preflight_word(c, "nomodule"))
        preflight_say(c, FC_PREFLIGHT_CMDLINE_NOMODULE, "nomodule", "/lib/modules has %u folder%s", n,
                      n == 1 ? "" : "s");
}

void preflight_cmdline(struct fc_preflight *c)
{
    size_t most = c->in->cmdline_max ? c->in->cmdline_max : LENGTH_MAX;
    const char *root;

    if (!c->in->cmdline)
        return;
    if (strlen(c->in->cmdline) > most)
        preflight_say(c, FC_PREFLIGHT_CMDLINE_LENGTH, NULL,
                      "it has %zu bytes: at most %zu fit with what Firecracker adds", strlen(c->in->cmdline), most);
    root = preflight_word(c, "root");
    if (root)
        preflight_say(c, FC_PREFLIGHT_CMDLINE_ROOT, preflight_textf(c, "root=%s", root), "Firecracker adds root=%s",
                      c->in->pmem ? "/dev/pmem0" : "/dev/vda");
    judge_console(c);
    judge_traps(c);
    judge_modules(c);
}
