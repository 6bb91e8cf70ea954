/* SPDX-License-Identifier: Apache-2.0 */
/* A file system that is mounted read-only: every change is refused with EROFS, and reading goes on. */
#include "px.h"

#include <sys/xattr.h>

static void prepare(void)
{
    px_file("f", "text");
    OK(setxattr("f", "user.a", "v", 1, 0));
    OK(mkdir("d", 0755));
    OK(mkfifo("p", 0644));
    OK(symlink("f", "l"));
}

static void changes(void)
{
    int fd = (int)OK(open("f", O_RDONLY));

    FAILS(EROFS, open("f", O_WRONLY));
    FAILS(EROFS, open("f", O_RDWR));
    FAILS(EROFS, open("f", O_RDONLY | O_TRUNC));
    FAILS(EROFS, open("new", O_RDONLY | O_CREAT, 0644));
    FAILS(EROFS, open(".", O_TMPFILE | O_RDWR, 0644));
    OK(close(open("f", O_RDONLY | O_CREAT, 0644)));
    OK(close(open("p", O_RDWR)));
    FAILS(EROFS, chmod("f", 0600));
    FAILS(EROFS, fchmod(fd, 0600));
    FAILS(EROFS, chown("f", 1, 1));
    FAILS(EROFS, lchown("l", 1, 1));
    FAILS(EROFS, truncate("f", 0));
    FAILS(EROFS, utimensat(AT_FDCWD, "f", NULL, 0));
    FAILS(EROFS, utimensat(AT_FDCWD, "l", NULL, AT_SYMLINK_NOFOLLOW));
    FAILS(EROFS, setxattr("f", "user.a", "w", 1, 0));
    FAILS(EROFS, removexattr("f", "user.a"));
    FAILS(EROFS, mkdir("new", 0755));
    FAILS(EROFS, mkfifo("new", 0644));
    FAILS(EROFS, mknod("new", S_IFREG | 0644, 0));
    FAILS(EROFS, symlink("x", "new"));
    FAILS(EROFS, link("f", "new"));
    FAILS(EROFS, rename("f", "new"));
    FAILS(EROFS, rename("f", "l"));
    FAILS(EROFS, renameat2(AT_FDCWD, "f", AT_FDCWD, "l", RENAME_EXCHANGE));
    FAILS(EROFS, unlink("f"));
    FAILS(EROFS, rmdir("d"));
    FAILS(EROFS, unlink("missing"));
    FAILS(EROFS, access("f", W_OK));
    FAILS(EEXIST, mkdir("d", 0755));
    FAILS(EEXIST, open("f", O_RDONLY | O_CREAT | O_EXCL, 0644));
    px_is_text(px_text("f"), "text", "a file of a read-only file system");
    IS(getxattr("f", "user.a", NULL, 0), 1);
    TIMES(read(fd, (char[4]){0}, 4), AT("f", ""));
    OK(close(fd));
}

const struct px_case px_frozen[] = {
    {"frozen-changes", prepare, changes, false},
    {0},
};
