/* SPDX-License-Identifier: Apache-2.0 */
/* What every program expects besides the tree: /proc, /sys, /dev. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/internal.h"

/* As other container tools have it: settings of the host's kernel are not the command's to change, though it is root. */
static const char *const read_only[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"};
static const char *const hidden[] = {"/proc/kcore",       "/proc/keys",   "/proc/timer_list",
                                     "/proc/sched_debug", "/proc/acpi",   "/proc/latency_stats",
                                     "/proc/scsi",        "/proc/asound", "/proc/timer_stats"};
static const char *const hidden_sys[] = {"/sys/kernel/debug", "/sys/kernel/tracing", "/sys/firmware",
                                         "/sys/devices/virtual/powercap"};
static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
static const struct {
    const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},         {"core", "/proc/kcore"}};

/* The part of @path in the /proc that was just mounted, over itself. */
static int freeze_part(const struct run *r, const char *path, struct fc_error *err)
{
    fc_auto(fc_close) int fd = run_open(r, path);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return 0;
    return run_bind(r, fd, path, S_ISDIR(st.st_mode), true, err);
}

/* Read-only, so that whoever has the host's ids cannot give the host's device another owner or mode; it is used all the same. */
static int bind_device(const struct run *r, const char *name, const char *path, struct fc_error *err)
{
    char source[32];
    fc_auto(fc_close) int fd = -1;

    snprintf(source, sizeof(source), "/dev/%s", name);
    fd = open(source, O_PATH | O_CLOEXEC);
    return fd < 0 ? 0 : run_bind(r, fd, path, false, true, err);
}

static int hide_part(const struct run *r, const char *path, struct fc_error *err)
{
    fc_auto(fc_close) int fd = run_open(r, path);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        return run_mount(r, path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0", err);
    return bind_device(r, "null", path, err);
}

static int mount_proc(const struct run *r, struct fc_error *err)
{
    fc_auto(fc_close) int target = run_target(r, "/proc", true, err), host = -1;
    int e;

    if (target < 0)
        return target;
    e = run_mount_fd(target, -1, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    if (e == -EPERM) { /* the host's is masked (we are in a container): then the kernel gives no other */
        host = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return host < 0 || run_mount_fd(target, host, NULL, 0, NULL) < 0 ? run_explain_mount(EPERM, "/proc", err) : 0;
    }
    if (e < 0)
        return run_explain_mount(-e, "/proc", err);
    for (size_t i = 0; i < FC_LENGTH(read_only) && e == 0; i++)
        e = freeze_part(r, read_only[i], err);
    for (size_t i = 0; i < FC_LENGTH(hidden) && e == 0; i++)
        e = hide_part(r, hidden[i], err);
    return e;
}

/* Its own only with a network of its own, says the kernel. */
static int mount_sys(const struct run *r, struct fc_error *err)
{
    fc_auto(fc_close) int target = run_target(r, "/sys", true, err), host = -1;
    unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

    if (target < 0)
        return target;
    if (r->o->net == FC_RUN_NET_NONE && run_mount_fd(target, -1, "sysfs", flags, NULL) == 0)
        return 0;
    host = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return host < 0 ? 0 : run_bind(r, host, "/sys", true, true, err);
}

/* Group 5 is tty's on every distribution, if it is one that we have. */
static int mount_pts(const struct run *r, struct fc_error *err)
{
    fc_auto(fc_close) int target = run_target(r, "/dev/pts", true, err);
    int e;

    if (target < 0)
        return target;
    e = run_mount_fd(target, -1, "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    if (e == -EINVAL)
        e = run_mount_fd(target, -1, "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
    return e < 0 ? run_explain_mount(-e, "/dev/pts", err) : 0;
}

static int make_links(const struct run *r, struct fc_error *err)
{
    fc_auto(fc_close) int dev = run_open(r, "/dev");

    for (size_t i = 0; i < FC_LENGTH(links); i++)
        if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
            return fc_fail_errno(err, errno, "/dev/%s", links[i].name);
    return 0;
}

static int mount_dev(const struct run *r, struct fc_error *err)
{
    int e = run_mount(r, "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=0755,size=64k", err);

    for (size_t i = 0; i < FC_LENGTH(devices) && e == 0; i++)
        e = bind_device(r, devices[i] + strlen("/dev/"), devices[i], err);
    if (e == 0)
        e = make_links(r, err);
    if (e == 0)
        e = mount_pts(r, err);
    return e < 0 ? e : run_mount(r, "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", err);
}

int run_system(struct run *r, struct fc_error *err)
{
    int e = mount_proc(r, err);

    if (e == 0)
        e = r->proc_fd = run_open(r, "/proc");
    if (e < 0)
        return err->code ? e : fc_fail_errno(err, -e, "/proc");
    e = mount_sys(r, err);
    for (size_t i = 0; i < FC_LENGTH(hidden_sys) && e == 0; i++)
        e = hide_part(r, hidden_sys[i], err);
    return e < 0 ? e : mount_dev(r, err);
}
