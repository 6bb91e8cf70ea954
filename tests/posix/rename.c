/* SPDX-License-Identifier: Apache-2.0 */
/* Rename: every type over every type, all flags, into itself, over itself, of full directories. */
#include "px.h"

#include <sys/sysmacros.h>

/* Pairs are made ahead: "TYPE-TYPE/from" and "TYPE-TYPE/to". */
static const char *pair(enum px_type a, enum px_type b, const char *kind, const char *side)
{
    static char paths[16][64];
    static unsigned next;
    char *p = paths[next++ % LENGTH(paths)];

    snprintf(p, sizeof(paths[0]), "%s-%s-%s%s%s", kind, px_type_names[a], px_type_names[b], side ? "/" : "",
             side ? side : "");
    return p;
}

static void prepare_pairs(void)
{
    static const char *const kinds[] = {"over", "no", "swap", "white"};

    for (size_t k = 0; k < LENGTH(kinds); k++)
        for (enum px_type a = 0; a < PX_TYPES; a++)
            for (enum px_type b = 0; b < PX_TYPES; b++) {
                OK(mkdir(pair(a, b, kinds[k], NULL), 0755));
                if (a != PX_SOCK)
                    OK(px_make(a, pair(a, b, kinds[k], "from")));
                if (b != PX_SOCK)
                    OK(px_make(b, pair(a, b, kinds[k], "to")));
            }
}

/* Sockets are made now. */
static void complete(enum px_type a, enum px_type b, const char *kind)
{
    if (a == PX_SOCK && access(pair(a, b, kind, "from"), F_OK) < 0)
        OK(px_make(a, pair(a, b, kind, "from")));
    if (b == PX_SOCK && access(pair(a, b, kind, "to"), F_OK) < 0)
        OK(px_make(b, pair(a, b, kind, "to")));
}

static void gone(const char *path) { FAILS(ENOENT, lstat(path, &(struct stat){0})); }

static void over(void)
{
    for (enum px_type a = 0; a < PX_TYPES; a++)
        for (enum px_type b = 0; b < PX_TYPES; b++) {
            const char *from = pair(a, b, "over", "from"), *to = pair(a, b, "over", "to"),
                       *dir = pair(a, b, "over", NULL);
            struct stat st;

            complete(a, b, "over");
            px_row("%s over %s", px_type_names[a], px_type_names[b]);
            st = px_stat(from);
            if (a == PX_DIR && b != PX_DIR) {
                FAILS(ENOTDIR, rename(from, to));
            } else if (a != PX_DIR && b == PX_DIR) {
                FAILS(EISDIR, rename(from, to));
            } else {
                OK(rename(from, to));
                gone(from);
                IS(px_stat(to).st_ino, st.st_ino);
                IS(px_stat(to).st_mode, st.st_mode);
                IS(px_stat(to).st_nlink, st.st_nlink);
                IS(px_stat(dir).st_nlink, a == PX_DIR ? 3 : 2);
            }
        }
}

static void flags(void)
{
    for (enum px_type a = 0; a < PX_TYPES; a++)
        for (enum px_type b = 0; b < PX_TYPES; b++) {
            const char *from = pair(a, b, "no", "from"), *to = pair(a, b, "no", "to");
            struct stat sa, sb;

            complete(a, b, "no");
            complete(a, b, "swap");
            px_row("%s and %s", px_type_names[a], px_type_names[b]);
            FAILS(EEXIST, renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE));
            OK(renameat2(AT_FDCWD, from, AT_FDCWD, pair(a, b, "no", "new"), RENAME_NOREPLACE));
            FAILS(EINVAL, renameat2(AT_FDCWD, to, AT_FDCWD, from, RENAME_NOREPLACE | RENAME_EXCHANGE));
            FAILS(EINVAL, renameat2(AT_FDCWD, to, AT_FDCWD, from, 8));
            FAILS(ENOENT, renameat2(AT_FDCWD, to, AT_FDCWD, from, RENAME_EXCHANGE));
            from = pair(a, b, "swap", "from");
            to = pair(a, b, "swap", "to");
            sa = px_stat(from);
            sb = px_stat(to);
            OK(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE));
            IS(px_stat(to).st_ino, sa.st_ino);
            IS(px_stat(from).st_ino, sb.st_ino);
            IS(px_stat(from).st_mode, sb.st_mode);
        }
}

/* RENAME_WHITEOUT, for unions on top of this one: the old name becomes a device 0:0. */
static void whiteout(void)
{
    for (enum px_type a = 0; a < PX_TYPES; a++)
        for (enum px_type b = 0; b < PX_TYPES; b++) {
            const char *from = pair(a, b, "white", "from"), *to = pair(a, b, "white", "to");
            bool fits = (a == PX_DIR) == (b == PX_DIR);
            struct stat st;

            complete(a, b, "white");
            px_row("%s over %s", px_type_names[a], px_type_names[b]);
            st = px_stat(from);
            if (!fits) {
                FAILS(a == PX_DIR ? ENOTDIR : EISDIR, renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_WHITEOUT));
                continue;
            }
            OK(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_WHITEOUT));
            IS(px_stat(to).st_ino, st.st_ino);
            IS(px_stat(from).st_mode, S_IFCHR);
            IS(px_stat(from).st_rdev, 0);
            IS(px_stat(from).st_nlink, 1);
            IS(px_stat(pair(a, b, "white", NULL)).st_nlink, a == PX_DIR ? 3 : 2);
            FAILS(EEXIST, renameat2(AT_FDCWD, to, AT_FDCWD, from, RENAME_WHITEOUT | RENAME_NOREPLACE));
            FAILS(EINVAL, renameat2(AT_FDCWD, to, AT_FDCWD, from, RENAME_WHITEOUT | RENAME_EXCHANGE));
        }
}

static void prepare_trees(void)
{
    OK(mkdir("a", 0755));
    OK(mkdir("a/b", 0755));
    OK(mkdir("a/b/c", 0755));
    px_file("a/b/c/file", "deep");
    px_file("a/b/one", "one");
    OK(link("a/b/one", "a/two"));
    OK(mkdir("full", 0755));
    px_file("full/file", "x");
    OK(mkdir("empty", 0755));
    OK(symlink("a", "to-a"));
}

static void trees(void)
{
    ino_t b = px_stat("a/b").st_ino, c = px_stat("a/b/c").st_ino, root = px_stat(".").st_ino;

    FAILS(EINVAL, rename("a", "a/x"));
    FAILS(EINVAL, rename("a", "a/b/x"));
    FAILS(EINVAL, rename("a", "a/b/c/x"));
    FAILS(EINVAL, rename("a", "a/b/c"));
    FAILS(ENOTEMPTY, rename("a/b/c", "a"));
    FAILS(ENOTEMPTY, rename("a/b", "a"));
    FAILS(EINVAL, renameat2(AT_FDCWD, "a", AT_FDCWD, "a/b", RENAME_EXCHANGE));
    FAILS(EINVAL, renameat2(AT_FDCWD, "a/b", AT_FDCWD, "a", RENAME_EXCHANGE));
    FAILS(ENOTEMPTY, rename("a", "full"));
    FAILS(ENOTEMPTY, rename("empty", "full"));
    FAILS(EBUSY, rename(".", "x"));
    FAILS(EBUSY, rename("a/.", "x"));
    FAILS(EBUSY, rename("..", "x"));
    FAILS(EBUSY, rename("empty", "."));
    FAILS(EBUSY, rename("empty", "a/.."));
    FAILS(ENOTDIR, rename("full/file", "new/"));
    FAILS(ENOTDIR, rename("to-a/", "x"));
    FAILS(ENOTDIR, rename("full", "to-a"));
    OK(rename("empty", "empty/"));
    OK(rename("a/b", "b/"));
    IS(px_stat("b").st_ino, b);
    IS(px_stat("b/..").st_ino, root);
    IS(px_stat("b/c/..").st_ino, b);
    px_is_text(px_text("b/c/file"), "deep", "a file below a renamed directory");
    OK(rename("b", "empty"));
    IS(px_stat("empty").st_ino, b);
    IS(px_stat("empty/c").st_ino, c);
    OK(rename("empty/c", "a/c"));
    OK(rename("a/c", "empty/c"));
    OK(rename("empty/c/file", "full/file"));
    px_is_text(px_text("full/file"), "deep", "a file over another");
    /* A symlink is renamed itself. */
    OK(rename("to-a", "full/to-a"));
    IS(px_stat("full/to-a").st_mode & S_IFMT, S_IFLNK);
}

/* Two names of one file: nothing happens. */
static void same_file(void)
{
    OK(rename("a/two", "a/two"));
    OK(rename("a/b/one", "a/two"));
    px_is_text(px_text("a/b/one"), "one", "one of two names");
    IS(px_stat("a/two").st_nlink, 2);
    FAILS(EEXIST, renameat2(AT_FDCWD, "a/two", AT_FDCWD, "a/b/one", RENAME_NOREPLACE));
    FAILS(EEXIST, renameat2(AT_FDCWD, "a/two", AT_FDCWD, "a/two", RENAME_NOREPLACE));
    OK(renameat2(AT_FDCWD, "a/two", AT_FDCWD, "a/b/one", RENAME_EXCHANGE));
    OK(rename("a", "a"));
    IS(px_stat("a/two").st_nlink, 2);
}

/* What loses its last name by a rename lives on while it is open. */
static void replaced(void)
{
    int fd = (int)OK(open("a/two", O_RDWR));
    struct stat st;

    OK(rename("full/file", "a/two"));
    IS(px_stat("a/b/one").st_nlink, 1);
    OK(rename("a/b/c/file", "a/b/one"));
    OK(fstat(fd, &st));
    IS(st.st_nlink, 0);
    IS(write(fd, "more", 4), 4);
    px_is_text(px_text("a/two"), "x", "the file that replaced it");
    OK(close(fd));
}

/* A whole directory is moved in one step, up and down, with its working directory inside. */
static void working_dir(void)
{
    char cwd[4096], *tail;

    OK(chdir("a/b/c"));
    OK(rename("../../../a", "../../../renamed"));
    TRUE(getcwd(cwd, sizeof(cwd)) != NULL);
    tail = strstr(cwd, "/renamed/");
    px_is_text(tail ? tail : cwd, "/renamed/b/c", "getcwd");
    px_is_text(px_text("file"), "deep", "a file of the working directory");
    OK(rename("../../b", "../../../full/b"));
    TRUE(getcwd(cwd, sizeof(cwd)) != NULL);
    tail = strstr(cwd, "/full/");
    px_is_text(tail ? tail : cwd, "/full/b/c", "getcwd");
    OK(unlink("file"));
    OK(rmdir("../c"));
    FAILS(ENOENT, getcwd(cwd, sizeof(cwd)) ? 0 : -1);
    FAILS(ENOENT, open("x", O_CREAT | O_WRONLY, 0644));
}

const struct px_case px_rename[] = {
    {"rename-over", prepare_pairs, over, true},
    {"rename-flags", prepare_pairs, flags, true},
    {"rename-whiteout", prepare_pairs, whiteout, true},
    {"rename-trees", prepare_trees, trees, false},
    {"rename-same-file", prepare_trees, same_file, false},
    {"rename-replaced", prepare_trees, replaced, false},
    {"rename-working-dir", prepare_trees, working_dir, false},
    {0},
};
