/* SPDX-License-Identifier: Apache-2.0 */
/* Commit groups of changes: in the background, on fsync, and for a reader in another process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "live/group.h"

/* A group is late after 50 ms; leave some of it for the commit itself. */
enum { GROUP_MS = 35, IDLE_MS = 5000, RETRY_MS = 1000 };
/* So much freed space asks for a durable commit, after which the host gets it back. */
#define PENDING_MAX (UINT64_C(64) << 20)

/* More extents than this in a group, all rewritten each time, and groups come less often: see pace(). */
enum { MANY_EXTENTS = 10000 };

static struct timespec monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

/*
 * A file in very many pieces has all its rows written in each group. So that writing it does not come to a halt, four
 * fifths of the time are left to the writers then, and the group is later than promised.
 */
static unsigned pace(const struct live_group *g)
{
    struct timespec now = monotonic();
    size_t n = 0;

    for (size_t i = 0; i < g->n_rows; i++)
        n += g->rows[i].n_extents;
    if (n < MANY_EXTENTS)
        return 0;
    return 5 * (unsigned)((now.tv_sec - g->when.tv_sec) * 1000 + (now.tv_nsec - g->when.tv_nsec) / 1000000);
}

/* With `commit` and `lock` held; gives `lock` up while it writes. */
static int commit_group(struct fc_live *live, bool durable, struct fc_error *err)
{
    struct live_group g = {0};
    bool full;
    int r = live_group_take(live, &g);

    if (r < 0) {
        live_group_release(&g);
        return fc_fail(err, -r, "out of memory while saving changes");
    }
    pthread_mutex_unlock(&live->lock);
    r = live_group_write(live, &g, durable, err);
    if (r == -ENOSPC) /* now with what the store had set aside for this */
        r = live_group_write(live, &g, durable, err);
    pthread_mutex_lock(&live->store);
    full = fc_edit_is_full(live->edit);
    pthread_mutex_unlock(&live->store);
    live_lock(live);
    live->full = full || r == -ENOSPC;
    if (r < 0) {
        live_group_restore(live, &g);
    } else {
        live->dirty_names.spare_n = live->dirty_names.spare_text = 0;
        live->committed_seq = g.seq;
        if (durable)
            live->durable_seq = g.seq;
        live->dirty_since = g.when;
        live->pace_ms = pace(&g);
        live->warned = false;
    }
    live_group_release(&g);
    return r;
}

int live_commit(struct fc_live *live, bool durable, uint64_t want, bool force, struct fc_error *err)
{
    int r = 0;

    pthread_mutex_lock(&live->commit);
    live_lock(live);
    while (live->holds > 0)
        pthread_cond_wait(&live->quiet, &live->lock);
    /* Whoever waited for another's commit finds its own changes in it. */
    if (force || (durable ? live->durable_seq : live->committed_seq) < want)
        r = commit_group(live, durable, err);
    live_unlock(live, NULL);
    pthread_mutex_unlock(&live->commit);
    return r;
}

bool live_make_room(struct fc_live *live, int r, bool *tried)
{
    uint64_t pending;

    if (r != -ENOSPC || *tried || live->read_only)
        return false;
    *tried = true;
    /* A group under way may carry freed space that is in neither count yet: wait for it. */
    pthread_mutex_lock(&live->commit);
    pthread_mutex_unlock(&live->commit);
    pthread_mutex_lock(&live->store);
    pending = fc_edit_space_pending(live->edit);
    pthread_mutex_unlock(&live->store);
    live_lock(live);
    pending += live->freed[0].n + live->freed[1].n + live->full;
    live_unlock(live, NULL);
    return pending > 0 && live_commit(live, true, 0, true, NULL) == 0;
}

int live_pin_commit(struct fc_live *live, struct fc_error *err)
{
    int r = 0;

    pthread_mutex_lock(&live->commit);
    live_lock(live);
    while (live->holds > 0)
        pthread_cond_wait(&live->quiet, &live->lock);
    live_pin(live);
    if (!live->read_only)
        r = commit_group(live, false, err);
    if (r == 0)
        live->holds++;
    else
        live_unpin(live);
    live_unlock(live, NULL);
    pthread_mutex_unlock(&live->commit);
    return r;
}

/*
 * When a sync of the data file has failed, Linux takes what it could not write for written, and the next sync succeeds.
 * So every inode with content that this sync should have written says so to the next fsync of its own, as the files of
 * a kernel's file system do, each once. With the lock.
 */
static void mark_lost(struct fc_live *live)
{
    for (size_t i = 0; i < live->inodes.cap; i++) {
        struct live_inode *inode;

        if (live->inodes.keys[i] == 0 || live->inodes.keys[i] == UINT64_MAX)
            continue;
        inode = (struct live_inode *)(uintptr_t)live->inodes.values[i];
        if (inode->busy || inode->written_seq > live->synced_seq)
            inode->lost = true;
    }
}

/* Whether content of @ino (0: of any inode) may be lost, which it then has told. With the lock. */
static bool tell_lost(struct fc_live *live, uint64_t ino)
{
    struct live_node node;
    bool any = false;

    if (ino != 0) {
        any = live_node(live, ino, &node) == 0 && node.own && node.own->lost;
        if (any)
            node.own->lost = false;
        return any;
    }
    for (size_t i = 0; i < live->inodes.cap; i++) {
        struct live_inode *inode = (struct live_inode *)(uintptr_t)live->inodes.values[i];

        if (live->inodes.keys[i] == 0 || live->inodes.keys[i] == UINT64_MAX || !inode->lost)
            continue;
        inode->lost = false;
        any = true;
    }
    return any;
}

/* Sync the data file, so that all that was written up to change @want is on the disk. */
static int sync_data(struct fc_live *live, uint64_t want)
{
    uint64_t seq;
    int r = 0;

    pthread_mutex_lock(&live->syncing);
    live_lock(live);
    seq = live->seq;
    if (live->synced_seq >= want)
        seq = 0;
    live_unlock(live, NULL);
    if (seq > 0) {
        r = fc_edit_data_sync(live->edit);
        live_lock(live);
        if (r == 0)
            live->synced_seq = seq;
        else
            mark_lost(live);
        live_unlock(live, NULL);
        if (r < 0)
            fc_log(FC_LOG_WARN,
                   "cannot sync the contents of edits: %s; what was written since the last sync may be lost",
                   strerror(-r));
    }
    pthread_mutex_unlock(&live->syncing);
    return r;
}

/* @ino: whose contents the caller asks for; 0: all. */
static int make_durable(struct fc_live *live, uint64_t ino, struct fc_error *err)
{
    uint64_t want;
    bool lost;
    int r;

    live_lock(live);
    want = live->seq;
    live_unlock(live, NULL);
    /* Data first, and outside of `commit`: other groups do not wait for it. */
    r = sync_data(live, want);
    live_lock(live);
    lost = tell_lost(live, ino);
    live_unlock(live, NULL);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot sync the contents of edits");
    r = live_commit(live, true, want, false, err);
    if (r == 0 && lost)
        r = fc_fail(err, EIO, "an earlier sync failed: contents that were written before it may be lost");
    return r;
}

int fc_live_fsync(struct fc_live *live, uint64_t ino)
{
    struct live_node node;
    int r;

    live_lock(live);
    r = live_node(live, ino, &node);
    live_unlock(live, NULL);
    if (r < 0 || live->read_only)
        return r;
    return make_durable(live, ino, NULL);
}

int fc_live_sync(struct fc_live *live, bool durable, struct fc_error *err)
{
    uint64_t want;

    if (live->read_only)
        return 0;
    if (durable)
        return make_durable(live, 0, err);
    live_lock(live);
    want = live->seq;
    live_unlock(live, NULL);
    return live_commit(live, false, want, false, err);
}

/* The writer thread */

static struct timespec after_ms(struct timespec t, unsigned ms)
{
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* Wait until a group is due (true), or for @ms when nothing is dirty. With the lock. */
static bool wait_for_group(struct fc_live *live, unsigned ms)
{
    struct timespec idle = after_ms(monotonic(), ms);

    while (!live->stop && live->seq == live->committed_seq)
        if (pthread_cond_timedwait(&live->changed, &live->lock, &idle) == ETIMEDOUT)
            return live->seq != live->committed_seq;
    while (!live->stop) {
        struct timespec due = after_ms(live->dirty_since, live->pace_ms > GROUP_MS ? live->pace_ms : GROUP_MS);

        if (pthread_cond_timedwait(&live->changed, &live->lock, &due) == ETIMEDOUT)
            return true;
    }
    return false;
}

/* Space that was freed is punched and reused only after a durable commit. The data need not be synced for that. */
static bool reclaim_due(struct fc_live *live, struct timespec *last)
{
    struct timespec now = monotonic();
    uint64_t pending;

    pthread_mutex_lock(&live->store);
    pending = fc_edit_space_pending(live->edit);
    pthread_mutex_unlock(&live->store);
    if (pending == 0 || (pending < PENDING_MAX && now.tv_sec - last->tv_sec < IDLE_MS / 1000))
        return false;
    *last = now;
    return true;
}

static void tell_failure(struct fc_live *live, const struct fc_error *err)
{
    if (live->warned)
        return;
    live->warned = true;
    fc_log(FC_LOG_WARN, "changes are not saved yet: %s", err->msg);
}

static void *writer(void *arg)
{
    struct fc_live *live = arg;
    struct timespec last_reclaim = monotonic(), last_tick = last_reclaim;

    live_lock(live);
    while (!live->stop) {
        bool due = wait_for_group(live, IDLE_MS), reclaim;
        struct fc_error err = {0};
        uint64_t want;
        int r = 0;

        if (live->stop)
            break;
        if (monotonic().tv_sec > last_tick.tv_sec) {
            live_windows_tick(live);
            last_tick = monotonic();
        }
        want = live->seq;
        live_unlock(live, NULL);
        reclaim = reclaim_due(live, &last_reclaim);
        if (due || reclaim)
            r = live_commit(live, reclaim, want, reclaim, &err);
        live_lock(live);
        if (r < 0) {
            struct timespec retry = after_ms(monotonic(), RETRY_MS);

            tell_failure(live, &err);
            while (!live->stop && pthread_cond_timedwait(&live->changed, &live->lock, &retry) != ETIMEDOUT)
                ;
        }
    }
    live_unlock(live, NULL);
    return NULL;
}

int live_writer_start(struct fc_live *live, struct fc_error *err)
{
    int r = pthread_create(&live->writer, NULL, writer, live);

    if (r)
        return fc_fail_errno(err, r, "cannot start the thread that saves changes");
    live->have_writer = true;
    return 0;
}

void live_writer_stop(struct fc_live *live)
{
    if (!live->have_writer)
        return;
    live_lock(live);
    live->stop = true;
    pthread_cond_broadcast(&live->changed);
    live_unlock(live, NULL);
    pthread_join(live->writer, NULL);
    live->have_writer = false;
}
