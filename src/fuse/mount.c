/* SPDX-License-Identifier: Apache-2.0 */
/* Make, serve and end the mount of a live tree. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "fuse/session.h"

static int open_service(struct fc_mount *m, const struct fc_mount_options *o, struct fc_error *err)
{
    struct fuse_lowlevel_ops operations;
    struct fuse_service_options so = {.mountpoint = o->mountpoint,
                                      .threads = o->threads,
                                      .allow_other = o->allow_other,
                                      .debug = o->debug,
                                      .operations = &operations,
                                      .userdata = m};
    char text[80];
    int r;

    /* The owner of a mount by an ordinary user owns nothing in it, so there the kernel must not check permissions. */
    snprintf(text, sizeof(text), "%s%s%s", o->read_only ? ",ro" : "",
             m->root_view ? ",suid,dev,default_permissions" : "", m->root_view || o->allow_other ? ",allow_other" : "");
    so.text = text;
    fuse_operations(&operations);
    m->service.mark = m;
    m->service.raw = fuse_raw;
    r = fuse_service_open(&m->service, &so, err);
    return r < 0 ? r : fuse_kill_enable(m, err);
}

static int fill(struct fc_mount *m, const struct fc_mount_options *o, struct fc_error *err)
{
    m->root_view = geteuid() == 0;
    m->own_as_set = o->own_as_set;
    m->own_uid = o->own_uid;
    m->own_gid = o->own_gid;
    m->classic_open = o->classic_open;
    if (o->me_as_set)
        m->me = (struct fuse_alias){o->me_uid, o->me_gid, geteuid(), getegid()};
    /* Below the mount to be, not in it. */
    m->host_fd = open(o->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return m->host_fd < 0 ? fc_fail_errno(err, errno, "cannot mount on %s", o->mountpoint) : 0;
}

void fuse_mount_init(struct fc_mount *m, struct fc_live *live, bool attached)
{
    m->live = live;
    m->attached = attached;
    m->host_fd = -1;
    pthread_mutex_init(&m->notifier.lock, NULL);
    pthread_cond_init(&m->notifier.more, NULL);
    pthread_cond_init(&m->notifier.drained, NULL);
    fuse_known_init(&m->known, attached);
    fuse_places_init(&m->places);
}

int fc_mount_new(const struct fc_mount_options *options, struct fc_mount **ret, struct fc_error *err)
{
    fc_auto(fc_mount_free) struct fc_mount *m = NULL;
    int r = fuse_check_mountpoint(options->mountpoint, err);

    if (r < 0)
        return r;
    m = calloc(1, sizeof(*m));
    if (!m)
        return fc_fail(err, ENOMEM, "out of memory");
    fuse_mount_init(m, options->live, false);
    r = fill(m, options, err);
    if (r == 0)
        r = open_service(m, options, err);
    if (r == 0)
        r = fuse_notifier_start(m, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&m);
    return 0;
}

/* A signal came: unmount while the threads still answer, by force of detaching if somebody is inside. */
static void end_by_signal(void *arg)
{
    struct fc_mount *m = arg;
    struct fc_error err = {0};

    if (fc_mount_flush(m, &err) < 0)
        fc_log(FC_LOG_WARN, "%s", err.msg);
    if (fc_mount_undo(m->service.mountpoint, false, &err) == 0)
        return;
    fc_log(FC_LOG_WARN, "%s; detaching it", err.msg);
    if (fc_mount_undo(m->service.mountpoint, true, &err) < 0)
        fc_log(FC_LOG_WARN, "%s", err.msg);
    fuse_service_end(&m->service);
}

int fc_mount_serve(struct fc_mount *m, struct fc_error *err)
{
    return fuse_service_wait(&m->service, end_by_signal, m, err);
}

void fc_mount_free(struct fc_mount *m)
{
    if (!m)
        return;
    fuse_service_close(&m->service);
    fuse_notifier_stop(m);
    fuse_service_release(&m->service);
    fuse_known_release(m);
    fuse_places_release(&m->places);
    if (m->host_fd >= 0)
        close(m->host_fd);
    pthread_cond_destroy(&m->notifier.drained);
    pthread_cond_destroy(&m->notifier.more);
    pthread_mutex_destroy(&m->notifier.lock);
    free(m);
}
