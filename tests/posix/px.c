/* SPDX-License-Identifier: Apache-2.0 */
/* Run the cases of the POSIX suite in a directory and report as TAP. */
#include "px.h"

#include <ftw.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

static struct {
    const char *name;
    char row[200];
    unsigned checks, failed;
    unsigned all_checks, cases, bad_cases;
} now;

/* Checks */

static void say(const char *what, const char *got, const char *want)
{
    if (now.failed++ < 40)
        printf("# %s: %s%s%s: %s, not %s\n", now.name, now.row, *now.row ? ": " : "", what, got, want);
}

void px_row(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(now.row, sizeof(now.row), format, ap);
    va_end(ap);
}

long px_ok(long r, const char *what)
{
    now.checks++;
    if (r < 0)
        say(what, strerrorname_np(errno), "done");
    return r;
}

void px_fails(int code, long r, const char *what)
{
    now.checks++;
    if (r >= 0)
        say(what, "done", strerrorname_np(code));
    else if (errno != code)
        say(what, strerrorname_np(errno), strerrorname_np(code));
}

void px_is(long long got, long long want, const char *what)
{
    char a[32], b[32];

    now.checks++;
    if (got == want)
        return;
    snprintf(a, sizeof(a), "%lld", got);
    snprintf(b, sizeof(b), "%lld", want);
    say(what, a, b);
}

void px_is_text(const char *got, const char *want, const char *what)
{
    now.checks++;
    if (strcmp(got, want) != 0)
        say(what, got, want);
}

/* Users */

void px_be_root(void)
{
    if (getuid() != 0)
        return;
    if (seteuid(0) < 0 || setegid(0) < 0 || setgroups(0, NULL) < 0)
        abort();
}

void px_be(uid_t uid, gid_t gid, int n, ...)
{
    gid_t groups[8];
    va_list ap;

    px_be_root();
    va_start(ap, n);
    for (int i = 0; i < n; i++)
        groups[i] = va_arg(ap, gid_t);
    va_end(ap);
    if (setgroups((size_t)n, groups) < 0 || setegid(gid) < 0 || seteuid(uid) < 0)
        abort();
}

/* Objects */

const char *const px_type_names[PX_TYPES] = {"reg", "dir", "fifo", "chr", "blk", "sock", "lnk"};
const mode_t px_type_modes[PX_TYPES] = {S_IFREG, S_IFDIR, S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK, S_IFLNK};

int px_make(enum px_type type, const char *name)
{
    switch (type) {
    case PX_DIR:
        return mkdir(name, 0755);
    case PX_LNK:
        return symlink("nowhere", name);
    default:
        return mknod(name, px_type_modes[type] | 0644, type == PX_CHR || type == PX_BLK ? makedev(1, 3) : 0);
    }
}

void px_make_all(void)
{
    for (enum px_type t = 0; t < PX_TYPES; t++)
        if (t != PX_SOCK)
            OK(px_make(t, px_type_names[t]));
}

void px_make_rest(void)
{
    if (access("sock", F_OK) < 0)
        OK(px_make(PX_SOCK, "sock"));
}

void px_file(const char *name, const char *text)
{
    int fd = (int)OK(open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

    IS(write(fd, text, strlen(text)), strlen(text));
    OK(close(fd));
}

const char *px_text(const char *name)
{
    static char buffer[4096];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer) - 1);

    if (fd >= 0)
        close(fd);
    if (n < 0)
        return strerrorname_np(errno);
    buffer[n] = '\0';
    return buffer;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void px_remove(const char *name)
{
    px_be_root();
    nftw(name, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void px_forget(void)
{
    int fd;

    if (!getenv("PX_FORGET"))
        return;
    sync();
    fd = (int)OK(open("/proc/sys/vm/drop_caches", O_WRONLY));
    IS(write(fd, "2", 1), 1);
    close(fd);
}

struct stat px_stat(const char *name)
{
    struct stat st = {0};

    px_ok(lstat(name, &st), name);
    return st;
}

char *px_long(size_t n)
{
    static char buffers[8][8192];
    static unsigned next;
    char *b = buffers[next++ % LENGTH(buffers)];

    memset(b, 'x', n);
    b[n] = '\0';
    return b;
}

/* Time stamps */

static void watch_stat(const struct px_watch *w, struct stat *ret)
{
    *ret = (struct stat){0};
    if ((w->fd ? fstat(w->fd, ret) : lstat(w->path, ret)) < 0)
        px_ok(-1, w->path);
}

void px_watch_begin(struct px_watch *w, size_t n)
{
    struct timespec was, is;

    for (size_t i = 0; i < n; i++)
        watch_stat(&w[i], &w[i].before);
    clock_gettime(CLOCK_REALTIME_COARSE, &was);
    do {
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
        clock_gettime(CLOCK_REALTIME_COARSE, &is);
    } while (was.tv_sec == is.tv_sec && was.tv_nsec == is.tv_nsec);
}

void px_watch_end(const struct px_watch *w, size_t n, const char *what)
{
    char text[200], moved[4];

    for (size_t i = 0; i < n; i++) {
        const struct timespec *b[] = {&w[i].before.st_atim, &w[i].before.st_mtim, &w[i].before.st_ctim};
        struct stat st;
        const struct timespec *a[] = {&st.st_atim, &st.st_mtim, &st.st_ctim};
        size_t m = 0;

        watch_stat(&w[i], &st);
        for (size_t k = 0; k < 3; k++)
            if (a[k]->tv_sec != b[k]->tv_sec || a[k]->tv_nsec != b[k]->tv_nsec)
                moved[m++] = "amc"[k];
        moved[m] = '\0';
        snprintf(text, sizeof(text), "%s: times of %s", what, w[i].path);
        px_is_text(moved, w[i].want, text);
    }
}

/* Running */

static const struct px_case *const families[] = {px_paths, px_perms,   px_owners, px_names, px_rename,
                                                 px_open,  px_content, px_space,  px_locks, px_xattrs,
                                                 px_acls,  px_dirs,    px_times,  px_below};

/* What runs where nothing can be changed; made by "prepare", run by "frozen". */
static const struct px_case *const frozen[] = {px_frozen};

static void half(void (*fn)(void))
{
    umask(022);
    *now.row = '\0';
    if (fn)
        fn();
    px_be_root();
    umask(022);
}

static void run_case(const struct px_case *c, int top, bool prepare, bool run)
{
    now.name = c->name;
    now.checks = now.failed = 0;
    if (fchdir(top) < 0 || (prepare && mkdir(c->name, 0755) < 0) || chdir(c->name) < 0) {
        px_ok(-1, "its directory");
    } else {
        if (prepare)
            half(c->prepare);
        if (run)
            half(c->run);
    }
    if (now.failed > 40)
        printf("# %s: and %u more\n", c->name, now.failed - 40);
    now.all_checks += now.checks;
    now.cases++;
    now.bad_cases += now.failed > 0;
    printf("%sok %u - %s (%u checks)\n", now.failed ? "not " : "", now.cases, c->name, now.checks);
    fflush(stdout);
}

static bool wanted(const char *name, char **names)
{
    if (!*names)
        return true;
    for (; *names; names++)
        if (strncmp(name, *names, strlen(*names)) == 0)
            return true;
    return false;
}

static void run_table(const struct px_case *const *table, size_t n, char **names, int top, bool prepare, bool run)
{
    for (size_t i = 0; i < n; i++)
        for (const struct px_case *c = table[i]; c->name; c++)
            if (wanted(c->name, names) && (!c->root || geteuid() == 0))
                run_case(c, top, prepare, run);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    bool both = strcmp(mode, "both") == 0, prepare = both || strcmp(mode, "prepare") == 0,
         run = both || strcmp(mode, "run") == 0, still = strcmp(mode, "frozen") == 0;
    int top = prepare || run || still ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (top < 0) {
        fprintf(stderr, "usage: posix both|prepare|run|frozen DIR [CASE...]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    if (prepare || run)
        run_table(families, LENGTH(families), argv + 3, top, prepare, run);
    if (still || (prepare && !run))
        run_table(frozen, LENGTH(frozen), argv + 3, top, prepare, still);
    printf("1..%u\n# %u checks in %u cases, %u cases failed\n", now.cases, now.all_checks, now.cases, now.bad_cases);
    return now.bad_cases > 0;
}
