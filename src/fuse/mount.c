/* SPDX-License-Identifier: Apache-2.0 */
/* Make and end a session. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
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

    return n < 1 ? 1 : n > 4 ? 4 : (int)n;
}

static int fill(struct fc_mount *m, const struct fc_mount_options *o, struct fc_error *err)
{
    m->live = o->live;
    m->root_view = geteuid() == 0;
    m->own_as_set = o->own_as_set;
    m->own_uid = o->own_uid;
    m->own_gid = o->own_gid;
    m->classic_open = o->classic_open;
    m->n_threads = o->threads > 0 ? o->threads : default_threads();
    m->mountpoint = realpath(o->mountpoint, NULL);
    if (!m->mountpoint)
        return fc_fail_errno(err, errno, "cannot mount on %s", o->mountpoint);
    m->host_fd = open(m->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
    m->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->host_fd < 0 || m->stop_fd < 0)
        return fc_fail_errno(err, errno, "cannot mount on %s", o->mountpoint);
    return 0;
}

static int new_session(struct fc_mount *m, const struct fc_mount_options *o, struct fc_error *err)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_lowlevel_ops operations;
    char text[160];

    /* The owner of a mount by an ordinary user owns nothing in it, so there the kernel must not check permissions. */
    snprintf(text, sizeof(text), "fsname=fccompose,subtype=fccompose%s%s%s", o->read_only ? ",ro" : "",
             m->root_view ? ",suid,dev,default_permissions" : "", m->root_view || o->allow_other ? ",allow_other" : "");
    fuse_operations(&operations);
    if (fuse_opt_add_arg(&args, "fccompose") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
        fuse_opt_add_arg(&args, text) == 0 && (!o->debug || fuse_opt_add_arg(&args, "-d") == 0))
        m->se = fuse_session_new(&args, &operations, sizeof(operations), m);
    fuse_opt_free_args(&args);
    return m->se ? 0 : fc_fail(err, ENOMEM, "cannot make a FUSE session");
}

int fc_mount_new(const struct fc_mount_options *options, struct fc_mount **ret, struct fc_error *err)
{
    fc_auto(fc_mount_free) struct fc_mount *m = NULL;
    char words[SAID_MAX] = "";
    int r = fuse_check_mountpoint(options->mountpoint, err);

    if (r < 0)
        return r;
    m = calloc(1, sizeof(*m));
    if (!m)
        return fc_fail(err, ENOMEM, "out of memory");
    m->host_fd = m->stop_fd = -1;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->began, NULL);
    pthread_mutex_init(&m->notifier.lock, NULL);
    pthread_cond_init(&m->notifier.more, NULL);
    pthread_cond_init(&m->notifier.drained, NULL);
    fuse_set_log_func(on_fuse_log);
    said = words;
    r = fill(m, options, err);
    if (r == 0)
        r = new_session(m, options, err);
    if (r == 0 && fuse_session_mount(m->se, m->mountpoint) < 0) {
        fuse_session_destroy(m->se);
        m->se = NULL;
        r = fuse_explain(options, words, err);
    }
    said = NULL;
    if (r == 0)
        r = fuse_notifier_start(m, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&m);
    return 0;
}

/*
 * A mount that was detached while in use lives on, so libfuse would try to unmount what is no longer at its place, and
 * print that it cannot. It skips that when its descriptor polls as broken, so the write end of a pipe that nobody reads
 * takes the place of /dev/fuse; which also closes the latter, and ends the connection.
 */
static void sever(struct fc_mount *m)
{
    int ends[2];

    if (fuse_is_ours(m->mountpoint) || pipe2(ends, O_CLOEXEC) < 0)
        return;
    close(ends[0]);
    dup3(ends[1], fuse_session_fd(m->se), O_CLOEXEC);
    close(ends[1]);
}

void fc_mount_free(struct fc_mount *m)
{
    if (!m)
        return;
    atomic_store(&m->ended, true);
    if (m->se) {
        sever(m);
        fuse_session_unmount(m->se);
    }
    fuse_notifier_stop(m);
    if (m->se)
        fuse_session_destroy(m->se);
    if (m->host_fd >= 0)
        close(m->host_fd);
    if (m->stop_fd >= 0)
        close(m->stop_fd);
    pthread_cond_destroy(&m->notifier.drained);
    pthread_cond_destroy(&m->notifier.more);
    pthread_mutex_destroy(&m->notifier.lock);
    pthread_cond_destroy(&m->began);
    pthread_mutex_destroy(&m->lock);
    free(m->mountpoint);
    free(m);
}
