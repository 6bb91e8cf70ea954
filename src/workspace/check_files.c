/* SPDX-License-Identifier: Apache-2.0 */
/* Check the folder of a workspace: who may read it, what killed programs left in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "fuse/fuse.h"
#include "image/record.h"
#include "workspace/check_private.h"

/** Files with a name for the moment are left alone so long: another program may be writing them. */
#define LEFT_SECONDS 3600

static char *join(const char *dir, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static void say(struct ws_pass *p, bool error, const char *code, const char *file, const char *repair, const char *what)
{
    fc_findings_add(p->found, &(struct fc_finding){.error = error, .code = code, .table = file}, repair, "%s", what);
}

/* @need must be set in the file's mode, and @never must not. */
static int check_mode(struct ws_pass *p, const char *file, mode_t need, mode_t never, const char *what,
                      struct fc_error *err)
{
    fc_auto(fc_free) char *path = join(p->store, file);
    struct stat st;
    char repair[64];

    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    if (lstat(path, &st) < 0 || S_ISLNK(st.st_mode) || ((st.st_mode & need) == need && !(st.st_mode & never)))
        return 0;
    snprintf(repair, sizeof(repair), "sets its mode to %04o", (st.st_mode & 07777 & ~never) | need);
    say(p, true, "mode", *file ? file : FC_WORKSPACE_FOLDER, repair, what);
    if (p->options->repair && chmod(path, (st.st_mode & 07777 & ~never) | need) < 0)
        return fc_fail_errno(err, errno, "cannot set the mode of %s", path);
    return 0;
}

int ws_check_modes(struct ws_pass *p, struct fc_error *err)
{
    int r =
        check_mode(p, "", 0700, 0077, "others than its owner may look into it, and it holds what the tree holds", err);

    if (r == 0)
        r = check_mode(p, "workspace.db", 0600, 0, "its owner cannot read and write it", err);
    if (r == 0)
        r = check_mode(p, "data", 0700, 0, "its owner cannot use it", err);
    return r == 0 ? check_mode(p, "data/0", 0600, 0, "its owner cannot read and write it", err) : r;
}

static int remove_left(struct ws_pass *p, const char *file, const char *what, struct fc_error *err)
{
    fc_auto(fc_free) char *path = join(p->store, file);
    struct stat st;

    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    if (lstat(path, &st) < 0)
        return 0;
    say(p, false, "left", file, "removes it", what);
    if (p->options->repair && unlink(path) < 0)
        return fc_fail_errno(err, errno, "cannot remove %s", path);
    return 0;
}

static int check_socket(struct ws_pass *p, struct fc_error *err)
{
    fc_auto(fc_free) char *socket = fc_workspace_socket(p->dir);
    fc_auto(fc_close) int fd = socket ? fc_control_connect(socket, NULL) : -ENOMEM;

    if (fd >= 0 || fd == -ENOENT)
        return 0;
    return remove_left(p, "control.sock", "it is the socket of a mount process that has ended", err);
}

/* How far numbers of inodes were given out, in eight bytes; without the file the database's word counts. */
static int check_ino(struct ws_pass *p, struct fc_error *err)
{
    fc_auto(fc_free) char *path = join(p->store, "ino");
    fc_auto(fc_buf_release) struct fc_buf b = {0};
    uint64_t mark = 0;
    int r = path ? fc_read_file(AT_FDCWD, path, 4096, &b) : -ENOMEM;

    if (r == 0 && b.len == sizeof(mark))
        memcpy(&mark, b.data, sizeof(mark));
    if (r == -ENOENT || (r == 0 && (b.len == 0 || b.len == sizeof(mark)) && mark < FC_EDIT_INO_ABSURD))
        return 0;
    return remove_left(p, "ino", "it does not hold an inode number", err);
}

static void check_log(struct ws_pass *p)
{
    fc_auto(fc_free) char *path = join(p->store, "workspace.db-wal");
    struct stat st;

    p->has_log = path && lstat(path, &st) == 0 && st.st_size > 0;
    if (p->has_log)
        fc_findings_add(p->found, &(struct fc_finding){.code = "log", .table = "workspace.db-wal"},
                        "folds it back into the database, as the next use of the workspace does",
                        "the database was not closed in good order; its log of %lld bytes is taken into account",
                        (long long)st.st_size);
}

/* What the last images of the workspace were made of: with a damaged record the next one is written as a whole. */
static int check_record(struct ws_pass *p, int dirfd, const char *dir, const char *name, struct fc_error *err)
{
    fc_auto(fc_free) char *path = join(dir, name);
    struct fc_record record = {0};
    struct stat st;
    char shown[300];
    bool temporary = name[0] == '.';
    int r;

    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    /* Plans of the unedited stack (ext4/saved.h): who reads one checks it, and makes it anew if need be. */
    if (strncmp(name, FC_RECORD_PLAN_PREFIX, strlen(FC_RECORD_PLAN_PREFIX)) == 0)
        return 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (temporary && time(NULL) - st.st_mtim.tv_sec < LEFT_SECONDS)
        return 0;
    r = temporary ? -EBADMSG : fc_record_load(path, &record);
    fc_record_release(&record);
    if (r != -EBADMSG)
        return r == -ENOMEM ? fc_fail(err, ENOMEM, "out of memory") : 0;
    snprintf(shown, sizeof(shown), "%s %s", name,
             temporary ? "was left by a program that was killed"
                       : "is damaged: the next image there is written as a whole");
    say(p, false, temporary ? "left" : "frozen", "frozen", "removes it", shown);
    if (p->options->repair && unlinkat(dirfd, name, 0) < 0)
        return fc_fail_errno(err, errno, "cannot remove %s", path);
    return 0;
}

static int check_records(struct ws_pass *p, struct fc_error *err)
{
    fc_auto(fc_free) char *path = join(p->store, "frozen");
    const struct dirent *e;
    DIR *dir;
    int r = 0;

    if (!path)
        return fc_fail(err, ENOMEM, "out of memory");
    dir = opendir(path);
    while (dir && r == 0 && (e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = check_record(p, dirfd(dir), path, e->d_name, err);
    if (dir)
        closedir(dir);
    return r;
}

int ws_check_leftovers(struct ws_pass *p, struct fc_error *err)
{
    static const char *const temps[] = {"workspace.db.new", "workspace.db.new-wal", "workspace.db.new-shm",
                                        "workspace.db.new-journal"};
    int r = check_records(p, err);

    if (r < 0 || p->mounted)
        return r;
    for (size_t i = 0; i < FC_LENGTH(temps) && r == 0; i++)
        r = remove_left(p, temps[i], "it is part of a database that was never finished", err);
    if (r == 0)
        r = remove_left(p, "reserve", "it is disk space that a killed program had set aside", err);
    if (r == 0)
        r = check_ino(p, err);
    check_log(p);
    return r == 0 ? check_socket(p, err) : r;
}
