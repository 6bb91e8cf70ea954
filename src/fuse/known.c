/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel has references to in one session, so that they can be dropped when it ends. */
#include <errno.h>

#include "base/log.h"
#include "fuse/session.h"

/*
 * A kernel that unmounts sends no FORGETs. When the process ends, too, nobody minds; when only the session of a command
 * ends, files that it unlinked and had open would stay for ever.
 */

void fuse_known_init(struct fuse_known *k, bool on)
{
    pthread_mutex_init(&k->lock, NULL);
    k->on = on;
}

void fuse_known_add(struct fc_mount *m, uint64_t ino)
{
    struct fuse_known *k = &m->known;
    uint64_t count = 0;

    if (!k->on)
        return;
    pthread_mutex_lock(&k->lock);
    fc_map_get(&k->counts, ino, &count);
    if (fc_map_set(&k->counts, ino, count + 1) < 0)
        fc_log(FC_LOG_WARN, "out of memory: inode %llu stays until the mount ends", (unsigned long long)ino);
    pthread_mutex_unlock(&k->lock);
}

bool fuse_known_has(struct fc_mount *m, uint64_t ino)
{
    struct fuse_known *k = &m->known;
    bool has;

    if (!k->on || ino == FUSE_ROOT_ID)
        return true;
    pthread_mutex_lock(&k->lock);
    has = fc_map_get(&k->counts, ino, NULL);
    pthread_mutex_unlock(&k->lock);
    return has;
}

void fuse_known_forget(struct fc_mount *m, uint64_t ino, uint64_t n)
{
    struct fuse_known *k = &m->known;
    uint64_t count = 0;

    if (k->on) {
        pthread_mutex_lock(&k->lock);
        fc_map_get(&k->counts, ino, &count);
        if (count > n)
            (void)fc_map_set(&k->counts, ino, count - n); /* the key is there: this cannot fail */
        else
            fc_map_del(&k->counts, ino);
        pthread_mutex_unlock(&k->lock);
        if (n > count) /* none of ours to drop: a place, or there was no memory to count it */
            n = count;
    }
    if (n > 0)
        fc_live_forget(m->live, ino, n);
}

/* The numbers as they are now. Returns how many, or -ENOMEM. */
static ssize_t list_known(struct fuse_known *k, uint64_t **ret)
{
    uint64_t *inos, ino, count;
    size_t n = 0, at = 0;

    pthread_mutex_lock(&k->lock);
    inos = malloc((k->counts.len + 1) * sizeof(*inos));
    while (inos && fc_map_next(&k->counts, &at, &ino, &count))
        inos[n++] = ino;
    pthread_mutex_unlock(&k->lock);
    *ret = inos;
    return inos ? (ssize_t)n : -ENOMEM;
}

int fuse_known_launder(struct fc_mount *m)
{
    fc_auto(fc_free) uint64_t *inos = NULL;
    ssize_t n = list_known(&m->known, &inos);
    struct fc_attr attr;
    int r = n < 0 ? (int)n : 0;

    for (ssize_t i = 0; i < n && r == 0 && !atomic_load(&m->service.ended); i++) {
        if (fc_live_getattr(m->live, inos[i], &attr) < 0 || (attr.mode & S_IFMT) != S_IFREG)
            continue;
        r = fuse_lowlevel_notify_inval_inode(m->service.se, inos[i], 0, 0);
        if (r == -ENOENT)
            r = 0;
    }
    return atomic_load(&m->service.ended) ? 0 : r;
}

void fuse_known_release(struct fc_mount *m)
{
    uint64_t ino, count;
    size_t at = 0;

    while (fc_map_next(&m->known.counts, &at, &ino, &count))
        fc_live_forget(m->live, ino, count);
    fc_map_release(&m->known.counts);
    pthread_mutex_destroy(&m->known.lock);
}
