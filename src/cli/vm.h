/* SPDX-License-Identifier: Apache-2.0 */
/* Options that describe a microVM, for vm and boot. */
#ifndef FC_CLI_VM_H
#define FC_CLI_VM_H

#include "cli/cli.h"
#include "vm/vm.h"

/** Ids of these options. */
enum {
    CLI_OPT_VM_KERNEL = CLI_LONG_ONLY + 400,
    CLI_OPT_VM_INITRD,
    CLI_OPT_VM_VCPUS,
    CLI_OPT_VM_MEMORY,
    CLI_OPT_VM_NET,
    CLI_OPT_VM_RO,
    CLI_OPT_VM_OVERLAY,
    CLI_OPT_VM_VSOCK,
    CLI_OPT_VM_ENTROPY,
    CLI_OPT_VM_PMEM,
    CLI_OPT_VM_PCI,
    CLI_OPT_VM_ARGS,
    CLI_OPT_VM_APPEND,
    CLI_OPT_VM_INIT,
    CLI_OPT_VM_ARCH,
};

#define CLI_VM_OPTIONS                                                                                                 \
    {CLI_OPT_VM_KERNEL, 0, "kernel", "FILE", "the guest's kernel: vmlinux or bzImage, for aarch64 Image",              \
     CLI_WORD_FILE},                                                                                                   \
        {CLI_OPT_VM_INITRD, 0, "initrd", "FILE", "an initrd; the image may then be left out", CLI_WORD_FILE},          \
        {CLI_OPT_VM_VCPUS, 0, "vcpus", "N", "virtual CPUs, 1 to 32 (default 1)", 0},                                   \
        {CLI_OPT_VM_MEMORY, 0, "memory", "N[MG]", "memory, whole MiB (default 256M)", 0},                              \
        {CLI_OPT_VM_NET,                                                                                               \
         0,                                                                                                            \
         "net",                                                                                                        \
         "TAP[,IP/PREFIX[,GATEWAY]][,MAC]",                                                                            \
         "a network interface over the host's device TAP; IP goes to the kernel (ip=) and, unless MAC is given, into " \
         "06:00 and the address, as Firecracker's test images read it; may be repeated",                               \
         0},                                                                                                           \
        {CLI_OPT_VM_RO, 0, "ro", NULL, "the root drive is read-only", 0},                                              \
        {CLI_OPT_VM_OVERLAY,                                                                                           \
         0,                                                                                                            \
         "overlay",                                                                                                    \
         "FILE",                                                                                                       \
         "a second, writable drive over the then read-only root: the image's /sbin/overlay-init joins them",           \
         CLI_WORD_FILE},                                                                                               \
        {CLI_OPT_VM_VSOCK, 0, "vsock", "CID,PATH", "a vsock, and its socket on the host", 0},                          \
        {CLI_OPT_VM_ENTROPY, 0, "entropy", NULL, "a device for random numbers (virtio-rng)", 0},                       \
        {CLI_OPT_VM_PMEM, 0, "pmem", NULL, "the image is persistent memory (virtio-pmem), not a drive", 0},            \
        {CLI_OPT_VM_PCI, 0, "pci", NULL, "devices on PCI: Firecracker is run with --enable-pci", 0},                   \
        {CLI_OPT_VM_ARGS,                                                                                              \
         0,                                                                                                            \
         "boot-args",                                                                                                  \
         "TEXT",                                                                                                       \
         "the kernel's command line (default console=ttyS0 reboot=k panic=1, on aarch64 keep_bootcon before it)",      \
         0},                                                                                                           \
        {CLI_OPT_VM_APPEND, 0, "append", "TEXT", "more of the command line", 0},                                       \
        {CLI_OPT_VM_INIT, 0, "init", "PATH", "the program that the guest's kernel starts", 0},                         \
    {                                                                                                                  \
        CLI_OPT_VM_ARCH, 0, "guest-arch", "x86_64|aarch64", "the guest's architecture (default: this machine's)", 0    \
    }

/** Take these options; texts are borrowed from @args. Returns 0 or wrong usage. */
int cli_vm_take(const struct cli_args *args, struct fc_vm *ret, struct fc_error *err);

#endif
