/* SPDX-License-Identifier: Apache-2.0 */
/* The file systems that a program expects to be there, and the host's name. */
#include "boot.h"
#include "sys.h"

/* The list of what is mounted; a longer one is cut, and then the kernel refuses what is there twice. */
static char mounted[1 << 16];

/* A file system and where it goes. */
struct place {
    const char *type, *path, *options;
    unsigned flags;
    bool only_if_empty; /* what an image has in /run and /tmp is to be seen */
};

static const struct place places[] = {
    {"proc", "/proc", NULL, MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC, false},
    {"sysfs", "/sys", NULL, MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC, false},
    {"devtmpfs", "/dev", "mode=0755", MOUNT_NO_SUID | MOUNT_NO_EXEC, false},
    {"devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", MOUNT_NO_SUID | MOUNT_NO_EXEC, false},
    {"tmpfs", "/dev/shm", "mode=1777", MOUNT_NO_SUID | MOUNT_NO_DEV, false},
    {"cgroup2", "/sys/fs/cgroup", NULL, MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC, false},
    {"tmpfs", "/run", "mode=0755", MOUNT_NO_SUID | MOUNT_NO_DEV, true},
    {"tmpfs", "/tmp", "mode=1777", MOUNT_NO_SUID | MOUNT_NO_DEV, true},
};

/* Whether the second word of a line of /proc/mounts is @path. */
static bool is_mounted(const char *path)
{
    size_t len = text_length(path);

    for (const char *p = mounted; *p;) {
        while (*p && *p != ' ')
            p++;
        p += *p == ' ';
        if (text_begins(p, path) && p[len] == ' ')
            return true;
        while (*p && *p != '\n')
            p++;
        p += *p == '\n';
    }
    return false;
}

/* One of getdents64(2): inode, offset, length of the record, type, name. */
enum { RECORD_LENGTH = 16, RECORD_NAME = 19 };

static bool is_empty(const char *path)
{
    char data[512];
    long fd = sys_open(path, OPEN_READ), n;
    bool empty = true;

    if (fd < 0)
        return true;
    while (empty && (n = sys_list((int)fd, data, sizeof(data))) > 0)
        for (long at = 0; at < n; at += *(uint16_t *)(data + at + RECORD_LENGTH))
            if (!text_same(data + at + RECORD_NAME, ".") && !text_same(data + at + RECORD_NAME, ".."))
                empty = false;
    sys_close((int)fd);
    return empty;
}

static void mount_one(const struct place *p)
{
    long r;

    if (is_mounted(p->path) || (p->only_if_empty && !is_empty(p->path)))
        return;
    sys_make_dir(p->path, 0755); /* it may be there, and the root may be read-only: the mount tells */
    r = sys_mount(p->type, p->path, p->type, p->flags, p->options);
    if (r < 0 && r != -BUSY && !text_same(p->type, "cgroup2"))
        say("cannot mount ", p->path, r);
}

/* What programs take for granted in /dev and devtmpfs does not have. */
static void link_devices(void)
{
    static const char *const links[][2] = {
        {"/proc/self/fd", "/dev/fd"},
        {"/proc/self/fd/0", "/dev/stdin"},
        {"/proc/self/fd/1", "/dev/stdout"},
        {"/proc/self/fd/2", "/dev/stderr"},
    };

    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        sys_make_link(links[i][0], links[i][1]);
}

void mount_all(void)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        mount_one(&places[i]);
        if (i == 0 && read_text("/proc/mounts", mounted, sizeof(mounted)) < 0)
            mounted[sizeof(mounted) - 1] = '\0';
    }
    link_devices();
}

void set_host_name(void)
{
    char name[65];
    long r = read_text("/etc/hostname", name, sizeof(name));
    size_t n = 0;

    if (r < 0)
        return;
    while (name[n] && name[n] != '\n')
        n++;
    r = n ? sys_host_name(name, n) : 0;
    if (r < 0)
        say("cannot set the host's name", NULL, r);
}
