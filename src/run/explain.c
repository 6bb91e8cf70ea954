/* SPDX-License-Identifier: Apache-2.0 */
/* Why this machine does not let a command have namespaces of its own, and what to do about it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "run/internal.h"

/* A setting of the kernel, or -1 where there is none. */
static long setting(const char *path)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};

    return fc_read_file(AT_FDCWD, path, 4096, &text) == 0 && text.len > 0 ? strtol(text.data, NULL, 10) : -1;
}

static bool apparmor_forbids(void)
{
    return geteuid() != 0 && setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1;
}

static int say_apparmor(int code, struct fc_error *err)
{
    return fc_fail(
        err, code,
        "cannot make namespaces: AppArmor keeps ordinary users from them here "
        "(kernel.apparmor_restrict_unprivileged_userns is 1): root can give fccompose a profile with `userns`, or "
        "run sysctl kernel.apparmor_restrict_unprivileged_userns=0");
}

int run_explain_namespaces(int code, struct fc_error *err)
{
    if (setting("/proc/sys/user/max_user_namespaces") == 0)
        return fc_fail(
            err, code,
            "cannot make a user namespace: they are turned off here (user.max_user_namespaces is 0): root can "
            "run sysctl user.max_user_namespaces=15000");
    if (geteuid() != 0 && setting("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        return fc_fail(
            err, code,
            "cannot make a user namespace: they are for root alone here (kernel.unprivileged_userns_clone is "
            "0): root can run sysctl kernel.unprivileged_userns_clone=1");
    if (apparmor_forbids())
        return say_apparmor(code, err);
    if (code == ENOSPC)
        return fc_fail(
            err, code,
            "cannot make namespaces: there are as many as the kernel allows (sysctl user.max_user_namespaces "
            "and its like, or 32 levels)");
    if (code == EPERM)
        return fc_fail(
            err, code,
            "cannot make namespaces: this container (or chroot) does not allow it: start it with --privileged, or "
            "with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --device /dev/fuse");
    return fc_fail_errno(err, code, "cannot make namespaces");
}

int run_explain_mount(int code, const char *what, struct fc_error *err)
{
    if ((code == EPERM || code == EACCES) && apparmor_forbids())
        return say_apparmor(code, err);
    if (code == EPERM || code == EACCES)
        return fc_fail(err, code,
                       "cannot mount %s in the command's namespace: %s; in a container start it with --privileged, or "
                       "with --security-opt apparmor=unconfined --security-opt systempaths=unconfined",
                       what, strerror(code));
    if (code == ENODEV)
        return fc_fail(err, code, "cannot mount %s: the kernel has no such file system (for FUSE: modprobe fuse)",
                       what);
    return fc_fail_errno(err, code, "cannot mount %s in the command's namespace", what);
}
