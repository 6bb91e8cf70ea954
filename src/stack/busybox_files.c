/* SPDX-License-Identifier: Apache-2.0 */
/* The files of builtin:busybox that do not come from the host. */
#include "stack/busybox_files.h"

#include <sys/stat.h>

#include "base/cleanup.h"

/*
 * The first process of the guest. /dev/console is whatever the kernel's console= says (a serial port, a virtual
 * terminal, user-mode Linux's tty0); cttyhack finds the terminal behind it, so that ^C and job control work.
 * A Firecracker guest on x86 has no power switch: it is started with reboot=k and ends by rebooting.
 */
static const char init_script[] =
    "#!/bin/sh\n"
    "# The first process: mount what a system needs, say that it is up, give a shell, power off when the shell ends.\n"
    "export PATH=/sbin:/bin:/usr/sbin:/usr/bin\n"
    "export HOME=/root TERM=\"${TERM:-linux}\"\n"
    "\n"
    "mount -t proc -o nosuid,nodev,noexec proc /proc\n"
    "mount -t sysfs -o nosuid,nodev,noexec sysfs /sys\n"
    "# The kernel may have mounted it already, or may not have it: the nodes of the image do then.\n"
    "grep -q ' /dev devtmpfs ' /proc/mounts || mount -t devtmpfs -o nosuid dev /dev 2>/dev/null\n"
    "mkdir -p /dev/pts /dev/shm 2>/dev/null\n"
    "mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /dev/pts 2>/dev/null\n"
    "mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm 2>/dev/null\n"
    "mount -t tmpfs -o nosuid,nodev,mode=755 run /run\n"
    "mount -t tmpfs -o nosuid,nodev,mode=1777 tmp /tmp\n"
    "[ -s /etc/hostname ] && hostname -F /etc/hostname\n"
    "ip link set lo up 2>/dev/null\n"
    "\n"
    "echo \"fccompose: $(hostname) is up\"\n"
    "cd /root\n"
    "setsid cttyhack /bin/sh -l\n"
    "\n"
    "echo \"fccompose: $(hostname) is going down\"\n"
    "sync\n"
    "mount -o remount,ro / 2>/dev/null\n"
    "case \" $(cat /proc/cmdline 2>/dev/null) \" in\n"
    "*' reboot='*) reboot -f ;;\n"
    "*) poweroff -f ;;\n"
    "esac\n"
    "# The kernel panics when its first process ends; without a power switch, rest.\n"
    "while :; do sleep 3600; done\n";

static const char profile[] = "export PATH=/sbin:/bin:/usr/sbin:/usr/bin\n"
                              "export PS1='\\u@\\h:\\w\\$ '\n"
                              "for f in /etc/profile.d/*.sh; do [ -r \"$f\" ] && . \"$f\"; done\n"
                              "unset f\n";

static const char group[] = "root:x:0:\n"
                            "tty:x:5:\n"
                            "disk:x:6:\n"
                            "nogroup:x:65534:\n";

static const char os_release[] = "ID=fccompose-busybox\n"
                                 "NAME=\"fccompose busybox\"\n"
                                 "PRETTY_NAME=\"fccompose builtin:busybox\"\n";

#define DIRECTORY(path, permissions)                                                                                   \
    {                                                                                                                  \
        path, S_IFDIR | (permissions), NULL, 0, 0                                                                      \
    }
#define FILE_WITH(path, permissions, text)                                                                             \
    {                                                                                                                  \
        path, S_IFREG | (permissions), text, 0, 0                                                                      \
    }
#define SYMLINK(path, text)                                                                                            \
    {                                                                                                                  \
        path, S_IFLNK | 0777, text, 0, 0                                                                               \
    }
#define CHARACTER(path, permissions, major, minor)                                                                     \
    {                                                                                                                  \
        path, S_IFCHR | (permissions), NULL, major, minor                                                              \
    }

/* Kernel numbers of devices: the kernel's Documentation/admin-guide/devices.txt. */
const struct fc_fixed_file fc_busybox_files[] = {
    DIRECTORY("", 0755),
    DIRECTORY("bin", 0755),
    DIRECTORY("dev", 0755),
    CHARACTER("dev/console", 0600, 5, 1),
    SYMLINK("dev/fd", "/proc/self/fd"),
    CHARACTER("dev/full", 0666, 1, 7),
    CHARACTER("dev/null", 0666, 1, 3),
    CHARACTER("dev/ptmx", 0666, 5, 2),
    DIRECTORY("dev/pts", 0755),
    CHARACTER("dev/random", 0666, 1, 8),
    DIRECTORY("dev/shm", 01777),
    SYMLINK("dev/stderr", "/proc/self/fd/2"),
    SYMLINK("dev/stdin", "/proc/self/fd/0"),
    SYMLINK("dev/stdout", "/proc/self/fd/1"),
    CHARACTER("dev/tty", 0666, 5, 0),
    CHARACTER("dev/tty0", 0620, 4, 0),
    CHARACTER("dev/ttyS0", 0660, 4, 64),
    CHARACTER("dev/urandom", 0666, 1, 9),
    CHARACTER("dev/zero", 0666, 1, 5),
    DIRECTORY("etc", 0755),
    FILE_WITH("etc/fstab", 0644, "# /sbin/init mounts what is needed; the root comes from the kernel's root=.\n"),
    FILE_WITH("etc/group", 0644, group),
    FILE_WITH("etc/hostname", 0644, "busybox\n"),
    FILE_WITH("etc/hosts", 0644, "127.0.0.1 localhost\n::1 localhost\n"),
    FILE_WITH("etc/os-release", 0644, os_release),
    FILE_WITH("etc/passwd", 0644,
              "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"),
    FILE_WITH("etc/profile", 0644, profile),
    DIRECTORY("etc/profile.d", 0755),
    FILE_WITH("etc/shadow", 0600, "root:*:18262:0:99999:7:::\nnobody:*:18262:0:99999:7:::\n"),
    FILE_WITH("etc/shells", 0644, "/bin/sh\n/bin/ash\n"),
    SYMLINK("init", "sbin/init"),
    DIRECTORY("mnt", 0755),
    DIRECTORY("proc", 0555),
    DIRECTORY("root", 0700),
    DIRECTORY("run", 0755),
    DIRECTORY("sbin", 0755),
    FILE_WITH("sbin/init", 0755, init_script),
    DIRECTORY("sys", 0555),
    DIRECTORY("tmp", 01777),
    DIRECTORY("usr", 0755),
    DIRECTORY("usr/bin", 0755),
    DIRECTORY("usr/sbin", 0755),
    DIRECTORY("var", 0755),
    DIRECTORY("var/lib", 0755),
    DIRECTORY("var/log", 0755),
    SYMLINK("var/run", "/run"),
    DIRECTORY("var/spool", 0755),
    DIRECTORY("var/tmp", 01777),
};

const size_t fc_n_busybox_files = FC_LENGTH(fc_busybox_files);
