/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor as a source of bytes that another thread reads, and that can be stopped. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stack/stack.h"

/* Wait for bytes, or for the stop. Returns 0 or -errno. */
static int wait_readable(const struct fc_fd_source *s)
{
    struct pollfd fds[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->stop, .events = POLLIN}};

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return -errno;
    return fds[1].revents ? -ECANCELED : 0;
}

static ssize_t source_read(struct fc_byte_source *base, void *buffer, size_t size, struct fc_error *err)
{
    struct fc_fd_source *s = (struct fc_fd_source *)base;
    int r = s->stop >= 0 ? wait_readable(s) : 0;
    ssize_t n = -1;

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s", s->label);
    do
        n = read(s->fd, buffer, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fc_fail_errno(err, errno, "cannot read %s", s->label);
    fc_sample_add(&s->sample, buffer, (size_t)n);
    return n;
}

static void source_cancel(struct fc_byte_source *base)
{
    const struct fc_fd_source *s = (struct fc_fd_source *)base;

    if (s->stop >= 0)
        (void)eventfd_write(s->stop, 1);
}

int fc_fd_source_init(struct fc_fd_source *s, int fd, const char *label, struct fc_error *err)
{
    struct stat st;

    *s = (struct fc_fd_source){
        .source = {.read = source_read, .cancel = source_cancel}, .fd = fd, .stop = -1, .label = label};
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return 0;
    s->stop = eventfd(0, EFD_CLOEXEC);
    return s->stop < 0 ? fc_fail_errno(err, errno, "cannot read %s", label) : 0;
}

void fc_fd_source_release(struct fc_fd_source *s)
{
    if (s->stop >= 0)
        close(s->stop);
    s->stop = -1;
}
