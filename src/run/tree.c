/* SPDX-License-Identifier: Apache-2.0 */
/* Mount the tree inside the namespaces, with what is bound for the time of the run, and make it the root. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "run/internal.h"

#define HOSTNAME "fccompose"

/* Descriptors of what lies on the host, from before something is mounted over it. */
struct sources {
    int *binds; /* of r->o->binds */
    int stage;  /* our own small file system: files of the run alone */
    char base[16];
};

/* A directory that every system has; what is in it is out of sight afterwards, for us alone. */
static int mount_stage(struct sources *s, struct fc_error *err)
{
    static const char *const places[] = {"/tmp", "/run", "/mnt", "/var"};

    for (size_t i = 0; i < FC_LENGTH(places); i++) {
        if (mount("tmpfs", places[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") == 0) {
            snprintf(s->base, sizeof(s->base), "%s", places[i]);
            s->stage = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
            return s->stage < 0 ? fc_fail_errno(err, errno, "%s", places[i]) : 0;
        }
        if (errno != ENOENT && errno != ENOTDIR)
            return run_explain_mount(errno, "a tmpfs", err);
    }
    return fc_fail(err, ENOENT, "there is neither /tmp nor /run, /mnt, /var to mount on");
}

static int open_sources(const struct run *r, struct sources *s, struct fc_error *err)
{
    s->binds = calloc(r->o->n_binds + 1, sizeof(*s->binds));
    if (!s->binds)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < r->o->n_binds; i++) {
        s->binds[i] = open(r->o->binds[i].source, O_PATH | O_CLOEXEC);
        if (s->binds[i] < 0)
            return fc_fail_errno(err, errno, "cannot bind %s", r->o->binds[i].source);
    }
    return 0;
}

static int write_stage(const struct sources *s, const char *name, const void *data, size_t size, mode_t mode)
{
    fc_auto(fc_close) int fd = openat(s->stage, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0)
        return -errno;
    return fchmod(fd, mode) < 0 ? -errno : fc_write_full(fd, data, size);
}

/* A copy of @path of the host, and @extra: what the command writes to it goes nowhere. */
static int copy_stage(const struct sources *s, const char *name, const char *path, const char *extra)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = path ? fc_read_file(AT_FDCWD, path, 256 << 10, &text) : 0;

    if (r == -ENOENT || r == -EACCES)
        r = 0;
    if (r == 0)
        r = fc_buf_adds(&text, extra);
    return r < 0 ? r : write_stage(s, name, text.data ? text.data : "", text.len, 0644);
}

static int fill_stage(const struct run *r, const struct sources *s, struct fc_error *err)
{
    static const char refuse[] =
        "#!/bin/sh\n# fccompose: no service starts while a command runs in the tree\nexit 101\n";
    static const char apt[] = "APT::Sandbox::User \"root\";\n";
    static const char alone[] = "127.0.0.1\tlocalhost " HOSTNAME "\n::1\tlocalhost ip6-localhost ip6-loopback\n";
    bool host = r->o->net == FC_RUN_NET_HOST;
    int e = copy_stage(s, "hosts", host ? "/etc/hosts" : NULL, host ? "127.0.1.1\t" HOSTNAME "\n" : alone);

    if (e == 0)
        e = copy_stage(s, "resolv.conf", host ? "/etc/resolv.conf" : NULL, "");
    if (e == 0)
        e = write_stage(s, "policy-rc.d", refuse, sizeof(refuse) - 1, 0755);
    if (e == 0)
        e = write_stage(s, "apt.conf", apt, sizeof(apt) - 1, 0644);
    if (e == 0 && mkdirat(s->stage, "root", 0755) < 0)
        e = -errno;
    return e < 0 ? fc_fail_errno(err, -e, "%s", s->base) : 0;
}

static int open_fuse(struct fc_error *err)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT)
        return fc_fail(err, ENOENT,
                       "there is no /dev/fuse: load the module (modprobe fuse), or give the container the device "
                       "(--device /dev/fuse)");
    if (errno == EACCES || errno == EPERM)
        return fc_fail(err, EACCES,
                       "/dev/fuse: %s: root can allow it (chmod 666 /dev/fuse, or a udev rule); a container needs "
                       "--device /dev/fuse",
                       strerror(errno));
    return fc_fail_errno(err, errno, "/dev/fuse");
}

/* No copy of the descriptor may stay here: when nobody serves it any more, what waits for an answer has to hear of that. */
static int mount_fuse(struct run *r, const struct sources *s, struct fc_error *err)
{
    struct run_msg m = {.kind = RUN_FUSE};
    fc_auto(fc_close) int fd = open_fuse(err);
    char place[32], options[128];
    int e;

    if (fd < 0)
        return fd;
    snprintf(place, sizeof(place), "%s/root", s->base);
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", fd);
    if (mount("fccompose", place, "fuse.fccompose", 0, options) < 0)
        return run_explain_mount(errno, "the tree (FUSE)", err);
    e = run_ask(r, &m, fd, err);
    if (e < 0)
        return e;
    close(fc_steal_fd(&fd));
    r->root_fd = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return r->root_fd < 0 ? fc_fail_errno(err, errno, "cannot open the tree") : 0;
}

static int bind_staged(const struct run *r, const struct sources *s, const char *name, const char *path,
                       struct fc_error *err)
{
    fc_auto(fc_close) int fd = openat(s->stage, name, O_PATH | O_CLOEXEC);

    return fd < 0 ? fc_fail_errno(err, errno, "%s", name) : run_bind(r, fd, path, false, false, err);
}

static bool exists(const struct run *r, const char *path)
{
    fc_auto(fc_close) int fd = run_open(r, path);

    return fd >= 0;
}

/* Where there is no /etc nobody would read them; Debian's invoke-rc.d asks policy-rc.d, and a tree's own one stays. */
static int bind_files(const struct run *r, const struct sources *s, struct fc_error *err)
{
    int e = 0;

    if (exists(r, "/etc"))
        e = bind_staged(r, s, "hosts", "/etc/hosts", err);
    if (e == 0 && exists(r, "/etc") && r->o->net == FC_RUN_NET_HOST)
        e = bind_staged(r, s, "resolv.conf", "/etc/resolv.conf", err);
    if (e == 0 && r->ids.single)
        e = bind_staged(r, s, "apt.conf", RUN_APT_CONF, err);
    if (e == 0 && exists(r, "/var/lib/dpkg") && exists(r, "/usr/sbin") && !exists(r, "/usr/sbin/policy-rc.d"))
        e = bind_staged(r, s, "policy-rc.d", "/usr/sbin/policy-rc.d", err);
    return e;
}

static int bind_wanted(const struct run *r, const struct sources *s, struct fc_error *err)
{
    int e = 0;

    for (size_t i = 0; i < r->o->n_binds && e == 0; i++) {
        const struct fc_run_bind *b = &r->o->binds[i];
        struct stat st;

        if (fstat(s->binds[i], &st) < 0)
            return fc_fail_errno(err, errno, "%s", b->source);
        e = run_bind(r, s->binds[i], b->target, S_ISDIR(st.st_mode), b->read_only, err);
    }
    return e;
}

/* The root that was is then below the new one, from where it is detached; pivot_root(2), NOTES. */
static int make_root(const struct run *r, struct fc_error *err)
{
    if (fchdir(r->root_fd) < 0)
        return fc_fail_errno(err, errno, "cannot enter the tree");
    if (syscall(SYS_pivot_root, ".", ".") == 0) {
        if (umount2(".", MNT_DETACH) < 0)
            return fc_fail_errno(err, errno, "cannot leave the host's file systems");
    } else if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) { /* the host runs from its initramfs */
        return fc_fail_errno(err, errno, "cannot make the tree the root");
    }
    return chdir("/") < 0 ? fc_fail_errno(err, errno, "/") : 0;
}

/* A network of its own has a loopback, which is down. */
static void raise_loopback(void)
{
    fc_auto(fc_close) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    if (fd >= 0)
        (void)ioctl(fd, SIOCSIFFLAGS, &lo);
}

static int mount_all(struct run *r, struct sources *s, struct fc_error *err)
{
    int e = open_sources(r, s, err);

    if (e == 0)
        e = mount_stage(s, err);
    if (e == 0)
        e = fill_stage(r, s, err);
    if (e == 0)
        e = mount_fuse(r, s, err);
    if (e == 0)
        e = run_system(r, err);
    if (e == 0)
        e = bind_files(r, s, err);
    if (e == 0)
        e = bind_wanted(r, s, err);
    return e;
}

int run_tree(struct run *r, struct fc_error *err)
{
    struct sources s = {.stage = -1};
    int e;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return run_explain_mount(errno, "anything", err);
    e = mount_all(r, &s, err);
    for (size_t i = 0; s.binds && i < r->o->n_binds; i++)
        if (s.binds[i] > 0)
            close(s.binds[i]);
    free(s.binds);
    if (s.stage >= 0)
        close(s.stage);
    if (e < 0)
        return e;
    e = make_root(r, err);
    if (e == 0)
        e = run_confine(r, err);
    if (e < 0)
        return e;
    if (sethostname(HOSTNAME, strlen(HOSTNAME)) < 0)
        return fc_fail_errno(err, errno, "cannot set the host name");
    if (r->o->net == FC_RUN_NET_NONE)
        raise_loopback();
    if (r->supervise)
        e = fc_supervise_watch(r->supervise, r->root_fd, r->proc_fd, err);
    return e;
}
