/* SPDX-License-Identifier: Apache-2.0 */
/* stack: a tar file that was imported before is known again without being read, and never after any change. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/io.h"
#include "stack/stack.h"

static char dir[64];
static struct fc_cache *cache;
static bool honest; /* a file system whose times are relied on */

static int enter(void **state)
{
    struct fc_error err = {0};
    struct statfs fs;

    (void)state;
    strcpy(dir, "/tmp/fc-seen-XXXXXX");
    if (!mkdtemp(dir) || chdir(dir) < 0 || statfs(".", &fs) < 0)
        return -1;
    honest = fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == 0x58465342 || fs.f_type == BTRFS_SUPER_MAGIC;
    if (!honest)
        print_message("the file system of %s has no times to rely on: no shortcut is taken\n", dir);
    return fc_cache_open("cache", &cache, &err);
}

static int leave(void **state)
{
    (void)state;
    fc_cache_free(cache);
    return chdir("/") == 0 ? fc_remove_all(AT_FDCWD, dir) : -1;
}

static int append(void *arg, const void *data, size_t size, struct fc_error *err)
{
    return fc_buf_add(arg, data, size) < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

/* A tar with one file that holds @number; always of the same length. */
static void make_tar(uint32_t number, struct fc_buf *ret)
{
    struct fc_tar_writer *w;
    struct fc_error err = {0};
    char text[16];
    const struct fc_entry e = {.path = "f", .mode = S_IFREG | 0644, .size = 10};
    const struct fc_block block = {.data = text, .size = 10};

    snprintf(text, sizeof(text), "%010u", number);
    fc_buf_clear(ret);
    assert_int_equal(fc_tar_writer_new(append, ret, &w, &err), 0);
    assert_int_equal(fc_tar_writer_entry(w, &e, &err), 0);
    assert_int_equal(fc_tar_writer_data(w, &block, &err), 0);
    assert_int_equal(fc_tar_writer_finish(w, &err), 0);
    fc_tar_writer_free(w);
}

static void put(const char *path, int flags, const struct fc_buf *tar)
{
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);

    assert_true(fd >= 0);
    assert_int_equal(fc_write_full(fd, tar->data, tar->len), 0);
    close(fd);
}

/* Import, and compare with the bytes that the file has now. */
static struct fc_imported import(const char *path)
{
    fc_auto(fc_buf_release) struct fc_buf bytes = {0};
    struct fc_imported got = {0}, counts;
    struct fc_error err = {0};
    struct fc_digest digest;

    if (fc_stack_import(cache, path, NULL, &got, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(fc_read_file(AT_FDCWD, path, 1 << 20, &bytes), 0);
    assert_int_equal(fc_digest_of(bytes.data, bytes.len, &digest), 0);
    assert_memory_equal(fc_layer_diffid(got.layers[0]), &digest, sizeof(digest));
    counts = (struct fc_imported){.cached = got.cached, .source_bytes = got.source_bytes};
    fc_imported_release(&got);
    return counts;
}

static void settle(void) { usleep(250 * 1000); }

/* Known again, with nothing read if the file system allows that. */
static void assert_instant(const char *path)
{
    struct fc_imported result = import(path);

    assert_true(result.cached);
    if (honest)
        assert_int_equal(result.source_bytes, 0);
}

static void unchanged_file_is_not_read_again(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf tar = {0};
    struct fc_imported result;

    (void)state;
    make_tar(1, &tar);
    put("a.tar", 0, &tar);
    settle();
    assert_false(import("a.tar").cached);
    assert_instant("a.tar");
    assert_int_equal(link("a.tar", "b.tar"), 0); /* which changes the ctime, and nothing else */
    result = import("b.tar");
    assert_true(result.cached && result.source_bytes == tar.len);
    settle();
    import("b.tar");
    assert_instant("b.tar");
    assert_instant("a.tar");
    /* Another name for other bytes. */
    make_tar(2, &tar);
    put("c.tar", 0, &tar);
    assert_int_equal(rename("c.tar", "a.tar"), 0);
    assert_false(import("a.tar").cached);
    assert_true(import("b.tar").cached);
}

static void touched_file_is_read_again(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf tar = {0};
    struct fc_imported result;

    (void)state;
    make_tar(10, &tar);
    put("t.tar", 0, &tar);
    settle();
    import("t.tar");
    assert_instant("t.tar");
    assert_int_equal(utimensat(AT_FDCWD, "t.tar", NULL, 0), 0);
    result = import("t.tar");
    assert_true(result.cached && result.source_bytes == tar.len);
    settle();
    import("t.tar");
    assert_instant("t.tar");
}

static void rewrite_with_the_old_mtime_is_noticed(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf tar = {0};
    struct stat st;

    (void)state;
    make_tar(20, &tar);
    put("m.tar", 0, &tar);
    settle();
    import("m.tar");
    assert_instant("m.tar");
    assert_int_equal(stat("m.tar", &st), 0);
    make_tar(21, &tar);
    put("m.tar", 0, &tar);
    assert_int_equal(utimensat(AT_FDCWD, "m.tar", (struct timespec[2]){st.st_atim, st.st_mtim}, 0), 0);
    assert_false(import("m.tar").cached);
    /* Back to the old bytes: known by their digest, not by the times. */
    make_tar(20, &tar);
    put("m.tar", 0, &tar);
    assert_int_equal(utimensat(AT_FDCWD, "m.tar", (struct timespec[2]){st.st_atim, st.st_mtim}, 0), 0);
    assert_int_equal(import("m.tar").source_bytes, tar.len);
}

/* As fast as it goes, many changes in one tick of the file system's clock. */
static void rewrites_within_the_granularity_are_noticed(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf tar = {0};

    (void)state;
    for (uint32_t i = 0; i < 150; i++) {
        make_tar(100 + i % 3, &tar);
        put("r.tar", i % 2 ? O_TRUNC : 0, &tar);
        import("r.tar");
        if (i % 50 == 49)
            settle();
    }
}

/* A page that is mapped and dirty is written on without another fault: its time must change all the same. */
static void stores_through_a_mapping_are_noticed(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf tar = {0};
    char *map;
    int fd;

    (void)state;
    make_tar(200, &tar);
    put("s.tar", 0, &tar);
    fd = open("s.tar", O_RDWR);
    map = mmap(NULL, tar.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    for (uint32_t i = 0; i < 5; i++) {
        make_tar(201 + i, &tar);
        memcpy(map, tar.data, tar.len);
        settle();
        import("s.tar");
        import("s.tar");
        make_tar(301 + i, &tar);
        memcpy(map, tar.data, tar.len);
        import("s.tar");
    }
    munmap(map, tar.len);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unchanged_file_is_not_read_again),
        cmocka_unit_test(touched_file_is_read_again),
        cmocka_unit_test(rewrite_with_the_old_mtime_is_noticed),
        cmocka_unit_test(rewrites_within_the_granularity_are_noticed),
        cmocka_unit_test(stores_through_a_mapping_are_noticed),
    };

    return cmocka_run_group_tests_name("stack_seen", tests, enter, leave);
}
