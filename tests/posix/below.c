/* SPDX-License-Identifier: Apache-2.0 */
/* What unions get wrong when objects come from below: numbers, links, moves, and coming back under a removed name. */
#include "px.h"

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static void prepare_links(void)
{
    OK(mkdir("one", 0755));
    OK(mkdir("two", 0755));
    px_file("one/a", "shared");
    OK(link("one/a", "one/b"));
    OK(link("one/a", "two/c"));
    OK(symlink("target", "one/s"));
    OK(link("one/s", "two/s"));
}

/* All names of a file stay one file over every kind of change. */
static void links(void)
{
    ino_t ino = px_stat("two/c").st_ino;
    dev_t dev = px_stat("two/c").st_dev;
    int fd = (int)OK(open("one/b", O_RDWR | O_APPEND));

    IS(px_stat("two/c").st_nlink, 3);
    IS(px_stat("two/s").st_nlink, 2);
    TRUE(px_stat("one/s").st_ino == px_stat("two/s").st_ino);
    OK(chmod("one/a", 0600));
    IS(px_stat("two/c").st_mode, S_IFREG | 0600);
    IS(write(fd, " more", 5), 5);
    px_is_text(px_text("two/c"), "shared more", "text by another name");
    OK(setxattr("one/a", "user.x", "1", 1, 0));
    IS(getxattr("two/c", "user.x", NULL, 0), 1);
    IS(px_stat("two/c").st_ino, ino);
    IS(px_stat("two/c").st_dev, dev);
    OK(unlink("one/a"));
    IS(px_stat("two/c").st_nlink, 2);
    OK(rename("two", "three"));
    OK(rename("three/c", "c"));
    IS(px_stat("c").st_ino, ino);
    IS(px_stat("c").st_nlink, 2);
    OK(truncate("one/b", 3));
    px_is_text(px_text("c"), "sha", "text by another name");
    OK(link("c", "one/a"));
    IS(px_stat("one/b").st_nlink, 3);
    OK(unlink("one/a"));
    OK(unlink("one/b"));
    OK(unlink("c"));
    IS(pread(fd, (char[3]){0}, 3, 0), 3);
    OK(close(fd));
}

static void prepare_numbers(void)
{
    px_make_all();
    OK(mkdir("top", 0755));
    OK(mkdir("top/dir", 0755));
    px_file("top/dir/file", "x");
}

/* The number and the device of an object never change. */
static void numbers(void)
{
    px_make_rest();
    for (enum px_type t = 0; t < PX_TYPES; t++) {
        const char *n = px_type_names[t];
        struct stat before = px_stat(n);

        px_row("%s", n);
        OK(lchown(n, 5, 6));
        if (t == PX_DIR)
            px_forget();
        IS(px_stat(n).st_ino, before.st_ino);
        OK(utimensat(AT_FDCWD, n, NULL, AT_SYMLINK_NOFOLLOW));
        IS(px_stat(n).st_ino, before.st_ino);
        OK(rename(n, "renamed"));
        IS(px_stat("renamed").st_ino, before.st_ino);
        IS(px_stat("renamed").st_dev, before.st_dev);
        IS(px_stat("renamed").st_rdev, before.st_rdev);
        IS(px_stat("renamed").st_size, before.st_size);
        OK(rename("renamed", n));
        if (t == PX_REG)
            px_forget();
        IS(px_stat(n).st_dev, px_stat(".").st_dev);
    }
    OK(rename("top", "moved"));
    OK(rename("moved/dir", "dir2"));
    px_is_text(px_text("dir2/file"), "x", "a file of a directory that moved twice");
    OK(mkdir("top", 0755));
    OK(rename("dir2", "top/dir"));
    px_is_text(px_text("top/dir/file"), "x", "a file of a directory that came back");
}

static int count(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static void prepare_names(void)
{
    OK(mkdir("d", 0755));
    px_file("d/a", "old a");
    px_file("d/b", "old b");
    OK(mkdir("d/sub", 0755));
    px_file("d/sub/x", "old x");
    px_file("outside", "outside");
    OK(mkdir("full", 0755));
    px_file("full/y", "y");
}

/* A name that was removed may come back as anything, and nothing old shines through. */
static void comes_back(void)
{
    OK(unlink("d/a"));
    OK(mkdir("d/a", 0755));
    IS(count("d/a"), 0);
    OK(rmdir("d/a"));
    OK(rename("outside", "d/a"));
    px_is_text(px_text("d/a"), "outside", "over a removed name");
    OK(unlink("d/a"));
    OK(symlink("b", "d/a"));
    px_is_text(px_text("d/a"), "old b", "through a symlink at a removed name");
    OK(unlink("d/sub/x"));
    OK(rmdir("d/sub"));
    px_file("d/sub", "file");
    OK(unlink("d/sub"));
    OK(mkdir("d/sub", 0755));
    IS(count("d/sub"), 0);
    FAILS(ENOENT, open("d/sub/x", O_RDONLY));
    OK(rmdir("d/sub"));
    OK(rename("full", "d/sub"));
    IS(count("d/sub"), 1);
    px_is_text(px_text("d/sub/y"), "y", "in a directory over a removed name");
    OK(mkdir("empty", 0755));
    OK(unlink("d/sub/y"));
    OK(rename("empty", "d/sub"));
    IS(count("d"), 3);
    OK(unlink("d/b"));
    OK(mknod("d/b", S_IFCHR, makedev(0, 0)));
    IS(px_stat("d/b").st_mode, S_IFCHR);
    IS(count("d"), 3);
    OK(unlink("d/b"));
    OK(rename("d", "e"));
    FAILS(ENOENT, lstat("d/sub", &(struct stat){0}));
    IS(count("e"), 2);
}

/* Attributes that unions keep for themselves are ordinary here. */
static void private_names(void)
{
    static const char *const names[] = {"trusted.overlay.opaque", "trusted.overlay.whiteout", "user.overlay.opaque",
                                        "user.fuseoverlayfs.opaque", "trusted.overlay.origin"};

    for (size_t i = 0; i < LENGTH(names); i++) {
        OK(setxattr("d", names[i], "y", 1, 0));
        IS(getxattr("d", names[i], NULL, 0), 1);
        IS(count("d"), 3);
        OK(removexattr("d", names[i]));
    }
    px_file("d/.wh.a", "not a whiteout");
    px_is_text(px_text("d/a"), "old a", "beside a file called .wh.a");
    px_file("d/.wh..wh..opq", "not opaque");
    px_is_text(px_text("d/b"), "old b", "beside a file called .wh..wh..opq");
}

const struct px_case px_below[] = {
    {"below-links", prepare_links, links, false},
    {"below-numbers", prepare_numbers, numbers, true},
    {"below-comes-back", prepare_names, comes_back, true},
    {"below-private-names", prepare_names, private_names, true},
    {0},
};
