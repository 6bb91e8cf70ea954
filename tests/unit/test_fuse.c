/* SPDX-License-Identifier: Apache-2.0 */
/* File operations through the kernel on a live tree that is mounted as root. */
#include "fuse_help.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>

static struct served root_mount;

static int start_root(void **state)
{
    const char *said;

    *state = &root_mount;
    if (no_fuse())
        return 0;
    said = serve_start(&root_mount);
    if (*said)
        print_error("%s\n", said);
    return *said ? -1 : 0;
}

static int stop_root(void **state)
{
    (void)state;
    if (!no_fuse())
        serve_clean(&root_mount);
    return 0;
}

/* Go into the mount; or skip. */
static struct served *enter(void **state)
{
    struct served *s = *state;
    const char *why = no_fuse();

    if (why) {
        print_message("skipped: %s\n", why);
        skip();
    }
    assert_int_equal(chdir(s->mnt), 0);
    return s;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void expect(const char *path, const char *text)
{
    char got[256] = "";
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
    assert_string_equal(got, text);
    close(fd);
}

static struct stat stat_of(const char *path)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return st;
}

static void create_write_read(void **state)
{
    struct served *s = enter(state);
    struct stat st;

    put("a", "hello");
    expect("a", "hello");
    st = stat_of("a");
    assert_int_equal(st.st_size, 5);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(peek(s, "a").n, 5);
    put("a", "x"); /* O_TRUNC must arrive, as SETATTR */
    expect("a", "x");
    assert_int_equal(peek(s, "a").n, 1);
    assert_int_equal(truncate("a", 3), 0);
    assert_int_equal(stat_of("a").st_size, 3);
    assert_int_equal(unlink("a"), 0);
    assert_int_equal(access("a", F_OK), -1);
    put("a", "again"); /* after a negative lookup */
    expect("a", "again");
    assert_int_equal(open("a", O_CREAT | O_EXCL | O_RDWR, 0644), -1);
    assert_int_equal(errno, EEXIST);
}

static void append_and_offsets(void **state)
{
    int fd;
    char b[16] = "";

    enter(state);
    fd = open("app", O_RDWR | O_CREAT | O_APPEND, 0600);
    assert_int_equal(write(fd, "one", 3), 3);
    assert_int_equal(write(fd, "two", 3), 3);
    assert_int_equal(pread(fd, b, 16, 0), 6);
    assert_string_equal(b, "onetwo");
    assert_int_equal(fsync(fd), 0);
    close(fd);
}

/* A handle finds its inode after the kernel has forgotten it: the lookup of "." in a file. */
static void file_handles_outlive_the_cache(void **state)
{
    char room[sizeof(struct file_handle) + MAX_HANDLE_SZ] __attribute__((aligned(8))) = {0}, b[8] = "";
    struct file_handle *h = (struct file_handle *)(void *)room;
    int id, fd, drop, here;

    enter(state);
    here = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdir("handles", 0755), 0);
    put("handles/f", "found");
    h->handle_bytes = MAX_HANDLE_SZ;
    assert_int_equal(name_to_handle_at(AT_FDCWD, "handles/f", h, &id, 0), 0);
    drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
    if (drop < 0 || write(drop, "2", 1) != 1)
        print_message("the caches cannot be dropped here\n");
    fd = open_by_handle_at(here, h, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, b, sizeof(b)), 5);
    assert_string_equal(b, "found");
    close(fd);
    assert_int_equal(unlink("handles/f"), 0);
    if (drop >= 0 && write(drop, "2", 1) == 1) {
        /* The kernel lets go of the inode, and tells us, a moment later. */
        for (int i = 0; i < 250 && (fd = open_by_handle_at(here, h, O_RDONLY)) >= 0; i++) {
            close(fd);
            usleep(20000);
            assert_int_equal(write(drop, "2", 1), 1);
        }
        assert_int_equal(fd, -1);
        assert_int_equal(errno, ESTALE);
    }
    if (drop >= 0)
        close(drop);
    close(here);
}

static void big_file_past_4_gib(void **state)
{
    int fd;
    char b[4] = "";

    enter(state);
    fd = open("big", O_RDWR | O_CREAT, 0600);
    assert_int_equal(pwrite(fd, "end", 3, INT64_C(5) << 30), 3);
    assert_int_equal(lseek(fd, 0, SEEK_DATA), INT64_C(5) << 30);
    assert_int_equal(lseek(fd, 0, SEEK_HOLE), 0);
    assert_int_equal(pread(fd, b, 3, INT64_C(5) << 30), 3);
    assert_string_equal(b, "end");
    assert_true(stat_of("big").st_blocks < 64);
    close(fd);
    unlink("big");
}

static void fallocate_and_holes(void **state)
{
    static char block[65536];
    int fd;

    enter(state);
    memset(block, 'x', sizeof(block));
    fd = open("holes", O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 16384), 0);
    assert_int_equal(lseek(fd, 0, SEEK_HOLE), 8192);
    assert_int_equal(lseek(fd, 8192, SEEK_DATA), 24576);
    assert_int_equal(pread(fd, block, 1, 8192), 1);
    assert_int_equal(block[0], 0);
    assert_int_equal(fallocate(fd, FALLOC_FL_ZERO_RANGE, 30000, 1000), 0);
    assert_int_equal(pread(fd, block, 1, 30500), 1);
    assert_int_equal(block[0], 0);
    assert_int_equal(fallocate(fd, 0, 0, 100000), 0);
    assert_int_equal(stat_of("holes").st_size, 100000);
    close(fd);
}

static void copy_file_range_works(void **state)
{
    int in, out;

    enter(state);
    put("from", "0123456789");
    in = open("from", O_RDONLY);
    out = open("to", O_RDWR | O_CREAT, 0600);
    assert_int_equal(copy_file_range(in, NULL, out, NULL, 10, 0), 10);
    close(in);
    close(out);
    expect("to", "0123456789");
}

static void links_and_unlinked_open_files(void **state)
{
    struct stat st;
    char b[8] = "";
    int fd;

    enter(state);
    put("l1", "data");
    assert_int_equal(link("l1", "l2"), 0);
    st = stat_of("l1");
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(stat_of("l2").st_ino, st.st_ino);
    fd = open("l1", O_RDWR);
    unlink("l1");
    assert_int_equal(stat_of("l2").st_nlink, 1);
    unlink("l2");
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_int_equal(pwrite(fd, "DATA!", 5, 0), 5);
    assert_int_equal(pread(fd, b, 8, 0), 5);
    assert_string_equal(b, "DATA!");
    assert_int_equal(ftruncate(fd, 2), 0);
    assert_int_equal(fchmod(fd, 0600), 0);
    close(fd);
    assert_int_equal(symlink("some/where", "sym"), 0);
    assert_int_equal(readlink("sym", b, 8), 8);
    assert_int_equal(stat_of("sym").st_size, 10);
}

static int rename_with(const char *from, const char *to, unsigned flags)
{
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void rename_flags(void **state)
{
    enter(state);
    put("r1", "1");
    put("r2", "2");
    assert_int_equal(rename_with("r1", "r2", 1 /* NOREPLACE */), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(rename_with("r1", "r2", 2 /* EXCHANGE */), 0);
    expect("r1", "2");
    expect("r2", "1");
    assert_int_equal(rename("r1", "r2"), 0);
    expect("r2", "2");
    assert_int_equal(access("r1", F_OK), -1);
    assert_int_equal(mkdir("rd", 0755), 0);
    put("rd/in", "in");
    assert_int_equal(mkdir("rd2", 0755), 0);
    assert_int_equal(rename("rd", "rd2/moved"), 0);
    expect("rd2/moved/in", "in");
    assert_int_equal(rename("rd2", "rd2/moved/x"), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(rmdir("rd2"), -1);
    assert_int_equal(errno, ENOTEMPTY);
}

static void attributes(void **state)
{
    struct timespec times[2] = {{-5, 7}, {1234567890, 123456789}};
    struct stat st;

    enter(state);
    put("at", "x");
    assert_int_equal(chmod("at", 04711), 0);
    assert_int_equal(utimensat(AT_FDCWD, "at", times, 0), 0);
    st = stat_of("at");
    assert_int_equal(st.st_mode, S_IFREG | 04711);
    assert_int_equal(st.st_mtim.tv_sec, 1234567890);
    assert_int_equal(st.st_mtim.tv_nsec, 123456789);
    assert_int_equal(st.st_atim.tv_sec, -5);
    assert_int_equal(chown("at", 3000000000u, 70000), 0);
    st = stat_of("at");
    assert_int_equal(st.st_uid, 3000000000u);
    assert_int_equal(st.st_gid, 70000);
    assert_int_equal(st.st_mode, S_IFREG | 0711);
    umask(027);
    assert_int_equal(mkdir("um", 0777), 0);
    umask(022);
    assert_int_equal(stat_of("um").st_mode, S_IFDIR | 0750);
    assert_int_equal(mknod("dev", S_IFCHR | 0600, makedev(5, 300)), 0);
    assert_int_equal(stat_of("dev").st_rdev, makedev(5, 300));
    assert_int_equal(mkfifo("ff", 0600), 0);
}

static void statfs_is_sensible(void **state)
{
    struct statvfs st;

    enter(state);
    assert_int_equal(statvfs(".", &st), 0);
    assert_int_equal(st.f_bsize, 4096);
    assert_true(st.f_bavail > 0 && st.f_blocks >= st.f_bfree);
    assert_int_equal(st.f_namemax, 255);
    assert_false(st.f_flag & (ST_NOSUID | ST_NODEV));
}

static void xattrs(void **state)
{
    char b[512] = "";

    enter(state);
    put("xa", "x");
    assert_int_equal(getxattr("xa", "user.k", b, 8), -1);
    assert_int_equal(errno, ENODATA);
    assert_int_equal(setxattr("xa", "user.k", "value", 5, XATTR_CREATE), 0);
    assert_int_equal(setxattr("xa", "user.k", "value", 5, XATTR_CREATE), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(setxattr("xa", "trusted.t", "", 0, 0), 0);
    assert_int_equal(getxattr("xa", "user.k", NULL, 0), 5);
    assert_int_equal(getxattr("xa", "user.k", b, 2), -1);
    assert_int_equal(errno, ERANGE);
    assert_int_equal(listxattr("xa", b, sizeof(b)), 17);
    assert_int_equal(removexattr("xa", "user.k"), 0);
    assert_int_equal(removexattr("xa", "user.k"), -1);
    assert_int_equal(errno, ENODATA);
}

/* user::rwx user:1000:r-x group::r-x mask::rwx other::--- as the kernel stores it */
static const unsigned char acl[] = {2, 0,    0,    0,    1,    0,    7,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    5,
                                    0, 0xe8, 3,    0,    0,    4,    0,    5, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
                                    7, 0,    0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff};

static void acls(void **state)
{
    unsigned char b[128];

    enter(state);
    put("acl", "x");
    assert_int_equal(setxattr("acl", "system.posix_acl_access", acl, sizeof(acl), 0), 0);
    assert_int_equal(stat_of("acl").st_mode & 0777, 0770);
    assert_int_equal(getxattr("acl", "system.posix_acl_access", b, sizeof(b)), sizeof(acl));
    assert_memory_equal(b, acl, sizeof(acl));
    assert_int_equal(mkdir("acld", 0755), 0);
    assert_int_equal(setxattr("acld", "system.posix_acl_default", acl, sizeof(acl), 0), 0);
    umask(077); /* does not count below a default ACL */
    put("acld/f", "x");
    umask(022);
    assert_int_equal(getxattr("acld/f", "system.posix_acl_access", b, sizeof(b)), sizeof(acl));
    assert_int_equal(stat_of("acld/f").st_mode & 0777, 0640); /* 0644 asked for, limited by the mask */
}

/* Do @what as another user in another process, so that capabilities are gone. Returns its exit status. */
static int as_user(uid_t uid, int (*what)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(setgid(uid) < 0 || setuid(uid) < 0 ? 99 : what());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static int write_suid(void)
{
    int fd = open("suid", O_WRONLY);

    return fd >= 0 && write(fd, "y", 1) == 1 ? 0 : errno;
}
static int truncate_suid(void) { return truncate("suid", 0) == 0 ? 0 : errno; }
static int write_other(void)
{
    int fd = open("private", O_WRONLY);

    return fd >= 0 ? 0 : errno;
}

static void set_id_cleared_on_write_by_others(void **state)
{
    static const unsigned char cap[20] = {1, 0, 0, 2, 0, 4};
    char b[64];

    enter(state);
    put("suid", "x");
    assert_int_equal(chmod("suid", 06777), 0);
    assert_int_equal(setxattr("suid", "security.capability", cap, sizeof(cap), 0), 0);
    assert_int_equal(getxattr("suid", "security.capability", b, sizeof(b)), sizeof(cap));
    assert_int_equal(as_user(12345, write_suid), 0);
    assert_int_equal(stat_of("suid").st_mode & 07777, 0777);
    assert_int_equal(getxattr("suid", "security.capability", b, sizeof(b)), -1);
    assert_int_equal(chmod("suid", 06777), 0);
    assert_int_equal(as_user(12345, truncate_suid), 0);
    assert_int_equal(stat_of("suid").st_mode & 07777, 0777);
    assert_int_equal(chmod("suid", 06777), 0);
    assert_int_equal(write_suid(), 0); /* root keeps the bits, not the capability */
    assert_int_equal(stat_of("suid").st_mode & 07777, 06777);
}

static int create_own(void)
{
    int fd = open("open_dir/mine", O_WRONLY | O_CREAT, 0600);

    return fd >= 0 ? 0 : errno;
}

static void permissions_are_checked(void **state)
{
    enter(state);
    put("private", "x");
    assert_int_equal(chmod("private", 0600), 0);
    assert_int_equal(as_user(12345, write_other), EACCES);
    assert_int_equal(mkdir("open_dir", 0), 0);
    assert_int_equal(chmod("open_dir", 01777), 0);
    assert_int_equal(as_user(12345, create_own), 0);
    assert_int_equal(stat_of("open_dir/mine").st_uid, 12345);
}

static void mmap_reads_and_writes(void **state)
{
    struct served *s = enter(state);
    struct fc_error err = {0};
    struct peeked p;
    int fd, control;
    char *map;

    fd = open("mapped", O_RDWR | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, 8192), 0);
    map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    memcpy(map, "dirty", 5);
    p = peek(s, "mapped");
    assert_int_equal(p.data[0], 0); /* still with the kernel: this is what a freeze would miss */
    control = fc_control_connect(s->sock, &err);
    assert_true(control >= 0);
    assert_int_equal(fc_control_pin(control, &err), 0); /* flushes */
    p = peek(s, "mapped");
    assert_memory_equal(p.data, "dirty", 5);
    assert_int_equal(fc_control_begun(control, &err), 0);
    memcpy(map, "later", 5);
    assert_int_equal(msync(map, 8192, MS_SYNC), 0);
    assert_memory_equal(peek(s, "mapped").data, "later", 5);
    close(control);
    memcpy(map, "umap!", 5);
    munmap(map, 8192);
    assert_memory_equal(peek(s, "mapped").data, "umap!", 5);
    close(fd);
}

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static void readdir_while_deleting(void **state)
{
    const struct dirent *e;
    char name[300];
    int n = 0;
    DIR *dir;

    enter(state);
    mkdir("del", 0755);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "del/some-file-%d", i);
        assert_int_equal(mknod(name, S_IFREG | 0600, 0), 0);
    }
    dir = opendir("del");
    while ((e = readdir(dir))) {
        struct stat st;

        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "del/%s", e->d_name);
        assert_int_equal(lstat(name, &st), 0);
        assert_int_equal(st.st_ino, e->d_ino);
        assert_int_equal(e->d_type, DT_REG);
        assert_int_equal(unlink(name), 0);
        n++;
    }
    closedir(dir);
    assert_int_equal(n, 3000);
    assert_int_equal(rmdir("del"), 0);
}

static void fifty_thousand_entries(void **state)
{
    char name[64];

    enter(state);
    mkdir("many", 0755);
    for (int i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "many/%d", i);
        assert_int_equal(mknod(name, S_IFREG | 0600, 0), 0);
    }
    assert_int_equal(count_entries("many"), 50000);
    assert_int_equal(stat_of("many/49999").st_size, 0);
    assert_int_equal(unlink("many/25000"), 0);
    assert_int_equal(count_entries("many"), 49999); /* the kernel's cached listing must notice */
    put("many/new", "");
    assert_int_equal(count_entries("many"), 50000);
}

static int sync_slow(void)
{
    int fd = open("slow", O_WRONLY);

    return fd >= 0 && write(fd, "y", 1) == 1 && fsync(fd) == 0 ? 0 : 1;
}

/* While commits are held an fsync waits; the thread that answers it must not be the one that reads requests. */
static void a_request_that_waits_holds_up_no_other(void **state)
{
    struct served *s = enter(state);
    struct fc_error err = {0};
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    int fd, status;
    pid_t pid;

    put("slow", "x");
    fd = fc_control_connect(s->sock, &err);
    assert_int_equal(fc_control_pin(fd, &err), 0);
    pid = fork();
    if (pid == 0)
        _exit(sync_slow());
    nanosleep(&pause, NULL); /* so that the fsync most likely came first; if not, the test is easier to pass */
    alarm(30);
    put("meanwhile", "z");
    expect("meanwhile", "z");
    alarm(0);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    assert_int_equal(fc_control_begun(fd, &err), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(fd);
    assert_int_equal(unlink("slow"), 0);
    assert_int_equal(unlink("meanwhile"), 0);
}

static void locks(void **state)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
    int a, b;

    enter(state);
    put("lock", "x");
    a = open("lock", O_RDWR);
    b = open("lock", O_RDWR);
    assert_int_equal(flock(a, LOCK_EX), 0);
    assert_int_equal(flock(b, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    assert_int_equal(fcntl(a, F_SETLK, &lock), 0);
    close(a);
    close(b);
}

static void odd_names(void **state)
{
    char name[257];

    enter(state);
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    put(name, "long");
    expect(name, "long");
    name[255] = 'n';
    name[256] = '\0';
    assert_int_equal(open(name, O_CREAT | O_WRONLY, 0600), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    put(".wh.x", "plain");
    expect(".wh.x", "plain");
    put("\xff\x01 new\nline", "bytes");
    expect("\xff\x01 new\nline", "bytes");
    assert_int_equal(open("tmp-try", O_TMPFILE | O_RDWR, 0600) >= 0 || errno == ENOENT || errno == EOPNOTSUPP, 1);
}

static void exec_from_mount(void **state)
{
    enter(state);
    put("script", "#!/bin/sh\nexit 7\n");
    assert_int_equal(chmod("script", 0755), 0);
    assert_int_equal(WEXITSTATUS(system("./script")), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_write_read),
        cmocka_unit_test(append_and_offsets),
        cmocka_unit_test(file_handles_outlive_the_cache),
        cmocka_unit_test(big_file_past_4_gib),
        cmocka_unit_test(fallocate_and_holes),
        cmocka_unit_test(copy_file_range_works),
        cmocka_unit_test(links_and_unlinked_open_files),
        cmocka_unit_test(rename_flags),
        cmocka_unit_test(attributes),
        cmocka_unit_test(statfs_is_sensible),
        cmocka_unit_test(xattrs),
        cmocka_unit_test(acls),
        cmocka_unit_test(set_id_cleared_on_write_by_others),
        cmocka_unit_test(permissions_are_checked),
        cmocka_unit_test(mmap_reads_and_writes),
        cmocka_unit_test(readdir_while_deleting),
        cmocka_unit_test(fifty_thousand_entries),
        cmocka_unit_test(a_request_that_waits_holds_up_no_other),
        cmocka_unit_test(locks),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(exec_from_mount),
    };

    umask(022);
    setbuf(stdout, NULL);
    return cmocka_run_group_tests(tests, start_root, stop_root);
}
