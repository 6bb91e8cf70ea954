/* SPDX-License-Identifier: Apache-2.0 */
/* Pass edits, answers and a descriptor between the processes of a run. */
#include "run/wire.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"

/* What a message has before its text. */
#define HEAD offsetof(struct fc_wire, text)

static int send_message(int fd, struct msghdr *m)
{
    ssize_t n;

    do
        n = sendmsg(fd, m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static ssize_t receive_message(int fd, struct msghdr *m)
{
    ssize_t n;

    do
        n = recvmsg(fd, m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int fc_wire_send(int fd, const struct fc_run_edit *edit, int without)
{
    union { /* sendmsg() takes pointers to what it only reads */
        const void *c;
        void *v;
    } name = {.c = edit && edit->name ? edit->name : ""}, value = {.c = edit ? edit->value : NULL};
    struct {
        struct fc_run_edit edit;
        int32_t without;
        uint32_t name_len;
    } head = {.without = without, .name_len = (uint32_t)strlen(name.c)};
    struct iovec parts[3] = {{&head, HEAD}, {name.v, head.name_len + 1}, {value.v, edit ? edit->size : 0}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 3};

    _Static_assert(sizeof(head) >= HEAD, "the head of struct fc_wire");
    if (head.name_len > FC_WIRE_NAME || parts[2].iov_len > FC_WIRE_VALUE)
        return -EMSGSIZE;
    if (edit)
        head.edit = *edit;
    return send_message(fd, &m);
}

int fc_wire_receive(int fd, struct fc_wire *ret)
{
    struct iovec part = {ret, sizeof(*ret)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n = receive_message(fd, &m);
    size_t text;

    if (n <= 0)
        return (int)n;
    text = (size_t)n - HEAD;
    if ((size_t)n < HEAD || ret->name_len > FC_WIRE_NAME || text <= ret->name_len || ret->text[ret->name_len] != '\0' ||
        text - ret->name_len - 1 != ret->edit.size)
        return -EBADMSG;
    ret->edit.name = ret->text;
    ret->edit.value = ret->text + ret->name_len + 1;
    return 1;
}

union control {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int fc_wire_send_code(int fd, int code, int pass_fd)
{
    struct iovec part = {&code, sizeof(code)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    union control c = {0};

    if (pass_fd >= 0) {
        m.msg_control = c.space;
        m.msg_controllen = sizeof(c.space);
        *CMSG_FIRSTHDR(&m) = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &pass_fd, sizeof(pass_fd));
    }
    return send_message(fd, &m);
}

int fc_wire_receive_code(int fd, int *ret_code, int *ret_fd)
{
    int code = 0;
    struct iovec part = {&code, sizeof(code)};
    union control c = {0};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    struct cmsghdr *h;
    ssize_t n;

    if (ret_fd) {
        *ret_fd = -1;
        m.msg_control = c.space;
        m.msg_controllen = sizeof(c.space);
    }
    n = receive_message(fd, &m);
    if (n != sizeof(code))
        return n > 0 ? -EBADMSG : (int)n;
    h = ret_fd ? CMSG_FIRSTHDR(&m) : NULL;
    if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(h), sizeof(int));
    *ret_code = code;
    return 1;
}
