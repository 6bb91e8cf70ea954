/* SPDX-License-Identifier: Apache-2.0 */
/* Serve a session that a command has mounted in its user namespace. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuse/session.h"

/*
 * Who mounted it is root in there, so it is served as to root: the kernel checks permissions and keeps ACLs, new files
 * belong to their makers. Numbers of users and groups are those of the namespace, which are the tree's.
 */
static int fill(struct fc_mount *m, const struct fc_session_options *o, struct fc_error *err)
{
    m->root_view = true;
    m->single_id = o->single_id;
    m->batch_fsync = o->batch_fsync;
    m->host_fd = open(o->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return m->host_fd < 0 ? fc_fail_errno(err, errno, "%s", o->dir) : 0;
}

static int open_service(struct fc_mount *m, const struct fc_session_options *o, struct fc_error *err)
{
    struct fuse_lowlevel_ops operations;
    struct fuse_service_options so = {.text = "", .debug = o->debug, .operations = &operations, .userdata = m};
    int r;

    so.fd = fcntl(o->fuse_fd, F_DUPFD_CLOEXEC, 3);
    if (so.fd < 0)
        return fc_fail_errno(err, errno, "cannot serve the command");
    fuse_operations(&operations);
    m->service.mark = m;
    m->service.raw = fuse_raw;
    r = fuse_service_open(&m->service, &so, err);
    if (r < 0) {
        close(so.fd);
        return r;
    }
    return fuse_kill_enable(m, err);
}

int fc_session_new(const struct fc_session_options *options, struct fc_mount **ret, struct fc_error *err)
{
    fc_auto(fc_mount_free) struct fc_mount *m = calloc(1, sizeof(*m));
    int r;

    if (!m)
        return fc_fail(err, ENOMEM, "out of memory");
    fuse_mount_init(m, options->live, true);
    r = fill(m, options, err);
    if (r == 0)
        r = open_service(m, options, err);
    if (r == 0)
        r = fuse_notifier_start(m, err);
    if (r == 0)
        r = fuse_service_start(&m->service, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&m);
    return 0;
}

void fc_session_wait(struct fc_mount *m) { fuse_service_wait_end(&m->service); }

/* The threads are waited for by who waits for the session. */
void fc_session_end(struct fc_mount *m) { fuse_service_end(&m->service); }
