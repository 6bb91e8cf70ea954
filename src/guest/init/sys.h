/* SPDX-License-Identifier: Apache-2.0 */
/* All that the guest's init has below it: system calls, a few constants of Linux, a few functions on texts. No libc. */
#ifndef FC_GUEST_INIT_SYS_H
#define FC_GUEST_INIT_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of errno that have words of their own. */
enum { NO_ENTRY = 2, NO_EXEC = 8, NO_CHILD = 10, NO_ACCESS = 13, BUSY = 16, EXISTS = 17, NO_DIRECTORY = 20 };
/* Signals. */
enum { SIG_INT = 2, SIG_KILL = 9, SIG_USR1, SIG_USR2 = 12, SIG_TERM = 15, SIG_CHLD = 17, SIG_PWR = 30 };
/* open(2); the last differs between architectures and is not needed. */
enum { OPEN_READ = 0, OPEN_WRITE = 1, OPEN_BOTH = 2, OPEN_NO_TTY = 0400, OPEN_CLOSE = 02000000 };
/* mount(2) */
enum { MOUNT_READ_ONLY = 1, MOUNT_NO_SUID = 2, MOUNT_NO_DEV = 4, MOUNT_NO_EXEC = 8, MOUNT_AGAIN = 32 };
/* ioctl(2) on terminals. */
enum { TTY_DRAIN = 0x5409, TTY_CONTROL = 0x540e };
/* reboot(2) */
#define REBOOT_NOW 0x01234567u
#define REBOOT_NO_KEYS 0u
#define REBOOT_POWER_OFF 0x4321fedcu

/** Seconds and nanoseconds, as the kernel takes them. */
struct sys_time {
    int64_t seconds, nanoseconds;
};

/* System calls: what the kernel returns, a negative number is -errno. */

long sys_read(int fd, void *data, size_t size);
long sys_write(int fd, const void *data, size_t size);
long sys_open(const char *path, int flags);
long sys_close(int fd);
long sys_ioctl(int fd, unsigned request, uintptr_t argument);
long sys_dup_to(int fd, int to);
long sys_list(int fd, void *data, size_t size);
long sys_make_dir(const char *path, unsigned mode);
long sys_make_link(const char *target, const char *path);
long sys_own(int fd, unsigned uid, unsigned gid);
long sys_enter(const char *path);
long sys_mount(const char *source, const char *path, const char *type, unsigned flags, const char *options);
long sys_fork(void);
long sys_exec(const char *path, char *const argv[], char *const envp[]);
void sys_exit(int status) __attribute__((noreturn));
long sys_wait(int *status, bool hang);
long sys_kill(int pid, int signal);
long sys_new_session(void);
long sys_groups(size_t n, const uint32_t *groups);
long sys_become(uint32_t uid, uint32_t gid);
long sys_host_name(const char *name, size_t len);
long sys_reboot(unsigned how);
void sys_sync(void);
long sys_pid(void);
long sys_socket(void);
/** Block the @set of signals (bit N-1 is signal N), or with all bits clear none. */
long sys_block(uint64_t set);
/** Wait until one of @set is pending. Returns it, or a negative number when the time is over. */
long sys_signal(uint64_t set, const struct sys_time *limit);
void sys_mask(unsigned mode);
/** Seconds since the machine started. */
int64_t sys_uptime(void);

/* Texts. */

size_t text_length(const char *s);
bool text_same(const char *a, const char *b);
bool text_begins(const char *s, const char *with);
/** Append @s to the text in @to (of @size bytes), cutting it. */
void text_add(char *to, size_t size, const char *s);
/** Append a number. */
void text_add_number(char *to, size_t size, long n);
/** Print "fccompose-init: A B: why @error" on the console; @b may be NULL, @error 0. */
void say(const char *a, const char *b, long error);
/** Read a file into @to (of @size bytes, NUL-terminated). Returns its length, or a negative number; -27 if it is longer. */
long read_text(const char *path, char *to, size_t size);

#endif
