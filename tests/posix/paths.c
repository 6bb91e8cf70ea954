/* SPDX-License-Identifier: Apache-2.0 */
/* What every call that takes a path says of paths that lead nowhere, are too long, or go in circles. */
#include "px.h"

#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

enum { EXISTING = 1, MAKES = 2, FOLLOWS = 4, DIRECTORY = 8 };

/** A call that takes a path: whether it wants something there, makes something there, follows a symlink there. */
struct call {
    const char *name;
    long (*call)(const char *path);
    unsigned flags;
};

static long keep(int fd)
{
    if (fd >= 0)
        close(fd);
    return fd;
}
static long c_access(const char *p) { return faccessat(AT_FDCWD, p, F_OK, AT_EACCESS); }
static long c_chdir(const char *p) { return chdir(p); }
static long c_chmod(const char *p) { return chmod(p, 0644); }
static long c_chown(const char *p) { return chown(p, (uid_t)-1, (gid_t)-1); }
static long c_lchown(const char *p) { return lchown(p, (uid_t)-1, (gid_t)-1); }
static long c_execve(const char *p) { return execve(p, (char *const[]){NULL}, (char *const[]){NULL}); }
static long c_getxattr(const char *p) { return getxattr(p, "user.px", NULL, 0); }
static long c_link_from(const char *p) { return link(p, "made"); }
static long c_link_to(const char *p) { return link("file", p); }
static long c_listxattr(const char *p) { return listxattr(p, NULL, 0); }
static long c_llistxattr(const char *p) { return llistxattr(p, NULL, 0); }
static long c_lstat(const char *p) { return lstat(p, &(struct stat){0}); }
static long c_mkdir(const char *p) { return mkdir(p, 0755); }
static long c_mkfifo(const char *p) { return mkfifo(p, 0644); }
static long c_mknod(const char *p) { return mknod(p, S_IFREG | 0644, 0); }
static long c_open(const char *p) { return keep(open(p, O_RDONLY | O_NONBLOCK | O_CLOEXEC)); }
static long c_open_create(const char *p) { return keep(open(p, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)); }
static long c_opendir(const char *p) { return keep(open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
static long c_readlink(const char *p) { return readlink(p, (char[8]){0}, 8); }
static long c_removexattr(const char *p) { return removexattr(p, "user.px"); }
static long c_rename_from(const char *p) { return rename(p, "made"); }
static long c_rename_to(const char *p) { return rename("file", p); }
static long c_rmdir(const char *p) { return rmdir(p); }
static long c_setxattr(const char *p) { return setxattr(p, "user.px", "v", 1, 0); }
static long c_stat(const char *p) { return stat(p, &(struct stat){0}); }
static long c_statfs(const char *p) { return statfs(p, &(struct statfs){0}); }
static long c_statx(const char *p) { return syscall(SYS_statx, AT_FDCWD, p, 0, STATX_BASIC_STATS, &(struct statx){0}); }
static long c_symlink(const char *p) { return symlink("text", p); }
static long c_truncate(const char *p) { return truncate(p, 3); }
static long c_unlink(const char *p) { return unlink(p); }
static long c_utimensat(const char *p) { return utimensat(AT_FDCWD, p, NULL, 0); }

static const struct call calls[] = {
    {"access", c_access, EXISTING | FOLLOWS},
    {"chdir", c_chdir, EXISTING | FOLLOWS | DIRECTORY},
    {"chmod", c_chmod, EXISTING | FOLLOWS},
    {"chown", c_chown, EXISTING | FOLLOWS},
    {"lchown", c_lchown, EXISTING},
    {"execve", c_execve, EXISTING | FOLLOWS},
    {"getxattr", c_getxattr, EXISTING | FOLLOWS},
    {"link from", c_link_from, EXISTING},
    {"link to", c_link_to, MAKES},
    {"listxattr", c_listxattr, EXISTING | FOLLOWS},
    {"llistxattr", c_llistxattr, EXISTING},
    {"lstat", c_lstat, EXISTING},
    {"mkdir", c_mkdir, MAKES | DIRECTORY},
    {"mkfifo", c_mkfifo, MAKES},
    {"mknod", c_mknod, MAKES},
    {"open", c_open, EXISTING | FOLLOWS},
    {"open O_CREAT", c_open_create, FOLLOWS},
    {"opendir", c_opendir, EXISTING | FOLLOWS | DIRECTORY},
    {"readlink", c_readlink, EXISTING},
    {"removexattr", c_removexattr, EXISTING | FOLLOWS},
    {"rename from", c_rename_from, EXISTING},
    {"rename to", c_rename_to, 0},
    {"rmdir", c_rmdir, EXISTING | DIRECTORY},
    {"setxattr", c_setxattr, EXISTING | FOLLOWS},
    {"stat", c_stat, EXISTING | FOLLOWS},
    {"statfs", c_statfs, EXISTING | FOLLOWS},
    {"statx", c_statx, EXISTING | FOLLOWS},
    {"symlink", c_symlink, MAKES},
    {"truncate", c_truncate, EXISTING | FOLLOWS},
    {"unlink", c_unlink, EXISTING},
    {"utimensat", c_utimensat, EXISTING | FOLLOWS},
};

static void prepare_walk(void)
{
    px_file("file", "text");
    OK(symlink("loop", "loop"));
    OK(symlink("gone", "dangling"));
    OK(mkfifo("fifo", 0644));
    OK(mkdir("dir", 0755));
    if (geteuid() != 0)
        return;
    OK(mknod("chr", S_IFCHR | 0644, makedev(1, 3)));
    OK(mknod("blk", S_IFBLK | 0644, makedev(1, 3)));
    OK(mkdir("closed", 0600));
}

static void not_directories(void)
{
    static const char *const names[] = {"file/x", "fifo/x", "chr/x", "blk/x", "sock/x", "file/", "file/.", "file/.."};

    if (geteuid() == 0)
        px_make_rest();
    for (size_t i = 0; i < LENGTH(calls); i++)
        for (size_t k = 0; k < LENGTH(names); k++) {
            bool slash = names[k][strlen(names[k]) - 1] == '/';

            if ((geteuid() != 0 && (names[k][0] == 'c' || names[k][0] == 'b' || names[k][0] == 's')) ||
                (slash && !(calls[i].flags & EXISTING)))
                continue;
            px_row("%s %s", calls[i].name, names[k]);
            FAILS(ENOTDIR, calls[i].call(names[k]));
        }
}

static void missing(void)
{
    for (size_t i = 0; i < LENGTH(calls); i++) {
        px_row("%s", calls[i].name);
        FAILS(ENOENT, calls[i].call("missing/x"));
        FAILS(ENOENT, calls[i].call("dangling/x"));
        FAILS(ENOENT, calls[i].call(""));
        FAILS(EFAULT, calls[i].call((const char *)-4096));
        if (calls[i].flags & EXISTING)
            FAILS(ENOENT, calls[i].call("missing"));
        if ((calls[i].flags & (EXISTING | FOLLOWS)) == (EXISTING | FOLLOWS))
            FAILS(ENOENT, calls[i].call("dangling"));
    }
}

/* "./" again and again, then @name: @n bytes in all, the NUL not counted. */
static const char *padded(const char *name, size_t n)
{
    char *b = px_long(n);
    size_t len = strlen(name), m = n - len;

    for (size_t i = 0; i < m; i++)
        b[i] = i % 2 || i == m - 1 ? '/' : '.';
    memcpy(b + n - len, name, len);
    return b;
}

static void too_long(void)
{
    const char *name = px_long(256), *below = strcat(px_long(256), "/x"), *path = padded("x", 4096),
               *longest = padded("missing/x", 4095);

    for (size_t i = 0; i < LENGTH(calls); i++) {
        px_row("%s", calls[i].name);
        FAILS(ENAMETOOLONG, calls[i].call(name));
        FAILS(ENAMETOOLONG, calls[i].call(below));
        FAILS(ENAMETOOLONG, calls[i].call(path));
        FAILS(ENOENT, calls[i].call(longest));
    }
}

static void longest_names(void)
{
    const char *name = px_long(255), *path = padded("made-here", 4095);

    OK(mkdir(name, 0755));
    OK(rename(name, strcpy(px_long(255), px_long(254))));
    OK(rmdir(px_long(254)));
    px_file(name, "long");
    px_is_text(px_text(name), "long", "text of a name of 255 bytes");
    OK(link(name, memset(px_long(255), 'y', 255)));
    OK(unlink(name));
    OK(unlink(memset(px_long(255), 'y', 255)));
    OK(mknod(path, S_IFREG | 0644, 0));
    OK(unlink("made-here"));
    OK(symlink(px_long(4095), "lnk"));
    IS(px_stat("lnk").st_size, 4095);
    FAILS(ENAMETOOLONG, symlink(px_long(4096), "other"));
    FAILS(ENOENT, symlink("", "other"));
    OK(unlink("lnk"));
}

static void circles(void)
{
    char from[16], to[16];

    for (size_t i = 0; i < LENGTH(calls); i++) {
        px_row("%s", calls[i].name);
        FAILS(ELOOP, calls[i].call("loop/x"));
        if (calls[i].flags & FOLLOWS)
            FAILS(ELOOP, calls[i].call("loop"));
    }
    px_row("chain");
    for (int i = 0; i < 41; i++) {
        snprintf(from, sizeof(from), "c%d", i);
        snprintf(to, sizeof(to), "c%d", i + 1);
        OK(symlink(to, from));
    }
    px_file("c41", "end");
    px_is_text(px_text("c1"), "end", "forty symlinks");
    FAILS(ELOOP, open("c0", O_RDONLY));
}

static void closed(void)
{
    for (size_t i = 0; i < LENGTH(calls); i++) {
        px_row("%s", calls[i].name);
        px_be(ANN, ANN, 0);
        FAILS(EACCES, calls[i].call("closed/x"));
        px_be_root();
    }
}

const struct px_case px_paths[] = {
    {"path-not-directory", prepare_walk, not_directories, false},
    {"path-missing", prepare_walk, missing, false},
    {"path-too-long", prepare_walk, too_long, false},
    {"path-longest", NULL, longest_names, false},
    {"path-circles", prepare_walk, circles, false},
    {"path-closed", prepare_walk, closed, true},
    {0},
};
