/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of Linux on x86_64 and aarch64, and the first instructions of the program. */
#include "sys.h"

#if defined(__x86_64__)
enum {
    NR_READ = 0,
    NR_WRITE = 1,
    NR_CLOSE = 3,
    NR_SIGNALS = 14,
    NR_IOCTL = 16,
    NR_PID = 39,
    NR_SOCKET = 41,
    NR_CLONE = 56,
    NR_EXEC = 59,
    NR_WAIT = 61,
    NR_KILL = 62,
    NR_ENTER = 80,
    NR_OWN = 93,
    NR_MASK = 95,
    NR_SESSION = 112,
    NR_GROUPS = 116,
    NR_UID = 117,
    NR_GID = 119,
    NR_SIGNAL = 128,
    NR_SYNC = 162,
    NR_MOUNT = 165,
    NR_REBOOT = 169,
    NR_HOST_NAME = 170,
    NR_LIST = 217,
    NR_CLOCK = 228,
    NR_EXIT = 231,
    NR_OPEN = 257,
    NR_MAKE_DIR = 258,
    NR_MAKE_LINK = 266,
    NR_DUP = 292,
};

__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n hlt\n");

static long call(long n, long a, long b, long c, long d, long e)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long r;

    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return r;
}
#elif defined(__aarch64__)
enum {
    NR_DUP = 24,
    NR_IOCTL = 29,
    NR_MAKE_DIR = 34,
    NR_MAKE_LINK = 36,
    NR_MOUNT = 40,
    NR_ENTER = 49,
    NR_OWN = 55,
    NR_OPEN = 56,
    NR_CLOSE = 57,
    NR_LIST = 61,
    NR_READ = 63,
    NR_WRITE = 64,
    NR_SYNC = 81,
    NR_EXIT = 94,
    NR_CLOCK = 113,
    NR_KILL = 129,
    NR_SIGNALS = 135,
    NR_SIGNAL = 137,
    NR_REBOOT = 142,
    NR_UID = 147,
    NR_GID = 149,
    NR_SESSION = 157,
    NR_GROUPS = 159,
    NR_HOST_NAME = 161,
    NR_MASK = 166,
    NR_PID = 172,
    NR_SOCKET = 198,
    NR_CLONE = 220,
    NR_EXEC = 221,
    NR_WAIT = 260,
};

__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n bl begin\n brk #1\n");

static long call(long n, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#else
#error "the guest's init knows x86_64 and aarch64"
#endif

/* Paths are relative to the current directory. */
#define HERE (-100l)
#define P(pointer) ((long)(uintptr_t)(pointer))

long sys_read(int fd, void *data, size_t size) { return call(NR_READ, fd, P(data), (long)size, 0, 0); }
long sys_write(int fd, const void *data, size_t size) { return call(NR_WRITE, fd, P(data), (long)size, 0, 0); }
long sys_open(const char *path, int flags) { return call(NR_OPEN, HERE, P(path), flags | OPEN_CLOSE, 0, 0); }
long sys_close(int fd) { return call(NR_CLOSE, fd, 0, 0, 0, 0); }
long sys_ioctl(int fd, unsigned request, uintptr_t argument)
{
    return call(NR_IOCTL, fd, (long)request, (long)argument, 0, 0);
}
long sys_dup_to(int fd, int to) { return fd == to ? to : call(NR_DUP, fd, to, 0, 0, 0); }
long sys_list(int fd, void *data, size_t size) { return call(NR_LIST, fd, P(data), (long)size, 0, 0); }
long sys_make_dir(const char *path, unsigned mode) { return call(NR_MAKE_DIR, HERE, P(path), (long)mode, 0, 0); }
long sys_make_link(const char *target, const char *path) { return call(NR_MAKE_LINK, P(target), HERE, P(path), 0, 0); }
long sys_own(int fd, unsigned uid, unsigned gid) { return call(NR_OWN, fd, (long)uid, (long)gid, 0, 0); }
long sys_enter(const char *path) { return call(NR_ENTER, P(path), 0, 0, 0, 0); }
long sys_mount(const char *source, const char *path, const char *type, unsigned flags, const char *options)
{
    return call(NR_MOUNT, P(source), P(path), P(type), (long)flags, P(options));
}
long sys_fork(void) { return call(NR_CLONE, SIG_CHLD, 0, 0, 0, 0); }
long sys_exec(const char *path, char *const argv[], char *const envp[])
{
    return call(NR_EXEC, P(path), P(argv), P(envp), 0, 0);
}
void sys_exit(int status)
{
    for (;;)
        call(NR_EXIT, status, 0, 0, 0, 0);
}
long sys_wait(int *status, bool hang) { return call(NR_WAIT, -1, P(status), hang ? 0 : 1, 0, 0); }
long sys_kill(int pid, int signal) { return call(NR_KILL, pid, signal, 0, 0, 0); }
long sys_new_session(void) { return call(NR_SESSION, 0, 0, 0, 0, 0); }
long sys_groups(size_t n, const uint32_t *groups) { return call(NR_GROUPS, (long)n, P(groups), 0, 0, 0); }
long sys_become(uint32_t uid, uint32_t gid)
{
    long r = call(NR_GID, gid, gid, gid, 0, 0);

    return r < 0 ? r : call(NR_UID, uid, uid, uid, 0, 0);
}
long sys_host_name(const char *name, size_t len) { return call(NR_HOST_NAME, P(name), (long)len, 0, 0, 0); }
long sys_reboot(unsigned how) { return call(NR_REBOOT, 0xfee1dead, 672274793, (long)how, 0, 0); }
void sys_sync(void) { call(NR_SYNC, 0, 0, 0, 0, 0); }
long sys_pid(void) { return call(NR_PID, 0, 0, 0, 0, 0); }
long sys_socket(void) { return call(NR_SOCKET, 2, 2, 0, 0, 0); }
long sys_block(uint64_t set) { return call(NR_SIGNALS, 2, P(&set), 0, sizeof(set), 0); }
long sys_signal(uint64_t set, const struct sys_time *limit)
{
    return call(NR_SIGNAL, P(&set), 0, P(limit), sizeof(set), 0);
}
void sys_mask(unsigned mode) { call(NR_MASK, (long)mode, 0, 0, 0, 0); }
int64_t sys_uptime(void)
{
    struct sys_time now = {0, 0};

    call(NR_CLOCK, 1, P(&now), 0, 0, 0);
    return now.seconds;
}
