/* SPDX-License-Identifier: Apache-2.0 */
/* Make the kernel write back what programs have stored into shared mappings of files of the mount. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/map.h"
#include "fuse/session.h"

/*
 * Without WRITEBACK_CACHE the only dirty pages are those of shared writable mappings that exist now: munmap(2) writes
 * back and waits. What does so without it, tried on Linux 6.18.44 with a page stored into and no msync:
 *
 *   notify_inval_inode(ino, 0, 0)    launders the inode's dirty pages, and returns when their WRITE was answered
 *   notify_inval_inode(ino, -1, 0)   does not
 *   fsync(2) on the root directory   does not
 *   syncfs(2), sync(2)               send the WRITEs of all inodes, but do not wait for the answers
 *
 * Hence: find the inodes in the mappings of all processes that we may look at and launder those, then syncfs for the
 * processes that we may not look at (of other users, in other containers), and wait until such WRITEs have ceased.
 *
 * The syncfs is done by a process of its own: a thread of ours would wait in the kernel for an answer of ours, beyond
 * the reach of SIGKILL, and so keep /dev/fuse open, which keeps it waiting. When we are killed the child's wait fails.
 */

/** Inode numbers, each once. */
struct inodes {
    uint64_t *items;
    size_t n, cap;
    struct fc_map known;
};

static int add_inode(struct inodes *set, uint64_t ino)
{
    if (fc_map_get(&set->known, ino, NULL))
        return 0;
    if (fc_grow(&set->items, &set->cap, set->n + 1, sizeof(*set->items)) < 0 || fc_map_set(&set->known, ino, 1) < 0)
        return -ENOMEM;
    set->items[set->n++] = ino;
    return 0;
}

/* Inode numbers of the shared writable mappings of device @dev in one "maps" file. */
static int scan_maps(FILE *f, dev_t dev, struct inodes *ret)
{
    char *line = NULL, perms[8];
    unsigned long long ino;
    unsigned major_number, minor_number;
    size_t cap = 0;
    int r = 0;

    while (r == 0 && getline(&line, &cap, f) >= 0)
        if (sscanf(line, "%*s %7s %*s %x:%x %llu", perms, &major_number, &minor_number, &ino) == 4 && perms[1] == 'w' &&
            perms[3] == 's' && makedev(major_number, minor_number) == dev)
            r = add_inode(ret, ino);
    free(line);
    return r;
}

static int scan_processes(dev_t dev, struct inodes *ret)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e;
    char path[64];
    int r = 0;

    if (!proc)
        return 0;
    while (r == 0 && (e = readdir(proc))) {
        FILE *f;

        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "/proc/%.20s/maps", e->d_name);
        f = fopen(path, "re");
        if (!f) /* gone, or not ours to look at */
            continue;
        r = scan_maps(f, dev, ret);
        fclose(f);
    }
    closedir(proc);
    return r;
}

static int launder(struct fc_mount *m, dev_t dev)
{
    struct inodes set = {0};
    int r = scan_processes(dev, &set);

    for (size_t i = 0; i < set.n && r == 0; i++) {
        r = fuse_lowlevel_notify_inval_inode(m->service.se, set.items[i], 0, 0);
        if (r == -ENOENT)
            r = 0;
    }
    fc_map_release(&set.known);
    free(set.items);
    return r;
}

/* Until 20 ms have passed without a WRITE of a mapped page, and none is being answered; at most 10 s. */
static void settle(struct fc_mount *m)
{
    const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    uint64_t seen = atomic_load(&m->mapped_writes);
    int quiet = 0;

    for (int i = 0; i < 2000 && quiet < 4 && !atomic_load(&m->service.ended); i++) {
        uint64_t now;

        nanosleep(&pause, NULL);
        now = atomic_load(&m->mapped_writes);
        quiet = now == seen && atomic_load(&m->mapped_writing) == 0 ? quiet + 1 : 0;
        seen = now;
    }
}

int fc_mount_flush(struct fc_mount *m, struct fc_error *err)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf said = {0};
    const char *const argv[] = {"sync", "-f", "--", m->service.mountpoint, NULL};
    dev_t dev;
    int r;

    if (m->attached) { /* its mount is not in our sight; but we know what it may have mapped */
        r = fuse_known_launder(m);
        return r < 0 ? fc_fail_errno(err, -r, "cannot write back what the command has mapped") : 0;
    }
    if (atomic_load(&m->service.ended) || !fuse_device(m->service.mountpoint, &dev))
        return 0;
    r = launder(m, dev);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot write back what is mapped in %s", m->service.mountpoint);
    r = fc_child_run(argv, &said, err);
    if (r < 0)
        return fc_wrap(err, "cannot write back what is mapped in %s", m->service.mountpoint);
    if (r > 0)
        return fc_fail(err, EIO, "cannot write back what is mapped in %s: %.*s", m->service.mountpoint,
                       said.data ? (int)strcspn(said.data, "\n") : 0, said.data ? said.data : "");
    settle(m);
    return 0;
}
