/* SPDX-License-Identifier: Apache-2.0 */
/* The messages between the processes of a run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/internal.h"

/** Room for one descriptor. */
union passed {
    struct cmsghdr header; /* for its alignment */
    char room[CMSG_SPACE(sizeof(int))];
};

int run_send(int sock, const struct run_msg *m, int fd)
{
    union {
        const struct run_msg *c;
        void *v;
    } data = {.c = m};
    struct iovec iov = {.iov_base = data.v, .iov_len = sizeof(*m)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union passed passed = {0};
    ssize_t n;

    if (fd >= 0) {
        passed.header =
            (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&passed.header), &fd, sizeof(int));
        msg.msg_control = passed.room;
        msg.msg_controllen = sizeof(passed.room);
    }
    do
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int run_receive(int sock, struct run_msg *ret, int *ret_fd)
{
    struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
    union passed passed = {0};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = passed.room, .msg_controllen = sizeof(passed.room)};
    const struct cmsghdr *c;
    fc_auto(fc_close) int fd = -1;
    ssize_t n;

    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 && errno != ECONNRESET ? -errno : 0;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof(int));
    if ((size_t)n != sizeof(*ret))
        return -EPROTO;
    ret->text[sizeof(ret->text) - 1] = '\0';
    if (ret_fd)
        *ret_fd = fc_steal_fd(&fd);
    return 1;
}

void run_die(const struct run *r, const struct fc_error *err)
{
    struct run_msg m = {.kind = RUN_FAIL, .code = err->code ? err->code : EIO};

    memcpy(m.text, err->msg, sizeof(m.text));
    run_send(r->child_fd, &m, -1);
    _exit(RUN_FAILED);
}

int run_ask(const struct run *r, const struct run_msg *m, int fd, struct fc_error *err)
{
    struct run_msg reply;
    int n = run_send(r->child_fd, m, fd);

    if (n == 0)
        n = run_receive(r->child_fd, &reply, NULL);
    if (n <= 0) /* nobody is left to be told */
        _exit(RUN_FAILED);
    return reply.code ? fc_fail(err, reply.code, "%s", reply.text) : 0;
}
