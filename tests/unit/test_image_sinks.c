/* SPDX-License-Identifier: Apache-2.0 */
/* Where images are written to: killed writers, full disks, hosts that share blocks, devices and pipes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "image/image.h"

#define SIZE (12u << 20)

static char dir[] = "/tmp/fc-sinks-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[2][128];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
    return path[turn];
}

/* Half memory full of @letter, then 4 MiB of a file in @at full of 's', then zeros. The file stays open. */
static struct fc_image *make_image(const char *at, int letter)
{
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    char *memory, *text = malloc(4 << 20);
    int fd = open(at, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    memset(text, 's', 4 << 20);
    assert_int_equal(fc_pwrite_full(fd, text, 4 << 20, 0), 0);
    assert_int_equal(fsync(fd), 0); /* btrfs and XFS share what has its place */
    free(text);
    assert_int_equal(fc_image_new(SIZE, &image), 0);
    memory = fc_image_alloc(image, 4 << 20);
    memset(memory, letter, 4 << 20);
    assert_int_equal(fc_image_add_memory(image, 0, memory, 4 << 20), 0);
    assert_int_equal(fc_image_add_file(image, 4 << 20, fd, 0, 4 << 20), 0);
    assert_int_equal(fc_image_finish(image, &err), 0);
    return image;
}

static void free_image(struct fc_image *image)
{
    size_t n;
    const struct fc_segment *s = fc_image_segments(image, &n);

    for (size_t i = 0; i < n; i++)
        if (s[i].kind == FC_SEGMENT_FILE)
            close(s[i].file.fd);
    fc_image_free(image);
}

/* The letter of a complete image at @path, 0 when it is anything else. */
static int letter_of(const char *path)
{
    struct fc_buf b = {0};
    int letter = 0;

    if (fc_read_file(AT_FDCWD, path, SIZE + 1, &b) == 0 && b.len == SIZE) {
        letter = b.data[0];
        for (size_t i = 0; i < SIZE; i++)
            if (b.data[i] != (i < 4 << 20 ? letter : i < 8 << 20 ? 's' : 0))
                letter = 0;
    }
    fc_buf_release(&b);
    return letter;
}

static unsigned files_in(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    unsigned n = 0;

    assert_non_null(d);
    while ((e = readdir(d)))
        n += e->d_type == DT_REG;
    closedir(d);
    return n;
}

static void write_forever(const struct fc_image *image, const char *path)
{
    struct fc_image_write_options o = {.no_sync = true};

    while (fc_image_write(image, path, &o, NULL, NULL) == 0)
        ;
    _exit(1);
}

/* The file is whole after each kill, and what else a kill may leave goes with the next write. */
static void kill_writers(const char *folder, unsigned turns)
{
    char path[128], source[128];
    struct fc_image *images[2];
    struct fc_error err;

    snprintf(path, sizeof(path), "%s/out.img", folder);
    snprintf(source, sizeof(source), "%s/source", folder);
    images[0] = make_image(source, 'a');
    images[1] = make_image(source, 'b');
    assert_int_equal(fc_image_write(images[0], path, NULL, NULL, &err), 0);
    srand(42);
    for (unsigned i = 0; i < turns; i++) {
        struct timespec t = {0, rand() % 12000000};
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0)
            write_forever(images[i % 2], path);
        nanosleep(&t, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_not_equal(letter_of(path), 0);
        assert_true(files_in(folder) <= 3);
    }
    assert_int_equal(fc_image_write(images[1], path, NULL, NULL, &err), 0);
    assert_int_equal(letter_of(path), 'b');
    assert_int_equal(files_in(folder), 2);
    free_image(images[0]);
    free_image(images[1]);
    unlink(path);
    unlink(source);
}

static void test_kill(void **state)
{
    (void)state;
    kill_writers(dir, getenv("FC_TEST_FULL") ? 1000 : 60);
}

static void test_leftovers(void **state)
{
    static const char *const names[] = {".out.img.12345-0", ".out.img.1-1000", ".out.img.12345-x", ".out.img.x-1",
                                        ".other.img.1-0"};
    struct fc_image *image = make_image(in_dir("source"), 'a');
    struct fc_error err;
    int locked;

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(names); i++)
        close(open(in_dir(names[i]), O_CREAT | O_WRONLY, 0600));
    locked = open(in_dir(".out.img.77-0"), O_CREAT | O_WRONLY, 0600);
    assert_int_equal(flock(locked, LOCK_EX), 0);
    assert_int_equal(symlink("source", in_dir(".out.img.78-0")), 0);
    assert_int_equal(fc_image_write(image, in_dir("out.img"), NULL, NULL, &err), 0);
    for (size_t i = 0; i < FC_LENGTH(names); i++) {
        assert_int_equal(access(in_dir(names[i]), F_OK), i < 2 ? -1 : 0);
        unlink(in_dir(names[i]));
    }
    assert_int_equal(unlink(in_dir(".out.img.77-0")), 0); /* its maker lives */
    assert_int_equal(unlink(in_dir(".out.img.78-0")), 0);
    assert_int_equal(files_in(dir), 2);
    unlink(in_dir("out.img"));
    unlink(in_dir("source"));
    close(locked);
    free_image(image);
}

static void test_symlink(void **state)
{
    struct fc_image *image = make_image(in_dir("source"), 'a');
    struct fc_error err;
    struct stat st;

    (void)state;
    assert_int_equal(symlink("real.img", in_dir("link.img")), 0);
    assert_int_equal(fc_image_write(image, in_dir("link.img"), NULL, NULL, &err), -ENOENT);
    close(open(in_dir("real.img"), O_CREAT | O_WRONLY, 0640));
    assert_int_equal(fc_image_write(image, in_dir("link.img"), NULL, NULL, &err), 0);
    assert_int_equal(lstat(in_dir("link.img"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(letter_of(in_dir("real.img")), 'a');
    unlink(in_dir("link.img"));
    unlink(in_dir("real.img"));
    unlink(in_dir("source"));
    free_image(image);
}

static void test_device_and_pipe(void **state)
{
    struct fc_image *image = make_image(in_dir("source"), 'a');
    struct fc_image_write_result result;
    struct fc_error err;
    pid_t pid;
    int status;

    (void)state;
    assert_int_equal(fc_image_write(image, "/dev/null", NULL, &result, &err), 0);
    assert_int_equal(result.copied, SIZE);
    assert_int_equal(fc_image_write(image, "/dev/full", NULL, NULL, &err), -ENOSPC);
    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "cat <\"$0/pipe\" >\"$0/got\"", dir, (char *)NULL);
        _exit(1);
    }
    assert_int_equal(fc_image_write(image, in_dir("pipe"), NULL, &result, &err), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(letter_of(in_dir("got")), 'a');
    unlink(in_dir("got"));
    unlink(in_dir("pipe"));
    unlink(in_dir("source"));
    free_image(image);
}

/* Mounts a file system of @type, made of a file where @make is given, and skips where that is not possible. */
static void mount_host(const char *type, const char *make, const char *options)
{
    char command[512];

    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir(in_dir("host"), 0700), 0);
    if (make)
        snprintf(command, sizeof(command),
                 "exec >/dev/null 2>&1; truncate -s 400M %s/disk && PATH=$PATH:/usr/sbin:/sbin %s %s/disk && "
                 "mount -o loop %s/disk %s/host",
                 dir, make, dir, dir, dir);
    else
        snprintf(command, sizeof(command), "mount -t %s -o %s none %s/host >/dev/null 2>&1", type, options, dir);
    if (system(command) != 0) {
        unlink(in_dir("disk"));
        rmdir(in_dir("host"));
        skip();
    }
}

static void umount_host(void)
{
    assert_int_equal(umount(in_dir("host")), 0);
    unlink(in_dir("disk"));
    assert_int_equal(rmdir(in_dir("host")), 0);
}

static void test_full_disk(void **state)
{
    struct fc_image *image = make_image(in_dir("source"), 'a');
    struct fc_error err;
    struct fc_buf got = {0};
    int fd;

    (void)state;
    mount_host("tmpfs", NULL, "size=6m");
    fd = open(in_dir("host/out.img"), O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
    assert_int_equal(fc_image_write(image, in_dir("host/out.img"), NULL, NULL, &err), -ENOSPC);
    assert_non_null(strstr(err.msg, "host/out.img"));
    assert_int_equal(fc_read_file(AT_FDCWD, in_dir("host/out.img"), 10, &got), 0);
    assert_string_equal(got.data, "old");
    assert_int_equal(files_in(in_dir("host")), 1);
    fc_buf_release(&got);
    umount_host();
    unlink(in_dir("source"));
    free_image(image);
}

/* ext4 gives the blocks of a run before they are written; without room for them the old file stays. */
static void test_full_ext4(void **state)
{
    struct fc_image *image = make_image(in_dir("source"), 'a');
    struct fc_image_write_options o = {.no_sync = true};
    struct fc_error err;
    int fd;

    (void)state;
    mount_host("ext4", "mkfs.ext4 -q -m 0", NULL);
    assert_int_equal(fc_image_write(image, in_dir("host/out.img"), &o, NULL, &err), 0);
    assert_int_equal(letter_of(in_dir("host/out.img")), 'a');
    fd = open(in_dir("host/filler"), O_CREAT | O_WRONLY, 0600);
    for (off_t at = 0, step = 64 << 20; step >= 4 << 20;) /* until less than 4 MiB is free */
        if (fallocate(fd, 0, at, step) == 0)
            at += step;
        else
            step /= 2;
    close(fd);
    assert_int_equal(fc_image_write(image, in_dir("host/out.img"), &o, NULL, &err), -ENOSPC);
    assert_non_null(strstr(err.msg, "host/out.img"));
    assert_int_equal(letter_of(in_dir("host/out.img")), 'a');
    assert_int_equal(files_in(in_dir("host")), 2);
    umount_host();
    unlink(in_dir("source"));
    free_image(image);
}

/* The blocks of a source on the same file system are shared, and the bytes are the same. */
static void check_sharing(void)
{
    struct fc_image *image = make_image(in_dir("host/source"), 'a');
    struct fc_image_write_options o = {0};
    struct fc_image_write_result result;
    struct fc_error err;

    for (int turn = 0; turn < 3; turn++) {
        o.no_clone = turn == 2;
        assert_int_equal(fc_image_write(image, in_dir("host/out.img"), &o, &result, &err), 0);
        assert_int_equal(result.cloned, turn == 2 ? 0 : 4 << 20);
        assert_int_equal(result.cloned + result.copied, 4 << 20);
        assert_int_equal(result.memory, 4 << 20);
        assert_int_equal(letter_of(in_dir("host/out.img")), 'a');
    }
    assert_int_equal(fc_image_write(image, in_dir("out.img"), NULL, &result, &err), 0); /* elsewhere: a copy */
    assert_int_equal(result.cloned, 0);
    assert_int_equal(letter_of(in_dir("out.img")), 'a');
    unlink(in_dir("out.img"));
    free_image(image);
}

static void test_xfs(void **state)
{
    (void)state;
    mount_host("xfs", "mkfs.xfs -q -m reflink=1", NULL);
    check_sharing();
    umount_host();
}

static void test_btrfs(void **state)
{
    (void)state;
    mount_host("btrfs", "mkfs.btrfs -q", NULL);
    check_sharing();
    umount_host();
}

/* Let go of the loop mounts of tests that run beside this one: a copy in our namespace would keep them mounted. */
static void drop_loop_mounts(void)
{
    FILE *f = fopen("/proc/self/mounts", "r");
    char line[1024], where[1024];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "/dev/loop%*s %1023s", where) == 1)
            umount2(where, MNT_DETACH);
    fclose(f);
}

/*
 * Where files cannot be made without a name (vfat, NFS; here: where /proc is hidden), a killed writer leaves its temporary
 * file, which the next one removes. Comes last: the process keeps its own mount namespace.
 */
static void test_kill_named(void **state)
{
    (void)state;
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip();
    drop_loop_mounts();
    if (mount("none", "/proc", "tmpfs", 0, NULL) < 0)
        skip();
    kill_writers(dir, getenv("FC_TEST_FULL") ? 1000 : 60);
    assert_int_equal(umount("/proc"), 0); /* sanitizers look there at the end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),       cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_symlink),    cmocka_unit_test(test_device_and_pipe),
        cmocka_unit_test(test_full_disk),  cmocka_unit_test(test_full_ext4),
        cmocka_unit_test(test_xfs),        cmocka_unit_test(test_btrfs),
        cmocka_unit_test(test_kill_named),
    };
    int r;

    if (!mkdtemp(dir))
        return 1;
    cmocka_set_test_filter(getenv("FC_TEST_ONLY"));
    r = cmocka_run_group_tests(tests, NULL, NULL);
    fc_remove_all(AT_FDCWD, dir);
    return r;
}
