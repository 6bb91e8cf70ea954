/* SPDX-License-Identifier: Apache-2.0 */
/* From one random image to another by their difference: the same bytes as written afresh; records that can be trusted. */
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

#include "base/cleanup.h"
#include "base/io.h"
#include "image/delta.h"

static const struct fc_image_write_options synced;

#define BLOCK 4096u
#define BLOCKS_MOST 400u
#define SOURCE_BLOCKS 600u

static char dir[] = "/tmp/fc-delta-XXXXXX";
static int sources[3]; /* two packs, and one that changes */
static struct fc_digest keys[2] = {{{1}}, {{2}}};

static uint32_t below(uint32_t n) { return (uint32_t)rand() % n; }

static void fill_source(int fd, unsigned char salt)
{
    unsigned char block[BLOCK];

    for (uint32_t i = 0; i < SOURCE_BLOCKS; i++) {
        memset(block, (int)(i % 251), sizeof(block));
        block[0] = salt;
        block[1] = (unsigned char)(i >> 8);
        assert_int_equal(fc_pwrite_full(fd, block, sizeof(block), (uint64_t)i * BLOCK), 0);
    }
}

static void add_run(struct fc_image *image, uint64_t at, uint32_t blocks)
{
    uint32_t kind = below(5), shift = below(3);
    unsigned char *memory;

    if (kind < 3) { /* at the image's own offset, or one near: runs of two images often have the same origin */
        assert_int_equal(fc_image_add_file(image, at, sources[kind], at + (uint64_t)shift / 2 * BLOCK, blocks * BLOCK),
                         0);
    } else if (kind == 3) {
        memory = fc_image_alloc(image, blocks * BLOCK);
        for (uint32_t i = 0; i < blocks; i++)
            memset(memory + (size_t)i * BLOCK, below(4) ? 'm' : (int)below(256), BLOCK);
        assert_int_equal(fc_image_add_memory(image, at, memory, blocks * BLOCK), 0);
    } /* else a hole */
}

/* The same seed gives the same layout with a few runs of another kind. */
static struct fc_image *make_image(unsigned seed, unsigned variant)
{
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    uint64_t at = 0, end;

    srand(seed + variant / 2);
    end = BLOCKS_MOST / 2 + below(BLOCKS_MOST / 2);
    assert_int_equal(fc_image_new(end * BLOCK, &image), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fc_image_name_source(image, sources[i], &keys[i]), 0);
    for (unsigned turn = 0; at < end; turn++) {
        uint32_t n;

        srand(seed * 1000 + turn + ((variant + turn) % 5 == 0 ? variant * 7919 : 0));
        n = 1 + below(30);
        n = n < end - at ? n : (uint32_t)(end - at);
        add_run(image, at * BLOCK, n);
        at += n;
    }
    assert_int_equal(fc_image_finish(image, &err), 0);
    return image;
}

static void read_all(int fd, struct fc_buf *ret)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    fc_buf_clear(ret);
    assert_int_equal(fc_buf_reserve(ret, (size_t)st.st_size), 0);
    ret->len = (size_t)fc_pread_full(fd, ret->data, (size_t)st.st_size, 0);
    assert_int_equal(ret->len, st.st_size);
}

static uint64_t equal_bytes(const struct fc_buf *a, const struct fc_buf *b)
{
    uint64_t n = 0;

    for (size_t i = 0; i < b->len; i += BLOCK) /* behind the old end there were zeros */
        n += i < a->len ? memcmp(a->data + i, b->data + i, BLOCK) == 0 ? BLOCK : 0
             : b->data[i] == 0 && memcmp(b->data + i, b->data + i + 1, BLOCK - 1) == 0 ? BLOCK
                                                                                       : 0;
    return n;
}

static int new_file(const char *name) { return open(name, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600); }

static void check_pair(unsigned seed)
{
    struct fc_image *a = make_image(seed, 0), *b = make_image(seed, 1 + seed % 9);
    struct fc_image_write_options o = {.no_sync = true};
    struct fc_image_write_result result = {0}, counted = {0};
    struct fc_buf before = {0}, want = {0}, got = {0};
    struct fc_record record = {0};
    struct fc_error err = {0};
    struct stat settled;
    int old = new_file("old"), fresh = new_file("fresh"), now = new_file("now");

    assert_int_equal(ftruncate(old, (off_t)fc_image_size(a)), 0);
    assert_int_equal(fc_image_emit(a, old, true, &o, &result, &err), 0);
    assert_int_equal(fc_record_settle(old, &settled), 0);
    assert_int_equal(fc_record_save("records/it", a, old, &settled, &synced), 0);
    assert_int_equal(fc_record_load("records/it", &record), 0);
    assert_true(fc_record_fits(&record, &settled));
    fill_source(sources[2], (unsigned char)below(3)); /* written in place meanwhile */
    read_all(old, &before);
    assert_int_equal(ftruncate(fresh, (off_t)fc_image_size(b)), 0);
    assert_int_equal(fc_image_emit(b, fresh, true, &o, &result, &err), 0);
    read_all(fresh, &want);

    assert_int_equal(fc_pwrite_full(now, before.data, before.len, 0), 0);
    assert_int_equal(ftruncate(now, (off_t)fc_image_size(b)), 0);
    memset(&result, 0, sizeof(result));
    assert_int_equal(fc_image_emit_delta(b, now, old, &record, &o, &result, &err), 0);
    read_all(now, &got);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    assert_true(result.compared);
    assert_true(result.kept <= equal_bytes(&before, &want));
    assert_int_equal(result.kept + result.zero + result.memory + result.cloned + result.copied, fc_image_size(b));
    assert_int_equal(fc_image_emit_delta(b, -1, old, &record, &o, &counted, &err), 0);
    assert_int_equal(counted.kept, result.kept);
    fc_record_release(&record);
    fc_buf_release(&before);
    fc_buf_release(&want);
    fc_buf_release(&got);
    fc_image_free(a);
    fc_image_free(b);
    close(old);
    close(fresh);
    close(now);
}

static void test_random(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= (getenv("FC_TEST_FULL") ? 3000 : 60); seed++)
        check_pair(seed);
}

/* What is the same is known to be: nothing is written. */
static void test_same(void **state)
{
    struct fc_image *image = make_image(5, 0);
    struct fc_image_write_options o = {.no_sync = true, .records = "records"};
    struct fc_image_write_result result;
    struct fc_error err = {0};

    (void)state;
    unlink("out");
    assert_int_equal(fc_image_write(image, "out", &o, &result, &err), 0);
    assert_false(result.compared);
    assert_int_equal(fc_image_write(image, "out", &o, &result, &err), 0);
    assert_true(result.compared);
    assert_int_equal(result.kept, fc_image_size(image));
    o.fresh = true;
    assert_int_equal(fc_image_write(image, "out", &o, &result, &err), 0);
    assert_false(result.compared);
    fc_image_free(image);
}

/* A folder of records does not grow for ever: the oldest go, and what killed writers left. */
static void test_thin_out(void **state)
{
    struct fc_image *image = make_image(5, 0);
    struct fc_image_write_options o = {.no_sync = true, .records = "many"};
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    struct fc_error err = {0};
    char name[32], *first = NULL;

    (void)state;
    for (int i = 0; i < 70; i++) {
        snprintf(name, sizeof(name), "image%d", i);
        assert_int_equal(fc_image_write(image, name, &o, NULL, &err), 0);
        if (i == 0) {
            assert_int_equal(fc_record_path("many", name, &first), 0);
            assert_int_equal(utimensat(AT_FDCWD, first, old, 0), 0);
            close(open("many/.left", O_CREAT | O_WRONLY, 0600));
            close(open("many/.busy", O_CREAT | O_WRONLY, 0600));
            assert_int_equal(utimensat(AT_FDCWD, "many/.left", old, 0), 0);
        }
        assert_int_equal(access(first, F_OK), i < 64 ? 0 : -1);
        unlink(name);
    }
    assert_int_equal(access("many/.left", F_OK), -1);
    assert_int_equal(access("many/.busy", F_OK), 0);
    free(first);
    fc_image_free(image);
}

/* A record of which any byte is another, or which is cut anywhere, is none. */
static void test_damage(void **state)
{
    struct fc_image *image = make_image(7, 0);
    struct fc_record record = {0};
    struct fc_buf b = {0};
    struct stat settled;
    int fd = new_file("old");

    (void)state;
    assert_int_equal(fc_record_settle(fd, &settled), 0);
    assert_int_equal(ftruncate(fd, 1), 0);
    assert_int_equal(fc_record_save("records/it", image, fd, &settled, &synced), -ESTALE);
    assert_int_equal(ftruncate(fd, (off_t)fc_image_size(image)), 0);
    assert_int_equal(fc_record_settle(fd, &settled), 0);
    assert_int_equal(fc_record_save("records/it", image, fd, &settled, &synced), 0);
    close(fd);
    assert_int_equal(fc_read_file(AT_FDCWD, "records/it", 1 << 20, &b), 0);
    for (size_t i = 0; i < b.len; i += 1 + b.len / 500) {
        b.data[i] ^= 4;
        fd = new_file("records/damaged");
        assert_int_equal(fc_pwrite_full(fd, b.data, b.len, 0), 0);
        close(fd);
        assert_int_equal(fc_record_load("records/damaged", &record), -EBADMSG);
        b.data[i] ^= 4;
        assert_int_equal(truncate("records/damaged", (off_t)i), 0);
        assert_int_equal(fc_record_load("records/damaged", &record), -EBADMSG);
    }
    assert_int_equal(fc_record_load("records/none", &record), -ENOENT);
    fc_buf_release(&b);
    fc_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_thin_out),
        cmocka_unit_test(test_damage),
    };
    int r;

    if (!mkdtemp(dir) || chdir(dir) < 0 || mkdir("records", 0700) < 0)
        return 1;
    for (int i = 0; i < 3; i++) {
        sources[i] = memfd_create("source", 0);
        fill_source(sources[i], (unsigned char)i);
    }
    cmocka_set_test_filter(getenv("FC_TEST_ONLY"));
    r = cmocka_run_group_tests(tests, NULL, NULL);
    fc_remove_all(AT_FDCWD, dir);
    return r;
}
