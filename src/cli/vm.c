/* SPDX-License-Identifier: Apache-2.0 */
/* The options that describe a microVM. */
#include "cli/vm.h"

#include <string.h>

#include "base/arch.h"

enum { VCPUS_MAX = 32, MIB = 1 << 20 };

static int take_sizes(const struct cli_args *args, struct fc_vm *ret, struct fc_error *err)
{
    const char *vcpus = cli_value(args, CLI_OPT_VM_VCPUS), *memory = cli_value(args, CLI_OPT_VM_MEMORY);
    uint64_t n = 1;
    int r = vcpus ? cli_parse_number("--vcpus", vcpus, VCPUS_MAX, &n, err) : 0;

    if (r == 0 && n == 0)
        return cli_usage(err, "--vcpus: expected 1 to %d", VCPUS_MAX);
    ret->vcpus = (unsigned)n;
    if (r == 0 && memory)
        r = cli_parse_size("--memory", memory, &ret->memory, err);
    if (r == 0 && memory && (ret->memory == 0 || ret->memory % MIB))
        return cli_usage(err, "--memory: %s: expected whole MiB, such as 512M", memory);
    return r;
}

static int take_nets(const struct cli_args *args, struct fc_vm *ret, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < args->n && r == 0; i++) {
        if (args->args[i].id != CLI_OPT_VM_NET)
            continue;
        if (ret->n_nets == FC_VM_NETS_MAX)
            return cli_usage(err, "--net: at most %d", FC_VM_NETS_MAX);
        r = fc_vm_net_parse(args->args[i].value, &ret->nets[ret->n_nets++], err);
    }
    return r < 0 ? cli_usage(err, "--net: %s", strdupa(err->msg)) : r;
}

int cli_vm_take(const struct cli_args *args, struct fc_vm *ret, struct fc_error *err)
{
    const char *vsock = cli_value(args, CLI_OPT_VM_VSOCK), *arch = cli_value(args, CLI_OPT_VM_ARCH);
    int r;

    *ret = (struct fc_vm){
        .arch = arch ? arch : fc_arch_host(),
        .kernel = cli_value(args, CLI_OPT_VM_KERNEL),
        .initrd = cli_value(args, CLI_OPT_VM_INITRD),
        .overlay = cli_value(args, CLI_OPT_VM_OVERLAY),
        .read_only = cli_has(args, CLI_OPT_VM_RO),
        .pmem = cli_has(args, CLI_OPT_VM_PMEM),
        .pci = cli_has(args, CLI_OPT_VM_PCI),
        .args = cli_value(args, CLI_OPT_VM_ARGS),
        .more_args = cli_value(args, CLI_OPT_VM_APPEND),
        .init = cli_value(args, CLI_OPT_VM_INIT),
        .entropy = cli_has(args, CLI_OPT_VM_ENTROPY),
    };
    r = take_sizes(args, ret, err);
    if (r == 0)
        r = take_nets(args, ret, err);
    if (r == 0 && vsock && fc_vm_vsock_parse(vsock, ret, err) < 0)
        r = cli_usage(err, "--vsock: %s", strdupa(err->msg));
    return r;
}
