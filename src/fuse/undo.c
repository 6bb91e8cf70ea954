/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts as seen from outside the session: is one there, take it away. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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
static int matches(char *line, const char *path, dev_t *ret_dev)
{
    unsigned major_number, minor_number;
    char *rest = line, *at = NULL, *type;

    if (sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) != 2)
        return 0;
    *ret_dev = makedev(major_number, minor_number);
    for (int i = 0; i < 5; i++) /* id, parent, device, root, mount point */
        if (!(at = strsep(&rest, " ")) || !rest)
            return 0;
    unescape(at);
    if (strcmp(at, path) != 0)
        return 0;
    type = strstr(rest, " - ");
    return type && strncmp(type + 3, "fuse.fccompose ", 15) == 0 ? 1 : -1;
}

/* The table is read without touching the mount itself. */
bool fuse_device(const char *path, dev_t *ret)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t cap = 0;
    bool ours = false;

    if (!f)
        return false;
    while (getline(&line, &cap, f) >= 0) {
        dev_t dev;
        int r = matches(line, path, &dev);

        if (r == 0)
            continue;
        ours = r > 0; /* later lines lie on top */
        if (ours)
            *ret = dev;
    }
    free(line);
    fclose(f);
    return ours;
}

bool fuse_is_ours(const char *path)
{
    dev_t dev;

    return fuse_device(path, &dev);
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
    struct statfs st;

    if (!name || !fuse_is_ours(name))
        return 0;
    /* Not stat(2), which the kernel answers from what it remembers; statfs(2) always asks. */
    if (statfs(name, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED))
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
