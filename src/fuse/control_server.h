/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the control socket's server share. Private to fuse/. */
#ifndef FC_FUSE_CONTROL_SERVER_H
#define FC_FUSE_CONTROL_SERVER_H

#include <pthread.h>
#include <sys/stat.h>

#include "fuse/control.h"
#include "fuse/disk.h"
#include "fuse/session.h"

enum { CONNECTIONS_MAX = 64 };

/** A client. */
struct connection {
    struct fc_control *control;
    int fd; /* -1: the place is free, or its thread waits to be joined */
    bool used, done, pinned, holding;
    struct fc_mount *session; /* of a command; set and cleared with the lock, by its thread */
    pthread_t thread;
};

struct fc_control {
    char *path;
    struct fc_live *live;
    struct fc_mount *mount;
    struct fc_disk *disk;
    int listen_fd, stop_fd, spare_fd;
    struct stat socket; /* of our socket file, so that only that one is removed */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* guards used, done, fd and session of the connections */
    struct connection connections[CONNECTIONS_MAX];
};

/* control_session.c */

/** Make every session of the tree write back what programs have mapped. Returns 0 or -errno with words. */
int control_flush_all(struct fc_control *s, struct fc_error *err);
/** Wait until every session knows of every change so far. */
void control_drain_all(struct fc_control *s);
/** How many commands have one. */
int control_count_sessions(struct fc_control *s);
/** End those; who waits for them goes on. With the lock. */
void control_end_sessions(struct fc_control *s);
/** Answer SERVE. */
int control_do_serve(struct connection *c, const struct fc_buf *data, int fd, struct fc_error *err);
/** Answer PLACE. */
int control_do_place(const struct connection *c, const struct fc_buf *data, struct fc_error *err);
/** Answer SERVED. */
int control_do_served(struct connection *c, struct fc_error *err);
/** Wait for the end of the connection's session, if there is one, and let go of it. */
void control_end_session(struct connection *c);

#endif
