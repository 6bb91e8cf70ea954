/* SPDX-License-Identifier: Apache-2.0 */
/* Keep what was mounted for a run as it is, whatever powers the command has in its namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "run/internal.h"

/*
 * Who owns a mount namespace may undo its mounts, so a command that runs with root's own ids could take the cover off
 * /proc/sys and write there what the kernel takes from that id alone. In another user namespace, whose mounts are copies, they
 * are locked: mount_namespaces(7), "Restrictions on mount namespaces". More can be mounted, and undone again.
 */

/* The new namespace has the same numbers as the old one: each range of @map, a file of ours, onto itself. */
static int copy_map(int proc, const char *pid, const char *map)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char path[64];
    fc_auto(fc_close) int fd = -1;
    int r;

    snprintf(path, sizeof(path), "self/%s", map);
    r = run_ids_identity(proc, path, &text);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/%s", pid, map);
    fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return write(fd, text.data, text.len) == (ssize_t)text.len ? 0 : -errno;
}

/* A child that stays behind in the old namespace, whose powers the maps need: when @ready_fd says so, it writes those of @pid. */
static void __attribute__((noreturn)) map_from_behind(int ready_fd, int proc, const char *pid)
{
    char byte;
    int r = fc_read_full(ready_fd, &byte, 1) == 1 ? 0 : -EPIPE;

    if (r == 0)
        r = copy_map(proc, pid, "uid_map");
    if (r == 0)
        r = copy_map(proc, pid, "gid_map");
    _exit(-r);
}

static int move_on(const struct run *r, int ready_fd)
{
    int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS; /* and what else the command is to have power over */

    if (r->o->net == FC_RUN_NET_NONE) {
        /* What /sys shows is the network namespace in which it was mounted, which is to last as long as this process. */
        if (openat(r->proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC) < 0)
            return -errno;
        flags |= CLONE_NEWNET;
    }
    if (unshare(CLONE_NEWUSER | flags) < 0)
        return -errno;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* the child is to find our maps */
    return fc_write_full(ready_fd, "", 1);
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPIPE;
}

int run_confine(const struct run *r, struct fc_error *err)
{
    char pid[24];
    ssize_t n = readlinkat(r->proc_fd, "self", pid, sizeof(pid) - 1);
    int ready[2], e, mapped;
    pid_t child;

    if (!r->ids.as_root) /* other ids than root's open nothing */
        return 0;
    if (n < 0 || pipe2(ready, O_CLOEXEC) < 0)
        return fc_fail_errno(err, errno, "cannot confine the command");
    pid[n] = '\0';
    child = fork();
    if (child == 0) {
        close(ready[1]);
        map_from_behind(ready[0], r->proc_fd, pid);
    }
    close(ready[0]);
    e = child < 0 ? -errno : move_on(r, ready[1]);
    close(ready[1]);
    mapped = child < 0 ? 0 : wait_for(child);
    if (e < 0)
        return run_explain_namespaces(-e, err);
    return mapped < 0 ? fc_fail_errno(err, -mapped, "cannot confine the command: the ids of its namespace") : 0;
}
