/* SPDX-License-Identifier: Apache-2.0 */
/* What builds kernels and boots images on this machine. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/child.h"
#include "base/io.h"
#include "cli/doctor.h"
#include "vm/kvm.h"

/* The first line of what @program says to --version, into @ret; false if it cannot be run. */
static bool version_of(const char *program, struct fc_buf *ret)
{
    const char *const argv[] = {program, "--version", NULL};

    if (fc_child_run(argv, ret, NULL) != 0 || !ret->data)
        return false;
    ret->len = strcspn(ret->data, "\n");
    ret->data[ret->len] = '\0';
    return true;
}

/* What would give this machine a /dev/kvm that works. */
static const char *kvm_remedy(int code)
{
    if (code == -EACCES)
        return "as root: usermod -aG kvm USER, then log in anew; a container needs --device /dev/kvm as well";
    if (code == -ENOENT && fc_vm_cpu_has("vmx"))
        return "as root: modprobe kvm_intel; a container needs --device /dev/kvm";
    if (code == -ENOENT && fc_vm_cpu_has("svm"))
        return "as root: modprobe kvm_amd; a container needs --device /dev/kvm";
    return "turn on virtualisation in the firmware, or nested virtualisation where this machine is a guest";
}

/* Returns whether KVM works. */
static bool check_kvm(struct doctor *d)
{
    struct fc_buf words __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_error err = {0};
    int r = fc_vm_kvm(&err);

    if (r == 0) {
        doctor_say(d, DOCTOR_OK, "KVM", "ran a guest of one instruction", NULL);
        return true;
    }
    fc_buf_addf(&words, "%s: machines are emulated, slowly", err.msg);
    doctor_say(d, DOCTOR_WARN, "KVM", words.data ? words.data : err.msg, kvm_remedy(r));
    return false;
}

/* A program that says its version, or how to install it. */
static void check_program(struct doctor *d, const char *program, const char *what, const struct doctor_package *package)
{
    struct fc_buf words __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_buf remedy __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (version_of(program, &words))
        doctor_say(d, DOCTOR_OK, what, words.data, NULL);
    else
        doctor_say(d, DOCTOR_WARN, what, "is not installed", doctor_install(&remedy, package, 1));
}

static void check_firecracker(struct doctor *d, bool kvm)
{
    struct fc_buf words __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (version_of("firecracker", &words))
        doctor_say(d, kvm ? DOCTOR_OK : DOCTOR_WARN, "Firecracker",
                   kvm ? words.data : "is installed, but boots nothing without /dev/kvm", NULL);
    else if (kvm)
        doctor_say(d, DOCTOR_WARN, "Firecracker", "is not installed: boot takes another machine",
                   "put the program firecracker of https://github.com/firecracker-microvm/firecracker/releases into "
                   "PATH");
}

/* Firecracker needs KVM, QEMU can do without, user-mode Linux (of Debian alone) needs nothing. */
static void check_vmms(struct doctor *d, const char *machine)
{
    static const struct doctor_package uml = {.debian = "user-mode-linux"};
    static const struct doctor_package x86 = {"qemu-system-x86", "qemu-system-x86-core", "qemu-system-x86_64",
                                              "qemu-system-x86"};
    static const struct doctor_package arm = {"qemu-system-arm", "qemu-system-aarch64-core", "qemu-system-aarch64",
                                              "qemu-system-aarch64"};

    check_firecracker(d, check_kvm(d));
    if (strcmp(machine, "aarch64") == 0) {
        check_program(d, "qemu-system-aarch64", "QEMU", &arm);
        return;
    }
    check_program(d, "qemu-system-x86_64", "QEMU", &x86);
    check_program(d, "linux.uml", "user-mode Linux", &uml);
}

/* What `make` of a kernel asks for: programs, and headers of libraries. */
static const struct {
    const char *program, *header;
    struct doctor_package package;
} builders[] = {
    {"make", NULL, {.debian = "make"}},
    {"gcc", NULL, {.debian = "gcc"}},
    {"ld", NULL, {.debian = "binutils"}},
    {"flex", NULL, {.debian = "flex"}},
    {"bison", NULL, {.debian = "bison"}},
    {"bc", NULL, {.debian = "bc"}},
    {"perl", NULL, {.debian = "perl"}},
    {"cpio", NULL, {.debian = "cpio"}},
    {"xz", NULL, {"xz-utils", "xz", "xz", "xz"}},
    {NULL, "/usr/include/libelf.h", {"libelf-dev", "elfutils-libelf-devel", "elfutils-dev", "libelf"}},
    {NULL, "/usr/include/openssl/opensslv.h", {"libssl-dev", "openssl-devel", "openssl-dev", "openssl"}},
};

static bool is_there(const char *program, const char *header)
{
    fc_auto(fc_free) char *path = program ? doctor_find(program) : NULL;

    return path || (header && access(header, R_OK) == 0);
}

static void check_builders(struct doctor *d)
{
    struct doctor_package missing[FC_LENGTH(builders)];
    struct fc_buf words __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_buf remedy __attribute__((cleanup(fc_buf_release_auto))) = {0};
    size_t n = 0;

    for (size_t i = 0; i < FC_LENGTH(builders); i++)
        if (!is_there(builders[i].program, builders[i].header)) {
            const char *name = builders[i].program ? builders[i].program : builders[i].header;

            missing[n++] = builders[i].package;
            fc_buf_addf(&words, "%s %s", n > 1 ? "," : "missing:", name);
        }
    if (n)
        doctor_say(d, DOCTOR_WARN, "building kernels", words.data, doctor_install(&remedy, missing, n));
    else
        doctor_say(d, DOCTOR_OK, "building kernels", version_of("gcc", &words) ? words.data : "works", NULL);
}

/* A compiler for the other of the two architectures; clang compiles for both. */
static void check_cross(struct doctor *d, const char *machine)
{
    static const struct doctor_package arm = {"gcc-aarch64-linux-gnu", "gcc-aarch64-linux-gnu", "clang",
                                              "aarch64-linux-gnu-gcc"};
    static const struct doctor_package x86 = {"gcc-x86-64-linux-gnu", "gcc-x86_64-linux-gnu", "clang", "clang"};
    bool is_arm = strcmp(machine, "aarch64") == 0;
    const char *what = is_arm ? "building kernels for x86_64" : "building kernels for aarch64";
    struct fc_buf remedy __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (is_there(is_arm ? "x86_64-linux-gnu-gcc" : "aarch64-linux-gnu-gcc", NULL))
        doctor_say(d, DOCTOR_OK, what, "gcc for it is installed", NULL);
    else if (is_there("clang", NULL) && is_there("ld.lld", NULL))
        doctor_say(d, DOCTOR_OK, what, "with clang and lld (LLVM=1)", NULL);
    else
        doctor_say(d, DOCTOR_WARN, what, "there is no compiler for it",
                   doctor_install(&remedy, is_arm ? &x86 : &arm, 1));
}

void doctor_check_machines(struct doctor *d)
{
    struct utsname u;
    const char *machine = uname(&u) == 0 ? u.machine : "";

    check_vmms(d, machine);
    check_builders(d);
    check_cross(d, machine);
}
