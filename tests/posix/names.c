/* SPDX-License-Identifier: Apache-2.0 */
/* Make, link and remove names of every type: what is refused, what is counted. */
#include "px.h"

#include <sys/sysmacros.h>

static void prepare_types(void)
{
    if (geteuid() == 0) {
        px_make_all();
    } else {
        OK(px_make(PX_REG, "reg"));
        OK(px_make(PX_DIR, "dir"));
        OK(px_make(PX_FIFO, "fifo"));
        OK(px_make(PX_LNK, "lnk"));
    }
    px_file("dir/in", "text");
}

static bool there(enum px_type t) { return geteuid() == 0 || (t != PX_CHR && t != PX_BLK); }

/* Nothing is made where there is something, whatever it is. */
static void exists(void)
{
    px_make_rest();
    px_file("file", "x");
    for (enum px_type t = 0; t < PX_TYPES; t++) {
        const char *n = px_type_names[t];

        if (!there(t))
            continue;
        px_row("%s", n);
        FAILS(EEXIST, mkdir(n, 0755));
        FAILS(EEXIST, mkfifo(n, 0644));
        FAILS(EEXIST, mknod(n, S_IFREG | 0644, 0));
        FAILS(EEXIST, mknod(n, S_IFSOCK | 0644, 0));
        FAILS(EEXIST, symlink("text", n));
        FAILS(EEXIST, link("file", n));
        FAILS(EEXIST, open(n, O_CREAT | O_EXCL | O_WRONLY, 0644));
        FAILS(EEXIST, renameat2(AT_FDCWD, "file", AT_FDCWD, n, RENAME_NOREPLACE));
        if (t == PX_DIR)
            continue;
        FAILS(ENOTDIR, rmdir(n));
        OK(unlink(n));
        FAILS(ENOENT, unlink(n));
        OK(px_make(t == PX_CHR || t == PX_BLK ? PX_REG : t, n));
    }
}

/* umask and types. */
static void modes(void)
{
    static const mode_t masks[] = {0, 022, 027, 077, 0777}, wishes[] = {0, 0644, 0666, 0751, 0777};

    for (size_t m = 0; m < LENGTH(masks); m++)
        for (size_t w = 0; w < LENGTH(wishes); w++) {
            mode_t want = wishes[w] & ~masks[m];
            int fd;

            px_row("%04o with umask %04o", wishes[w], masks[m]);
            umask(masks[m]);
            OK(mkdir("d", wishes[w]));
            IS(px_stat("d").st_mode, S_IFDIR | want);
            OK(mkfifo("p", wishes[w]));
            IS(px_stat("p").st_mode, S_IFIFO | want);
            OK(mknod("s", S_IFSOCK | wishes[w], 0));
            IS(px_stat("s").st_mode, S_IFSOCK | want);
            OK(mknod("r", wishes[w], 0));
            IS(px_stat("r").st_mode, S_IFREG | want);
            fd = (int)OK(open("o", O_CREAT | O_RDWR | O_EXCL, wishes[w]));
            IS(px_stat("o").st_mode, S_IFREG | want);
            IS(write(fd, "abc", 3), 3);
            IS(pread(fd, (char[3]){0}, 3, 0), 3);
            OK(close(fd));
            OK(symlink("x", "l"));
            IS(px_stat("l").st_mode, S_IFLNK | 0777);
            OK(rmdir("d"));
            for (const char *n = "psrol"; *n; n++)
                OK(unlink((char[2]){*n}));
        }
    px_row("special bits");
    umask(022);
    OK(mkdir("d", 01777));
    IS(px_stat("d").st_mode, S_IFDIR | 01755);
    OK(mknod("r", S_IFREG | 06755, 0));
    IS(px_stat("r").st_mode, S_IFREG | 06755);
    FAILS(EPERM, mknod("x", S_IFDIR | 0755, 0));
    FAILS(EINVAL, mknod("x", S_IFLNK | 0755, 0));
}

static void devices(void)
{
    static const struct {
        unsigned major, minor;
    } rows[] = {{0, 0}, {1, 3}, {4, 255}, {8, 256}, {255, 65535}, {511, 1048575}, {4095, 1048575}};

    for (size_t i = 0; i < LENGTH(rows); i++)
        for (int block = 0; block < 2; block++) {
            dev_t dev = makedev(rows[i].major, rows[i].minor);

            px_row("%c %u %u", block ? 'b' : 'c', rows[i].major, rows[i].minor);
            OK(mknod("dev", (block ? S_IFBLK : S_IFCHR) | 0600, dev));
            IS(px_stat("dev").st_rdev, dev);
            IS(px_stat("dev").st_size, 0);
            IS(px_stat("dev").st_nlink, 1);
            OK(link("dev", "dev2"));
            IS(px_stat("dev2").st_rdev, dev);
            OK(unlink("dev"));
            OK(unlink("dev2"));
        }
    px_row("null");
    OK(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
    px_file("null", "swallowed");
    px_is_text(px_text("null"), "", "read of null");
    OK(mkdir("public", 0777));
    OK(chmod("public", 0777));
    px_be(ANN, ANN, 0);
    FAILS(EPERM, mknod("public/c", S_IFCHR | 0600, makedev(1, 3)));
    FAILS(EPERM, mknod("public/b", S_IFBLK | 0600, makedev(8, 0)));
    OK(mknod("public/p", S_IFIFO | 0600, 0));
}

/* Links count, share, and go one by one. */
static void links(void)
{
    px_make_rest();
    for (enum px_type t = 0; t < PX_TYPES; t++) {
        const char *n = px_type_names[t];
        struct stat st;

        if (!there(t))
            continue;
        px_row("%s", n);
        st = px_stat(n);
        if (t == PX_DIR) {
            FAILS(EPERM, link(n, "l"));
            continue;
        }
        IS(st.st_nlink, 1);
        if (OK(link(n, "l1")) < 0)
            continue;
        OK(link("l1", "dir/l2"));
        IS(px_stat(n).st_nlink, 3);
        IS(px_stat("dir/l2").st_ino, st.st_ino);
        IS(px_stat("dir/l2").st_mode, st.st_mode);
        if (t != PX_LNK)
            OK(chmod("l1", 0604));
        IS(px_stat(n).st_mode, t == PX_LNK ? st.st_mode : (st.st_mode & S_IFMT) | 0604);
        OK(unlink(n));
        IS(px_stat("l1").st_nlink, 2);
        OK(unlink("l1"));
        IS(px_stat("dir/l2").st_nlink, 1);
        OK(link("dir/l2", n));
        OK(unlink("dir/l2"));
    }
    px_row("arguments");
    FAILS(ENOENT, link("gone", "l"));
    FAILS(EEXIST, link("reg", "reg"));
    FAILS(EEXIST, link("reg", "."));
    FAILS(EEXIST, link("reg", ".."));
    OK(symlink("reg", "to"));
    OK(linkat(AT_FDCWD, "to", AT_FDCWD, "l1", AT_SYMLINK_FOLLOW));
    IS(px_stat("l1").st_ino, px_stat("reg").st_ino);
    OK(linkat(AT_FDCWD, "to", AT_FDCWD, "l2", 0));
    TRUE(px_stat("l2").st_ino == px_stat("to").st_ino);
    FAILS(EINVAL, linkat(AT_FDCWD, "reg", AT_FDCWD, "l3", 0x800000));
}

static void link_to_descriptor(void)
{
    int fd = (int)OK(open("reg", O_RDONLY));
    char path[32];

    OK(linkat(fd, "", AT_FDCWD, "by-fd", AT_EMPTY_PATH));
    IS(px_stat("by-fd").st_ino, px_stat("reg").st_ino);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    OK(linkat(AT_FDCWD, path, AT_FDCWD, "by-proc", AT_SYMLINK_FOLLOW));
    IS(px_stat("reg").st_nlink, 3);
    OK(unlink("by-fd"));
    OK(unlink("by-proc"));
    OK(unlink("reg"));
    FAILS(ENOENT, linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH));
    OK(close(fd));
}

/* What has no name any more lives until it is closed. */
static void unlinked(void)
{
    int fd = (int)OK(open("reg", O_RDWR));
    struct stat st;
    char buffer[8] = "";

    IS(write(fd, "before", 6), 6);
    OK(unlink("reg"));
    OK(fstat(fd, &st));
    IS(st.st_nlink, 0);
    IS(st.st_size, 6);
    IS(write(fd, "after", 5), 5);
    IS(pread(fd, buffer, 5, 6), 5);
    px_is_text(buffer, "after", "text of a file without name");
    OK(fchmod(fd, 0600));
    OK(ftruncate(fd, 3));
    OK(fstat(fd, &st));
    IS(st.st_size, 3);
    IS(st.st_mode, S_IFREG | 0600);
    px_file("reg", "another");
    IS(px_stat("reg").st_size, 7);
    TRUE(px_stat("reg").st_ino != st.st_ino);
    OK(close(fd));
    px_row("directory");
    OK(mkdir("d", 0755));
    fd = (int)OK(open("d", O_RDONLY | O_DIRECTORY));
    OK(rmdir("d"));
    OK(fstat(fd, &st));
    IS(st.st_nlink, 0);
    FAILS(ENOENT, mkdirat(fd, "x", 0755));
    FAILS(ENOENT, openat(fd, "x", O_CREAT | O_WRONLY, 0644));
    FAILS(ENOENT, symlinkat("x", fd, "x"));
    FAILS(ENOENT, linkat(AT_FDCWD, "fifo", fd, "x", 0));
    FAILS(ENOENT, renameat(AT_FDCWD, "fifo", fd, "x"));
    FAILS(ENOENT, fstatat(fd, "x", &st, 0));
    OK(fstatat(fd, ".", &st, 0));
    OK(close(fd));
    FAILS(ENOENT, chdir("d"));
}

static void remove_dirs(void)
{
    FAILS(ENOTEMPTY, rmdir("dir"));
    FAILS(EISDIR, unlink("dir"));
    FAILS(EINVAL, rmdir("dir/."));
    FAILS(ENOTEMPTY, rmdir("dir/.."));
    FAILS(EISDIR, unlink("dir/."));
    FAILS(EISDIR, unlink("dir/.."));
    FAILS(ENOTDIR, unlink("reg/"));
    FAILS(ENOTDIR, rmdir("lnk"));
    OK(symlink("dir", "to-dir"));
    FAILS(ENOTDIR, rmdir("to-dir"));
    FAILS(ENOTDIR, rmdir("to-dir/"));
    OK(unlink("dir/in"));
    OK(rmdir("dir"));
    FAILS(ENOENT, rmdir("dir"));
    OK(mkdir("dir/", 0755));
    OK(rmdir("dir/"));
    FAILS(EEXIST, mkdir(".", 0755));
    FAILS(EEXIST, mkdir("..", 0755));
    FAILS(EEXIST, mkdir("/", 0755));
    FAILS(ENOENT, mkdir("dir/.", 0755));
}

/* The number of links of a directory is two and one for each directory in it. */
static void dir_links(void)
{
    char name[16];

    IS(px_stat("dir").st_nlink, 2);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "dir/%d", i);
        OK(mkdir(name, 0755));
        IS(px_stat("dir").st_nlink, 3 + i);
        IS(px_stat(name).st_nlink, 2);
    }
    OK(rename("dir/3", "three"));
    IS(px_stat("dir").st_nlink, 21);
    OK(rename("dir/4", "three"));
    IS(px_stat("dir").st_nlink, 20);
    OK(rename("dir/5", "dir/6"));
    IS(px_stat("dir").st_nlink, 19);
    OK(renameat2(AT_FDCWD, "dir/7", AT_FDCWD, "reg", RENAME_EXCHANGE));
    IS(px_stat("dir").st_nlink, 18);
    OK(rmdir("dir/8"));
    IS(px_stat("dir").st_nlink, 17);
    px_file("dir/file", "x");
    IS(px_stat("dir").st_nlink, 17);
}

/* Names are bytes: all but NUL and slash, in any encoding, and those that unions keep for themselves. */
static void bytes(void)
{
    char name[4] = "";

    for (int c = 1; c < 256; c++) {
        snprintf(name, sizeof(name), "n%c", c);
        if (c == '/')
            continue;
        px_row("byte %d", c);
        OK(mknod(name, S_IFREG | 0644, 0));
        IS(px_stat(name).st_nlink, 1);
        OK(unlink(name));
    }
    px_row("whiteout names");
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {".wh.reg", ".wh..wh..opq", ".wh.", ".wh..wh.plnk"};

        px_file(names[i], "x");
        px_is_text(px_text(names[i]), "x", names[i]);
        OK(rename(names[i], "away"));
        OK(rename("away", names[i]));
        OK(unlink(names[i]));
        OK(mkdir(names[i], 0755));
        OK(rmdir(names[i]));
    }
    IS(px_stat("reg").st_nlink, 1);
}

const struct px_case px_names[] = {
    {"name-exists", prepare_types, exists, false},
    {"name-modes", NULL, modes, false},
    {"name-devices", NULL, devices, true},
    {"name-links", prepare_types, links, false},
    {"name-link-descriptor", prepare_types, link_to_descriptor, true},
    {"name-unlinked", prepare_types, unlinked, false},
    {"name-remove-dirs", prepare_types, remove_dirs, false},
    {"name-dir-links", prepare_types, dir_links, false},
    {"name-bytes", prepare_types, bytes, false},
    {0},
};
