/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and messages of the control socket, of both sides. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "fuse/control.h"

/** Room for one descriptor. */
union passed {
    struct cmsghdr header; /* for its alignment */
    char room[CMSG_SPACE(sizeof(int))];
};

static int send_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int control_send(int fd, uint32_t kind, int code, const void *data, size_t size, int pass_fd)
{
    struct control_header h = {.version = CONTROL_VERSION, .kind = kind, .code = code, .size = (uint32_t)size};
    struct iovec iov = {.iov_base = &h, .iov_len = sizeof(h)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union passed passed = {0};
    ssize_t n;
    int r;

    if (size > CONTROL_MAX)
        return -E2BIG;
    if (pass_fd >= 0) {
        passed.header =
            (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&passed.header), &pass_fd, sizeof(int));
        msg.msg_control = passed.room;
        msg.msg_controllen = sizeof(passed.room);
    }
    do
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    r = send_all(fd, (const char *)&h + n, sizeof(h) - (size_t)n);
    return r < 0 ? r : send_all(fd, data, size);
}

/* The header, and the descriptor that came with it. The kernel closes what does not fit. */
static ssize_t receive_header(int fd, struct control_header *h, int *ret_fd)
{
    struct iovec iov = {.iov_base = h, .iov_len = sizeof(*h)};
    union passed passed = {0};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = passed.room, .msg_controllen = sizeof(passed.room)};
    const struct cmsghdr *c;
    ssize_t n, more;

    do
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    more = fc_read_full(fd, (char *)h + n, sizeof(*h) - (size_t)n);
    return more < 0 ? more : n + more;
}

int control_receive(int fd, struct control_header *ret, struct fc_buf *ret_data, int *ret_fd)
{
    fc_auto(fc_close) int passed = -1;
    ssize_t n = receive_header(fd, ret, &passed);
    int r;

    if (n <= 0)
        return (int)n;
    if ((size_t)n < sizeof(*ret))
        return -EPIPE;
    if (ret->version != CONTROL_VERSION || ret->size > CONTROL_MAX)
        return -EPROTO;
    fc_buf_clear(ret_data);
    r = fc_buf_reserve(ret_data, ret->size);
    if (r < 0)
        return r;
    n = fc_read_full(fd, ret_data->data, ret->size);
    if (n < 0 || (size_t)n < ret->size)
        return n < 0 ? (int)n : -EPIPE;
    ret_data->len = ret->size;
    ret_data->data[ret->size] = '\0';
    if (ret_fd)
        *ret_fd = fc_steal_fd(&passed);
    return 1;
}

int control_accept(int listen_fd, int *spare)
{
    enum { SHORT_US = 100000 };
    int fd;

    if (*spare < 0)
        *spare = fcntl(listen_fd, F_DUPFD_CLOEXEC, 0);
    fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && *spare >= 0) {
        close(fc_steal_fd(spare));
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    }
    if (fd >= 0)
        return fd;
    fd = -errno;
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM)
        usleep(SHORT_US); /* whoever waits on the socket would ask again at once */
    return fd;
}

int control_address(const char *path, struct sockaddr_un *ret, int *ret_dir)
{
    fc_auto(fc_free) char *dir = NULL;
    const char *name = strrchr(path, '/');
    int n;

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_dir = -1;
    if (strlen(path) < sizeof(ret->sun_path)) {
        memcpy(ret->sun_path, path, strlen(path) + 1);
        return 0;
    }
    if (!name)
        return -ENAMETOOLONG;
    dir = strndup(path, (size_t)(name - path) + 1); /* with the slash, so that "/" stays what it is */
    if (!dir)
        return -ENOMEM;
    *ret_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_dir < 0)
        return -errno;
    n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d%s", *ret_dir, name);
    if (n > 0 && (size_t)n < sizeof(ret->sun_path))
        return 0;
    close(fc_steal_fd(ret_dir));
    return -ENAMETOOLONG;
}
