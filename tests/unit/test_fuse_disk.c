/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual disk through the kernel: moments that do not mix, plans that come and go, sources that fail, an overlay. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/log.h"
#include "fuse/disk.h"
#include "fuse/fuse.h"

#define MIB (1u << 20)

/** What the test and the server share. */
struct shared {
    atomic_uint version;  /* the tree's */
    atomic_bool restless; /* it changes whenever it is asked for */
    atomic_int refuse;    /* plans fail with this errno */
    atomic_uint planned, released;
};

static struct shared *shared;
static char dir[] = "/tmp/fc-disk-XXXXXX", mnt[64], file[80], source[64], overlay[64];
static pid_t server;

static int get_version(void *arg, uint64_t *ret, struct fc_error *err)
{
    (void)arg;
    (void)err;
    if (atomic_load(&shared->restless))
        atomic_fetch_add(&shared->version, 1);
    *ret = atomic_load(&shared->version);
    return 0;
}

static void release(void *owner)
{
    fc_image_free(owner);
    atomic_fetch_add(&shared->released, 1);
}

static size_t size_of(unsigned version) { return (8 + version) * (size_t)MIB; }

/* Version v: 8 + v MiB; two blocks of 'a' + v, one MiB of the source file at 1 MiB, a block of 'z' at the end. */
static int get_plan(void *arg, struct fc_disk_image *ret, struct fc_error *err)
{
    unsigned v = atomic_load(&shared->version);
    struct fc_image *image = NULL;
    unsigned char *memory;
    int code = atomic_load(&shared->refuse);

    if (code)
        return fc_fail(err, code, "no plan today");
    if (fc_image_new(size_of(v), &image) < 0 || !(memory = fc_image_alloc(image, 12288)))
        return fc_fail(err, ENOMEM, "out of memory");
    memset(memory, 'a' + (int)v % 20, 8192);
    memset(memory + 8192, 'z', 4096);
    fc_image_add_memory(image, 0, memory, 8192);
    fc_image_add_file(image, MIB, *(int *)arg, 0, MIB);
    fc_image_add_memory(image, size_of(v) - 4096, memory + 8192, 4096);
    *ret = (struct fc_disk_image){.image = image, .release = release, .owner = image};
    atomic_fetch_add(&shared->planned, 1);
    return fc_image_finish(image, err);
}

static unsigned char *want_of(unsigned v)
{
    unsigned char *want = calloc(1, size_of(v));

    memset(want, 'a' + (int)v % 20, 8192);
    for (unsigned i = 0; i < MIB; i++)
        want[MIB + i] = (unsigned char)(i * 2654435761u >> 13);
    memset(want + size_of(v) - 4096, 'z', 4096);
    return want;
}

static int serve(bool writable, int ready_fd)
{
    static const struct fc_overlay_id id = {{1}, {{2}}};
    int fd = open(source, O_RDONLY | O_CLOEXEC), r = 0;
    struct fc_disk_options o = {.mountpoint = mnt, .version = get_version, .plan = get_plan, .arg = &fd};
    struct fc_disk_image base = {0};
    struct fc_disk *disk = NULL;
    struct fc_error err = {0};

    if (writable)
        r = get_plan(&fd, &base, &err);
    if (r == 0 && writable)
        r = fc_overlay_open(base.image, overlay, &id, &o.overlay, &err);
    if (r == 0)
        r = fc_disk_new(&o, &disk, &err);
    if (write(ready_fd, err.msg, strlen(err.msg) + 1) < 0)
        r = -EPIPE;
    close(ready_fd);
    if (r == 0)
        r = fc_disk_wait(disk, &err);
    fc_disk_free(disk);
    fc_overlay_free(o.overlay);
    if (base.release)
        base.release(base.owner);
    close(fd);
    return r == 0 ? 0 : 7;
}

static void start(bool writable)
{
    char words[512] = "";
    int ready[2];

    if (geteuid() != 0 || access("/dev/fuse", W_OK) < 0)
        skip();
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    server = fork();
    if (server == 0) {
        close(ready[0]);
        exit(serve(writable, ready[1])); /* not _exit(): leaks are looked for */
    }
    close(ready[1]);
    if (read(ready[0], words, sizeof(words) - 1) <= 0 || words[0])
        fail_msg("server: %s", words);
    close(ready[0]);
}

/* Returns the server's status. */
static int stop(void)
{
    int status = -1;

    kill(server, SIGTERM);
    waitpid(server, &status, 0);
    server = 0;
    assert_int_equal(fc_mount_probe(mnt), 0);
    return status;
}

static int setup(void **state)
{
    unsigned char *want = want_of(0);
    int fd = open(source, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    (void)state;
    memset(shared, 0, sizeof(*shared));
    if (fd < 0 || fc_write_full(fd, want + MIB, MIB) < 0)
        return -1;
    close(fd);
    free(want);
    unlink(overlay);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        server = 0;
    }
    umount2(mnt, MNT_DETACH);
    return 0;
}

static int must_open(void)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        fail_msg("open: %s", strerror(errno));
    return fd;
}

static void same(int fd, unsigned version)
{
    unsigned char *want = want_of(version), *got = malloc(size_of(version));
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, size_of(version));
    assert_int_equal(fc_pread_full(fd, got, size_of(version), 0), size_of(version));
    assert_memory_equal(got, want, size_of(version));
    free(want);
    free(got);
}

static void a_regular_file_that_can_be_read_in_every_way(void **state)
{
    unsigned char *want = want_of(0), *got = aligned_alloc(4096, MIB), *map;
    struct stat st;
    int fd;

    (void)state;
    start(false);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0400);
    assert_int_equal(st.st_size, 8 * MIB);
    assert_int_equal(st.st_blocks, (MIB + 12288) / 512);
    fd = must_open();
    same(fd, 0);
    map = mmap(NULL, 8 * MIB, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_memory_equal(map, want, 8 * MIB);
    munmap(map, 8 * MIB);
    assert_int_equal(lseek(fd, 0, SEEK_HOLE), 8192);
    assert_int_equal(lseek(fd, 8192, SEEK_DATA), MIB);
    assert_int_equal(lseek(fd, 0, SEEK_END), 8 * MIB);
    assert_int_equal(lseek(fd, 8 * MIB, SEEK_DATA), -1);
    assert_int_equal(errno, ENXIO);
    close(fd);
    fd = open(file, O_RDONLY | O_DIRECT);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, got, MIB, MIB), MIB);
    assert_memory_equal(got, want + MIB, MIB);
    close(fd);
    assert_int_equal(open(file, O_RDWR), -1);
    assert_int_equal(errno, EROFS);
    assert_int_equal(unlink(file), -1);
    assert_int_equal(mount("", mnt, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, ""), 0); /* no longer read-only */
    assert_int_equal(open(file, O_RDWR), -1);
    assert_int_equal(errno, EROFS);
    assert_int_equal(truncate(file, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(stat(mnt, &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0500);
    free(want);
    free(got);
    assert_int_equal(stop(), 0);
    assert_int_equal(atomic_load(&shared->planned), 1);
    assert_int_equal(atomic_load(&shared->released), 1);
}

static void each_open_is_one_moment(void **state)
{
    struct stat before, after;
    int old, new, again;
    char name[64];

    (void)state;
    start(false);
    old = must_open();
    assert_int_equal(fstat(old, &before), 0);
    atomic_store(&shared->version, 3);
    new = must_open();
    assert_int_equal(fstat(new, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* else cp refuses what changed between its stat and its open */
    assert_true(before.st_mtim.tv_sec != after.st_mtim.tv_sec || before.st_mtim.tv_nsec != after.st_mtim.tv_nsec);
    same(new, 3);
    same(old, 0); /* nothing of it was read before the change */
    posix_fadvise(old, 0, 0, POSIX_FADV_DONTNEED);
    same(old, 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", old);
    again = open(name, O_RDONLY);
    assert_true(again >= 0);
    close(old);
    same(again, 0);
    same(new, 3);
    close(again);
    close(new);
    atomic_store(&shared->restless, true); /* between the lookup and the open, too */
    for (int i = 0; i < 20; i++) {
        unsigned char byte;

        new = must_open();
        assert_int_equal(fstat(new, &after), 0);
        assert_int_equal(pread(new, &byte, 1, 0), 1);
        assert_int_equal(byte, 'a' + ((unsigned)after.st_size / MIB - 8) % 20);
        close(new);
    }
    assert_int_equal(stop(), 0);
    assert_int_equal(atomic_load(&shared->released), atomic_load(&shared->planned));
}

static void a_plan_that_nobody_uses_goes_and_comes_again(void **state)
{
    struct stat before, after;
    int fd;

    (void)state;
    start(false);
    fd = must_open();
    assert_int_equal(fstat(fd, &before), 0);
    same(fd, 0);
    close(fd);
    for (int i = 0; i < 2000 && atomic_load(&shared->released) == 0; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&shared->released), 1);
    assert_int_equal(stat(file, &after), 0); /* known without a plan */
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(atomic_load(&shared->planned), 1);
    fd = must_open();
    same(fd, 0);
    assert_int_equal(atomic_load(&shared->planned), 2);
    close(fd);
    assert_int_equal(stop(), 0);
}

static void what_cannot_be_planned_or_read_is_an_error_and_no_end(void **state)
{
    char byte;
    int fd, other;

    (void)state;
    start(false);
    atomic_store(&shared->refuse, EOPNOTSUPP);
    assert_int_equal(open(file, O_RDONLY), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    atomic_store(&shared->refuse, 0);
    fd = must_open();
    assert_int_equal(truncate(source, 8192), 0);
    assert_int_equal(pread(fd, &byte, 1, MIB + 512 * 1024), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(pread(fd, &byte, 1, 100), 1);
    assert_int_equal(byte, 'a');
    atomic_store(&shared->version, 1);
    atomic_store(&shared->refuse, ENOSPC);
    assert_int_equal(open(file, O_RDONLY), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(pread(fd, &byte, 1, 4000), 1);
    atomic_store(&shared->refuse, 0);
    other = must_open();
    close(other);
    close(fd);
    assert_int_equal(stop(), 0);
}

static void many_readers_at_once(void **state)
{
    pid_t readers[8];
    int status;

    (void)state;
    start(false);
    for (int i = 0; i < 8; i++) {
        readers[i] = fork();
        if (readers[i] == 0) {
            unsigned char *want = want_of(0), *got = malloc(size_of(0));
            int fd = open(file, O_RDONLY), bad = 0;

            for (int k = 0; k < 10 && !bad; k++) {
                posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
                bad =
                    fc_pread_full(fd, got, size_of(0), 0) != (ssize_t)size_of(0) || memcmp(got, want, size_of(0)) != 0;
            }
            _exit(bad);
        }
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(stop(), 0);
    assert_int_equal(atomic_load(&shared->planned), 1);
}

static void unmounted_by_others_in_use_or_not(void **state)
{
    int fd, status;
    char byte;

    (void)state;
    start(false);
    assert_int_equal(umount(mnt), 0);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_int_equal(status, 0);
    start(false);
    fd = must_open();
    assert_int_equal(stop(), 0); /* by a signal: who reads hears of it, and nothing hangs */
    assert_int_equal(pread(fd, &byte, 1, 0), -1);
    close(fd);
    kill(server, 0);
    start(false);
    kill(server, SIGKILL);
    waitpid(server, &status, 0);
    assert_int_equal(fc_mount_probe(mnt), 2);
    start(false); /* over the dead one */
    fd = must_open();
    same(fd, 0);
    close(fd);
    assert_int_equal(stop(), 0);
}

static void an_overlay_takes_writes(void **state)
{
    unsigned char *want = want_of(0), *got = malloc(size_of(0)), *map;
    struct stat st;
    int fd;

    (void)state;
    start(true);
    fd = open(file, O_RDWR);
    assert_true(fd >= 0);
    same(fd, 0);
    memset(want + 5000, 'W', 100000);
    assert_int_equal(pwrite(fd, want + 5000, 100000, 5000), 100000);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MIB, 65536), 0);
    memset(want + MIB, 0, 65536);
    map = mmap(NULL, size_of(0), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    memcpy(map + 3 * MIB, "mapped", 6);
    memcpy(want + 3 * MIB, "mapped", 6);
    assert_int_equal(msync(map, size_of(0), MS_SYNC), 0);
    munmap(map, size_of(0));
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(pwrite(fd, "beyond", 6, (off_t)size_of(0)), -1);
    assert_int_equal(errno, EFBIG);
    assert_int_equal(pwrite(fd, "beyond", 6, (off_t)size_of(0) - 2), 2);
    memcpy(want + size_of(0) - 2, "be", 2);
    assert_int_equal(fallocate(fd, 0, 0, MIB), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    assert_int_equal(futimens(fd, NULL), 0);
    for (int i = 0; i < 2; i++) { /* from the cache, and from the server */
        assert_int_equal(fc_pread_full(fd, got, size_of(0), 0), size_of(0));
        assert_memory_equal(got, want, size_of(0));
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    close(fd);
    assert_int_equal(stop(), 0);
    start(true); /* goes on where it was */
    fd = must_open();
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(fc_pread_full(fd, got, size_of(0), 0), size_of(0));
    assert_memory_equal(got, want, size_of(0));
    close(fd);
    assert_int_equal(stop(), 0);
    free(want);
    free(got);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_regular_file_that_can_be_read_in_every_way),
        TEST(each_open_is_one_moment),
        TEST(a_plan_that_nobody_uses_goes_and_comes_again),
        TEST(what_cannot_be_planned_or_read_is_an_error_and_no_end),
        TEST(many_readers_at_once),
        TEST(unmounted_by_others_in_use_or_not),
        TEST(an_overlay_takes_writes),
    };
    int failed;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!mkdtemp(dir) || shared == MAP_FAILED)
        return 1;
    snprintf(mnt, sizeof(mnt), "%s/mnt", dir);
    snprintf(file, sizeof(file), "%s/" FC_DISK_NAME, mnt);
    snprintf(source, sizeof(source), "%s/source", dir);
    snprintf(overlay, sizeof(overlay), "%s/overlay", dir);
    mkdir(mnt, 0755);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(overlay);
    unlink(source);
    rmdir(mnt);
    rmdir(dir);
    return failed;
}
