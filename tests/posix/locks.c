/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of whole files, of ranges, of descriptors, and leases. */
#include "px.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static void prepare(void)
{
    px_file("f", "0123456789");
    OK(link("f", "f2"));
}

/* The errno (or 0) that another process sees. */
static int elsewhere(int (*try)(void))
{
    pid_t child = fork();
    int status = 0;

    if (child == 0)
        _exit(try());
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static int lock_range(int fd, int cmd, short type, off_t start, off_t len)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

    return fcntl(fd, cmd, &l) < 0 ? errno : 0;
}
static int try_range(short type, off_t start, off_t len)
{
    int fd = open("f2", O_RDWR);

    return fd < 0 ? errno : lock_range(fd, F_SETLK, type, start, len);
}
static int try_read_start(void) { return try_range(F_RDLCK, 0, 5); }
static int try_write_start(void) { return try_range(F_WRLCK, 0, 5); }
static int try_write_rest(void) { return try_range(F_WRLCK, 5, 0); }
static int try_flock(void)
{
    int fd = open("f2", O_RDONLY);

    return flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
}
static int try_flock_shared(void)
{
    int fd = open("f2", O_RDONLY);

    return flock(fd, LOCK_SH | LOCK_NB) < 0 ? errno : 0;
}
static int try_lease(void)
{
    int fd = open("f2", O_WRONLY | O_NONBLOCK);

    return fd < 0 ? errno : 0;
}

static void ranges(void)
{
    int fd = (int)OK(open("f", O_RDWR)), second;
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 1};

    IS(lock_range(fd, F_SETLK, F_RDLCK, 0, 5), 0);
    IS(elsewhere(try_read_start), 0);
    IS(elsewhere(try_write_start), EAGAIN);
    IS(elsewhere(try_write_rest), 0);
    IS(pwrite(fd, "x", 1, 0), 1); /* over a lower file: the lock stays */
    IS(elsewhere(try_write_start), EAGAIN);
    IS(lock_range(fd, F_SETLK, F_WRLCK, 0, 5), 0);
    IS(elsewhere(try_read_start), EAGAIN);
    OK(fcntl(fd, F_GETLK, &l));
    IS(l.l_type, F_UNLCK); /* one's own */
    IS(lock_range(fd, F_SETLK, F_UNLCK, 0, 2), 0);
    IS(elsewhere(try_read_start), EAGAIN);
    /* Closing any descriptor of the file lets go of them all. */
    second = (int)OK(open("f2", O_RDONLY));
    IS(lock_range(second, F_SETLK, F_WRLCK, 6, 1), EBADF);
    OK(close(second));
    IS(elsewhere(try_write_start), 0);
    OK(close(fd));
    px_row("of descriptors");
    fd = (int)OK(open("f", O_RDWR));
    second = (int)OK(open("f2", O_RDWR));
    IS(lock_range(fd, F_OFD_SETLK, F_WRLCK, 0, 5), 0);
    IS(lock_range(second, F_OFD_SETLK, F_WRLCK, 4, 5), EAGAIN);
    IS(lock_range(second, F_OFD_SETLK, F_WRLCK, 5, 5), 0);
    OK(close(second));
    IS(elsewhere(try_write_start), EAGAIN);
    IS(elsewhere(try_write_rest), 0);
    OK(close(fd));
}

static void whole(void)
{
    int fd = (int)OK(open("f", O_RDWR)), second = (int)OK(open("f", O_RDONLY));

    OK(flock(fd, LOCK_SH));
    OK(flock(second, LOCK_SH | LOCK_NB));
    FAILS(EAGAIN, flock(second, LOCK_EX | LOCK_NB));
    OK(flock(second, LOCK_UN));
    OK(flock(fd, LOCK_EX));
    IS(elsewhere(try_flock), EAGAIN);
    IS(elsewhere(try_flock_shared), EAGAIN);
    IS(pwrite(fd, "x", 1, 0), 1);
    OK(chmod("f", 0600));
    OK(rename("f", "g"));
    IS(elsewhere(try_flock), EAGAIN);
    OK(close(fd));
    IS(elsewhere(try_flock), 0);
    OK(close(second));
    FAILS(EBADF, flock(second, LOCK_SH));
    fd = (int)OK(open(".", O_RDONLY));
    OK(flock(fd, LOCK_EX | LOCK_NB));
    OK(close(fd));
}

static void leases(void)
{
    int fd = (int)OK(open("f", O_RDONLY));

    signal(SIGIO, SIG_IGN);
    OK(fcntl(fd, F_SETLEASE, F_RDLCK));
    IS(fcntl(fd, F_GETLEASE), F_RDLCK);
    IS(elsewhere(try_lease), EAGAIN);
    OK(fcntl(fd, F_SETLEASE, F_UNLCK));
    OK(close(fd));
    signal(SIGIO, SIG_DFL);
}

const struct px_case px_locks[] = {
    {"lock-ranges", prepare, ranges, false},
    {"lock-whole", prepare, whole, false},
    {"lock-leases", prepare, leases, false},
    {0},
};
