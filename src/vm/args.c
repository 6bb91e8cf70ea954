/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's command line for Firecracker. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "vm/internal.h"

/* What Firecracker adds at most: root=/dev/vda rw, and on x86_64 a virtio_mmio.device for each device of a kernel without ACPI. */
enum { FIRECRACKER_ADDS = 32, FIRECRACKER_ADDS_DEVICE = 48 };

bool fc_vm_is_arm(const struct fc_vm *vm) { return vm->arch && strcmp(vm->arch, "aarch64") == 0; }

int fc_vm_add_words(const struct fc_vm *vm, const char *overlay, struct fc_buf *ret)
{
    int r = 0;

    for (size_t i = 0; i < vm->n_nets && r == 0; i++) {
        const struct fc_vm_net *n = &vm->nets[i];
        struct in_addr mask = {.s_addr = htonl((uint32_t)(0xffffffffULL << (32 - n->prefix)))};
        char text[INET_ADDRSTRLEN];

        /* ip=CLIENT:SERVER:GATEWAY:MASK:HOSTNAME:DEVICE:AUTOCONF, Documentation/admin-guide/nfs/nfsroot.rst; the kernel keeps one. */
        if (n->ip[0] && inet_ntop(AF_INET, &mask, text, sizeof(text))) {
            r = fc_buf_addf(ret, " ip=%s::%s:%s::eth%zu:off", n->ip, n->gateway, text, i);
            break;
        }
    }
    if (r == 0 && vm->overlay)
        r = fc_buf_addf(ret, " overlay_root=%s", overlay);
    if (r == 0 && (vm->init || vm->overlay))
        r = fc_buf_addf(ret, " init=%s", vm->init ? vm->init : "/sbin/overlay-init");
    if (r == 0 && vm->more_args && *vm->more_args)
        r = fc_buf_addf(ret, " %s", vm->more_args);
    return r;
}

int fc_vm_boot_args(const struct fc_vm *vm, char **ret, struct fc_error *err)
{
    /* keep_bootcon: without it an arm64 guest is silent until its console is up (Firecracker's getting-started guide). */
    const char *usual =
        fc_vm_is_arm(vm) ? "keep_bootcon console=ttyS0 reboot=k panic=1" : "console=ttyS0 reboot=k panic=1";
    size_t devices =
        vm->n_nets + (vm->image ? 1 : 0) + (vm->overlay ? 1 : 0) + (vm->vsock_cid ? 1 : 0) + (vm->entropy ? 1 : 0);
    size_t most = FC_VM_CMDLINE_MAX - 1 - FIRECRACKER_ADDS - FIRECRACKER_ADDS_DEVICE * devices;
    struct fc_buf b = {0};

    if (fc_buf_adds(&b, vm->args ? vm->args : usual) < 0 || fc_vm_add_words(vm, vm->pmem ? "vda" : "vdb", &b) < 0) {
        fc_buf_release(&b);
        return fc_fail_errno(err, ENOMEM, "boot arguments");
    }
    if (b.len > most) {
        size_t len = b.len;

        fc_buf_release(&b);
        return fc_fail(err, E2BIG, "the boot arguments have %zu bytes: with what Firecracker adds at most %zu fit", len,
                       most);
    }
    *ret = b.data;
    return 0;
}
