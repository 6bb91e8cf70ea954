/* SPDX-License-Identifier: Apache-2.0 */
/* Make and end the mount of a virtual disk. */
#include "fuse/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "fuse/disk_session.h"

static int open_service(struct fc_disk *d, struct fc_error *err)
{
    const struct fc_disk_options *o = &d->options;
    struct fuse_lowlevel_ops operations;
    struct fuse_service_options so = {.mountpoint = o->mountpoint,
                                      .threads = DISK_THREADS,
                                      .allow_other = o->allow_other,
                                      .debug = o->debug,
                                      .operations = &operations,
                                      .userdata = d};
    char text[80];

    /* Everything of the tree can be read in it, so it is the owner's alone; root lets its own other processes in. */
    snprintf(text, sizeof(text), ",default_permissions,nosuid,nodev%s%s", o->overlay ? "" : ",ro",
             o->allow_other || geteuid() == 0 ? ",allow_other" : "");
    so.text = text;
    disk_operations(&operations);
    d->service.slow = true; /* planning takes its time */
    return fuse_service_open(&d->service, &so, err);
}

static int init_locks(struct fc_disk *d)
{
    pthread_condattr_t attr;
    int r = pthread_condattr_init(&attr);

    if (r != 0)
        return -r;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    r = pthread_cond_init(&d->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&d->planning, NULL);
    pthread_mutex_init(&d->lock, NULL);
    return -r;
}

static int start(struct fc_disk *d, struct fc_error *err)
{
    struct disk_node like = {0}, *node;
    int r = 0;

    if (d->options.overlay) {
        like.size = fc_overlay_size(d->options.overlay);
        like.data_bytes = like.size; /* what is written next cannot be known */
        r = disk_node_add(d, &like, &node, err);
    }
    if (r == 0)
        r = open_service(d, err);
    if (r == 0 && asprintf(&d->path, "%s/" FC_DISK_NAME, d->service.mountpoint) < 0) {
        d->path = NULL;
        r = fc_fail(err, ENOMEM, "out of memory");
    }
    if (r == 0)
        r = disk_keeper_start(d, err);
    return r < 0 ? r : fuse_service_start(&d->service, err);
}

int fc_disk_new(const struct fc_disk_options *options, struct fc_disk **ret, struct fc_error *err)
{
    fc_auto(fc_disk_free) struct fc_disk *d = NULL;
    int r = fuse_check_mountpoint(options->mountpoint, err);

    if (r < 0)
        return r;
    d = calloc(1, sizeof(*d));
    if (!d || init_locks(d) < 0) {
        free(fc_steal(&d));
        return fc_fail(err, ENOMEM, "out of memory");
    }
    d->options = *options;
    d->last_id = DISK_ROOT;
    d->uid = geteuid();
    d->gid = getegid();
    clock_gettime(CLOCK_REALTIME, &d->began);
    r = start(d, err);
    d->options.mountpoint = NULL; /* was borrowed for the call */
    if (r < 0)
        return r;
    *ret = fc_steal(&d);
    return 0;
}

const char *fc_disk_path(const struct fc_disk *d) { return d->path; }

bool fc_disk_is_served(const struct fc_disk *d) { return !atomic_load(&d->service.ended); }

unsigned fc_disk_opens(struct fc_disk *d)
{
    unsigned sum = 0;

    pthread_mutex_lock(&d->lock);
    for (const struct disk_node *n = d->nodes; n; n = n->next)
        sum += n->opens;
    pthread_mutex_unlock(&d->lock);
    return sum;
}

void fc_disk_end(struct fc_disk *d)
{
    struct fc_error err = {0};

    if (!fc_disk_is_served(d))
        return;
    if (fuse_is_ours(d->service.mountpoint) && fc_mount_undo(d->service.mountpoint, true, &err) < 0)
        fc_log(FC_LOG_WARN, "%s", err.msg);
    fuse_service_end(&d->service);
}

static void end_by_signal(void *arg) { fc_disk_end(arg); }

int fc_disk_wait(struct fc_disk *d, struct fc_error *err)
{
    return fuse_service_wait(&d->service, end_by_signal, d, err);
}

void fc_disk_free(struct fc_disk *d)
{
    if (!d)
        return;
    if (d->service.se) {
        fc_disk_end(d);
        fuse_service_join(&d->service);
        fuse_service_close(&d->service);
    }
    disk_keeper_stop(d);
    fuse_service_release(&d->service);
    disk_nodes_release(d);
    for (int i = 0; i < DISK_THREADS; i++)
        free(d->buffers[i]);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->planning);
    pthread_mutex_destroy(&d->lock);
    free(d->path);
    free(d);
}
