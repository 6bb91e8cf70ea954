/* SPDX-License-Identifier: Apache-2.0 */
/* Make and end a session of libfuse. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "fuse/session.h"

/* What libfuse says while it mounts, in this thread; otherwise it would print. */
static _Thread_local char *said;
enum { SAID_MAX = 256 };

static void on_fuse_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
    char line[1024];

    vsnprintf(line, sizeof(line), fmt, ap);
    line[strcspn(line, "\n")] = '\0';
    if (said && level <= FUSE_LOG_ERR && !*said)
        snprintf(said, SAID_MAX, "%.*s", SAID_MAX - 1, line);
    fc_log(level <= FUSE_LOG_WARNING ? FC_LOG_WARN : FC_LOG_DEBUG, "%s", line);
}

static int default_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    /* One leads, the others wait for the disk. */
    return n < 4 ? 4 : n > 8 ? 8 : (int)n;
}

static int new_session(struct fuse_service *s, const struct fuse_service_options *o, struct fc_error *err)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    char text[160];

    snprintf(text, sizeof(text), "fsname=fccompose,subtype=fccompose%s", o->text);
    if (fuse_opt_add_arg(&args, "fccompose") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
        fuse_opt_add_arg(&args, text) == 0 && (!o->debug || fuse_opt_add_arg(&args, "-d") == 0))
        s->se = fuse_session_new(&args, o->operations, sizeof(*o->operations), o->userdata);
    fuse_opt_free_args(&args);
    return s->se ? 0 : fc_fail(err, ENOMEM, "cannot make a FUSE session");
}

/* libfuse takes the name of a descriptor for a mount that is made already. */
static const char *place_of(const struct fuse_service *s, const struct fuse_service_options *o, char *buffer,
                            size_t size)
{
    if (s->mountpoint)
        return s->mountpoint;
    snprintf(buffer, size, "/dev/fd/%d", o->fd);
    return buffer;
}

static int mount_session(struct fuse_service *s, const struct fuse_service_options *o, struct fc_error *err)
{
    char words[SAID_MAX] = "", buffer[32];
    int r;

    fuse_set_log_func(on_fuse_log);
    said = words;
    r = new_session(s, o, err);
    if (r == 0 && fuse_session_mount(s->se, place_of(s, o, buffer, sizeof(buffer))) < 0) {
        fuse_session_destroy(s->se);
        s->se = NULL;
        r = s->mountpoint ? fuse_explain(o->mountpoint, o->allow_other, words, err)
                          : fc_fail(err, EIO, "cannot serve the command: %s", words);
    }
    said = NULL;
    return r;
}

int fuse_service_open(struct fuse_service *s, const struct fuse_service_options *options, struct fc_error *err)
{
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->leading, NULL);
    pthread_cond_init(&s->began, NULL);
    s->userdata = options->userdata;
    s->n_threads = options->threads > 0 ? options->threads : default_threads();
    s->mountpoint = options->mountpoint ? realpath(options->mountpoint, NULL) : NULL;
    if (s->stop_fd < 0 || (options->mountpoint && !s->mountpoint))
        return fc_fail_errno(err, errno, "cannot mount on %s",
                             options->mountpoint ? options->mountpoint : "a descriptor");
    return mount_session(s, options, err);
}

/*
 * The kernel reads 128 KiB ahead in a mount of FUSE, whatever INIT says. Larger requests take a fifth less CPU time in
 * all, but only root may ask for them. (Splicing from the packs instead of reading them was tried: no faster.)
 */
void fuse_service_read_ahead(struct fuse_service *s)
{
    char path[80], text[16];
    dev_t dev;
    int fd;

    if (!s->mountpoint || geteuid() != 0 || atomic_exchange(&s->read_ahead, true) || !fuse_device(s->mountpoint, &dev))
        return;
    snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(dev), minor(dev));
    snprintf(text, sizeof(text), "%u", FUSE_IO_MAX >> 10);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        fc_log(FC_LOG_DEBUG, "%s: %s", path, strerror(errno));
    close(fd);
}

void fuse_service_inited(struct fuse_service *s)
{
    pthread_mutex_lock(&s->lock);
    s->inited = true;
    pthread_cond_broadcast(&s->began);
    pthread_mutex_unlock(&s->lock);
}

/*
 * A mount that was detached while in use lives on, so libfuse would try to unmount what is no longer at its place, and
 * print that it cannot. It skips that when its descriptor polls as broken, so the write end of a pipe that nobody reads
 * takes the place of /dev/fuse; which also closes the latter, and ends the connection.
 */
static void sever(struct fuse_service *s)
{
    int ends[2];

    if (fuse_is_ours(s->mountpoint) || pipe2(ends, O_CLOEXEC) < 0)
        return;
    close(ends[0]);
    dup3(ends[1], fuse_session_fd(s->se), O_CLOEXEC);
    close(ends[1]);
}

void fuse_service_close(struct fuse_service *s)
{
    if (!s->se)
        return;
    atomic_store(&s->ended, true);
    if (!s->mountpoint) /* who mounted it unmounts it; without us it is dead */
        return;
    sever(s);
    fuse_session_unmount(s->se);
}

void fuse_service_release(struct fuse_service *s)
{
    if (s->n_threads == 0) /* never opened */
        return;
    if (s->se)
        fuse_session_destroy(s->se);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    pthread_cond_destroy(&s->began);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->leading);
    free(s->mountpoint);
    *s = (struct fuse_service){0};
}
