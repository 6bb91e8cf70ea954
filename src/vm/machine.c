/* SPDX-License-Identifier: Apache-2.0 */
/* Which program runs a machine, and its arguments. */
#include "vm/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arch.h"
#include "base/child.h"
#include "base/io.h"
#include "vm/internal.h"
#include "vm/kvm.h"

const char *fc_vmm_name(enum fc_vmm vmm)
{
    static const char *const names[] = {"automatic", "Firecracker", "QEMU", "user-mode Linux"};

    return names[vmm];
}

const char *fc_vmm_program(enum fc_vmm vmm, const struct fc_vm *vm)
{
    static const char *const variables[] = {"", "FCCOMPOSE_FIRECRACKER", "FCCOMPOSE_QEMU", "FCCOMPOSE_UML"};
    const char *const programs[] = {"", "firecracker", fc_vm_is_arm(vm) ? "qemu-system-aarch64" : "qemu-system-x86_64",
                                    "linux.uml"};
    const char *own = getenv(variables[vmm]);

    return own && *own ? own : programs[vmm];
}

static bool is_installed(enum fc_vmm vmm, const struct fc_vm *vm)
{
    fc_auto(fc_free) char *file = fc_child_find(fc_vmm_program(vmm, vm), NULL);

    return file != NULL;
}

static const char *arch_of(const struct fc_vm *vm) { return fc_vm_is_arm(vm) ? "aarch64" : "x86_64"; }

/* Software that only looks like KVM has a device but no such flag; guests that expect hardware do not come up on it. */
static bool cpu_virtualizes(void) { return fc_vm_cpu_has("vmx") || fc_vm_cpu_has("svm"); }

bool fc_vm_has_kvm(const char *arch)
{
    return strcmp(fc_arch_host(), arch) == 0 && (strcmp(arch, "x86_64") != 0 || cpu_virtualizes()) &&
           fc_vm_kvm(NULL) == 0;
}

static int choose(const struct fc_vm_boot *b, enum fc_vmm *ret, struct fc_error *err)
{
    const struct fc_vm *vm = b->vm;

    if (vm->kernel && fc_vm_has_kvm(arch_of(vm)) && is_installed(FC_VMM_FIRECRACKER, vm))
        *ret = FC_VMM_FIRECRACKER;
    else if (vm->kernel && is_installed(FC_VMM_QEMU, vm))
        *ret = FC_VMM_QEMU;
    else if (!vm->initrd && strcmp(fc_arch_host(), "x86_64") == 0 && !fc_vm_is_arm(vm) && is_installed(FC_VMM_UML, vm))
        *ret = FC_VMM_UML;
    else if (vm->kernel)
        return fc_fail(err, ENOENT, "nothing here can run the machine: install %s, or Firecracker where /dev/kvm works",
                       fc_vmm_program(FC_VMM_QEMU, vm));
    else
        return fc_fail(
            err, ENOENT,
            "without --kernel only user-mode Linux (the package user-mode-linux) can boot, and it is not here");
    return 0;
}

static int check(enum fc_vmm vmm, const struct fc_vm_boot *b, struct fc_error *err)
{
    const struct fc_vm *vm = b->vm;

    if (!is_installed(vmm, vm))
        return fc_fail(err, ENOENT, "%s: no such program: install %s or choose another with --vmm",
                       fc_vmm_program(vmm, vm), fc_vmm_name(vmm));
    if (vmm == FC_VMM_UML && (vm->initrd || fc_vm_is_arm(vm)))
        return fc_fail(err, EINVAL, "user-mode Linux boots no %s", vm->initrd ? "initrd" : "aarch64 image");
    if (vmm != FC_VMM_UML && !vm->kernel)
        return fc_fail(err, EINVAL, "%s needs a kernel: give --kernel (`fccompose kernel build` makes one)",
                       fc_vmm_name(vmm));
    if (vmm != FC_VMM_FIRECRACKER && vm->vsock_cid)
        return fc_fail(err, EINVAL, "a vsock can be had under Firecracker alone");
    if (vmm == FC_VMM_UML && vm->n_nets)
        return fc_fail(err, EINVAL, "user-mode Linux is started without a network");
    return 0;
}

/* A folder of our own: beside the image, so that a copy can share its blocks, else where temporary files go. */
static int make_scratch(const struct fc_vm_boot *b, char **ret, struct fc_error *err)
{
    const char *temp = getenv("TMPDIR"), *slash = b->vm->image ? strrchr(b->vm->image, '/') : NULL;
    int len = slash ? (int)(slash - b->vm->image) : 1;
    char *path;

    if (b->vm->image && asprintf(&path, "%.*s/.fccompose-boot-XXXXXX", len, slash ? b->vm->image : ".") >= 0) {
        *ret = mkdtemp(path);
        if (*ret)
            return 0;
        free(path);
    }
    if (asprintf(&path, "%s/fccompose-boot-XXXXXX", temp && *temp ? temp : "/tmp") < 0)
        return fc_fail_errno(err, ENOMEM, "temporary folder");
    if (!mkdtemp(path)) {
        int r = fc_fail_errno(err, errno, "cannot make a temporary folder %s", path);

        free(path);
        return r;
    }
    *ret = path;
    return 0;
}

/* Arguments: each is formatted text. */
static int FC_PRINTF(2, 3) add(struct fc_vm_machine *m, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    int r;

    va_start(args, fmt);
    r = vasprintf(&text, fmt, args);
    va_end(args);
    if (r < 0)
        return -ENOMEM;
    r = fc_buf_add(&m->text, text, strlen(text) + 1);
    free(text);
    return r;
}

static int add_all(struct fc_vm_machine *m, const char *const *words)
{
    int r = 0;

    for (; *words && r == 0; words++)
        r = add(m, "%s", *words);
    return r;
}

/* A copy that the guest may write to; blocks are shared where the file system can. */
static int copy_of(struct fc_vm_machine *m, const char *file, const char *name, char **ret, struct fc_error *err)
{
    struct fc_buf said = {0};
    int r;

    if (asprintf(ret, "%s/%s", m->scratch, name) < 0)
        return fc_fail_errno(err, ENOMEM, "%s", file);
    r = fc_child_run((const char *const[]){"cp", "--reflink=auto", "--sparse=always", "--", file, *ret, NULL}, &said,
                     err);
    if (r > 0)
        r = fc_fail(err, EIO, "cannot copy %s: %.*s", file, (int)strcspn(said.data ? said.data : "", "\n"),
                    said.data ? said.data : "");
    fc_buf_release(&said);
    return r;
}

static int firecracker(struct fc_vm_machine *m, const struct fc_vm_boot *b, struct fc_error *err)
{
    struct fc_vm vm = *b->vm;
    fc_auto(fc_free) char *image = NULL, *overlay = NULL, *json = NULL, *file = NULL;
    int r = 0;

    if (!b->write && vm.image && !vm.read_only && !vm.overlay) {
        r = copy_of(m, vm.image, "image", &image, err);
        vm.image = image;
    }
    if (r == 0 && !b->write && vm.overlay) {
        r = copy_of(m, vm.overlay, "overlay", &overlay, err);
        vm.overlay = overlay;
    }
    if (r == 0)
        r = fc_vm_config(&vm, &json, err);
    if (r == 0 && asprintf(&file, "%s/vm.json", m->scratch) < 0)
        r = fc_fail_errno(err, ENOMEM, "vm.json");
    if (r == 0)
        r = fc_atomic_write(file, json, strlen(json), false, err);
    if (r < 0)
        return r;
    if (add(m, "%s", fc_vmm_program(m->vmm, &vm)) < 0 || add(m, "--no-api") < 0 || add(m, "--config-file") < 0 ||
        add(m, "%s", file) < 0 || (vm.pci && add(m, "--enable-pci") < 0))
        return fc_fail_errno(err, ENOMEM, "arguments");
    return 0;
}

/* The command line for a machine that adds nothing to it. */
static int command_line(const struct fc_vm_boot *b, const char *console, const char *root, struct fc_buf *ret)
{
    const struct fc_vm *vm = b->vm;
    int r = vm->args ? fc_buf_adds(ret, vm->args) : fc_buf_addf(ret, "console=%s reboot=k panic=1", console);

    if (r == 0 && vm->image)
        r = fc_buf_addf(ret, " root=%s %s", root, vm->read_only || vm->overlay ? "ro" : "rw");
    /* The second of the kind that the root is on. */
    return r == 0 ? fc_vm_add_words(vm, strcmp(root, "/dev/ubda") == 0 ? "ubdb" : "vdb", ret) : r;
}

/* A comma in a file name is doubled for QEMU's option parser. */
static int add_drive(struct fc_vm_machine *m, const char *file, const char *id, bool read_only, bool snapshot)
{
    struct fc_buf b = {0};
    int r = fc_buf_adds(&b, "file=");

    for (const char *p = file; *p && r == 0; p++)
        r = fc_buf_add(&b, *p == ',' ? ",," : p, *p == ',' ? 2 : 1);
    if (r == 0)
        r = fc_buf_addf(&b, ",format=raw,if=none,id=%s%s", id,
                        read_only  ? ",readonly=on"
                        : snapshot ? ",snapshot=on"
                                   : "");
    if (r == 0)
        r = add(m, "-drive");
    if (r == 0)
        r = add(m, "%s", b.data);
    fc_buf_release(&b);
    if (r == 0)
        r = add(m, "-device");
    return r == 0 ? add(m, "virtio-blk-pci,drive=%s", id) : r;
}

static int qemu_devices(struct fc_vm_machine *m, const struct fc_vm_boot *b)
{
    const struct fc_vm *vm = b->vm;
    int r = 0;

    if (vm->image)
        r = add_drive(m, vm->image, "rootfs", vm->read_only || vm->overlay, !b->write);
    if (r == 0 && vm->overlay)
        r = add_drive(m, vm->overlay, "overlay", false, !b->write);
    if (r == 0 && vm->initrd)
        r = add_all(m, (const char *const[]){"-initrd", vm->initrd, NULL});
    if (r == 0 && vm->entropy)
        r = add_all(m, (const char *const[]){"-device", "virtio-rng-pci", NULL});
    for (size_t i = 0; i < vm->n_nets && r == 0; i++) {
        const struct fc_vm_net *n = &vm->nets[i];

        r = add(m, "-netdev") < 0 || add(m, "tap,id=net%zu,ifname=%s,script=no,downscript=no", i, n->tap) < 0 ||
                    add(m, "-device") < 0
                ? -ENOMEM
                : add(m, "virtio-net-pci,netdev=net%zu%s%s", i, n->mac[0] ? ",mac=" : "", n->mac);
    }
    return r;
}

static int qemu(struct fc_vm_machine *m, const struct fc_vm_boot *b, struct fc_error *err)
{
    const struct fc_vm *vm = b->vm;
    bool arm = fc_vm_is_arm(vm), kvm = fc_vm_has_kvm(arch_of(vm));
    struct fc_buf line = {0};
    const char *const start[] = {fc_vmm_program(m->vmm, vm),
                                 "-M",
                                 arm ? "virt" : "q35",
                                 "-accel",
                                 kvm ? "kvm" : "tcg",
                                 "-cpu",
                                 kvm ? "host" : "max",
                                 "-nodefaults",
                                 "-no-user-config",
                                 "-display",
                                 "none",
                                 "-serial",
                                 "stdio",
                                 "-no-reboot",
                                 "-kernel",
                                 vm->kernel,
                                 NULL};
    int r = add_all(m, start);

    if (r == 0)
        r = add(m, "-m") < 0 || add(m, "%lluM", (unsigned long long)fc_vm_memory_mib(vm)) < 0 || add(m, "-smp") < 0
                ? -ENOMEM
                : add(m, "%u", vm->vcpus ? vm->vcpus : 1);
    if (r == 0)
        r = command_line(b, arm ? "ttyAMA0" : "ttyS0", "/dev/vda", &line);
    if (r == 0)
        r = add_all(m, (const char *const[]){"-append", line.data, NULL});
    fc_buf_release(&line);
    if (r == 0)
        r = qemu_devices(m, b);
    return r < 0 ? fc_fail_errno(err, ENOMEM, "arguments") : 0;
}

/* ubdN=COW,FILE: writes go to the file COW, which it makes; ubdNr: read-only. */
static int add_ubd(struct fc_vm_machine *m, int n, const char *file, bool read_only, bool write)
{
    if (read_only)
        return add(m, "ubd%dr=%s", n, file);
    return write ? add(m, "ubd%d=%s", n, file) : add(m, "ubd%d=%s/cow%d,%s", n, m->scratch, n, file);
}

static int uml(struct fc_vm_machine *m, const struct fc_vm_boot *b, struct fc_error *err)
{
    const struct fc_vm *vm = b->vm;
    struct fc_buf line = {0};
    int r = add(m, "%s", fc_vmm_program(m->vmm, vm));

    if (r == 0)
        r = add(m, "mem=%lluM", (unsigned long long)fc_vm_memory_mib(vm));
    if (r == 0)
        r = add(m, "umid=fccompose-%d", (int)getpid());
    if (r == 0)
        r = add(m, "uml_dir=%s/", m->scratch);
    if (r == 0 && vm->image)
        r = add_ubd(m, 0, vm->image, vm->read_only || vm->overlay, b->write);
    if (r == 0 && vm->overlay)
        r = add_ubd(m, 1, vm->overlay, false, b->write);
    /* The serial line is ttyS0 there too, so that the getty of a microVM finds it. */
    if (r == 0)
        r = add_all(m, (const char *const[]){"con=null", "ssl=null", "ssl0=fd:0,fd:1", NULL});
    if (r == 0)
        r = command_line(b, "ttyS0", "/dev/ubda", &line);
    for (char *rest = line.data, *word; r == 0 && (word = strsep(&rest, " "));)
        if (*word)
            r = add(m, "%s", word);
    fc_buf_release(&line);
    return r < 0 ? fc_fail_errno(err, ENOMEM, "arguments") : 0;
}

static int point_to_arguments(struct fc_vm_machine *m)
{
    size_t n = 0, i = 0;

    for (size_t at = 0; at < m->text.len; at += strlen(m->text.data + at) + 1)
        n++;
    m->argv = calloc(n + 1, sizeof(*m->argv));
    if (!m->argv)
        return -ENOMEM;
    for (size_t at = 0; at < m->text.len; at += strlen(m->text.data + at) + 1)
        m->argv[i++] = m->text.data + at;
    return 0;
}

int fc_vm_machine_make(const struct fc_vm_boot *b, struct fc_vm_machine *ret, struct fc_error *err)
{
    int r = 0;

    *ret = (struct fc_vm_machine){.vmm = b->vmm};
    if (b->vmm == FC_VMM_AUTO)
        r = choose(b, &ret->vmm, err);
    if (r == 0)
        r = check(ret->vmm, b, err);
    if (r == 0)
        r = make_scratch(b, &ret->scratch, err);
    if (r == 0)
        r = ret->vmm == FC_VMM_FIRECRACKER ? firecracker(ret, b, err)
            : ret->vmm == FC_VMM_QEMU      ? qemu(ret, b, err)
                                           : uml(ret, b, err);
    if (r == 0 && point_to_arguments(ret) < 0)
        r = fc_fail_errno(err, ENOMEM, "arguments");
    return r;
}

void fc_vm_machine_release(struct fc_vm_machine *m)
{
    if (m->scratch)
        fc_remove_all(AT_FDCWD, m->scratch);
    free(m->scratch);
    free(m->argv);
    fc_buf_release(&m->text);
    *m = (struct fc_vm_machine){0};
}
