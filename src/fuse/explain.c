/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a place can be mounted on, and words for a mount that failed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/io.h"
#include "fuse/session.h"

/* 1 if it has entries, 0 if it has none, or -errno. */
static int has_entries(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e;
    int found = 0;

    if (!dir)
        return -errno;
    while (!found && (e = readdir(dir)))
        found = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return found;
}

int fuse_check_mountpoint(const char *path, struct fc_error *err)
{
    struct stat st;
    int r = fc_mount_probe(path);

    if (r == 1)
        return fc_fail(err, EBUSY, "%s is mounted already; fccompose umount first", path);
    if (r == 2 && fc_mount_undo(path, true, err) < 0)
        return fc_wrap(err, "a dead mount is in the way");
    if (stat(path, &st) < 0)
        return errno == ENOENT ? fc_fail(err, ENOENT, "there is no directory %s; make it with mkdir", path)
                               : fc_fail_errno(err, errno, "cannot mount on %s", path);
    if (!S_ISDIR(st.st_mode))
        return fc_fail(err, ENOTDIR, "cannot mount on %s: it is not a directory", path);
    r = has_entries(path);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot look into %s", path);
    if (r > 0)
        return fc_fail(err, ENOTEMPTY,
                       "%s is not empty, and a mount would hide what is in it; choose an empty directory", path);
    return 0;
}

static bool is_installed(const char *program)
{
    fc_auto(fc_free) char *file = fc_child_find(program, NULL);

    return file != NULL;
}

/* Whether @line is a line of the file, blanks aside. False when it cannot be read. */
static bool has_line(const char *path, const char *line)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf text = {0};
    char *rest, *one;

    if (fc_read_file(AT_FDCWD, path, 1 << 16, &text) < 0 || !text.data)
        return false;
    rest = text.data;
    while ((one = strsep(&rest, "\n"))) {
        one += strspn(one, " \t");
        one[strcspn(one, " \t#")] = '\0';
        if (strcmp(one, line) == 0)
            return true;
    }
    return false;
}

static bool may_mount(void)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf text = {0};
    const char *caps;

    if (fc_read_file(AT_FDCWD, "/proc/self/status", 1 << 16, &text) < 0 || !text.data)
        return true;
    caps = strstr(text.data, "CapEff:");
    return !caps || (strtoull(caps + strlen("CapEff:"), NULL, 16) >> 21 & 1); /* CAP_SYS_ADMIN */
}

static int explain_device(struct fc_error *err)
{
    struct stat st;
    int fd;

    if (stat("/dev/fuse", &st) < 0)
        return fc_fail(err, ENODEV,
                       "cannot mount: there is no /dev/fuse (load the module: modprobe fuse; in a container: --device "
                       "/dev/fuse); cp, mv, rm, write and the other edit commands work without a mount");
    fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0 && geteuid() == 0)
        return fc_fail_errno(err, errno,
                             "cannot mount: /dev/fuse cannot be opened (in a container: --device /dev/fuse)");
    if (fd < 0)
        return fc_fail_errno(err, errno,
                             "cannot mount: /dev/fuse cannot be opened by an ordinary user; as root: chmod 666 "
                             "/dev/fuse (that is its usual mode)");
    close(fd);
    return 0;
}

int fuse_explain(const char *path, bool allow_other, const char *said, struct fc_error *err)
{
    int r = explain_device(err);

    if (r < 0)
        return r;
    if (geteuid() == 0 && !may_mount())
        return fc_fail(err, EPERM,
                       "cannot mount: root without CAP_SYS_ADMIN may not (in a container: --cap-add SYS_ADMIN); the "
                       "edit commands work without a mount");
    if (geteuid() != 0 && !is_installed("fusermount3"))
        return fc_fail(err, ENOENT,
                       "cannot mount: fusermount3 is missing (package fuse3), which mounts for ordinary users");
    if (geteuid() != 0 && allow_other && !has_line("/etc/fuse.conf", "user_allow_other"))
        return fc_fail(err, EPERM,
                       "cannot mount with allow_other: /etc/fuse.conf lacks the line user_allow_other, which root can "
                       "add; or mount without it");
    if (geteuid() != 0 && access(path, W_OK) < 0)
        return fc_fail_errno(err, errno, "cannot mount on %s: an ordinary user must own it and may write to it", path);
    if (*said)
        return fc_fail(err, EIO, "cannot mount on %s: %s", path, said);
    return fc_fail(err, EIO, "cannot mount on %s", path);
}
