/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that waits in a system call: who it is, what its memory holds, and where its paths lead. Private to run/. */
#ifndef FC_RUN_TARGET_H
#define FC_RUN_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** The thread. Made by fc_target_open(). */
struct fc_target {
    int dir, memory; /**< its folder in /proc, and its memory */
    uint32_t fsuid, fsgid, umask;
    uint64_t capabilities; /**< effective ones; none if it is in another user namespace than ours */
};

/**
 * Look at thread @tid through @proc_fd. What it says is of that thread only if the call is still waited in afterwards.
 * Returns 0 or -errno.
 */
int fc_target_open(int proc_fd, pid_t tid, struct fc_target *ret);
/** Close it. */
void fc_target_close(struct fc_target *t);

/** Whether it has all of the capabilities @mask, bits as in /proc/PID/status. */
static inline bool fc_target_may(const struct fc_target *t, uint64_t mask) { return (t->capabilities & mask) == mask; }

/** Copy @size bytes at @address of its memory. Returns 0 or -EFAULT. */
int fc_target_bytes(const struct fc_target *t, uint64_t address, void *buffer, size_t size);
/** Copy a text with its NUL. Returns its length, or -EFAULT, or -ENAMETOOLONG when it has no end within @size. */
ssize_t fc_target_text(const struct fc_target *t, uint64_t address, char *buffer, size_t size);

/**
 * Open what @path means to it, starting at its descriptor @dir (AT_FDCWD: its directory) within its root. @flags are
 * O_DIRECTORY and O_NOFOLLOW. The result is O_PATH. Returns a descriptor or -errno.
 *
 * The calling process takes over its root and directory for that, so it must have CAP_SYS_CHROOT, be single-threaded, and not
 * care. "/proc/self/fd/N" and "/dev/fd/N" are understood; other links out of the file system are not followed.
 */
int fc_target_walk(const struct fc_target *t, int dir, const char *path, int flags);
/** Its descriptor @fd, as O_PATH. Returns a descriptor or -errno; -EBADF if it is O_PATH there, unless @o_path_too. */
int fc_target_fd(const struct fc_target *t, int fd, bool o_path_too);

#endif
