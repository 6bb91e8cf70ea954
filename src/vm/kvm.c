/* SPDX-License-Identifier: Apache-2.0 */
/* Try KVM with the smallest guest that there is. */
#include "vm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"

#if defined(__x86_64__) || defined(__i386__)

enum { PAGE = 4096, HLT = 0xf4 };

/* A page that ends where an x86 begins: 16 bytes below 4 GiB. */
static int give_memory(int vm, unsigned char *page)
{
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = UINT64_C(0xfffff000), .memory_size = PAGE, .userspace_addr = (uintptr_t)page};

    memset(page, HLT, PAGE);
    return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

static int run_to_halt(int kvm, int vm, int cpu, unsigned char *page)
{
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), r = give_memory(vm, page);
    struct kvm_run *run;

    if (r < 0 || size < (int)sizeof(*run))
        return r < 0 ? r : -ENODEV;
    run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
    if (run == MAP_FAILED)
        return -errno;
    r = ioctl(cpu, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_HLT ? 0 : -ENODEV;
    munmap(run, (size_t)size);
    return r;
}

static int run_guest(int kvm, int vm, int cpu)
{
    unsigned char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int r;

    if (page == MAP_FAILED)
        return -errno;
    r = run_to_halt(kvm, vm, cpu, page);
    munmap(page, PAGE);
    return r;
}

#else

static int run_guest(int kvm, int vm, int cpu)
{
    (void)kvm;
    (void)vm;
    (void)cpu;
    return 0;
}

#endif

int fc_vm_kvm(struct fc_error *err)
{
    fc_auto(fc_close) int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = -1, cpu = -1;
    int r;

    if (kvm < 0)
        return fc_fail_errno(err, errno == EPERM ? EACCES : errno, "/dev/kvm");
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return fc_fail(err, ENODEV, "/dev/kvm is not KVM as it has been since Linux 2.6.22");
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm >= 0)
        cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    r = cpu < 0 ? -errno : run_guest(kvm, vm, cpu);
    return r < 0 ? fc_fail(err, ENODEV, "/dev/kvm is there, but runs no guest") : 0;
}

bool fc_vm_cpu_has(const char *flag)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char word[32];

    snprintf(word, sizeof(word), " %s ", flag);
    return fc_read_file(AT_FDCWD, "/proc/cpuinfo", 64U << 20, &text) == 0 && text.data && strstr(text.data, word);
}
