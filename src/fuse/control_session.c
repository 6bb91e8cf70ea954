/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's part in the sessions of commands: each lasts as long as its connection. */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/control_server.h"

/* Every session of the tree: make it write back, or wait until it knows of every change. */
int control_flush_all(struct fc_control *s, struct fc_error *err)
{
    int r = s->mount ? fc_mount_flush(s->mount, err) : 0;

    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < CONNECTIONS_MAX && r == 0; i++)
        if (s->connections[i].session)
            r = fc_mount_flush(s->connections[i].session, err);
    pthread_mutex_unlock(&s->lock);
    return r;
}

void control_drain_all(struct fc_control *s)
{
    if (s->mount)
        fuse_notifier_drain(s->mount);
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (s->connections[i].session)
            fuse_notifier_drain(s->connections[i].session);
    pthread_mutex_unlock(&s->lock);
}

int control_count_sessions(struct fc_control *s)
{
    int n = 0;

    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        n += s->connections[i].session != NULL;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* Those who wait for them go on. With the lock. */
void control_end_sessions(struct fc_control *s)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (s->connections[i].session)
            fc_session_end(s->connections[i].session);
}

/* The session of a command, which lasts until it unmounts or its connection is closed. */
int control_do_serve(struct connection *c, const struct fc_buf *data, int fd, struct fc_error *err)
{
    struct fc_control *s = c->control;
    fc_auto(fc_free) char *path = strdup(s->path);
    struct fc_session_options o = {.live = s->live, .fuse_fd = fd};
    struct fc_mount *session = NULL;
    struct control_serve what;
    int r;

    if (c->session)
        return fc_fail(err, EALREADY, "a command is being served already");
    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    if (data->len != sizeof(what) || fd < 0)
        return fc_fail(err, EBADMSG, "the request cannot be understood");
    memcpy(&what, data->data, sizeof(what));
    o.dir = dirname(path);
    o.single_id = what.single_id;
    o.batch_fsync = what.batch_fsync;
    r = fc_session_new(&o, &session, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->lock);
    c->session = session;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

int control_do_place(const struct connection *c, const struct fc_buf *data, struct fc_error *err)
{
    struct control_place p;

    if (!c->session || data->len < sizeof(p))
        return fc_fail(err, EBADMSG, "the request cannot be understood");
    memcpy(&p, data->data, sizeof(p));
    return fc_session_place(c->session, p.parent, data->data + sizeof(p), p.directory, err);
}

/* Wait for the end of the session, if there is one, and let go of it. */
void control_end_session(struct connection *c)
{
    struct fc_mount *session = c->session;

    if (!session)
        return;
    fc_session_wait(session);
    pthread_mutex_lock(&c->control->lock);
    c->session = NULL;
    pthread_mutex_unlock(&c->control->lock);
    fc_mount_free(session);
}

int control_do_served(struct connection *c, struct fc_error *err)
{
    struct fc_control *s = c->control;

    if (!c->session)
        return fc_fail(err, EINVAL, "SERVED without SERVE");
    control_end_session(c);
    control_drain_all(s);
    return fc_live_sync(s->live, true, err);
}
