/* SPDX-License-Identifier: Apache-2.0 */
/* Who may read, write, search and change what, by mode bits, groups and sticky directories. */
#include "px.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

/** The four ways to stand to a file of ANN's and TEAM's. */
static const struct who {
    const char *name;
    uid_t uid;
    gid_t gid, further;
    unsigned shift; /* of the bits that count */
} everyone[] = {
    {"owner", ANN, CLUB, CLUB, 6},
    {"group", BOB, TEAM, CLUB, 3},
    {"further group", BOB, CLUB, TEAM, 3},
    {"other", BOB, CLUB, CLUB, 0},
};

static void prepare_bits(void)
{
    px_file("file", "text");
    OK(mkdir("dir", 0755));
    px_file("dir/in", "text");
    OK(chmod("dir/in", 0666));
    OK(chown("file", ANN, TEAM));
    OK(chown("dir", ANN, TEAM));
}

/* Every mode, every relation, every wish. */
static void bits(void)
{
    for (mode_t mode = 0; mode <= 0777; mode++) {
        px_be_root();
        OK(chmod("file", mode));
        for (size_t w = 0; w < LENGTH(everyone); w++) {
            unsigned has = mode >> everyone[w].shift & 7;

            px_be(everyone[w].uid, everyone[w].gid, 1, everyone[w].further);
            px_row("%04o for %s", mode, everyone[w].name);
            for (int wish = 1; wish <= 7; wish++)
                if ((has & (unsigned)wish) == (unsigned)wish)
                    OK(faccessat(AT_FDCWD, "file", wish, AT_EACCESS));
                else
                    FAILS(EACCES, faccessat(AT_FDCWD, "file", wish, AT_EACCESS));
        }
    }
}

static void expect(bool allowed, int code, long r, const char *what)
{
    if (allowed)
        px_ok(r, what);
    else
        px_fails(code, r, what);
}
#define ALLOWED(yes, code, call) expect((yes), (code), (errno = 0, (long)(call)), #call)

static long keep(int fd)
{
    if (fd >= 0)
        close(fd);
    return fd;
}

/* The same with real calls, for every mode of one digit in each place. */
static void opens(void)
{
    static const struct timespec now_times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};

    for (unsigned digit = 0; digit <= 7; digit++)
        for (size_t w = 0; w < LENGTH(everyone); w++) {
            const struct who *e = &everyone[w];
            bool r = digit & 4, wr = digit & 2, x = digit & 1, owner = e->uid == ANN;
            mode_t mode = (mode_t)digit << e->shift;

            px_be_root();
            OK(chmod("file", mode));
            OK(chmod("dir", mode));
            px_be(e->uid, e->gid, 1, e->further);
            px_row("%04o for %s", mode, e->name);
            ALLOWED(r, EACCES, keep(open("file", O_RDONLY)));
            ALLOWED(wr, EACCES, keep(open("file", O_WRONLY)));
            ALLOWED(r && wr, EACCES, keep(open("file", O_RDWR)));
            ALLOWED(r && wr, EACCES, keep(open("file", O_RDONLY | O_TRUNC)));
            ALLOWED(wr, EACCES, keep(open("file", O_WRONLY | O_CREAT, 0777)));
            ALLOWED(wr, EACCES, truncate("file", 1));
            ALLOWED(wr || owner, EACCES, utimensat(AT_FDCWD, "file", NULL, 0));
            ALLOWED(wr || owner, EACCES, utimensat(AT_FDCWD, "file", now_times, 0));
            ALLOWED(wr, EACCES, setxattr("file", "user.px", "v", 1, 0));
            ALLOWED(r, EACCES, getxattr("file", "user.px", NULL, 0) < 0 && errno == ENODATA ? 0 : r ? 0 : -1);
            ALLOWED(r, EACCES, keep(open("dir", O_RDONLY | O_DIRECTORY)));
            ALLOWED(x, EACCES, chdir("dir") < 0 ? -1 : chdir(".."));
            ALLOWED(x, EACCES, faccessat(AT_FDCWD, "dir/in", F_OK, AT_EACCESS));
            ALLOWED(x, EACCES, keep(open("dir/in", O_RDONLY)));
            OK(keep(open("file", O_PATH)));
            OK(access("file", F_OK));
            ALLOWED(wr && x, EACCES, mknod("dir/reg", S_IFREG | 0644, 0));
            ALLOWED(wr && x, EACCES, mkdir("dir/dir", 0755));
            ALLOWED(wr && x, EACCES, mkfifo("dir/fifo", 0644));
            ALLOWED(wr && x, EACCES, symlink("text", "dir/lnk"));
            ALLOWED(wr && x, EACCES, keep(open("dir/created", O_RDWR | O_CREAT | O_EXCL, 0)));
            ALLOWED(wr && x, EACCES, rename("dir/in", "dir/moved"));
            ALLOWED(wr && x, EACCES, link(wr && x ? "dir/moved" : "dir/in", "dir/linked"));
            ALLOWED(wr && x, EACCES, unlink(wr && x ? "dir/moved" : "dir/in"));
            ALLOWED(wr && x, EACCES, rmdir(wr && x ? "dir/dir" : "dir/in"));
            px_remove("dir/linked");
            px_remove("dir/moved");
            px_remove("dir/in");
            px_remove("dir/reg");
            px_remove("dir/fifo");
            px_remove("dir/lnk");
            px_remove("dir/created");
            px_file("dir/in", "text");
            OK(chmod("dir/in", 0666)); /* for fs.protected_hardlinks */
        }
}

/* Root may all, but execute only what somebody may. */
static void root_may(void)
{
    OK(chmod("file", 0));
    OK(chmod("dir", 0));
    OK(keep(open("file", O_RDWR)));
    OK(access("dir/in", R_OK | W_OK));
    OK(access("dir", X_OK));
    FAILS(EACCES, access("file", X_OK));
    FAILS(EACCES, execve("file", (char *const[]){NULL}, (char *const[]){NULL}));
    OK(chmod("file", 0001));
    OK(access("file", X_OK));
}

/* Sticky directories: the owner of the name's object, the owner of the directory, and root. */

static void prepare_sticky(void)
{
    static const struct {
        const char *name;
        mode_t mode;
        uid_t owner;
    } dirs[] = {{"free", 0777, BOB}, {"own", 01777, ANN}, {"foreign", 01777, BOB}, {"roots", 01777, 0}};
    char path[64];

    for (size_t d = 0; d < LENGTH(dirs); d++) {
        OK(mkdir(dirs[d].name, 0777));
        for (enum px_type t = 0; t < PX_TYPES; t++)
            for (int mine = 0; t != PX_SOCK && mine < 2; mine++) {
                snprintf(path, sizeof(path), "%s/%s-%d", dirs[d].name, px_type_names[t], mine);
                OK(px_make(t, path));
                OK(lchown(path, mine ? ANN : BOB, TEAM));
            }
        OK(chown(dirs[d].name, dirs[d].owner, TEAM));
        OK(chmod(dirs[d].name, dirs[d].mode));
    }
    OK(mkdir("open", 0777));
    OK(chmod("open", 0777));
}

static void sticky(void)
{
    static const struct {
        const char *name;
        bool foreign_may;
    } dirs[] = {{"free", true}, {"own", true}, {"foreign", false}, {"roots", false}};
    char from[64], to[64];

    px_be(ANN, ANN, 0);
    for (size_t d = 0; d < LENGTH(dirs); d++)
        for (enum px_type t = 0; t < PX_TYPES; t++)
            for (int mine = 0; t != PX_SOCK && mine < 2; mine++) {
                bool may = mine || dirs[d].foreign_may;

                px_row("%s %s in %s", mine ? "own" : "foreign", px_type_names[t], dirs[d].name);
                snprintf(from, sizeof(from), "%s/%s-%d", dirs[d].name, px_type_names[t], mine);
                snprintf(to, sizeof(to), "%s/moved-%d", dirs[d].name, mine);
                ALLOWED(may, EPERM, rename(from, to));
                if (may)
                    OK(rename(to, from));
                /* Over it: as hard as removing it. */
                snprintf(to, sizeof(to), "%s/new", dirs[d].name);
                OK(px_make(t == PX_CHR || t == PX_BLK ? PX_REG : t, to));
                ALLOWED(may, EPERM, rename(to, from));
                if (may)
                    OK(px_make(t == PX_CHR || t == PX_BLK ? PX_REG : t, to));
                /* To another directory: a foreign directory is not moved, its ".." would be written. */
                ALLOWED(may, EPERM, t == PX_DIR ? rmdir(from) : unlink(from));
                OK(t == PX_DIR ? rmdir(to) : unlink(to));
            }
}

/* A directory that one may not write is not moved to another parent, since its ".." changes. */
static void prepare_dotdot(void)
{
    OK(mkdir("a", 0777));
    OK(mkdir("a/sub", 0755));
    OK(mkdir("b", 0777));
    OK(chmod("a", 0777));
    OK(chmod("b", 0777));
}

static void dotdot(void)
{
    px_be(ANN, ANN, 0);
    OK(rename("a/sub", "a/sub2"));
    FAILS(EACCES, rename("a/sub2", "b/sub"));
    OK(symlink("x", "a/s"));
    OK(rename("a/s", "b/s"));
    px_be_root();
    OK(rename("a/sub2", "b/sub"));
}

const struct px_case px_perms[] = {
    {"perm-bits", prepare_bits, bits, true},       {"perm-opens", prepare_bits, opens, true},
    {"perm-root", prepare_bits, root_may, true},   {"perm-sticky", prepare_sticky, sticky, true},
    {"perm-dotdot", prepare_dotdot, dotdot, true}, {0},
};
