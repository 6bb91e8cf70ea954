/* SPDX-License-Identifier: Apache-2.0 */
/* Firecracker's configuration file: the same objects as its API takes (src/firecracker/swagger/firecracker.yaml). */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "vm/internal.h"

enum { DEFAULT_MEMORY_MIB = 256, MIB_SHIFT = 20, VCPUS_MAX = 32 };

FC_DEFINE_AUTO(json_t *, json_decref)

uint64_t fc_vm_memory_mib(const struct fc_vm *vm) { return vm->memory ? vm->memory >> MIB_SHIFT : DEFAULT_MEMORY_MIB; }

static json_t *boot_source(const struct fc_vm *vm, const char *args)
{
    json_t *o = json_pack("{s:s, s:s}", "kernel_image_path", vm->kernel, "boot_args", args);

    if (o && vm->initrd)
        json_object_set_new(o, "initrd_path", json_string(vm->initrd));
    return o;
}

static json_t *drives(const struct fc_vm *vm)
{
    json_t *list = json_array();

    if (vm->image && !vm->pmem)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b}", "drive_id", "rootfs", "path_on_host", vm->image,
                                              "is_root_device", 1, "is_read_only", vm->read_only || vm->overlay));
    if (vm->overlay)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b}", "drive_id", "overlay", "path_on_host",
                                              vm->overlay, "is_root_device", 0, "is_read_only", 0));
    return list;
}

static json_t *networks(const struct fc_vm *vm)
{
    json_t *list = json_array();

    for (size_t i = 0; i < vm->n_nets; i++) {
        char id[24];
        json_t *o;

        snprintf(id, sizeof(id), "eth%zu", i);
        o = json_pack("{s:s, s:s}", "iface_id", id, "host_dev_name", vm->nets[i].tap);
        if (o && vm->nets[i].mac[0])
            json_object_set_new(o, "guest_mac", json_string(vm->nets[i].mac));
        json_array_append_new(list, o);
    }
    return list;
}

/* jansson takes UTF-8 alone. */
static int check_texts(const struct fc_vm *vm, struct fc_error *err)
{
    const char *const texts[] = {
        vm->kernel, vm->initrd,    vm->image, vm->overlay, vm->vsock_cid ? vm->vsock_path : NULL,
        vm->args,   vm->more_args, vm->init};

    for (size_t i = 0; i < FC_LENGTH(texts); i++) {
        fc_auto(json_decref) json_t *s = texts[i] ? json_string(texts[i]) : json_null();

        if (!s)
            return fc_fail(err, EINVAL, "%s: not UTF-8: Firecracker's JSON cannot hold it", texts[i]);
    }
    return 0;
}

static int check(const struct fc_vm *vm, struct fc_error *err)
{
    if (!vm->kernel)
        return fc_fail(err, EINVAL, "a microVM needs a kernel");
    if (!vm->image && !vm->initrd)
        return fc_fail(err, EINVAL, "a microVM needs an image or an initrd");
    if (vm->vcpus > VCPUS_MAX)
        return fc_fail(err, EINVAL, "%u vCPUs: Firecracker takes 1 to %d", vm->vcpus, VCPUS_MAX);
    if (vm->memory & ((1U << MIB_SHIFT) - 1))
        return fc_fail(err, EINVAL, "memory of %llu bytes: whole MiB are needed", (unsigned long long)vm->memory);
    if (vm->memory >> MIB_SHIFT > INT32_MAX)
        return fc_fail(err, EINVAL, "memory of %llu bytes is too much", (unsigned long long)vm->memory);
    if (vm->pmem && !vm->image)
        return fc_fail(err, EINVAL, "a pmem root needs an image");
    return check_texts(vm, err);
}

static json_t *whole(const struct fc_vm *vm, const char *args)
{
    json_t *o = json_object(), *list;

    json_object_set_new(o, "boot-source", boot_source(vm, args));
    json_object_set_new(o, "drives", drives(vm));
    if (vm->pmem) {
        list = json_pack("[{s:s, s:s, s:b, s:b}]", "id", "rootfs", "path_on_host", vm->image, "root_device", 1,
                         "read_only", vm->read_only || vm->overlay);
        json_object_set_new(o, "pmem", list);
    }
    json_object_set_new(o, "machine-config",
                        json_pack("{s:i, s:I}", "vcpu_count", vm->vcpus ? (int)vm->vcpus : 1, "mem_size_mib",
                                  (json_int_t)fc_vm_memory_mib(vm)));
    if (vm->n_nets)
        json_object_set_new(o, "network-interfaces", networks(vm));
    if (vm->vsock_cid)
        json_object_set_new(
            o, "vsock", json_pack("{s:I, s:s}", "guest_cid", (json_int_t)vm->vsock_cid, "uds_path", vm->vsock_path));
    if (vm->entropy)
        json_object_set_new(o, "entropy", json_object());
    return o;
}

int fc_vm_config(const struct fc_vm *vm, char **ret, struct fc_error *err)
{
    fc_auto(fc_free) char *args = NULL, *text = NULL;
    fc_auto(json_decref) json_t *o = NULL;
    struct fc_buf b = {0};
    int r = check(vm, err);

    if (r == 0)
        r = fc_vm_boot_args(vm, &args, err);
    if (r < 0)
        return r;
    o = whole(vm, args);
    text = json_dumps(o, JSON_INDENT(2));
    if (!text || fc_buf_addf(&b, "%s\n", text) < 0)
        return fc_fail_errno(err, ENOMEM, "the configuration");
    *ret = b.data;
    return 0;
}
