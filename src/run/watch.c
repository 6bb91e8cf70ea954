/* SPDX-License-Identifier: Apache-2.0 */
/* Turn the system calls that a seccomp listener reports into edits of the tree, and answer them. */
#include "run/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/xattr.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "run/calls.h"
#include "run/target.h"
#include "run/wire.h"

/* Not for the tree: the kernel goes on with the call, and answers in its own words. */
enum { GO_ON = 1 };

#define CAP(name) (UINT64_C(1) << (name))

/* A call under way. */
struct report {
    const struct fc_watch *w;
    const struct seccomp_notif *n;
    const struct fc_call *call;
    int listener;
    struct fc_target target;
    int fd; /* what the call is about: the directory of a node, or the object */
    struct fc_run_edit edit;
    char path[PATH_MAX], name[FC_WIRE_NAME + 1], value[FC_WIRE_VALUE];
};

static uint64_t argument(const struct report *r, int i) { return r->n->data.args[i]; }

/*
 * The caller's memory and folders are read while it waits. It may have been killed meanwhile and its number be another's; and
 * other threads of it may change what was read. The first is asked here, before anything is done. The second gives the caller
 * nothing: whatever the path or the value then says, it names a thing of the tree that the caller may edit anyway, and what
 * goes on in the kernel is checked by the kernel.
 */
static bool still_waits(const struct report *r)
{
    uint64_t id = r->n->id;

    return ioctl(r->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* The object behind r->fd is one of the tree, and may be written to. */
static int identify(struct report *r)
{
    struct stat st;
    struct statfs fs;

    if (fstat(r->fd, &st) < 0 || st.st_dev != r->w->dev || fstatfs(r->fd, &fs) < 0 || (fs.f_flags & ST_RDONLY))
        return GO_ON;
    r->edit.ino = st.st_ino;
    return 0;
}

/* Cut r->path into a directory and a name, as mknod(2) takes it: names that it refuses are the kernel's. */
static const char *split(struct report *r)
{
    char *slash = strrchr(r->path, '/'), *name = slash ? slash + 1 : r->path;
    size_t len = strlen(name);

    if (len == 0 || len > FC_WIRE_NAME || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return NULL;
    memcpy(r->name, name, len + 1);
    if (!slash)
        return ".";
    if (slash == r->path)
        return "/";
    *slash = '\0';
    return r->path;
}

static int starting_point(const struct report *r)
{
    return r->call->dir < 0 ? AT_FDCWD : (int)(uint32_t)argument(r, r->call->dir);
}

static int read_path(struct report *r)
{
    return fc_target_text(&r->target, argument(r, r->call->path), r->path, sizeof(r->path)) < 0 ? GO_ON : 0;
}

/* mknod(2). Device numbers are those of user space: 12 bits of major, and 20 of minor around them. */
static int take_node(struct report *r)
{
    uint32_t mode = (uint32_t)argument(r, r->call->first) & 0xffff;
    uint32_t dev = (uint32_t)argument(r, r->call->first + 1);
    const char *parent;
    struct stat st;

    if (!fc_target_may(&r->target, CAP(CAP_MKNOD) | CAP(CAP_DAC_OVERRIDE)) || read_path(r) != 0)
        return GO_ON;
    parent = split(r);
    r->fd = parent ? fc_target_walk(&r->target, starting_point(r), parent, O_DIRECTORY) : -1;
    if (r->fd < 0 || fstatat(r->fd, r->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return GO_ON;
    r->edit.kind = FC_RUN_EDIT_NODE;
    r->edit.name = r->name;
    r->edit.mode = mode;
    r->edit.umask = r->target.umask;
    r->edit.rdev_major = (dev & 0xfff00) >> 8;
    r->edit.rdev_minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
    r->edit.uid = r->target.fsuid;
    r->edit.gid = r->target.fsgid;
    return identify(r);
}

/* The object of a call that changes one. */
static int find_object(struct report *r)
{
    const struct fc_call *c = r->call;
    uint32_t at = c->at_flags < 0 ? 0 : (uint32_t)argument(r, c->at_flags);
    bool empty;

    if (at & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return GO_ON;
    if (c->path >= 0 && read_path(r) != 0)
        return GO_ON;
    empty = c->path >= 0 && !r->path[0] && (at & AT_EMPTY_PATH);
    if (c->path < 0 || (empty && starting_point(r) != AT_FDCWD))
        r->fd = fc_target_fd(&r->target, starting_point(r), empty);
    else
        r->fd = fc_target_walk(&r->target, starting_point(r), empty ? "." : r->path,
                               c->no_follow || (at & AT_SYMLINK_NOFOLLOW) ? O_NOFOLLOW : 0);
    return r->fd < 0 ? GO_ON : identify(r);
}

static bool begins(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

/* Whether the tree takes this attribute from this caller; of others (user.*, ACLs) the kernel lets through what it may. */
static int take_name(struct report *r)
{
    uint64_t need = CAP(CAP_DAC_OVERRIDE);

    if (fc_target_text(&r->target, argument(r, r->call->first), r->name, sizeof(r->name)) < 0)
        return GO_ON;
    if (strcmp(r->name, XATTR_NAME_CAPS) == 0)
        need |= CAP(CAP_SETFCAP);
    else if (begins(r->name, XATTR_TRUSTED_PREFIX) || begins(r->name, XATTR_SECURITY_PREFIX))
        need |= CAP(CAP_SYS_ADMIN);
    else
        return GO_ON;
    r->edit.name = r->name;
    return fc_target_may(&r->target, need) ? 0 : GO_ON;
}

/* File capabilities of a form that Linux takes; others are EINVAL, which the kernel says. */
static bool is_capability(const void *value, size_t size)
{
    const unsigned char *b = value;

    return (size == XATTR_CAPS_SZ_2 && b[3] == VFS_CAP_REVISION_2 >> 24) ||
           (size == XATTR_CAPS_SZ_3 && b[3] == VFS_CAP_REVISION_3 >> 24);
}

/* The structure of setxattrat(2). */
struct packed_args {
    uint64_t value;
    uint32_t size, flags;
};

static int take_value(struct report *r)
{
    int i = r->call->first + 1;
    struct packed_args a = {argument(r, i), 0, 0};

    if (!r->call->packed) {
        uint64_t size = argument(r, i + 1);

        a.size = size > FC_WIRE_VALUE ? UINT32_MAX : (uint32_t)size;
        a.flags = (uint32_t)argument(r, i + 2);
    } else if (argument(r, i + 1) != sizeof(a) || fc_target_bytes(&r->target, argument(r, i), &a, sizeof(a)) < 0) {
        return GO_ON;
    }
    if (a.size > FC_WIRE_VALUE || (a.flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)) ||
        (a.size && fc_target_bytes(&r->target, a.value, r->value, a.size) < 0))
        return GO_ON;
    if (strcmp(r->name, XATTR_NAME_CAPS) == 0 && !is_capability(r->value, a.size))
        return GO_ON;
    r->edit.value = r->value;
    r->edit.size = a.size;
    r->edit.flags = (int)a.flags;
    return 0;
}

static int take_xattr(struct report *r)
{
    int code = take_name(r);

    r->edit.kind = r->call->kind == FC_CALL_XATTR ? FC_RUN_EDIT_XATTR : FC_RUN_EDIT_REMOVE_XATTR;
    if (code == 0 && r->call->kind == FC_CALL_XATTR)
        code = take_value(r);
    return code == 0 ? find_object(r) : code;
}

static uint32_t id_argument(const struct report *r, int i)
{
    uint32_t id = (uint32_t)argument(r, i);

    if (!r->call->ids_of_16bit)
        return id;
    return (id & 0xffff) == 0xffff ? UINT32_MAX : id & 0xffff;
}

static int take_owner(struct report *r)
{
    r->edit.kind = FC_RUN_EDIT_OWNER;
    r->edit.uid = id_argument(r, r->call->first);
    r->edit.gid = id_argument(r, r->call->first + 1);
    if (!fc_target_may(&r->target, CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE)))
        return GO_ON;
    return find_object(r);
}

/* Have the parent make the edit. Its end is the end of all. */
static int have_made(struct report *r)
{
    int code = 0, n = fc_wire_send(r->w->edits, &r->edit, 0);

    if (n == 0)
        n = fc_wire_receive_code(r->w->edits, &code, NULL);
    return n == 1 ? code : -EIO;
}

static int handle(struct report *r)
{
    int code = GO_ON;

    r->fd = -1;
    r->call = fc_call_find(r->n->data.arch, r->n->data.nr);
    if (!r->call || fc_target_open(r->w->proc_fd, (pid_t)r->n->pid, &r->target) < 0)
        return GO_ON;
    switch ((enum fc_call_kind)r->call->kind) {
    case FC_CALL_NODE:
        code = take_node(r);
        break;
    case FC_CALL_OWNER:
        code = take_owner(r);
        break;
    default:
        code = take_xattr(r);
    }
    if (code == 0)
        code = still_waits(r) ? have_made(r) : GO_ON;
    fc_close_auto(&r->fd);
    fc_target_close(&r->target);
    return code;
}

/* Returns false when there are no more. */
static bool next_report(struct report *r, struct seccomp_notif *n, size_t size, struct seccomp_notif_resp *answer)
{
    int code;

    memset(n, 0, size);
    if (ioctl(r->listener, SECCOMP_IOCTL_NOTIF_RECV, n) < 0)
        return errno == EINTR || errno == ENOENT; /* killed before it was heard */
    r->n = n;
    r->edit = (struct fc_run_edit){0};
    code = handle(r);
    *answer = (struct seccomp_notif_resp){.id = n->id};
    if (code == GO_ON)
        answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else
        answer->error = code;
    /* Before Linux 5.5 a call cannot be given back: it fails as it would in the kernel. */
    if (ioctl(r->listener, SECCOMP_IOCTL_NOTIF_SEND, answer) < 0 && errno == EINVAL && code == GO_ON) {
        *answer = (struct seccomp_notif_resp){.id = n->id, .error = -EPERM};
        ioctl(r->listener, SECCOMP_IOCTL_NOTIF_SEND, answer);
    }
    return true;
}

/* Wait until @fd has something; false when the parent or @fd is gone. */
static bool wait_for(const struct fc_watch *w, int fd)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = w->edits, .events = 0}};

    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            return false;
    return !p[1].revents && (p[0].revents & POLLIN);
}

static void watch(const struct fc_watch *w, int listener)
{
    struct seccomp_notif_sizes sizes = {0};
    fc_auto(fc_free) struct report *r = calloc(1, sizeof(*r));
    fc_auto(fc_free) struct seccomp_notif *n = NULL;
    fc_auto(fc_free) struct seccomp_notif_resp *answer = NULL;

    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
        return;
    if (sizes.seccomp_notif < sizeof(*n))
        sizes.seccomp_notif = sizeof(*n);
    if (sizes.seccomp_notif_resp < sizeof(*answer))
        sizes.seccomp_notif_resp = sizeof(*answer);
    n = malloc(sizes.seccomp_notif);
    answer = calloc(1, sizes.seccomp_notif_resp);
    if (!r || !n || !answer)
        return;
    r->w = w;
    r->listener = listener;
    while (wait_for(w, listener) && next_report(r, n, sizes.seccomp_notif, answer))
        ;
}

void fc_watch_run(const struct fc_watch *w)
{
    fc_auto(fc_close) int listener = -1;
    int code;

    if (!wait_for(w, w->listener) || fc_wire_receive_code(w->listener, &code, &listener) != 1)
        return;
    if (listener >= 0) {
        watch(w, listener);
        return;
    }
    fc_wire_send(w->edits, NULL, code);
    shutdown(w->listener, SHUT_RDWR); /* the command waits for that */
}
