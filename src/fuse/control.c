/* SPDX-License-Identifier: Apache-2.0 */
/* The server of the control socket: a thread that accepts, and one for each connection. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "fuse/control_server.h"
#include "live/verb.h"

enum { BEGUN_SECONDS = 30 };

static int do_pin(struct connection *c, struct fc_error *err)
{
    struct timeval limit = {.tv_sec = BEGUN_SECONDS};
    int r;

    if (c->pinned)
        return fc_fail(err, EALREADY, "pinned already");
    r = control_flush_all(c->control, err);
    if (r == 0)
        r = fc_live_pin(c->control->live, err);
    if (r < 0)
        return r;
    c->pinned = c->holding = true;
    /* Nothing is committed while we wait for BEGUN, so a client that was stopped must not keep us waiting. */
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return 0;
}

static int do_begun(struct connection *c, struct fc_error *err)
{
    struct timeval forever = {0};

    if (!c->holding)
        return fc_fail(err, EINVAL, "BEGUN without PIN");
    fc_live_resume(c->control->live);
    c->holding = false;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
    return 0;
}

/* However the connection ended. */
static void unpin(struct connection *c)
{
    if (c->holding)
        fc_live_resume(c->control->live);
    if (c->pinned)
        fc_live_unpin(c->control->live);
    c->holding = c->pinned = false;
}

static int do_verb(struct fc_control *s, const struct fc_buf *data, int fd, struct fc_error *err)
{
    struct fc_verb verb;
    int r = fc_verb_decode(data->data, data->len, fd, &verb);

    if (r < 0)
        return fc_fail(err, -r, "the request cannot be understood");
    return fc_verb_apply(s->live, &verb, err);
}

static int do_reset(struct fc_control *s, const struct fc_buf *data, struct fc_error *err)
{
    fc_auto(fc_free) const char **paths = NULL;
    size_t n = 0, cap = 0;

    if (data->len > 0 && data->data[data->len - 1] != '\0')
        return fc_fail(err, EBADMSG, "the request cannot be understood");
    for (size_t at = 0; at < data->len; at += strlen(data->data + at) + 1) {
        if (fc_grow(&paths, &cap, n + 1, sizeof(*paths)) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        paths[n++] = data->data + at;
    }
    return fc_live_reset(s->live, paths, n, err);
}

/* What to do about a mount that takes no changes. */
static int say_read_only(const struct fc_control *s, struct fc_error *err)
{
    if (!s->mount)
        return -EROFS;
    return fc_fail(err, EROFS, "the workspace is mounted read-only on %s: unmount it first (fccompose umount)",
                   s->mount->service.mountpoint);
}

static int do_info(struct fc_control *s, struct fc_buf *ret)
{
    struct control_info info = {.pid = getpid(), .n_sessions = control_count_sessions(s)};
    const char *mountpoint = s->mount ? s->mount->service.mountpoint : "";
    int r = fc_buf_add(ret, &info, sizeof(info));

    if (r == 0)
        r = fc_buf_add(ret, mountpoint, strlen(mountpoint) + 1);
    return r < 0 ? r : fc_buf_adds(ret, s->disk && fc_disk_is_served(s->disk) ? fc_disk_path(s->disk) : "");
}

/* A machine that runs from the disk would lose it. The kernel tells of a close a little later, so ask for half a second. */
static int refuse_open_disk(const struct fc_control *s, struct fc_error *err)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

    if (!s->disk)
        return 0;
    for (int i = 0; i < 50; i++) {
        if (!fc_disk_is_served(s->disk) || fc_disk_opens(s->disk) == 0)
            return 0;
        nanosleep(&pause, NULL);
    }
    return fc_fail(err, EBUSY, "%s is in use: end what has it open, or detach it with --lazy", fc_disk_path(s->disk));
}

static int undo_mount(const struct fc_control *s, bool lazy, struct fc_error *err)
{
    int r = fc_mount_flush(s->mount, err);

    if (r < 0 && !lazy)
        return r;
    r = fc_mount_undo(s->mount->service.mountpoint, lazy, err);
    return r == -EINVAL ? 0 : r; /* unmounted by other means: all the better */
}

static int do_stop(struct fc_control *s, bool lazy, struct fc_error *err)
{
    int r = lazy ? 0 : refuse_open_disk(s, err), n = control_count_sessions(s);

    if (n > 0 && !lazy)
        return fc_fail(err, EBUSY, "a command runs in the tree (fccompose run): wait for it, or end it with --lazy");
    pthread_mutex_lock(&s->lock);
    control_end_sessions(s);
    pthread_mutex_unlock(&s->lock);
    if (!s->mount && !s->disk && n > 0)
        return 0;
    if (!s->mount && !s->disk)
        return fc_fail(err, EOPNOTSUPP, "nothing is mounted");
    if (r == 0 && s->mount)
        r = undo_mount(s, lazy, err);
    if (r == 0)
        r = fc_live_sync(s->live, true, err);
    if (r < 0)
        return r;
    if (s->disk)
        fc_disk_end(s->disk);
    if (s->mount)
        fuse_service_end(&s->mount->service);
    return 0;
}

/* Returns 0 or the negative code that @err explains; data for the reply goes to @ret. */
static int answer(struct connection *c, const struct control_header *h, const struct fc_buf *data, int fd,
                  struct fc_buf *ret, struct fc_error *err)
{
    struct fc_control *s = c->control;
    int r;

    switch (h->kind) {
    case CONTROL_PIN:
        return do_pin(c, err);
    case CONTROL_BEGUN:
        return do_begun(c, err);
    case CONTROL_VERB:
        r = do_verb(s, data, fd, err);
        break;
    case CONTROL_RESET:
        r = do_reset(s, data, err);
        break;
    case CONTROL_SERVE:
        return control_do_serve(c, data, fd, err);
    case CONTROL_PLACE:
        return control_do_place(c, data, err);
    case CONTROL_SERVED:
        return control_do_served(c, err);
    case CONTROL_INFO:
        return do_info(s, ret);
    case CONTROL_STOP:
        return do_stop(s, data->len > 0 && data->data[0] != 0, err);
    default:
        return fc_fail(err, EOPNOTSUPP, "the mount process does not know this request");
    }
    if (r == -EROFS)
        return say_read_only(s, err);
    control_drain_all(s); /* who asked wants to see it in the mount; also what was done before a failure */
    return r;
}

static void converse(struct connection *c)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf data = {0}, reply = {0};
    struct control_header h;
    int r;

    for (;;) {
        fc_auto(fc_close) int passed = -1;
        struct fc_error err = {0};

        r = control_receive(c->fd, &h, &data, &passed);
        if (r <= 0)
            break;
        fc_buf_clear(&reply);
        r = answer(c, &h, &data, passed, &reply, &err);
        if (r < 0)
            r = control_send(c->fd, h.kind, -r, err.msg, strlen(err.msg), -1);
        else
            r = control_send(c->fd, h.kind, 0, reply.data, reply.len, -1);
        if (r < 0)
            break;
    }
    if (r == -EAGAIN)
        fc_log(FC_LOG_WARN, "a reader of the workspace did not go on; its view is dropped");
    else if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        fc_log(FC_LOG_WARN, "control connection: %s", strerror(-r));
}

static void *connection_main(void *arg)
{
    struct connection *c = arg;

    converse(c);
    unpin(c);
    if (c->session)
        fc_session_end(c->session);
    control_end_session(c);
    pthread_mutex_lock(&c->control->lock);
    close(c->fd);
    c->fd = -1;
    c->done = true;
    pthread_mutex_unlock(&c->control->lock);
    return NULL;
}

static bool may_connect(int fd)
{
    struct ucred cred;
    socklen_t size = sizeof(cred);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 && (cred.uid == geteuid() || cred.uid == 0);
}

/* A free place; the threads of those that ended are joined on the way. With the lock held. */
static struct connection *find_place(struct fc_control *s)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &s->connections[i];

        if (c->used && c->done) {
            pthread_join(c->thread, NULL); /* it has nothing left to do, and needs no lock for it */
            c->used = false;
        }
        if (!c->used)
            return c;
    }
    return NULL;
}

static void refuse(int fd, int code, const char *words)
{
    control_send(fd, 0, code, words, strlen(words), -1);
    close(fd);
}

static void accept_one(struct fc_control *s)
{
    int fd = control_accept(s->listen_fd, &s->spare_fd), r = -EAGAIN;
    struct connection *c;

    if (fd < 0)
        return;
    if (s->spare_fd < 0) {
        refuse(fd, EMFILE, "the mount process has as many files open as it may; try again");
        return;
    }
    if (!may_connect(fd)) {
        refuse(fd, EPERM, "the mount belongs to another user");
        return;
    }
    pthread_mutex_lock(&s->lock);
    c = find_place(s);
    if (c) {
        *c = (struct connection){.control = s, .fd = fd};
        r = pthread_create(&c->thread, NULL, connection_main, c);
        c->used = r == 0;
    }
    pthread_mutex_unlock(&s->lock);
    if (r != 0)
        refuse(fd, EAGAIN, "the mount process has too many clients; try again");
}

static void *accept_main(void *arg)
{
    struct fc_control *s = arg;
    struct pollfd p[2] = {{.fd = s->stop_fd, .events = POLLIN}, {.fd = s->listen_fd, .events = POLLIN}};

    for (;;) {
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[0].revents)
            return NULL;
        if (p[1].revents)
            accept_one(s);
    }
}

/* Bind to @path; a socket file that nobody listens on any more is replaced. */
static int bind_path(int fd, const char *path, struct fc_error *err)
{
    fc_auto(fc_close) int dir = -1, probe = -1;
    struct sockaddr_un address;
    int r = control_address(path, &address, &dir);

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot make the socket %s", path);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return fc_fail_errno(err, errno, "cannot make the socket %s", path);
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0 || connect(probe, (struct sockaddr *)&address, sizeof(address)) == 0 || errno != ECONNREFUSED)
        return fc_fail(err, EBUSY, "another process serves %s", path);
    if (unlink(path) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return fc_fail_errno(err, errno, "cannot replace the socket %s of a dead process", path);
    return 0;
}

static int start(struct fc_control *s, struct fc_error *err)
{
    int r;

    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (s->listen_fd < 0 || s->stop_fd < 0)
        return fc_fail_errno(err, errno, "cannot make a socket");
    /* Before bind(), so that the file never has another mode; the clients' ids are checked besides. */
    if (fchmod(s->listen_fd, 0600) < 0)
        return fc_fail_errno(err, errno, "cannot make a socket");
    r = bind_path(s->listen_fd, s->path, err);
    if (r < 0)
        return r;
    if (lstat(s->path, &s->socket) < 0 || listen(s->listen_fd, 16) < 0)
        return fc_fail_errno(err, errno, "cannot listen on %s", s->path);
    r = pthread_create(&s->thread, NULL, accept_main, s);
    if (r != 0)
        return fc_fail_errno(err, r, "cannot start a thread");
    s->running = true;
    return 0;
}

int fc_control_new(const struct fc_control_options *options, struct fc_control **ret, struct fc_error *err)
{
    struct fc_control *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return fc_fail(err, ENOMEM, "out of memory");
    s->live = options->live;
    s->mount = options->mount;
    s->disk = options->disk;
    s->listen_fd = s->stop_fd = s->spare_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    s->path = strdup(options->path);
    r = s->path ? start(s, err) : fc_fail(err, ENOMEM, "out of memory");
    if (r < 0) {
        fc_control_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void stop_threads(struct fc_control *s)
{
    uint64_t one = 1;

    if (write(s->stop_fd, &one, sizeof(one)) < 0)
        return;
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->lock);
    control_end_sessions(s);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (s->connections[i].used && s->connections[i].fd >= 0)
            shutdown(s->connections[i].fd, SHUT_RD); /* the answer to a request in progress is still sent */
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (s->connections[i].used)
            pthread_join(s->connections[i].thread, NULL);
}

void fc_control_free(struct fc_control *s)
{
    struct stat st;

    if (!s)
        return;
    if (s->running)
        stop_threads(s);
    if (s->socket.st_ino != 0 && lstat(s->path, &st) == 0 && st.st_ino == s->socket.st_ino &&
        st.st_dev == s->socket.st_dev)
        unlink(s->path);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    if (s->spare_fd >= 0)
        close(s->spare_fd);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
}
