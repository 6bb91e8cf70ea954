/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into user-mode Linux, so that it runs on CPUs with AMX.
 *
 * User-mode Linux 6.1 sets the floating point state of its processes with a buffer that was sized at compile time; the
 * host's kernel takes only a whole state (arch/x86/kernel/fpu/regset.c, xstateregs_set) and answers EFAULT where the CPU has more
 * than that. Here such a call is repeated with the state's tail as the process has it.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef long (*ptrace_fn)(int request, pid_t pid, void *addr, void *data);

/** ptrace(2) with one case mended. */
__attribute__((visibility("default"))) long ptrace(enum __ptrace_request request, ...);

long ptrace(enum __ptrace_request request, ...)
{
    static _Thread_local char whole[65536];
    struct iovec all = {whole, sizeof(whole)};
    const struct iovec *given;
    ptrace_fn next;
    void *symbol = dlsym(RTLD_NEXT, "ptrace");
    va_list ap;
    pid_t pid;
    void *addr, *data;
    long r;

    va_start(ap, request);
    pid = va_arg(ap, pid_t);
    addr = va_arg(ap, void *);
    data = va_arg(ap, void *);
    va_end(ap);
    memcpy(&next, &symbol, sizeof(next));
    r = next((int)request, pid, addr, data);
    if (r == 0 || errno != EFAULT || (int)request != PTRACE_SETREGSET || (unsigned long)addr != NT_X86_XSTATE)
        return r;
    given = data;
    if (next(PTRACE_GETREGSET, pid, addr, &all) < 0 || all.iov_len <= given->iov_len) {
        errno = EFAULT;
        return -1;
    }
    memcpy(whole, given->iov_base, given->iov_len);
    return next((int)request, pid, addr, &all);
}
