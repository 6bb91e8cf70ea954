/* SPDX-License-Identifier: Apache-2.0 */
/* Overlays: what is written, what shows through, what survives, whose file it is. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "image/overlay.h"

enum { SIZE = 3 << 20, DATA = 8192 /* header and one block of map */ };

static char dir[] = "/tmp/fc-overlay-XXXXXX";
static char path[64];
static const struct fc_overlay_id id = {{1, 2, 3}, {{4, 5, 6}}};

/* 3 MiB: 'm' in the first MiB, zeros, 'n' in the last 8 KiB. */
static struct fc_image *make_base(unsigned char *want)
{
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    unsigned char *memory;

    assert_int_equal(fc_image_new(SIZE, &image), 0);
    memory = fc_image_alloc(image, 1 << 20);
    memset(memory, 'm', 1 << 20);
    assert_int_equal(fc_image_add_memory(image, 0, memory, 1 << 20), 0);
    memory = fc_image_alloc(image, 8192);
    memset(memory, 'n', 8192);
    assert_int_equal(fc_image_add_memory(image, SIZE - 8192, memory, 8192), 0);
    assert_int_equal(fc_image_finish(image, &err), 0);
    memset(want, 0, SIZE);
    memset(want, 'm', 1 << 20);
    memset(want + SIZE - 8192, 'n', 8192);
    return image;
}

static struct fc_overlay *must_open(const struct fc_image *base)
{
    struct fc_overlay *o = NULL;
    struct fc_error err = {0};

    if (fc_overlay_open(base, path, &id, &o, &err) < 0)
        fail_msg("%s", err.msg);
    return o;
}

static void same(struct fc_overlay *o, const unsigned char *want)
{
    unsigned char *got = malloc(SIZE);

    assert_int_equal(fc_overlay_read(o, got, SIZE, 0, NULL), SIZE);
    assert_memory_equal(got, want, SIZE);
    free(got);
}

static void put(struct fc_overlay *o, unsigned char *want, int byte, size_t size, uint64_t at)
{
    struct fc_error err = {0};
    unsigned char *data = malloc(size);

    memset(data, byte, size);
    memset(want + at, byte, size);
    if (fc_overlay_write(o, data, size, at, &err) < 0)
        fail_msg("%s", err.msg);
    free(data);
}

static int setup(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void random_writes_and_zeros_against_a_plain_buffer(void **state)
{
    unsigned char *want = malloc(SIZE), *got = malloc(SIZE);
    struct fc_image *base = make_base(want);
    struct fc_overlay *o = must_open(base);

    (void)state;
    srandom(7);
    for (int i = 0; i < 400; i++) {
        uint64_t at = (uint64_t)random() % SIZE;
        size_t size = (size_t)(i % 3 ? random() % 5000 : random() % 100000) + 1;

        if (size > SIZE - at)
            size = (size_t)(SIZE - at);
        if (i % 4 == 3) {
            memset(want + at, 0, size);
            assert_int_equal(fc_overlay_zero(o, at, size, NULL), 0);
        } else {
            put(o, want, (int)(i % 250) + 1, size, at);
        }
        if (i % 50 == 49) { /* closed and opened again, synced or not */
            fc_overlay_free(o);
            o = must_open(base);
        }
        at = (uint64_t)random() % SIZE;
        size = SIZE - at < 70000 ? (size_t)(SIZE - at) : 70000;
        assert_int_equal(fc_overlay_read(o, got, size, at, NULL), size);
        assert_memory_equal(got, want + at, size);
    }
    same(o, want);
    fc_overlay_free(o);
    fc_image_free(base);
    free(got);
    free(want);
}

/* What a power cut leaves is what was synced: the map that is on the disk names only blocks that are. */
static void only_what_was_synced_is_in_the_file(void **state)
{
    unsigned char *want = malloc(SIZE), *synced = malloc(SIZE);
    struct fc_image *base = make_base(want);
    struct fc_overlay *o = must_open(base);
    char copy[80];
    struct fc_buf file = {0};
    int fd;

    (void)state;
    put(o, want, 'a', 10000, 5000);
    assert_int_equal(fc_overlay_sync(o, NULL), 0);
    memcpy(synced, want, SIZE);
    put(o, want, 'b', 4096, 2 << 20); /* never synced, in a block of its own */
    put(o, want, 'c', 100, SIZE - 200);
    assert_int_equal(fc_read_file(AT_FDCWD, path, SIZE + DATA, &file), 0);
    same(o, want);
    fc_overlay_free(o);

    snprintf(copy, sizeof(copy), "%s.copy", path);
    fd = open(copy, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(fc_write_full(fd, file.data, file.len), 0);
    close(fd);
    fc_buf_release(&file);
    assert_int_equal(fc_overlay_open(base, copy, &id, &o, NULL), 0);
    same(o, synced);
    fc_overlay_free(o);
    unlink(copy);
    o = must_open(base); /* closing syncs */
    same(o, want);
    fc_overlay_free(o);
    fc_image_free(base);
    free(want);
    free(synced);
}

static void a_block_is_4096_bytes_of_a_sparse_file(void **state)
{
    unsigned char *want = malloc(SIZE), map = 0, byte = 0;
    struct fc_image *base = make_base(want);
    struct fc_overlay *o = must_open(base);
    struct stat st;
    int fd;

    (void)state;
    put(o, want, 'x', 1, 9 * 4096 + 7);
    assert_int_equal(fc_overlay_written(o), 4096);
    fc_overlay_free(o);
    fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, SIZE + DATA);
    assert_true(st.st_blocks * 512 <= 65536);
    assert_int_equal(pread(fd, &map, 1, 4096 + 1), 1);
    assert_int_equal(map, 1 << 1);
    assert_int_equal(pread(fd, &byte, 1, DATA + 9 * 4096 + 7), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(pread(fd, &byte, 1, DATA + 9 * 4096 + 6), 1);
    assert_int_equal(byte, 'm');
    close(fd);
    fc_image_free(base);
    free(want);
}

static void seeks(void **state)
{
    unsigned char *want = malloc(SIZE);
    struct fc_image *base = make_base(want);
    struct fc_overlay *o = must_open(base);

    (void)state;
    assert_int_equal(fc_overlay_seek(o, 5, true), 1 << 20);
    assert_int_equal(fc_overlay_seek(o, 1 << 20, false), SIZE - 8192);
    assert_int_equal(fc_overlay_seek(o, SIZE - 1, true), SIZE);
    put(o, want, 'x', 10, 2 << 20);
    assert_int_equal(fc_overlay_seek(o, 1 << 20, false), 2 << 20);
    assert_int_equal(fc_overlay_seek(o, 2 << 20, true), (2 << 20) + 4096);
    assert_int_equal(fc_overlay_seek(o, (2 << 20) + 4096, false), SIZE - 8192);
    fc_overlay_free(o);
    fc_image_free(base);
    free(want);
}

static void refuse(const struct fc_image *base, const struct fc_overlay_id *other, int code, const char *word)
{
    struct fc_overlay *o = NULL;
    struct fc_error err = {0};

    assert_int_equal(fc_overlay_open(base, path, other, &o, &err), -code);
    assert_null(o);
    if (!strstr(err.msg, word))
        fail_msg("no \"%s\" in: %s", word, err.msg);
}

static void the_file_of_another_is_refused_and_left_alone(void **state)
{
    unsigned char *want = malloc(SIZE);
    struct fc_image *base = make_base(want), *bigger = NULL;
    struct fc_overlay *o = must_open(base);
    struct fc_overlay_id other = id;
    struct fc_buf before = {0}, after = {0};
    int fd;

    (void)state;
    refuse(base, &id, EBUSY, "in use"); /* flock: by descriptor, so also in one process */
    put(o, want, 'x', 5000, 100);
    fc_overlay_free(o);
    assert_int_equal(fc_read_file(AT_FDCWD, path, SIZE + DATA, &before), 0);
    other.uuid[0] ^= 1;
    refuse(base, &other, ESTALE, "UUID");
    other = id;
    other.plan.bytes[31] ^= 1;
    refuse(base, &other, ESTALE, "have changed");
    assert_int_equal(fc_image_new(SIZE + 4096, &bigger), 0);
    assert_int_equal(fc_image_finish(bigger, NULL), 0);
    refuse(bigger, &id, ESTALE, "bytes");
    fc_image_free(bigger);
    assert_int_equal(fc_read_file(AT_FDCWD, path, SIZE + DATA, &after), 0);
    assert_int_equal(after.len, before.len);
    assert_memory_equal(after.data, before.data, before.len);

    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(fc_write_full(fd, "precious", 8), 0);
    close(fd);
    refuse(base, &id, EBADMSG, "left alone");
    fc_buf_clear(&after);
    assert_int_equal(fc_read_file(AT_FDCWD, path, 100, &after), 0);
    assert_string_equal(after.data, "precious");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse(base, &id, EINVAL, "regular file");
    unlink(path);
    fc_buf_release(&before);
    fc_buf_release(&after);
    fc_image_free(base);
    free(want);
}

/* The host is full: the guest hears of it, and reads what it read before. */
static void a_full_host(void **state)
{
    const struct rlimit small = {DATA + (1 << 20), RLIM_INFINITY};
    struct rlimit old;
    unsigned char *want = malloc(SIZE), *data = calloc(1, 65536);
    struct fc_image *base = make_base(want);
    struct fc_overlay *o = must_open(base);
    struct fc_error err = {0};

    (void)state;
    put(o, want, 'x', 4096, 4096);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(fc_overlay_write(o, data, 65536, 2 << 20, &err), -EFBIG);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    same(o, want);
    assert_int_equal(fc_overlay_write(o, data, 2, SIZE - 1, &err), -EFBIG);
    assert_int_equal(fc_overlay_sync(o, NULL), 0);
    fc_overlay_free(o);
    o = must_open(base);
    same(o, want);
    fc_overlay_free(o);
    fc_image_free(base);
    free(data);
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(random_writes_and_zeros_against_a_plain_buffer, setup),
        cmocka_unit_test_setup(only_what_was_synced_is_in_the_file, setup),
        cmocka_unit_test_setup(a_block_is_4096_bytes_of_a_sparse_file, setup),
        cmocka_unit_test_setup(seeks, setup),
        cmocka_unit_test_setup(the_file_of_another_is_refused_and_left_alone, setup),
        cmocka_unit_test_setup(a_full_host, setup),
    };
    int failed;

    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/overlay", dir);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return failed;
}
