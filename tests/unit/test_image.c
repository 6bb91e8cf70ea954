/* SPDX-License-Identifier: Apache-2.0 */
/* Building, writing, streaming and reading planned images. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "image/image.h"

#define SIZE (16u << 20)

static char dir[] = "/tmp/fc-image-XXXXXX";
static char path[64];

/* 16 MiB: memory, a file that ends inside its last block, zeros, out of order. Fills @want (may be NULL). */
static struct fc_image *make_image(int fd, unsigned char *want)
{
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    unsigned char *memory, text[5000];

    memset(text, 'f', sizeof(text));
    assert_int_equal(fc_pwrite_full(fd, text, sizeof(text), 0), 0);
    assert_int_equal(fc_image_new(SIZE, &image), 0);
    memory = fc_image_alloc(image, 8192);
    memset(memory, 'm', 8192);
    assert_int_equal(fc_image_add_file(image, 1 << 20, fd, 0, 4096), 0);
    assert_int_equal(fc_image_add_file(image, (1 << 20) + 4096, fd, 4096, 4096), 0);
    assert_int_equal(fc_image_add_memory(image, 4096, memory, 4096), 0);
    assert_int_equal(fc_image_add_memory(image, 0, memory + 4096, 4096), 0);
    assert_int_equal(fc_image_add_memory(image, SIZE - 4096, memory, 4096), 0);
    assert_int_equal(fc_image_finish(image, &err), 0);
    if (want) {
        memset(want, 0, SIZE);
        memset(want, 'm', 8192);
        memset(want + (1 << 20), 'f', 5000);
        memset(want + SIZE - 4096, 'm', 4096);
    }
    return image;
}

static void check_file(const char *name, const unsigned char *want)
{
    struct fc_buf got = {0};

    assert_int_equal(fc_read_file(AT_FDCWD, name, SIZE, &got), 0);
    assert_int_equal(got.len, SIZE);
    assert_memory_equal(got.data, want, SIZE);
    fc_buf_release(&got);
}

static void test_segments(void **state)
{
    int fd = memfd_create("source", 0);
    struct fc_image *image = make_image(fd, NULL);
    const struct fc_segment *s;
    uint64_t end = 0;
    size_t n;

    (void)state;
    s = fc_image_segments(image, &n);
    assert_int_equal(n, 6); /* two of memory, zeros, one joined file range, zeros, memory */
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(s[i].offset, end);
        end += s[i].length;
    }
    assert_int_equal(end, SIZE);
    fc_image_free(image);
    close(fd);
}

static void test_overlap(void **state)
{
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    const void *memory;

    (void)state;
    assert_int_equal(fc_image_new(8192, &image), 0);
    memory = fc_image_alloc(image, 8192);
    assert_int_equal(fc_image_add_memory(image, 0, memory, 4097), 0);
    assert_int_equal(fc_image_add_memory(image, 4096, memory, 4096), 0);
    assert_int_equal(fc_image_finish(image, &err), -EINVAL);
    fc_image_free(image);
}

static void test_write(void **state)
{
    unsigned char *want = malloc(SIZE);
    int fd = memfd_create("source", 0);
    struct fc_image *image = make_image(fd, want);
    struct fc_image_write_result result;
    struct fc_error err = {0};
    struct stat st;

    (void)state;
    for (int turn = 0; turn < 2; turn++) { /* new, then over the old one */
        assert_int_equal(fc_image_write(image, path, NULL, &result, &err), 0);
        check_file(path, want);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_blocks * 512 < 1 << 20); /* zeros are holes */
        assert_int_equal(result.memory, 3 * 4096);
        assert_int_equal(result.cloned + result.copied, 5000);
        assert_int_equal(chmod(path, 0600), 0);
    }
    assert_int_equal(st.st_mode & 07777, 0600); /* the old file's */
    fc_image_free(image);
    close(fd);
    free(want);
}

static void test_stream_and_read(void **state)
{
    unsigned char *want = malloc(SIZE), *got = malloc(SIZE);
    int fd = memfd_create("source", 0), out;
    struct fc_image *image = make_image(fd, want);
    struct fc_error err = {0};

    (void)state;
    out = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_int_equal(fc_image_stream(image, out, NULL, NULL, &err), 0);
    close(out);
    check_file(path, want);
    for (uint64_t at = 0; at < SIZE; at += 70001)
        assert_true(fc_image_read(image, got + at, 70001, at, &err) > 0);
    assert_memory_equal(got, want, SIZE);
    assert_int_equal(fc_image_read(image, got, 10, SIZE, &err), 0);
    fc_image_free(image);
    close(fd);
    free(want);
    free(got);
}

/* A source that is too short fails the write and leaves the old file and nothing else. */
static void test_failure_leaves_old(void **state)
{
    int fd = memfd_create("source", 0);
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    struct fc_buf got = {0};

    (void)state;
    assert_int_equal(fc_image_new(SIZE, &image), 0);
    assert_int_equal(fc_image_add_file(image, 0, fd, 0, 8192), 0);
    assert_int_equal(fc_image_finish(image, &err), 0);
    unlink(path);
    assert_int_equal(fc_image_write(image, path, NULL, NULL, &err), -EIO);
    assert_int_equal(access(path, F_OK), -1);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "old", 3), 3);
    assert_int_equal(fc_image_write(image, path, NULL, NULL, &err), -EIO);
    assert_int_equal(fc_read_file(AT_FDCWD, path, 10, &got), 0);
    assert_string_equal(got.data, "old");
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing beside it */
    assert_int_equal(mkdir(dir, 0700), 0);
    fc_buf_release(&got);
    fc_image_free(image);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_stream_and_read),
        cmocka_unit_test(test_failure_leaves_old),
    };
    int r;

    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/out.img", dir);
    r = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(dir);
    return r;
}
