/* SPDX-License-Identifier: Apache-2.0 */
/* open(2): its flags on every type, nameless files, descriptors that only name, programs that run. */
#include "px.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static long keep(int fd)
{
    if (fd >= 0)
        close(fd);
    return fd;
}

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
    OK(symlink("reg", "to-reg"));
    OK(symlink("dir", "to-dir"));
}

static void types(void)
{
    px_make_rest();
    FAILS(EISDIR, open("dir", O_WRONLY));
    FAILS(EISDIR, open("dir", O_RDWR));
    FAILS(EISDIR, open("dir", O_RDONLY | O_CREAT, 0644));
    FAILS(EISDIR, open("dir", O_RDONLY | O_TRUNC));
    FAILS(EEXIST, open("dir", O_RDONLY | O_CREAT | O_EXCL, 0644));
    FAILS(EISDIR, open("new/", O_RDWR | O_CREAT, 0644));
    FAILS(EISDIR, open(".", O_RDWR));
    FAILS(EISDIR, open("reg/", O_RDWR | O_CREAT, 0644));
    FAILS(EINVAL, open("reg", O_RDONLY | O_CREAT | O_DIRECTORY, 0644));
    FAILS(ENOTDIR, open("reg", O_RDONLY | O_DIRECTORY));
    FAILS(ENOTDIR, open("fifo", O_RDONLY | O_DIRECTORY));
    FAILS(ENOTDIR, open("to-reg", O_RDONLY | O_DIRECTORY));
    FAILS(ENOTDIR, open("to-dir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    FAILS(ELOOP, open("to-reg", O_RDONLY | O_NOFOLLOW));
    FAILS(ELOOP, open("lnk", O_RDONLY | O_NOFOLLOW));
    FAILS(ENOENT, open("lnk", O_RDONLY));
    FAILS(EEXIST, open("lnk", O_WRONLY | O_CREAT | O_EXCL, 0644));
    FAILS(ENXIO, open("sock", O_RDONLY));
    FAILS(ENXIO, open("sock", O_RDWR));
    FAILS(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
    OK(keep(open("fifo", O_RDONLY | O_NONBLOCK)));
    OK(keep(open("fifo", O_RDWR)));
    OK(keep(open("to-dir", O_RDONLY | O_DIRECTORY)));
    /* Through a dangling symlink the file is made where it points. */
    OK(keep(open("lnk", O_WRONLY | O_CREAT, 0640)));
    IS(px_stat("nowhere").st_mode, S_IFREG | 0640);
}

static void descriptors(void)
{
    int fd = (int)OK(open("reg", O_PATH)), dir;
    char path[32];

    FAILS(EBADF, read(fd, path, 1));
    FAILS(EBADF, write(fd, path, 1));
    FAILS(EBADF, fchmod(fd, 0600));
    FAILS(EBADF, ftruncate(fd, 0));
    OK(fstat(fd, &(struct stat){0}));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    OK(chmod(path, 0600));
    IS(px_stat("reg").st_mode, S_IFREG | 0600);
    OK(keep(open(path, O_RDWR)));
    OK(close(fd));
    fd = (int)OK(open("lnk", O_PATH | O_NOFOLLOW));
    IS(readlinkat(fd, "", path, sizeof(path)), 7);
    OK(fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH));
    OK(close(fd));
    dir = (int)OK(open("dir", O_PATH));
    OK(keep(openat(dir, "new", O_CREAT | O_WRONLY, 0644)));
    OK(mkdirat(dir, "sub", 0755));
    OK(fchdir(dir));
    OK(unlinkat(AT_FDCWD, "sub", AT_REMOVEDIR));
    OK(chdir(".."));
    OK(close(dir));
    fd = (int)OK(open("reg", O_RDONLY));
    FAILS(ENOTDIR, openat(fd, "x", O_RDONLY));
    FAILS(EBADF, write(fd, "x", 1));
    FAILS(EINVAL, ftruncate(fd, 0));
    OK(close(fd));
    fd = (int)OK(open("reg", O_WRONLY));
    FAILS(EBADF, read(fd, path, 1));
    OK(close(fd));
    fd = (int)OK(open("dir", O_RDONLY));
    FAILS(EISDIR, read(fd, path, 1));
    OK(close(fd));
}

static void append(void)
{
    int a = (int)OK(open("reg", O_WRONLY | O_APPEND)), b = (int)OK(open("reg", O_WRONLY | O_APPEND)), plain;

    IS(write(a, "aa", 2), 2);
    IS(write(b, "bb", 2), 2);
    IS(write(a, "cc", 2), 2);
    IS(pwrite(a, "dd", 2, 0), 2); /* Linux appends in spite of the offset */
    px_is_text(px_text("reg"), "aabbccdd", "what two appended");
    plain = (int)OK(open("reg", O_WRONLY));
    IS(write(plain, "XX", 2), 2);
    IS(lseek(plain, 0, SEEK_CUR), 2);
    IS(write(b, "ee", 2), 2);
    IS(lseek(b, 0, SEEK_CUR), 10);
    px_is_text(px_text("reg"), "XXbbccddee", "what three wrote");
    OK(fcntl(plain, F_SETFL, O_APPEND));
    IS(write(plain, "ff", 2), 2);
    px_is_text(px_text("reg"), "XXbbccddeeff", "appended after F_SETFL");
    OK(ftruncate(a, 1));
    IS(write(b, "g", 1), 1);
    px_is_text(px_text("reg"), "Xg", "appended after a cut");
    close(a);
    close(b);
    close(plain);
}

static void truncates(void)
{
    px_file("reg", "0123456789");
    OK(keep(open("reg", O_RDONLY | O_TRUNC)));
    IS(px_stat("reg").st_size, 0);
    px_file("reg", "0123456789");
    OK(keep(open("reg", O_WRONLY | O_CREAT | O_TRUNC, 0600)));
    IS(px_stat("reg").st_size, 0);
    IS(px_stat("reg").st_mode, S_IFREG | 0644);
    px_file("reg", "0123456789");
    OK(keep(open("to-reg", O_WRONLY | O_TRUNC)));
    IS(px_stat("reg").st_size, 0);
    OK(keep(open("new", O_RDWR | O_CREAT | O_TRUNC | O_EXCL, 0600)));
    FAILS(EEXIST, open("new", O_RDWR | O_CREAT | O_TRUNC | O_EXCL, 0600));
}

/* A file that its maker may not open again, but has open. */
static void closed_mode(void)
{
    int fd;

    px_be(ANN, ANN, 0);
    fd = (int)OK(open("public/zero", O_RDWR | O_CREAT | O_EXCL, 0));
    IS(write(fd, "text", 4), 4);
    IS(pread(fd, (char[4]){0}, 4, 0), 4);
    FAILS(EACCES, open("public/zero", O_RDONLY));
    OK(ftruncate(fd, 1));
    OK(close(fd));
    fd = (int)OK(open("public/readonly", O_WRONLY | O_CREAT, 0444));
    IS(write(fd, "text", 4), 4);
    FAILS(EACCES, open("public/readonly", O_WRONLY | O_CREAT, 0444));
    OK(close(fd));
    px_be_root();
    OK(chmod("public/readonly", 0644));
    px_be(BOB, BOB, 0);
    FAILS(EPERM, open("public/readonly", O_RDONLY | O_NOATIME));
    px_be(ANN, ANN, 0);
    OK(keep(open("public/readonly", O_RDONLY | O_NOATIME)));
}

static void prepare_public(void)
{
    OK(mkdir("public", 0777));
    OK(chmod("public", 0777));
}

static void nameless(void)
{
    int fd = (int)OK(open(".", O_TMPFILE | O_RDWR, 0666));
    struct stat st = {0};
    char path[32];

    if (fd < 0)
        return;
    OK(fstat(fd, &st));
    IS(st.st_nlink, 0);
    IS(st.st_mode, S_IFREG | 0644);
    IS(write(fd, "hidden", 6), 6);
    IS(pread(fd, path, 6, 0), 6);
    OK(fchmod(fd, 0600));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    OK(linkat(AT_FDCWD, path, AT_FDCWD, "shown", AT_SYMLINK_FOLLOW));
    px_is_text(px_text("shown"), "hidden", "text of a file that got its first name");
    IS(px_stat("shown").st_nlink, 1);
    IS(px_stat("shown").st_ino, st.st_ino);
    OK(unlink("shown"));
    OK(close(fd));
    fd = (int)OK(open("dir", O_TMPFILE | O_WRONLY | O_EXCL, 0600));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "shown", AT_SYMLINK_FOLLOW));
    OK(close(fd));
    FAILS(EINVAL, open("dir", O_TMPFILE | O_RDONLY, 0600));
    FAILS(ENOTDIR, open("reg", O_TMPFILE | O_RDWR, 0600));
    FAILS(ENOENT, open("missing", O_TMPFILE | O_RDWR, 0600));
}

/* Programs: text busy both ways, script interpreters, set-id. */

static void prepare_program(void)
{
    char buffer[1 << 16];
    int from = (int)OK(open("/bin/true", O_RDONLY)), to = (int)OK(open("true", O_WRONLY | O_CREAT | O_EXCL, 0755));
    ssize_t n;

    while ((n = read(from, buffer, sizeof(buffer))) > 0)
        IS(write(to, buffer, (size_t)n), n);
    OK(close(to));
    OK(close(from));
    px_file("script", "#!/bin/sh\nexit 7\n");
    OK(chmod("script", 0755));
}

static int run_program(const char *path)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        execl(path, path, (char *)NULL);
        _exit(100 + errno);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void programs(void)
{
    int fd, ends[2];
    pid_t child;

    IS(run_program("./true"), 0);
    IS(run_program("./script"), 7);
    fd = (int)OK(open("true", O_WRONLY));
    IS(run_program("./true"), 100 + ETXTBSY);
    OK(close(fd));
    IS(run_program("./true"), 0);
    OK(chmod("script", 0644));
    IS(run_program("./script"), 100 + EACCES);
    /* A running program is not written to: cat of the suite's own waits on a pipe. */
    OK(pipe(ends));
    child = fork();
    if (child == 0) {
        dup2(ends[0], 0);
        close(ends[1]);
        execl("./cat", "./cat", (char *)NULL);
        _exit(1);
    }
    OK(poll(NULL, 0, 100));
    FAILS(ETXTBSY, open("cat", O_WRONLY));
    FAILS(ETXTBSY, truncate("cat", 0));
    OK(unlink("cat"));
    OK(close(ends[1]));
    waitpid(child, NULL, 0);
}

static void prepare_programs(void)
{
    char buffer[1 << 16];
    int from, to;
    ssize_t n;

    prepare_program();
    from = (int)OK(open("/bin/cat", O_RDONLY));
    to = (int)OK(open("cat", O_WRONLY | O_CREAT | O_EXCL, 0755));
    while ((n = read(from, buffer, sizeof(buffer))) > 0)
        IS(write(to, buffer, (size_t)n), n);
    OK(close(to));
    OK(close(from));
}

static void pipes(void)
{
    int r = (int)OK(open("fifo", O_RDONLY | O_NONBLOCK)), w = (int)OK(open("fifo", O_WRONLY));
    char b[8] = "";

    IS(write(w, "through", 7), 7);
    IS(read(r, b, 7), 7);
    px_is_text(b, "through", "read from a FIFO");
    FAILS(ESPIPE, lseek(r, 0, SEEK_SET));
    FAILS(EINVAL, ftruncate(w, 0));
    FAILS(EINVAL, fsync(w));
    OK(unlink("fifo"));
    IS(write(w, "still", 5), 5);
    IS(read(r, b, 5), 5);
    close(r);
    close(w);
}

const struct px_case px_open[] = {
    {"open-types", prepare_types, types, false},
    {"open-descriptors", prepare_types, descriptors, false},
    {"open-append", prepare_types, append, false},
    {"open-truncates", prepare_types, truncates, false},
    {"open-closed-mode", prepare_public, closed_mode, true},
    {"open-nameless", prepare_types, nameless, false},
    {"open-programs", prepare_programs, programs, false},
    {"open-pipes", prepare_types, pipes, false},
    {0},
};
