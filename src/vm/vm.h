/* SPDX-License-Identifier: Apache-2.0 */
/* A microVM: what it is made of, Firecracker's configuration of it, and what goes with that (boot arguments, a tap device). */
#ifndef FC_VM_VM_H
#define FC_VM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/error.h>

/** Bytes of a kernel's command line that Firecracker takes, its own additions included. */
#define FC_VM_CMDLINE_MAX 2048

/** A network interface. Texts are in the struct; "" is not given. */
struct fc_vm_net {
    char tap[16];     /**< the host's device; IFNAMSIZ bounds it */
    char ip[16];      /**< of the guest, IPv4 */
    unsigned prefix;  /**< of its network, with @ip */
    char gateway[16]; /**< IPv4 */
    char mac
        [18]; /**< of the guest; made of @ip unless given: 06:00 and the address, as Firecracker's test images read it */
};

enum { FC_VM_NETS_MAX = 8 };

/** A microVM. All zero, with a kernel and an image, is the default. Strings are borrowed. */
struct fc_vm {
    const char *arch; /**< "x86_64" (also for NULL) or "aarch64" */
    const char *kernel;
    const char *initrd;    /**< NULL: none */
    const char *image;     /**< root file system; NULL: none (an initrd has it) */
    const char *overlay;   /**< a second, writable drive, which the image's init joins with the first; NULL: none */
    bool read_only;        /**< the root drive; implied by @overlay */
    bool pmem;             /**< the image is a virtio-pmem device instead of a drive */
    bool pci;              /**< Firecracker runs with --enable-pci */
    unsigned vcpus;        /**< 0: 1 */
    uint64_t memory;       /**< bytes, whole MiB; 0: 256 MiB */
    const char *args;      /**< the kernel's command line instead of the usual one; NULL: the usual one */
    const char *more_args; /**< after it; NULL: nothing */
    const char *init;      /**< "init=" of the command line; NULL: the kernel's choice */
    struct fc_vm_net nets[FC_VM_NETS_MAX];
    size_t n_nets;
    uint32_t vsock_cid; /**< 0: no vsock; from 3 on */
    const char *vsock_path;
    bool entropy; /**< a virtio-rng device */
};

/**
 * Read "TAP[,IP/PREFIX[,GATEWAY]][,MAC]" into *ret. Returns 0 or -EINVAL with words.
 */
int fc_vm_net_parse(const char *text, struct fc_vm_net *ret, struct fc_error *err);
/** Read "CID,PATH"; @ret->vsock_path points into @text. Returns 0 or -EINVAL with words. */
int fc_vm_vsock_parse(const char *text, struct fc_vm *ret, struct fc_error *err);

/**
 * The kernel's command line as Firecracker is given it: without root=, which it adds itself. Caller frees *ret. -E2BIG with words
 * when it is longer than Firecracker takes with what it adds.
 */
int fc_vm_boot_args(const struct fc_vm *vm, char **ret, struct fc_error *err);

/**
 * Firecracker's configuration (for --config-file) as JSON with a newline at its end. Sizes are checked, paths are not. Caller frees
 * *ret. Returns 0, -EINVAL or -E2BIG with words, or -ENOMEM.
 */
int fc_vm_config(const struct fc_vm *vm, char **ret, struct fc_error *err);

/**
 * A shell script that makes the tap devices of @vm, gives them the gateways' addresses and lets guests out through the host's
 * default route; with the argument "down" it undoes that. Caller frees *ret. -EINVAL when there is no network.
 */
int fc_vm_tap_script(const struct fc_vm *vm, char **ret, struct fc_error *err);

#endif
