/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the control socket. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse/control.h"

static int peer(int fd, struct ucred *ret)
{
    socklen_t size = sizeof(*ret);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &size) < 0 ? -errno : 0;
}

int fc_control_connect(const char *path, struct fc_error *err)
{
    fc_auto(fc_close) int dir = -1, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;
    struct ucred cred;
    int r = control_address(path, &address, &dir);

    if (fd < 0)
        return fc_fail_errno(err, errno, "cannot make a socket");
    if (r == 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot reach the mount process through %s", path);
    r = peer(fd, &cred);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot reach the mount process through %s", path);
    /* Whoever listens there gets our files to read, so it must not be a stranger. */
    if (geteuid() != 0 && cred.uid != geteuid() && cred.uid != 0)
        return fc_fail(err, EPERM, "%s is served by another user", path);
    return fc_steal_fd(&fd);
}

/* Ask, and wait for the answer. A failure of the server becomes ours, words and all. */
static int ask(int fd, enum control_kind kind, const void *data, size_t size, int pass_fd, struct fc_buf *ret,
               struct fc_error *err)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf own = {0};
    struct fc_buf *reply = ret ? ret : &own;
    struct control_header h;
    int sent = control_send(fd, kind, 0, data, size, pass_fd), r;

    if (sent == -E2BIG)
        return fc_fail_errno(err, E2BIG, "cannot ask the mount process");
    r = control_receive(fd, &h, reply, NULL); /* a server that refuses us says why, though it does not read */
    if (r == 0 || r == -EPIPE || r == -ECONNRESET)
        return fc_fail(err, ECONNRESET, "the mount process ended before it answered");
    if (r == -EPROTO)
        return fc_fail(err, EPROTO, "the mount process is of another version of fccompose; umount and mount again");
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot hear the mount process");
    if (h.code != 0)
        return fc_fail(err, h.code, "%s", reply->data);
    return 0;
}

int fc_control_pin(int fd, struct fc_error *err) { return ask(fd, CONTROL_PIN, NULL, 0, -1, NULL, err); }

int fc_control_begun(int fd, struct fc_error *err) { return ask(fd, CONTROL_BEGUN, NULL, 0, -1, NULL, err); }

int fc_control_verb(int fd, const void *data, size_t size, int source_fd, struct fc_error *err)
{
    return ask(fd, CONTROL_VERB, data, size, source_fd, NULL, err);
}

int fc_control_reset(int fd, const char *const *paths, size_t n, struct fc_error *err)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf data = {0};

    for (size_t i = 0; i < n; i++)
        if (fc_buf_add(&data, paths[i], strlen(paths[i]) + 1) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    return ask(fd, CONTROL_RESET, data.data, data.len, -1, NULL, err);
}

int fc_control_serve(int fd, const struct fc_control_session *options, int fuse_fd, struct fc_error *err)
{
    const struct control_serve s = {.single_id = options->single_id, .batch_fsync = options->batch_fsync};

    return ask(fd, CONTROL_SERVE, &s, sizeof(s), fuse_fd, NULL, err);
}

int fc_control_place(int fd, uint64_t parent, const char *name, bool directory, struct fc_error *err)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf data = {0};
    struct control_place p;

    memset(&p, 0, sizeof(p)); /* the padding, too, is sent */
    p.parent = parent;
    p.directory = directory;
    if (fc_buf_add(&data, &p, sizeof(p)) < 0 || fc_buf_adds(&data, name) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    return ask(fd, CONTROL_PLACE, data.data, data.len, -1, NULL, err);
}

int fc_control_served(int fd, struct fc_error *err) { return ask(fd, CONTROL_SERVED, NULL, 0, -1, NULL, err); }

int fc_control_info(int fd, struct fc_control_info *ret, struct fc_error *err)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf reply = {0};
    struct control_info info;
    const char *mountpoint, *end;
    int r = ask(fd, CONTROL_INFO, NULL, 0, -1, &reply, err);

    *ret = (struct fc_control_info){0};
    if (r < 0)
        return r;
    mountpoint = reply.data + sizeof(info);
    end = reply.len > sizeof(info) ? memchr(mountpoint, '\0', reply.len - sizeof(info)) : NULL;
    if (!end)
        return fc_fail(err, EPROTO, "the mount process gave no sensible answer");
    memcpy(&info, reply.data, sizeof(info));
    ret->pid = info.pid;
    ret->n_sessions = info.n_sessions;
    ret->mountpoint = strdup(mountpoint);
    ret->disk = strdup(end + 1); /* a buffer always ends with a NUL */
    if (ret->mountpoint && ret->disk)
        return 0;
    fc_control_info_release(ret);
    return fc_fail(err, ENOMEM, "out of memory");
}

void fc_control_info_release(struct fc_control_info *info)
{
    free(info->mountpoint);
    free(info->disk);
    *info = (struct fc_control_info){0};
}

/* What the server held (locks, the database) is free when the process is gone; normally at once. */
static void wait_for_exit(int fd)
{
    enum { MILLISECONDS = 5000 };
    struct pollfd closed = {.fd = fd, .events = POLLIN};
    struct ucred cred;

    if (peer(fd, &cred) < 0 || cred.pid == getpid())
        return;
    fc_auto(fc_close) int pid_fd = (int)syscall(SYS_pidfd_open, cred.pid, 0);
    struct pollfd gone = {.fd = pid_fd, .events = POLLIN};

    if (poll(&closed, 1, -1) >= 0 && pid_fd >= 0) /* it lets go of the connection as one of its last acts */
        poll(&gone, 1, MILLISECONDS);
}

int fc_control_stop(int fd, bool lazy, struct fc_error *err)
{
    char flag = lazy;
    int r = ask(fd, CONTROL_STOP, &flag, 1, -1, NULL, err);

    if (r == 0)
        wait_for_exit(fd);
    return r;
}
