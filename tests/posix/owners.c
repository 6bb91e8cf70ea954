/* SPDX-License-Identifier: Apache-2.0 */
/* Who may change modes, owners and times of what; what that clears, and what a write clears. */
#include "px.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static void prepare_types(void)
{
    px_make_all();
    for (enum px_type t = 0; t < PX_TYPES; t++)
        if (t != PX_SOCK)
            OK(lchown(px_type_names[t], ANN, TEAM));
}

static const struct timespec some_times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};

/* For each type: the owner may, another may not. */
static void changes(void)
{
    px_make_rest();
    OK(chown("sock", ANN, TEAM));
    for (enum px_type t = 0; t < PX_TYPES; t++) {
        const char *n = px_type_names[t];
        bool lnk = t == PX_LNK;

        px_row("%s", n);
        px_be(BOB, TEAM, 0);
        if (!lnk)
            FAILS(EPERM, chmod(n, 0600));
        FAILS(EPERM, lchown(n, BOB, (gid_t)-1));
        FAILS(EPERM, lchown(n, (uid_t)-1, TEAM));
        FAILS(EPERM, utimensat(AT_FDCWD, n, some_times, AT_SYMLINK_NOFOLLOW));
        px_be(ANN, ANN, 2, TEAM, CLUB);
        if (!lnk) {
            OK(chmod(n, 0640));
            IS(px_stat(n).st_mode, px_type_modes[t] | 0640);
        }
        FAILS(EPERM, lchown(n, BOB, (gid_t)-1));
        FAILS(EPERM, lchown(n, BOB, CLUB));
        FAILS(EPERM, lchown(n, (uid_t)-1, 12345));
        OK(lchown(n, ANN, CLUB));
        IS(px_stat(n).st_gid, CLUB);
        OK(lchown(n, (uid_t)-1, ANN));
        OK(utimensat(AT_FDCWD, n, some_times, AT_SYMLINK_NOFOLLOW));
        IS(px_stat(n).st_atim.tv_nsec, 123456789);
        IS(px_stat(n).st_mtim.tv_nsec, 987654321);
        IS(px_stat(n).st_mtim.tv_sec, 1100000000);
        px_be_root();
        OK(lchown(n, 4000000000u, 3000000000u));
        IS(px_stat(n).st_uid, 4000000000u);
        IS(px_stat(n).st_gid, 3000000000u);
        OK(lchown(n, (uid_t)-1, (gid_t)-1));
        IS(px_stat(n).st_uid, 4000000000u);
    }
    FAILS(EOPNOTSUPP, fchmodat(AT_FDCWD, "lnk", 0600, AT_SYMLINK_NOFOLLOW));
    IS(px_stat("lnk").st_mode, S_IFLNK | 0777);
}

/* Times: now with write permission, any by the owner alone; omitted ones. */
static void times(void)
{
    static const struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}},
                                 one_now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}},
                                 now2[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}}, bad[2] = {{0, 1000000000}, {0, 0}},
                                 early[2] = {{-5, 999999999}, {-1, 1}}, late[2] = {{5000000000, 7}, {15000000000, 8}};

    OK(chmod("reg", 0666));
    px_be(BOB, BOB, 0);
    OK(utimensat(AT_FDCWD, "reg", now2, 0));
    OK(utimensat(AT_FDCWD, "reg", NULL, 0));
    OK(utimensat(AT_FDCWD, "reg", omit, 0));
    FAILS(EPERM, utimensat(AT_FDCWD, "reg", one_now, 0));
    FAILS(EPERM, utimensat(AT_FDCWD, "reg", some_times, 0));
    px_be_root();
    OK(chmod("reg", 0444));
    px_be(BOB, BOB, 0);
    FAILS(EACCES, utimensat(AT_FDCWD, "reg", now2, 0));
    OK(utimensat(AT_FDCWD, "reg", omit, 0));
    px_be(ANN, ANN, 0);
    OK(utimensat(AT_FDCWD, "reg", some_times, 0));
    OK(utimensat(AT_FDCWD, "reg", omit, 0));
    IS(px_stat("reg").st_atim.tv_sec, 1000000000);
    OK(utimensat(AT_FDCWD, "reg", one_now, 0));
    TRUE(px_stat("reg").st_atim.tv_sec > 1200000000);
    IS(px_stat("reg").st_mtim.tv_sec, 1100000000);
    FAILS(EINVAL, utimensat(AT_FDCWD, "reg", bad, 0));
    OK(utimensat(AT_FDCWD, "reg", early, 0));
    IS(px_stat("reg").st_atim.tv_sec, -5);
    IS(px_stat("reg").st_atim.tv_nsec, 999999999);
    IS(px_stat("reg").st_mtim.tv_sec, -1);
    OK(utimensat(AT_FDCWD, "reg", late, 0));
    IS(px_stat("reg").st_atim.tv_sec, 5000000000);
    IS(px_stat("reg").st_mtim.tv_sec, 15000000000);
}

/* Set-id bits after a change of owner or group, by whom, for files that are programs and that are not. */
static void prepare_setid(void)
{
    px_file("f", "program");
    px_file("source", "more");
    OK(mkdir("d", 0755));
}

static void chown_clears(void)
{
    static const struct {
        mode_t before, by_owner, by_root;
    } rows[] = {
        {06777, 0777, 0777},   {04777, 0777, 0777},   {02777, 0777, 0777},   {06711, 0711, 0711},
        {06766, 02766, 02766}, {02766, 02766, 02766}, {04766, 0766, 0766},   {01777, 01777, 01777},
        {07777, 01777, 01777}, {0644, 0644, 0644},    {06000, 02000, 02000}, {06010, 0010, 0010},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        for (int root = 0; root < 2; root++) {
            mode_t want = root ? rows[i].by_root : rows[i].by_owner;

            px_row("%04o by %s", rows[i].before, root ? "root" : "owner");
            px_be_root();
            OK(chown("f", ANN, TEAM));
            OK(chmod("f", rows[i].before));
            OK(chown("d", ANN, TEAM));
            OK(chmod("d", rows[i].before));
            if (!root)
                px_be(ANN, TEAM, 1, CLUB);
            OK(chown("f", (uid_t)-1, CLUB));
            IS(px_stat("f").st_mode & 07777, want);
            OK(chown("d", (uid_t)-1, CLUB));
            IS(px_stat("d").st_mode & 07777, rows[i].before);
            px_be_root();
            OK(chmod("f", rows[i].before));
            if (!root)
                px_be(ANN, TEAM, 1, CLUB);
            OK(chown("f", (uid_t)-1, (gid_t)-1));
            IS(px_stat("f").st_mode & 07777, want);
        }
}

static void chmod_group(void)
{
    OK(chown("f", ANN, TEAM));
    OK(chown("d", ANN, TEAM));
    px_be(ANN, CLUB, 0);
    OK(chmod("f", 06755));
    IS(px_stat("f").st_mode & 07777, 04755);
    OK(chmod("d", 02755));
    IS(px_stat("d").st_mode & 07777, 0755);
    OK(chmod("f", 01644));
    IS(px_stat("f").st_mode & 07777, 01644);
    px_be(ANN, CLUB, 1, TEAM);
    OK(chmod("f", 06755));
    IS(px_stat("f").st_mode & 07777, 06755);
    OK(chmod("d", 03755));
    IS(px_stat("d").st_mode & 07777, 03755);
}

/* Ways to change the content of the file open at @fd, and also known as "f". */
static long w_write(int fd) { return write(fd, "y", 1); }
static long w_pwrite(int fd) { return pwrite(fd, "y", 1, 2); }
static long w_ftruncate(int fd) { return ftruncate(fd, 3); }
static long w_grow(int fd) { return ftruncate(fd, 10000); }
static long w_fallocate(int fd) { return fallocate(fd, 0, 0, 20000); }
static long w_punch(int fd) { return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1); }
static long w_truncate(int fd) { return (void)fd, truncate("f", 2); }
static long w_open_trunc(int fd) { return (void)fd, close(open("f", O_WRONLY | O_TRUNC)); }
static long w_copy(int fd)
{
    int from = open("source", O_RDONLY);
    long r = copy_file_range(from, NULL, fd, NULL, 3, 0);

    close(from);
    return r;
}
static long w_sendfile(int fd)
{
    int from = open("source", O_RDONLY);
    long r = sendfile(fd, from, NULL, 3);

    close(from);
    return r;
}
static long w_direct(int fd)
{
    static _Alignas(4096) char page[4096];
    int direct = open("f", O_WRONLY | O_DIRECT);
    long r = pwrite(direct, page, sizeof(page), 0);

    (void)fd;
    close(direct);
    return r;
}
static long w_nothing(int fd) { return write(fd, "", 0); }
static long w_read(int fd) { return pread(fd, (char[1]){0}, 1, 0); }

static void write_clears(void)
{
    static const struct {
        const char *name;
        long (*change)(int fd);
        bool clears;
    } ways[] = {{"write", w_write, true},       {"pwrite", w_pwrite, true},       {"ftruncate", w_ftruncate, true},
                {"grow", w_grow, true},         {"fallocate", w_fallocate, true}, {"punch", w_punch, true},
                {"truncate", w_truncate, true}, {"O_TRUNC", w_open_trunc, true},  {"copy_file_range", w_copy, true},
                {"sendfile", w_sendfile, true}, {"O_DIRECT", w_direct, true},     {"write nothing", w_nothing, false},
                {"read", w_read, false}};
    static const struct {
        mode_t before, after;
        bool member; /* of the file's group */
    } modes[] = {{06777, 0777, false}, {04755, 0755, false}, {02777, 0777, false},
                 {02767, 0767, false}, {06767, 0767, false}, {07777, 01777, false},
                 {02767, 02767, true}, {06767, 02767, true}, {06777, 0777, true}};
    static const char capability[20] = {0, 0, 0, 2, 0, 4};

    OK(chown("f", ANN, TEAM));
    for (size_t w = 0; w < LENGTH(ways); w++)
        for (size_t m = 0; m < LENGTH(modes); m++) {
            int fd;

            px_row("%s %04o by %s", ways[w].name, modes[m].before, modes[m].member ? "a member" : "another");
            px_be_root();
            OK(chmod("f", 0666));
            fd = (int)OK(open("f", O_RDWR));
            OK(chmod("f", modes[m].before | 0222));
            OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
            px_be(BOB, modes[m].member ? TEAM : BOB, 0);
            OK(ways[w].change(fd));
            IS(px_stat("f").st_mode & 07777, (ways[w].clears ? modes[m].after : modes[m].before) | 0222);
            IS(getxattr("f", "security.capability", NULL, 0) >= 0, !ways[w].clears);
            OK(close(fd));
        }
}

/* Root keeps set-id bits, but a capability goes with the first write. */
static void root_write(void)
{
    static const char capability[20] = {0, 0, 0, 2, 0, 4};
    int fd = (int)OK(open("f", O_RDWR));

    OK(chmod("f", 06755));
    OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
    OK(chmod("f", 06775));
    OK(link("f", "f2"));
    OK(rename("f2", "f3"));
    OK(utimensat(AT_FDCWD, "f", NULL, 0));
    IS(getxattr("f", "security.capability", NULL, 0), 20);
    OK(write(fd, "y", 1));
    IS(px_stat("f").st_mode & 07777, 06775);
    FAILS(ENODATA, getxattr("f", "security.capability", NULL, 0));
    OK(setxattr("f", "security.capability", capability, sizeof(capability), 0));
    OK(chown("f", 1, 1));
    FAILS(ENODATA, getxattr("f", "security.capability", NULL, 0));
    OK(close(fd));
}

/* Directories that hand down their group. */
static void prepare_setgid(void)
{
    OK(mkdir("s", 0777));
    OK(chown("s", ANN, TEAM));
    OK(chmod("s", 02777));
}

static void setgid_dirs(void)
{
    char path[32];

    px_be(BOB, CLUB, 0);
    for (enum px_type t = 0; t < PX_TYPES; t++) {
        if (t == PX_CHR || t == PX_BLK)
            continue;
        px_row("%s", px_type_names[t]);
        snprintf(path, sizeof(path), "s/%s", px_type_names[t]);
        OK(px_make(t, path));
        IS(px_stat(path).st_gid, TEAM);
        IS(px_stat(path).st_uid, BOB);
        IS(px_stat(path).st_mode & S_ISGID, t == PX_DIR ? S_ISGID : 0);
    }
    px_row("bits");
    umask(0);
    OK(mknod("s/program", S_IFREG | 02775, 0));
    IS(px_stat("s/program").st_mode & 07777, 0775);
    OK(mknod("s/locked", S_IFREG | 02765, 0));
    IS(px_stat("s/locked").st_mode & 07777, 02765);
    OK(mkdir("s/dir/deeper", 0755));
    IS(px_stat("s/dir/deeper").st_mode & 07777, 02755);
    IS(px_stat("s/dir/deeper").st_gid, TEAM);
    px_be(BOB, CLUB, 1, TEAM);
    OK(mknod("s/member", S_IFREG | 02775, 0));
    IS(px_stat("s/member").st_mode & 07777, 02775);
    px_be_root();
    OK(mknod("s/root", S_IFREG | 06775, 0));
    IS(px_stat("s/root").st_mode & 07777, 06775);
}

const struct px_case px_owners[] = {
    {"owner-changes", prepare_types, changes, true},           {"owner-times", prepare_types, times, true},
    {"owner-chown-clears", prepare_setid, chown_clears, true}, {"owner-chmod-group", prepare_setid, chmod_group, true},
    {"owner-write-clears", prepare_setid, write_clears, true}, {"owner-root-write", prepare_setid, root_write, true},
    {"owner-setgid-dirs", prepare_setgid, setgid_dirs, true},  {0},
};
