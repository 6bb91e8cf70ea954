/* SPDX-License-Identifier: Apache-2.0 */
/* The moments of the virtual disk: when to plan anew, and for how long to keep a plan. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/disk_session.h"
#include "image/image.h"

static struct timespec now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t;
}

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static struct disk_node *find(const struct fc_disk *d, uint64_t id)
{
    struct disk_node *n = d->nodes;

    while (n && n->id != id)
        n = n->next;
    return n;
}

/* Plans: freed without the lock, since that is the most of the work of a big one. */

static void free_plans(struct disk_plan *list)
{
    while (list) {
        struct disk_plan *next = list->next;

        list->image.release(list->image.owner);
        free(list);
        list = next;
    }
}

static struct timespec grace_ends(const struct disk_node *n)
{
    return (struct timespec){n->idle_since.tv_sec + DISK_GRACE, n->idle_since.tv_nsec};
}

/*
 * Take out the plans that nobody has open: all whose time is over, and those older than the two newest. *ret_next is
 * when to look again, if any is left.
 */
static struct disk_plan *take_idle(struct fc_disk *d, bool *ret_left, struct timespec *ret_next)
{
    struct timespec at = now(CLOCK_MONOTONIC);
    struct disk_plan *list = NULL;
    unsigned newer = 0;

    *ret_left = false;
    for (struct disk_node *n = d->nodes; n; n = n->next) { /* newest first */
        if (!n->plan || n->opens > 0)
            continue;
        if (++newer > 2 || is_before(grace_ends(n), at)) {
            n->plan->next = list;
            list = n->plan;
            n->plan = NULL;
        } else if (!*ret_left || is_before(grace_ends(n), *ret_next)) {
            *ret_left = true;
            *ret_next = grace_ends(n);
        }
    }
    return list;
}

/* Free the nodes that nobody can reach any more. */
static void reap(struct fc_disk *d)
{
    struct disk_node **at = &d->nodes, *n;

    while ((n = *at)) {
        if (n == d->current || n->lookups > 0 || n->opens > 0 || n->plan) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        free(n);
    }
}

static void *keeper_main(void *arg)
{
    struct fc_disk *d = arg;

    pthread_mutex_lock(&d->lock);
    while (!d->stop) {
        struct timespec next = {0};
        bool left;
        struct disk_plan *list = take_idle(d, &left, &next);

        if (list) {
            reap(d);
            pthread_mutex_unlock(&d->lock);
            free_plans(list);
            pthread_mutex_lock(&d->lock);
        } else if (left) {
            pthread_cond_timedwait(&d->wake, &d->lock, &next);
        } else {
            pthread_cond_wait(&d->wake, &d->lock);
        }
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

int disk_keeper_start(struct fc_disk *d, struct fc_error *err)
{
    int r = pthread_create(&d->keeper, NULL, keeper_main, d);

    d->keeping = r == 0;
    return r == 0 ? 0 : fc_fail_errno(err, r, "cannot start a thread");
}

void disk_keeper_stop(struct fc_disk *d)
{
    if (!d->keeping)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->keeper, NULL);
    d->keeping = false;
}

/* Nodes */

static uint64_t data_bytes(const struct fc_image *image)
{
    const struct fc_segment *s;
    uint64_t sum = 0;
    size_t n;

    s = fc_image_segments(image, &n);
    for (size_t i = 0; i < n; i++)
        if (s[i].kind != FC_SEGMENT_ZERO)
            sum += s[i].length;
    return sum;
}

int disk_node_add(struct fc_disk *d, const struct disk_node *like, struct disk_node **ret, struct fc_error *err)
{
    struct disk_node *n = calloc(1, sizeof(*n));

    if (!n)
        return fc_fail(err, ENOMEM, "out of memory");
    n->version = like->version;
    n->size = like->size;
    n->data_bytes = like->data_bytes;
    n->plan = like->plan;
    n->time = now(CLOCK_REALTIME);
    n->idle_since = now(CLOCK_MONOTONIC);
    pthread_mutex_lock(&d->lock);
    n->id = ++d->last_id;
    n->next = d->nodes;
    d->nodes = d->current = n;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    *ret = n;
    return 0;
}

static int make_plan(struct fc_disk *d, struct disk_plan **ret, struct fc_error *err)
{
    struct disk_plan *plan = calloc(1, sizeof(*plan));
    int r;

    if (!plan)
        return fc_fail(err, ENOMEM, "out of memory");
    r = d->options.plan(d->options.arg, &plan->image, err);
    if (r < 0) {
        free(plan);
        return r;
    }
    *ret = plan;
    return 0;
}

/* The node of @version. With @planning: nobody else makes one. */
static int node_of(struct fc_disk *d, uint64_t version, struct disk_node **ret, struct fc_error *err)
{
    struct disk_node like = {.version = version};
    int r;

    if (d->current && d->current->version == version) {
        *ret = d->current;
        return 0;
    }
    r = make_plan(d, &like.plan, err);
    if (r < 0)
        return r;
    like.size = fc_image_size(like.plan->image.image);
    like.data_bytes = data_bytes(like.plan->image.image);
    r = disk_node_add(d, &like, ret, err);
    if (r < 0)
        free_plans(like.plan);
    return r;
}

int disk_node_lookup(struct fc_disk *d, struct disk_node **ret, struct fc_error *err)
{
    struct disk_node *n = d->current;
    uint64_t version = 0;
    int r = 0;

    pthread_mutex_lock(&d->planning);
    if (!d->options.overlay) {
        r = d->options.version(d->options.arg, &version, err);
        if (r == 0)
            r = node_of(d, version, &n, err);
    }
    if (r == 0) {
        pthread_mutex_lock(&d->lock);
        n->lookups++;
        n->idle_since = now(CLOCK_MONOTONIC);
        pthread_mutex_unlock(&d->lock);
        *ret = n;
    }
    pthread_mutex_unlock(&d->planning);
    return r;
}

/* Plan anew what was planned before. The tree must be as it was: then the bytes are. With @planning. */
static int plan_again(struct fc_disk *d, struct disk_node *n, struct fc_error *err)
{
    struct disk_plan *plan = NULL;
    uint64_t version = 0;
    int r = d->options.version(d->options.arg, &version, err);

    if (r == 0 && version != n->version)
        r = -ESTALE; /* the kernel looks the name up again, and opens what it is now */
    if (r == 0)
        r = make_plan(d, &plan, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&d->lock);
    n->plan = plan;
    n->opens++;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

int disk_node_open(struct fc_disk *d, uint64_t id, struct disk_node **ret, struct fc_error *err)
{
    struct disk_node *n;
    bool ready;
    int r;

    pthread_mutex_lock(&d->planning);
    pthread_mutex_lock(&d->lock);
    n = find(d, id); /* the kernel holds a reference, so it stays */
    ready = n && (n->plan || d->options.overlay);
    if (ready)
        n->opens++;
    pthread_mutex_unlock(&d->lock);
    r = ready ? 0 : n ? plan_again(d, n, err) : -ESTALE;
    pthread_mutex_unlock(&d->planning);
    if (r == 0)
        *ret = n;
    return r;
}

void disk_node_close(struct fc_disk *d, struct disk_node *node)
{
    pthread_mutex_lock(&d->lock);
    node->opens--;
    node->idle_since = now(CLOCK_MONOTONIC);
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

void disk_node_forget(struct fc_disk *d, uint64_t id, uint64_t n)
{
    struct disk_node *node;

    pthread_mutex_lock(&d->lock);
    node = find(d, id);
    if (node) {
        node->lookups -= n < node->lookups ? n : node->lookups;
        reap(d);
    }
    pthread_mutex_unlock(&d->lock);
}

int disk_node_stat(struct fc_disk *d, uint64_t id, struct stat *ret)
{
    const struct disk_node *n;

    pthread_mutex_lock(&d->lock);
    n = find(d, id);
    if (n)
        *ret = (struct stat){.st_ino = DISK_INO,
                             .st_mode = S_IFREG | (d->options.overlay ? 0600 : 0400),
                             .st_nlink = 1,
                             .st_uid = d->uid,
                             .st_gid = d->gid,
                             .st_size = (off_t)n->size,
                             .st_blocks = (blkcnt_t)(n->data_bytes / 512),
                             .st_blksize = 1 << 17,
                             .st_atim = n->time,
                             .st_mtim = n->time,
                             .st_ctim = n->time};
    pthread_mutex_unlock(&d->lock);
    return n ? 0 : -ESTALE;
}

void disk_node_touch(struct fc_disk *d, struct disk_node *node)
{
    pthread_mutex_lock(&d->lock);
    node->time = now(CLOCK_REALTIME);
    pthread_mutex_unlock(&d->lock);
}

void disk_nodes_release(struct fc_disk *d)
{
    while (d->nodes) {
        struct disk_node *next = d->nodes->next;

        free_plans(d->nodes->plan);
        free(d->nodes);
        d->nodes = next;
    }
}
