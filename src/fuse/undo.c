/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts as seen from outside the session: is one there, take it away, make the kernel write back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/io.h"
#include "fuse/session.h"

/* "\040" and the like, as the kernel writes blanks in its tables. In place. */
static void unescape(char *s)
{
    char *to = s;

    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

/* A line of /proc/self/mountinfo: is it ours and at @path? -1: at @path, but of others. */
static int matches(char *line, const char *path)
{
    char *rest = line, *at = NULL, *type;

    for (int i = 0; i < 5; i++) /* id, parent, device, root, mount point */
        if (!(at = strsep(&rest, " ")) || !rest)
            return 0;
    unescape(at);
    if (strcmp(at, path) != 0)
        return 0;
    type = strstr(rest, " - ");
    return type && strncmp(type + 3, "fuse.fccompose ", 15) == 0 ? 1 : -1;
}

/* Whether the topmost mount at @path is ours. The table is read without touching the mount itself. */
bool fuse_is_ours(const char *path)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t cap = 0;
    bool ours = false;

    if (!f)
        return false;
    while (getline(&line, &cap, f) >= 0) {
        int r = matches(line, path);

        if (r != 0) /* later lines lie on top */
            ours = r > 0;
    }
    free(line);
    fclose(f);
    return ours;
}

/*
 * The name that the mount table has: symlinks resolved, but for the last component, since a dead mount cannot be looked
 * at. (A mount point that is itself a symlink is tried as a whole first, which works while it is alive.) NULL if none.
 */
static char *table_name(const char *path)
{
    char *whole = realpath(path, NULL), *parent, *slash, *name = NULL;
    __attribute__((cleanup(fc_free_auto))) char *absolute = NULL, *copy = NULL;

    if (whole)
        return whole;
    absolute = fc_abspath(path);
    copy = absolute ? strdup(absolute) : NULL;
    if (!copy)
        return NULL;
    while (copy[1] && copy[strlen(copy) - 1] == '/')
        copy[strlen(copy) - 1] = '\0';
    slash = strrchr(copy, '/');
    *slash = '\0';
    parent = realpath(*copy ? copy : "/", NULL);
    if (parent && asprintf(&name, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, slash + 1) < 0)
        name = NULL;
    free(parent);
    return name;
}

int fc_mount_probe(const char *path)
{
    __attribute__((cleanup(fc_free_auto))) char *name = table_name(path);
    struct stat st;

    if (!name || !fuse_is_ours(name))
        return 0;
    if (stat(name, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED))
        return 2;
    return 1; /* EACCES too: somebody else's, alive or not */
}

static int undo_as_user(const char *name, bool lazy, struct fc_error *err)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf said = {0};
    const char *const argv[] = {"fusermount3", "-u", lazy ? "-z" : "--", lazy ? "--" : name, lazy ? name : NULL, NULL};
    int r = fc_child_run(argv, &said, err);

    if (r == 0)
        return 0;
    if (r == -ENOENT)
        return fc_fail(err, ENOENT, "cannot unmount %s: fusermount3 is missing (package fuse3)", name);
    if (r < 0)
        return r;
    if (said.data && strstr(said.data, "busy"))
        return -EBUSY;
    return fc_fail(err, EPERM, "cannot unmount %s: %.*s", name, said.data ? (int)strcspn(said.data, "\n") : 0,
                   said.data ? said.data : "");
}

int fc_mount_undo(const char *path, bool lazy, struct fc_error *err)
{
    __attribute__((cleanup(fc_free_auto))) char *name = table_name(path);
    int r;

    if (!name)
        return fc_fail(err, ENOENT, "nothing is mounted on %s", path);
    if (!fuse_is_ours(name))
        return fc_fail(err, EINVAL, "%s is not a mount of fccompose", path);
    if (geteuid() != 0)
        r = undo_as_user(name, lazy, err);
    else
        r = umount2(name, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0 ? -errno : 0;
    if (r == -EBUSY)
        return fc_fail(err, EBUSY, "%s is in use: leave it and close its files, or detach it with --lazy", path);
    if (r < 0 && geteuid() == 0)
        return fc_fail_errno(err, -r, "cannot unmount %s", path);
    return r;
}

/*
 * Without WRITEBACK_CACHE the only dirty pages are those of shared writable mappings. What writes them back, tried on
 * Linux 6.18 (each with a page stored into and no msync):
 *
 *   syncfs(2) on the mount      the pages arrive as WRITE, and it returns when they are answered, although the kernel
 *                               sends no SYNCFS request for such a mount
 *   notify_inval_inode(ino, 0)  launders the inode's dirty pages, but one has to know the inode, and there is no
 *                               sign of a page becoming dirty
 *
 * Hence syncfs, and in a process of its own: a thread of ours would wait in the kernel for an answer of ours, beyond the
 * reach of SIGKILL, and so keep /dev/fuse open, which keeps it waiting. When we are killed the child's wait fails.
 */
int fc_mount_flush(struct fc_mount *m, struct fc_error *err)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf said = {0};
    const char *const argv[] = {"sync", "-f", "--", m->mountpoint, NULL};
    int r;

    if (atomic_load(&m->ended))
        return 0;
    r = fc_child_run(argv, &said, err);
    if (r == 0)
        return 0;
    if (r < 0)
        return fc_wrap(err, "cannot write back what is mapped in %s", m->mountpoint);
    return fc_fail(err, EIO, "cannot write back what is mapped in %s: %.*s", m->mountpoint,
                   said.data ? (int)strcspn(said.data, "\n") : 0, said.data ? said.data : "");
}
